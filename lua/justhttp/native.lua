--- What a C program that embeds the server declared: its routes, middleware and functions.
--
-- core/lua/native.c has the C side, as the module justhttp.native_core, which only such a program
-- has. A C handler is called as a Lua function like any other: in the same chains, with the same
-- ctx. One that answers later parks its coroutine until the program decides.

local core = require "justhttp.native_core"
local scheduler = require "justhttp.scheduler"
local slots = require "justhttp.slots"

local CORE = slots.CORE
local NEXT, LATER = 1, 2

local M = {}

--- Reports why the app could not be loaded.
---@param message string
function M.fail_start(message) core.fail_start(message) end

-- Sets what C said about the response. Returns status and body as a handler does.
local function apply_answer(ctx, exchange)
  local outcome, status, body, failure = core.answer(exchange)
  local index = 0
  while true do
    local name, value, append = core.header(exchange, index)
    if not name then break end
    if append then ctx:append(name, value) else ctx:set(name, value) end
    index = index + 1
  end
  return outcome, status, body, failure
end

-- Calls what C declared at `index`, and waits for it. Returns its outcome, status and body.
local function call(ctx, index, body)
  local id = scheduler.new_id()
  local exchange = core.open(index, ctx[CORE], ctx, id, body)
  core.run(exchange)
  if core.answer(exchange) == LATER then
    local ok, err = pcall(scheduler.park, id)
    if not ok then
      core.close(exchange)
      error(err, 0)
    end
  end
  local ok, outcome, status, text, failure = pcall(apply_answer, ctx, exchange)
  core.close(exchange)
  if not ok then error(outcome, 0) end
  if outcome < 0 then error(failure or "a C handler failed", 0) end
  return outcome, status, text
end

local function handler_of(index)
  return function(ctx)
    local body = ctx.body
    local outcome, status, text = call(ctx, index, body)
    if outcome == NEXT then return ctx:error(404) end
    return status or 200, text or ""
  end
end

local function middleware_of(index)
  return function(ctx, next)
    local outcome, status, text = call(ctx, index, nil)
    if outcome == NEXT then return next() end
    return status or 200, text or ""
  end
end

local function add_function(modules, name, fn)
  local module, key = name:match "^(.*)%.([^.]+)$"
  if not modules[module] then
    local functions = {}
    modules[module] = functions
    package.preload[module] = function() return functions end
  end
  modules[module][key] = fn
end

local function each()
  local index = -1
  return function()
    index = index + 1
    local kind, name, extra = core.entry(index)
    if kind then return index, kind, name, extra end
  end
end

--- Makes the functions of the program requirable; before the app is loaded.
function M.add_functions()
  local modules = {}
  for index, kind, name, fn in each() do
    if kind == "function" then add_function(modules, name, fn or core.function_at(index)) end
  end
end

--- Adds the program's routes to the app, and its middleware around everything that the app has.
---@param app justhttp.app
function M.mount(app)
  local own = {}
  for index, kind, name, method in each() do
    if kind == "route" then
      app:route(method, name, handler_of(index))
      app._entries[#app._entries].where = "C"
    elseif kind == "middleware" then
      own[#own + 1] = { fn = middleware_of(index), prefix = name, where = "C" }
    end
  end
  for i = #own, 1, -1 do table.insert(app._middleware, 1, own[i]) end
end

return M
