--- The ctx that handlers see: one Lua table per request over a jh_ctx of the core.
--
-- Its parts stand in slots (slots.lua). CORE is the core's ctx, and false once the exchange is
-- over: everything that touches the exchange asks `alive` for it, so a ctx that was kept too long
-- raises a clear error instead of reading somebody else's request. The table is fresh for every
-- request for the same reason. Handlers cannot add fields (`ctx.values` is for that).
--
-- request.lua has the request side, response.lua the response side. dispatcher.lua makes contexts
-- and finishes them.

local door = require "justhttp.door"
local explain = require "justhttp.explain"
local slots = require "justhttp.slots"
local traceback = require "justhttp.traceback"

local CORE, STATUS, BODY, TYPE = slots.CORE, slots.STATUS, slots.BODY, slots.TYPE
local ENDING, VALUES = slots.ENDING, slots.VALUES
local misuse = traceback.misuse
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

explain.class(Ctx, "ctx", methods)

local function raise_over(ctx)
  if getmetatable(ctx) ~= Ctx then
    misuse "this method of ctx was called with a dot; write a colon: ctx:text(…)"
  end
  misuse "this ctx was used after its response was sent; keep the values you need, not the ctx"
end

--- The core's ctx of a live exchange; raises where the exchange is over.
---@param ctx justhttp.ctx
---@return ffi.cdata*
function M.alive(ctx)
  local c = ctx[CORE]
  if not c then raise_over(ctx) end
  return c
end

function Ctx.__index(ctx, key)
  local getter = getters[key]
  if getter then return getter(ctx) end
  return methods[key]
end

function Ctx.__newindex(ctx, key, value)
  if key == "status" then
    if type(value) ~= "number" or value < 200 or value > 599 or value % 1 ~= 0 then
      error("ctx.status must be a whole number from 200 to 599, got " .. tostring(value), 2)
    end
    if not ctx[CORE] then raise_over(ctx) end
    ctx[STATUS] = value
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
  local ctx = { c, route, false, false, 0, false, false, false, false, false, false }
  setmetatable(ctx, Ctx) -- no tail call: LuaJIT would not compile it alone
  return ctx
end

--- True for what `new` makes.
function M.is_ctx(value)
  return getmetatable(value) == Ctx
end

--- Keeps a private field that not every request needs. `_ending` is told, so that `finish` of a
-- plain request looks at one field only.
M.kept = rawget
function M.keep(ctx, key, value)
  rawset(ctx, key, value)
  if not ctx[ENDING] then ctx[ENDING] = M.send end
end

