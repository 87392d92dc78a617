--- `justhttp test`: runs busted inside a worker that listens nowhere.
--
-- Called by boot.lua in a task, so what a spec calls may wait: `http.sleep`, the client, and
-- `app:request`. The first app that a spec sends a request to is the one this worker serves; its
-- start hooks and timers run then, its stop hooks at the end. Spec files share their modules
-- (busted's insulation is off), so `require "app"` gives all of them the same one.

local door = require "justhttp.door"
local dispatcher = require "justhttp.dispatcher"
local scheduler = require "justhttp.scheduler"
local testing = require "justhttp.testing"
local traceback = require "justhttp.traceback"

local C = door.C

local M = {}

local served

--- Makes an app the one that this worker serves.
---@param app justhttp.app
function M.serve(app)
  if served == app then return end
  if served then
    error("request: these specs serve another app already; one app per `justhttp test`", 3)
  end
  local count, err = dispatcher.register(app)
  if not count then error(err, 3) end
  served = app
  for _, hook in ipairs(app:_hooks "start") do hook() end
  app:_start_timers(scheduler)
end

local function stop_served()
  if not served then return true end
  local is_fine = true
  served:_stop_timers()
  for _, hook in ipairs(served:_hooks "stop") do
    local ok, fault = xpcall(hook, traceback.capture)
    if not ok then
      is_fine = false
      io.stderr:write("justhttp: error in app:on_stop: ", traceback.brief(fault), "\n")
    end
  end
  return is_fine
end

-- Ends the worker in place of the process, whose loop and logs are C's to close.
local function finish(code)
  local is_fine = stop_served()
  io.stdout:flush()
  C.jh_generation_end(door.generation, code == 0 and not is_fine and 1 or code)
  scheduler.park(scheduler.new_id())
end

-- busted's arguments, with what holds unless they say otherwise in front.
local function complete(arguments)
  local all = { [0] = "justhttp test", "--no-auto-insulate" }
  for _, argument in ipairs(arguments) do all[#all + 1] = argument end
  return all
end

--- Runs busted and ends the worker: 0 when every spec passed, 1 otherwise, 2 without busted.
---@param directory string of the app; its modules come first
---@param arguments string[] for busted
function M.run(directory, arguments)
  require "justhttp.loader".use_directory(directory)
  local ok, compatibility = pcall(require, "busted.compatibility")
  if not ok then
    io.stderr:write("justhttp: test needs busted, which LuaJIT does not find; `apt-get install ",
      "lua-busted` or `luarocks --lua-version 5.1 install busted`\n")
    return finish(2)
  end
  compatibility.exit = function(code) finish(code == 0 and 0 or 1) end
  testing.before_request = M.serve
  rawset(_G, "arg", complete(arguments))
  -- busted takes the caller's file for a spec, unless the caller is no file.
  loadstring('require "busted.runner" { standalone = false }', "=justhttp test")()
  finish(0)
end

return M
