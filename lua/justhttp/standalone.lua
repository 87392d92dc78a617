--- A worker inside a plain LuaJIT: what `app:request` uses when no server is running.
--
-- Makes one worker without listeners for the first app that asks, loads that app into it and drives
-- its loop from here: C pumps, Lua pulls, and this file is the one that pumps. One app per process,
-- because a worker serves one.

local door = require "justhttp.door"
local dispatcher = require "justhttp.dispatcher"
local scheduler = require "justhttp.scheduler"

local C = door.C

local M = {}

local served

--- True when this process drives a worker of its own.
function M.is_running() return served ~= nil end

local function start(app)
  local generation = C.jh_standalone_open()
  if generation == nil then error("request: out of memory", 4) end
  door.attach(generation)
  scheduler.install()
  require "justhttp.require".install()
  require "justhttp.log".configure { write = door.log, wants = door.log_wants }
  local count, err = dispatcher.register(app)
  if not count then error(err, 4) end
  dispatcher.start { on_drain = function() end }
  served = app
  M.run(app, function()
    for _, hook in ipairs(app:_hooks "start") do hook() end
    app:_start_timers(scheduler)
  end)
end

--- Runs `fn(…)` as a task of that worker until it is done, and returns what it returned. In code
-- of that worker (a handler that makes a request of its own app) it is called where it stands.
---@param app justhttp.app
---@param fn function
---@param ... any
---@return any ...
function M.run(app, fn, ...)
  if not served then start(app) end
  if served ~= app then
    error("request: this process serves another app already; test one app per process", 3)
  end
  if scheduler.state.root then return fn(...) end
  local task = scheduler.spawn(fn, ...)
  while not task:is_done() do
    dispatcher.drain()
    if not task:is_done() then C.jh_standalone_turn(door.generation, true) end
  end
  return scheduler.wait(task)
end

return M
