--- Answers 503 when what it wraps takes longer than a time.
--
-- The rest of the chain runs as a task of its own. When the time is over the exchange is split from
-- its ctx: the client is answered from a fresh one, and the late handler goes on with a shadow
-- whose writes go nowhere. So nothing it still does can reach this client or a later request.
-- A handler that never waits cannot be timed out: nothing else runs in its worker meanwhile.

local log = require "justhttp.log"
local traceback = require "justhttp.traceback"

local scheduler, context -- required at the first request: specs load this file without a worker

-- The late handler of a shadow ends some time; only then may the core have its memory back.
local function run(ctx, next)
  local ok, fault = xpcall(next, traceback.capture)
  if not context.kept(ctx, "_is_shadow") then
    if not ok then error(fault, 0) end
    return true
  end
  ctx:_release()
  if not ok then log.error("error in a handler that had timed out: %s", traceback.full(fault)) end
end

--- Makes the middleware: `http.middleware.timeout(0.5)`.
---@param seconds number
---@param message string? text of the 503
---@return justhttp.middleware
return function(seconds, message)
  if type(seconds) ~= "number" or seconds ~= seconds or seconds <= 0 then
    error("timeout: give a positive number of seconds, got " .. tostring(seconds), 2)
  end
  if message ~= nil and type(message) ~= "string" then
    error("timeout: the message must be a string, got a " .. type(message), 2)
  end
  return function(ctx, next)
    scheduler = scheduler or require "justhttp.scheduler"
    context = context or require "justhttp.context"
    local task = scheduler.spawn(run, ctx, next)
    local done, why = scheduler.wait(task, seconds)
    if done or why ~= "timeout" then return end
    local fresh = ctx:_detach()
    if not fresh then return end
    fresh:error(503, message)
    ctx.status = 503
    return fresh:_finish()
  end
end
