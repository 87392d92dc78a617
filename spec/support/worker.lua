-- A worker inside the spec process: apps whose handlers are closures of the spec.
--
--   local worker = require "spec.support.worker"
--   local w = worker.new(function(app, http)
--     app:get("/", function(ctx) return "hello" end)
--   end)
--   w:get("/").body   w:request { method = "POST", path = "/", body = "x" }
--   w:run(fn, ...)            -- fn as a task; returns what it returned, raises what it raised
--   w:wait(fn)                -- turns the loop until fn() is true; raises after 5 seconds
--   w:turn()                  -- one turn of the loop, without waiting
--   w.log                     -- list of "level text" that justhttp logged
--   w.modules.dispatcher      -- the worker's own modules
--   w:close()                 -- in teardown
--
-- Every worker has its own copy of justhttp's modules, because a worker serves one app. While one
-- is open, `require "justhttp.…"` gives its modules.
local sys = require "spec.support.sys"

local M = {}
local Worker = {}
Worker.__index = Worker

local function take_modules()
  local taken = {}
  for name, module in pairs(package.loaded) do
    if name == "justhttp" or name:sub(1, 9) == "justhttp." then
      taken[name], package.loaded[name] = module, nil
    end
  end
  return taken
end

function M.new(declare)
  local self = setmetatable({ log = {} }, Worker)
  self._before = { modules = take_modules(), require = require, wrap = coroutine.wrap,
                   resume = coroutine.resume, yield = coroutine.yield }
  self.modules = setmetatable({}, {
    __index = function(_, name) return require("justhttp." .. name) end,
  })
  local door = self.modules.door
  door.log = function(level, text) self.log[#self.log + 1] = level .. " " .. text end
  self.http = require "justhttp"
  self.app = self.http.app()
  declare(self.app, self.http)
  return self
end

function Worker:request(options)
  local response, err = self.app:request(options)
  if not response then error(err, 2) end
  return response
end

function Worker:get(path, headers) return self:request { path = path, headers = headers } end

function Worker:run(fn, ...) return self.modules.standalone.run(self.app, fn, ...) end

function Worker:turn()
  local door = self.modules.door
  self.modules.dispatcher.drain()
  door.C.jh_standalone_turn(door.generation, false)
  self.modules.dispatcher.drain()
end

function Worker:wait(fn, seconds)
  local deadline = sys.deadline(seconds or 5)
  repeat
    if fn() then return end
    self:turn()
  until sys.now() > deadline
  error("the condition did not come true\n" .. table.concat(self.log, "\n"), 2)
end

-- The lines of the log that hold a text.
function Worker:logged(text)
  local found = {}
  for _, line in ipairs(self.log) do
    if line:find(text, 1, true) then found[#found + 1] = line end
  end
  return found
end

function Worker:close()
  local door = self.modules.door
  if door.generation ~= nil then door.C.jh_standalone_close(door.generation) end
  local before = self._before
  coroutine.wrap, coroutine.resume = before.wrap, before.resume -- luacheck: ignore 122
  coroutine.yield = before.yield -- luacheck: ignore 122
  _G.require = before.require
  take_modules()
  for name, module in pairs(before.modules) do package.loaded[name] = module end
end

return M
