--- The upstreams of a balancer, and which of them is next.
--
-- Called by balancer.lua, health.lua and names.lua. No I/O: the time comes from a function, so
-- specs decide it. Whoever takes an upstream with `acquire` gives it back with `release`, once,
-- whatever came of the request.
--
-- `_up` is the list that policies choose from: those that are up. It is made anew when something
-- about it may have changed, or when the first of the ejected is to come back (`_stale_at_ms`).

local upstream_of = require "justhttp.balancer.upstream"

local remove, floor, huge = table.remove, math.floor, math.huge
local min, ipairs, setmetatable = math.min, ipairs, setmetatable

local M = {}

---@class justhttp.upstream_set_options
---@field policy table
---@field clock_ms fun(): number
---@field slow_start_ms number?
---@field ejection { failures: integer, ms: number, max_ms: number, max_fraction: number }?

---@class justhttp.upstream_set
---@field list justhttp.upstream[] every upstream, in the order they were added
local Set = { __name = "justhttp.upstream_set" }
Set.__index = Set

--- Makes an empty set.
---@param options justhttp.upstream_set_options
---@return justhttp.upstream_set
function M.new(options)
  return setmetatable({
    list = {}, policy = options.policy, _clock_ms = options.clock_ms, _up = {},
    _stale_at_ms = -huge, _slow_start_ms = options.slow_start_ms, _ejection = options.ejection,
  }, Set)
end

--- Says that some upstream may be up, or down, that was not before.
function Set:note_change() self._stale_at_ms = -huge end

-- Those that are up. When failures have ejected the last ones that checks call healthy, these are
-- used all the same: somebody has to be asked.
local function refresh(self, now_ms)
  local up, healthy, stale_at_ms = {}, {}, huge
  for _, upstream in ipairs(self.list) do
    if upstream:is_up(now_ms) then
      up[#up + 1] = upstream
    elseif upstream.is_healthy then
      stale_at_ms = min(stale_at_ms, upstream.ejected_until_ms)
      healthy[#healthy + 1] = upstream
    end
    if upstream._comes_back and upstream.ejected_until_ms <= now_ms then
      upstream._comes_back = nil
      upstream:begin_slowly(now_ms, self._slow_start_ms)
    end
  end
  self._up = up[1] and up or healthy
  self._stale_at_ms = stale_at_ms
end

local function without(list, tried)
  local rest = {}
  for _, upstream in ipairs(list) do
    if not tried[upstream] then rest[#rest + 1] = upstream end
  end
  return rest
end

--- Takes the upstream for the next request; nil when none is up that was not tried.
---@param key string? for policies that go by one
---@param tried table<justhttp.upstream, boolean>?
---@return justhttp.upstream?
function Set:acquire(key, tried)
  local now_ms = self._clock_ms()
  if now_ms >= self._stale_at_ms then refresh(self, now_ms) end
  local list = self._up
  if tried then list = without(list, tried) end
  if not list[1] then return nil end
  local upstream = list[2] and self.policy:pick(list, now_ms, key) or list[1]
  upstream.pending = upstream.pending + 1
  return upstream
end

-- How many may be out at a time: a part of all, so that few bad answers cannot empty the set.
local function may_eject(self, now_ms)
  local out = 0
  for _, upstream in ipairs(self.list) do
    if upstream.ejected_until_ms > now_ms then out = out + 1 end
  end
  return out + 1 <= floor(#self.list * self._ejection.max_fraction)
end

--- Gives an upstream back. `outcome` is true when it did well, false when it failed, nil when
-- nothing was learned about it (the request was cancelled).
---@param upstream justhttp.upstream
---@param outcome boolean?
---@param why string?
function Set:release(upstream, outcome, why)
  upstream.pending = upstream.pending - 1
  if outcome == nil then return end
  local now_ms = self._clock_ms()
  if outcome then return upstream:note_success(now_ms) end
  local rules = self._ejection
  if not upstream:note_failure(now_ms, rules and rules.failures, why) then return end
  if upstream.is_removed or not may_eject(self, now_ms) then return end
  upstream:eject(now_ms, rules.ms, rules.max_ms, rules.failures)
  upstream._comes_back = true
  self:note_change()
end

--- Adds one. The first ones get their full part of the load at once; later ones start slowly.
---@param given string|justhttp.upstream_options
---@param level integer of the caller, for misuse
---@param is_first boolean?
---@return justhttp.upstream
function Set:add(given, level, is_first)
  local upstream = upstream_of.new(given, level + 1)
  self.list[#self.list + 1] = upstream
  if self.policy.add then self.policy:add(upstream) end
  if not is_first then upstream:begin_slowly(self._clock_ms(), self._slow_start_ms) end
  self:note_change()
  return upstream
end

--- Takes one out; requests it works on go on.
---@param upstream justhttp.upstream
function Set:remove(upstream)
  for i, one in ipairs(self.list) do
    if one == upstream then
      remove(self.list, i)
      upstream.is_removed = true
      if self.policy.remove then self.policy:remove(upstream) end
      self:note_change()
      return
    end
  end
end

--- Takes what an active check says about one.
---@param upstream justhttp.upstream
---@param is_healthy boolean
function Set:set_health(upstream, is_healthy)
  if upstream.is_healthy == is_healthy then return end
  upstream.is_healthy = is_healthy
  if is_healthy then
    upstream:absolve()
    upstream:begin_slowly(self._clock_ms(), self._slow_start_ms)
  end
  self:note_change()
end

--- What is known of every upstream, for people and status pages.
---@return justhttp.upstream_status[]
function Set:status()
  local now_ms, rows = self._clock_ms(), {}
  for i, upstream in ipairs(self.list) do
    local left_ms = upstream.ejected_until_ms - now_ms
    rows[i] = {
      url = upstream.url, name = upstream.name, weight = upstream.weight,
      pending = upstream.pending, total = upstream.total, failures = upstream.failures,
      penalty = upstream:penalty(now_ms), is_up = upstream:is_up(now_ms),
      is_healthy = upstream.is_healthy, is_ejected = left_ms > 0,
      ejected_for = left_ms > 0 and left_ms / 1000 or 0, pace = upstream:pace(now_ms),
      last_error = upstream.last_error,
    }
  end
  return rows
end

return M