--- Adds to a private list of functions.
function M.add_to(ctx, key, fn)
  local list = rawget(ctx, key)
  if list then
    list[#list + 1] = fn
  else
    M.keep(ctx, key, { fn })
  end
end

-- ---- values and deferred functions --------------------------------------------------------------

local new_table = require "table.new"

--- The {k: v} store of the request: a plain table, made on first use.
function getters.values(ctx)
  local values = ctx[VALUES]
  if not ctx[CORE] then M.alive(ctx) end
  if values then return values end
  values = new_table(0, 8)
  ctx[VALUES] = values
  return values
end

--- Calls `fn(ctx)` when the handler is done and before the response is sent, last one first; also
-- after an error.
---@param fn fun(ctx: justhttp.ctx)
function methods:defer(fn)
  if type(fn) ~= "function" then error("ctx:defer: give a function, got a " .. type(fn), 2) end
  M.alive(self)
  M.add_to(self, "_defers", fn)
end

local function log_fault(what, fault)
  door.log("error", what .. ": " .. traceback.full(fault))
end

local function protected(what, fn, ...)
  local ok, fault = xpcall(fn, traceback.capture, ...)
  if not ok then log_fault(what, fault) end
end

--- Calls `fn(ctx)` once, when it is known what the client gets: after the deferred functions,
-- behind the last piece of a stream, at once where a timeout answers. For logs.
---@param fn fun(ctx: justhttp.ctx)
function methods:_on_outcome(fn)
  M.add_to(self, "_outcome_hooks", fn)
end

-- What nginx logs for a client that left before its answer; of a stream it had the head.
local CLIENT_LEFT = 499

local function note_left(ctx)
  if rawget(ctx, "_stream") then return end
  M.drop_file(ctx)
  ctx[STATUS], ctx[BODY] = CLIENT_LEFT, false
end

local function tell_rest(ctx, hooks)
  for i = 2, #hooks do protected("error in a log", hooks[i], ctx) end
end

--- Calls them. `ctx.status` and `ctx.response_bytes` are the client's then.
function M.tell_outcome(ctx)
  local hooks = rawget(ctx, "_outcome_hooks")
  if not hooks then return end
  rawset(ctx, "_outcome_hooks", nil)
  local is_gone = C.jh_ctx_is_gone(ctx[CORE]) and not rawget(ctx, "_is_shadow")
  if is_gone then note_left(ctx) end
  -- Mostly there is one, and a loop could not become part of a trace.
  protected("error in a log", hooks[1], ctx)
  if hooks[2] then return tell_rest(ctx, hooks) end
end

--- Runs the deferred functions, closes the values and tells the outcome; the handler is done.
---@param ctx justhttp.ctx
---@param keeps_values boolean? somebody else closes them
function M.clean_up(ctx, keeps_values)
  local defers = rawget(ctx, "_defers")
  if defers then
    rawset(ctx, "_defers", nil)
    for i = #defers, 1, -1 do protected("error in a deferred function", defers[i], ctx) end
  end
  local values = ctx[VALUES]
  if values and not keeps_values then M.close_values(values) end
  M.tell_outcome(ctx)
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

--- Answers what is not there; the dispatcher puts the app's own answer in its place.
---@param ctx justhttp.ctx
function M.answer_missing(ctx)
  return ctx:error(404)
end

-- ---- end of the exchange ------------------------------------------------------------------------

local function log_unsent(code)
  if code == C.JH_ECLOSED or code == C.JH_ESTALE then return end
  door.log("error", "cannot send a response: " .. door.strerror(code))
end

--- Sends the response as it stands; the ctx is over.
---@param ctx justhttp.ctx
function M.send(ctx)
  local c = ctx[CORE]
  local body = ctx[BODY] or ""
  ctx[CORE] = false
  local code = C.jh_ctx_respond(c, ctx[STATUS] or 200, ctx[TYPE], body, #body)
  if code ~= 0 then
    log_unsent(code)
    C.jh_ctx_release(c)
  end
end

--- Finishes a request: what the handler returned, deferred functions, values, the response.
---@param ctx justhttp.ctx
---@param first any
---@param second any
function M.finish(ctx, first, second)
  if first ~= nil then M.apply(ctx, first, second) end
  if ctx[ENDING] then return M.finish_specially(ctx) end
  local values = ctx[VALUES]
  if values then M.close_values(values) end
  return M.send(ctx)
end

--- Finishes a request that has more to do than to send one response: an ending of its own (a
-- stream, a hijack), deferred functions; or nothing at all, because it became a shadow.
---@param ctx justhttp.ctx
function M.finish_specially(ctx)
  local ending = ctx[ENDING]
  if not ctx[CORE] then return end
  if rawget(ctx, "_is_shadow") then
    -- A handler that the timeout middleware left behind still runs; it cleans up when it ends.
    if rawget(ctx, "_is_late") then return end
    M.clean_up(ctx)
    return ctx:_release()
  end
  if ending ~= M.send then return ending(ctx) end
  M.clean_up(ctx)
  return M.send(ctx)
end

--- Lets an exchange go without an answer, or with a part of it: the client is gone.
---@param ctx justhttp.ctx
function M.abandon(ctx)
  local c = ctx[CORE]
  if not c then return end
  note_left(ctx)
  M.clean_up(ctx)
  ctx[CORE] = false
  C.jh_ctx_release(c)
end

require "justhttp.request"(M)
require "justhttp.response"(M)
require "justhttp.ending"(M)
require "justhttp.file".install(M)

-- A look-up that finds something is quicker than one that finds nothing.
for name in pairs(methods) do getters[name] = false end

return M
