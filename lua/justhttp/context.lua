--- The ctx that handlers see: one Lua table per request over a jh_ctx of the core.
--
-- `_c` is the core's ctx, and false once the exchange is over: everything that touches the exchange
-- asks `alive` for it, so a ctx that was kept too long raises a clear error instead of reading
-- somebody else's request. The table is fresh for every request for the same reason. Its fields are
-- made in one allocation; handlers cannot add any (`ctx.values` is for that).
--
-- request.lua has the request side, response.lua the response side. dispatcher.lua makes contexts
-- and finishes them.

local door = require "justhttp.door"

local C = door.C
local setmetatable, type, error, rawget, rawset = setmetatable, type, error, rawget, rawset
local next, getmetatable, format = next, getmetatable, string.format

local M = {}

---@type table<string, fun(ctx: justhttp.ctx): any> names read without a call
local getters = {}
---@type table<string, function> methods
local methods = {}
M.getters, M.methods = getters, methods

local Ctx = { __name = "justhttp.ctx" }

-- The level of the handler's own line, whether a field was read or a method called.
local function raise_over(level)
  error("this ctx was used after its response was sent; keep the values you need, not the ctx",
    level)
end

--- The core's ctx of a live exchange; raises where the exchange is over.
---@param ctx justhttp.ctx
---@return ffi.cdata*
function M.alive(ctx)
  local c = ctx._c
  if not c then raise_over(4) end
  return c
end

function Ctx.__index(ctx, key)
  local method = methods[key]
  if method ~= nil then return method end
  local getter = getters[key]
  if getter ~= nil then return getter(ctx) end
  return nil
end

function Ctx.__newindex(ctx, key, value)
  if key == "status" then
    if type(value) ~= "number" or value < 200 or value > 599 or value % 1 ~= 0 then
      error("ctx.status must be a whole number from 200 to 599, got " .. tostring(value), 2)
    end
    if not ctx._c then raise_over(3) end
    ctx._status = value
    return
  end
  error(format("ctx.%s cannot be set; your own values go into ctx.values.%s", tostring(key),
    tostring(key)), 2)
end

--- Makes the ctx of a request.
---@param c ffi.cdata* jh_ctx *
---@param route table the dispatcher's record of the route
---@return justhttp.ctx
function M.new(c, route)
  return setmetatable({
    _c = c, _route = route, _status = false, _body = false, _type = 0, _values = false,
    _params = false, _defers = false,
  }, Ctx)
end

--- True for what `new` makes.
function M.is_ctx(value)
  return getmetatable(value) == Ctx
end

--- Keeps a private field that not every request needs.
M.keep = rawset
M.kept = rawget

-- ---- values and deferred functions --------------------------------------------------------------

local new_table = require "table.new"

--- The {k: v} store of the request: a plain table, made on first use.
function getters.values(ctx)
  local values = ctx._values
  if values then return values end
  M.alive(ctx)
  values = new_table(0, 8)
  ctx._values = values
  return values
end

--- Calls `fn(ctx)` when the handler is done and before the response is sent, last one first; also
-- after an error.
---@param fn fun(ctx: justhttp.ctx)
function methods:defer(fn)
  if type(fn) ~= "function" then error("ctx:defer: give a function, got a " .. type(fn), 2) end
  M.alive(self)
  local defers = self._defers
  if defers then
    defers[#defers + 1] = fn
  else
    self._defers = { fn }
  end
end

local function log_fault(what, fault)
  door.log("error", what .. ": " .. require "justhttp.traceback".full(fault))
end

local function protected(what, fn, ...)
  local ok, fault = xpcall(fn, require "justhttp.traceback".capture, ...)
  if not ok then log_fault(what, fault) end
end

--- Runs the deferred functions.
function M.run_defers(ctx)
  local defers = ctx._defers
  ctx._defers = false
  for i = #defers, 1, -1 do protected("error in a deferred function", defers[i], ctx) end
end

local function close(value)
  local meta = getmetatable(value)
  local fn = type(meta) == "table" and meta.__close
  if fn then protected("error in __close of a value", fn, value, nil) end
end

local function may_close(value)
  local kind = type(value)
  return kind == "table" or kind == "userdata" or kind == "cdata"
end

local function close_rest(values, key)
  for _, value in next, values, key do
    if may_close(value) then close(value) end
  end
end

--- Closes the values that want it: those whose metatable has `__close`.
function M.close_values(values)
  -- Step by step and not in a loop: LuaJIT cannot make a loop part of the dispatcher's trace.
  local key, value = next(values)
  if key == nil then return end
  if may_close(value) then close(value) end
  key, value = next(values, key)
  if key == nil then return end
  if may_close(value) then close(value) end
  key, value = next(values, key)
  if key == nil then return end
  if may_close(value) then close(value) end
  key, value = next(values, key)
  if key == nil then return end
  if may_close(value) then close(value) end
  key, value = next(values, key)
  if key == nil then return end
  if may_close(value) then close(value) end
  key, value = next(values, key)
  if key == nil then return end
  if may_close(value) then close(value) end
  key, value = next(values, key)
  if key == nil then return end
  if may_close(value) then close(value) end
  if next(values, key) ~= nil then return close_rest(values, key) end
end

-- ---- end of the exchange ------------------------------------------------------------------------

local function explain(code)
  if code == C.JH_ECLOSED or code == C.JH_ESTALE then return end
  door.log("error", "cannot send a response: " .. door.strerror(code))
end

--- Sends the response as it stands; the ctx is over.
---@param ctx justhttp.ctx
function M.send(ctx)
  local c = ctx._c
  local body = ctx._body or ""
  ctx._c = false
  local code = C.jh_ctx_respond(c, ctx._status or 200, ctx._type, body, #body)
  if code ~= 0 then
    explain(code)
    C.jh_ctx_release(c)
  end
end

--- Finishes a request: what the handler returned, deferred functions, values, the response.
---@param ctx justhttp.ctx
---@param first any
---@param second any
function M.finish(ctx, first, second)
  if first ~= nil then M.apply(ctx, first, second) end
  if ctx._defers then M.run_defers(ctx) end
  local values = ctx._values
  if values then M.close_values(values) end
  if ctx._c and not M.kept(ctx, "_is_shadow") then return M.send(ctx) end
end

require "justhttp.request"(M)
require "justhttp.response"(M)

return M
