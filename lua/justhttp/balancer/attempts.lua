--- One request of a balancer, tried at as many upstreams as it takes and as its policy allows.
--
-- Called by balancer.lua. `balancer._send(upstream, request)` makes one exchange; here is decided
-- where the next one goes, whether there is a next one, and whether a second one starts beside a
-- slow first one (a hedge: whichever answers first wins, the other is cancelled). Whatever happens,
-- a cancellation included, every upstream that was taken is given back.

local door = require "justhttp.door"
local retry = require "justhttp.balancer.retry"
local scheduler = require "justhttp.scheduler"
local traceback = require "justhttp.traceback"

local error, xpcall, pcall, ipairs, rawget = error, xpcall, pcall, ipairs, rawget
local state = scheduler.state
local max, remove = math.max, table.remove

local M = {}

--- How many answers must be known before a percentile of them is trusted.
M.HEDGE_AFTER_COUNT = 20

local function close(response)
  if response and response.close then response:close() end
end

-- Failures that say nothing about an upstream: our own limits, our own mistakes.
local NOT_THEIRS = { cancelled = true, invalid = true, limit = true, busy = true }

-- True: it did well. False: it failed. Nil: it is not the upstream's doing.
local function outcome_of(balancer, response, err, kind)
  if kind and NOT_THEIRS[kind] then return nil end
  return balancer._is_good(response, err) and true or false
end

-- One exchange at one upstream that was acquired.
local function exchange(balancer, upstream, request)
  local set = balancer._set
  local started_ms = door.clock_ms()
  local ok, response, err, kind = xpcall(balancer._send, traceback.capture, upstream, request)
  if not ok then
    set:release(upstream, nil)
    error(response, 0)
  end
  local outcome = outcome_of(balancer, response, err, kind)
  if outcome then balancer._latency:add(door.clock_ms() - started_ms) end
  local why = err or (response and "answered " .. response.status)
  local function give_back() set:release(upstream, outcome, why) end
  -- It works on a streamed answer until that has ended.
  if not (request.stream and response and response:when_over(give_back)) then give_back() end
  return { response = response, err = err, kind = kind, upstream = upstream,
           is_good = response ~= nil and outcome == true }
end

-- ---- hedges -------------------------------------------------------------------------------------

local function hedge_delay(balancer)
  local hedge, latency = balancer._hedge, balancer._latency
  if hedge.after then return hedge.after end
  if latency.count < M.HEDGE_AFTER_COUNT then return nil end
  return max(latency:percentile(hedge.percentile) / 1000, hedge.least)
end

-- The first good result of tasks that run side by side, else the last bad one.
local function first_good(tasks)
  local result
  while tasks[1] do
    local task = scheduler.wait_first(tasks)
    for i = #tasks, 1, -1 do
      if tasks[i] == task then remove(tasks, i) end
    end
    if result then close(result.response) end
    result = scheduler.wait(task)
    if result.is_good then return result end
  end
  return result
end

local function run_hedged(balancer, request, first, tried, delay, tasks)
  tasks[1] = scheduler.spawn(exchange, balancer, first, request)
  if scheduler.wait_first(tasks, delay) then
    local result = scheduler.wait(tasks[1])
    tasks[1] = nil
    return result
  end
  local set = balancer._set
  tried[first] = true
  local second = set:acquire(request.key, tried)
  if second and not balancer._budget:withdraw() then
    set:release(second, nil)
    second = nil
  end
  if second then
    tried[second] = true
    balancer._counts.hedges = balancer._counts.hedges + 1
    tasks[2] = scheduler.spawn(exchange, balancer, second, request)
  end
  local result = first_good(tasks)
  if second and result.upstream == second then
    balancer._counts.hedges_won = balancer._counts.hedges_won + 1
  end
  return result
end

-- A loser that had its answer already, but nobody took it.
local function drop(task)
  task:cancel()
  if not task:is_done() then return end
  local ok, result = pcall(scheduler.wait, task)
  if ok then close(result.response) end
end

local function hedged(balancer, request, first, tried, delay)
  local tasks = {}
  local ok, result = xpcall(run_hedged, traceback.capture, balancer, request, first, tried, delay,
    tasks)
  for _, task in ipairs(tasks) do drop(task) end
  if not ok then error(result, 0) end
  return result
end

-- -------------------------------------------------------------------------------------------------

local function once(balancer, request, upstream, tried)
  local delay = balancer._hedge and request.is_replayable and retry.is_idempotent(request.method)
    and hedge_delay(balancer)
  if delay then return hedged(balancer, request, upstream, tried, delay) end
  return exchange(balancer, upstream, request)
end

-- No time is left, of the request itself or of the one that it is made for: what is tried now
-- would only count against an upstream.
local function is_over(request)
  local now_ms, ctx = door.precise_ms(), state.ctx
  local at_ms = ctx and rawget(ctx, "_deadline_ms")
  return (request.deadline_ms ~= nil and now_ms >= request.deadline_ms)
    or (at_ms ~= nil and now_ms >= at_ms)
end

local function judge(balancer, request, result, attempt)
  local policy, response = balancer._retry, result.response
  if not policy then return nil end
  if response and not policy.when and not policy.statuses[response.status] then return nil end
  if is_over(request) then return nil end
  return retry.judge(policy, {
    method = request.method, is_replayable = request.is_replayable, attempt = attempt,
    response = response, err = result.err, kind = result.kind, url = result.upstream.url,
  })
end

--- Makes a request. `request` has what `client:send` wants, without a place, and `key` and
-- `is_replayable` (its body may be sent again).
---@param balancer justhttp.balancer
---@param request table
---@return table? response
---@return string? err
---@return string? kind
---@return justhttp.upstream? upstream that answered, or failed last
function M.run(balancer, request)
  local set, budget, counts = balancer._set, balancer._budget, balancer._counts
  counts.requests = counts.requests + 1
  budget:deposit()
  local upstream = set:acquire(request.key)
  if not upstream then
    return nil, balancer:_describe() .. ": no upstream is up", "busy"
  end
  local tried, attempt = {}, 1
  while true do
    local result = once(balancer, request, upstream, tried)
    local verdict = judge(balancer, request, result, attempt)
    local is_paid, next_one = verdict == "paid", nil
    if verdict then
      tried[result.upstream], tried[upstream] = true, true
      next_one = set:acquire(request.key, tried)
      -- What was lost may be tried at the same one when there is no other.
      if not next_one and is_paid and not result.response then
        next_one = set:acquire(request.key)
      end
      if next_one and is_paid and not budget:withdraw() then
        set:release(next_one, nil)
        next_one = nil
      end
    end
    if not next_one then return result.response, result.err, result.kind, result.upstream end
    close(result.response)
    counts.retries = counts.retries + 1
    if is_paid then attempt = attempt + 1 end
    upstream = next_one
  end
end

return M
