--- Answers 503 when what it wraps takes longer than a time.
--
-- The rest of the chain runs as a task of its own. When the time is over the exchange is split from
-- its ctx: the client is answered from a fresh one, and the late handler goes on with a shadow
-- whose writes go nowhere, so nothing it still does can reach this client or a later request. With
-- `cancel = true` it is ended at its next wait instead. Shadows are bounded by `concurrency`: with
-- as many running, further requests get 429. A handler that never waits cannot be timed out:
-- nothing else runs in its worker meanwhile.

local log = require "justhttp.log"
local traceback = require "justhttp.traceback"

local type, error, tostring, tonumber, xpcall, rawset = type, error, tostring, tonumber, xpcall,
  rawset

local scheduler, context, door -- required at the first request: specs load this without a worker
local concurrency

local function prepare()
  scheduler = require "justhttp.scheduler"
  context = require "justhttp.context"
  door = require "justhttp.door"
  concurrency = tonumber(door.option "concurrency")
end

-- The late handler of a shadow ends some time; only then the core may have the shadow's memory
-- back.
-- With one timeout inside another several runs may share a ctx, and the last one gives it back.
local function run(ctx, next)
  local ok, fault = xpcall(next, traceback.capture)
  local runs = context.kept(ctx, "_runs") - 1
  rawset(ctx, "_runs", runs)
  if not context.kept(ctx, "_is_shadow") then
    if not ok then error(fault, 0) end
    return true
  end
  if runs == 0 then
    context.clean_up(ctx)
    ctx:_release()
  end
  if not ok and not scheduler.is_cancelled(fault.value) then
    log.error("error in a handler that had timed out: %s", traceback.full(fault))
  end
end

---@alias justhttp.timeout_options string|justhttp.timeout_table a message, or options

---@class justhttp.timeout_table
---@field message string? text of the 503
---@field status integer? 503
---@field cancel boolean? ends the late handler at its next wait

--- Makes the middleware: `http.middleware.timeout(0.5)`.
---@param seconds number
---@param options justhttp.timeout_options?
---@return justhttp.middleware
return function(seconds, options)
  if type(seconds) ~= "number" or seconds ~= seconds or seconds <= 0 then
    error("timeout: give a positive number of seconds, got " .. tostring(seconds), 2)
  end
  if type(options) == "string" then options = { message = options } end
  options = options or {}
  if type(options) ~= "table" or (options.message ~= nil and type(options.message) ~= "string") then
    error("timeout: the message must be a string", 2)
  end
  return function(ctx, next)
    if not context then prepare() end
    if door.C.jh_generation_shadows(door.generation) >= concurrency then
      return ctx:error(429, options.message)
    end
    rawset(ctx, "_deadline_ms", door.clock_ms() + seconds * 1000)
    rawset(ctx, "_runs", (context.kept(ctx, "_runs") or 0) + 1)
    local task = scheduler.spawn(run, ctx, next)
    local done, why = scheduler.wait(task, seconds)
    if done or why ~= "timeout" then return end
    rawset(ctx, "_is_late", true)
    ctx:timeout_error(options.message, options.status)
    if options.cancel then task:cancel() end
  end
end
