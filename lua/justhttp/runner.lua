--- Makes runners: the function that handles one kind of event and then pulls the next one.
--
-- LuaJIT compiles from where code gets hot, and that place, for one route, must not be the place
-- for another: with one loop for all routes, the trace of the route seen first is the root and
-- every other route hangs on it as a chain of failed guesses. So the runner of every route is
-- loaded anew, as a function of its own, which the compiler makes the root of its own traces.
--
-- A runner ends with `take`, which ends with a tail call of a function that the compiler does not
-- know. There a trace ends and the interpreter goes on; without it a side trace would follow the
-- return into the dispatcher's loop and be given up.
--
-- The first trace of a function must reach its end: a loop that is compiled already, or a closure
-- that is made, and the whole runner is left to the interpreter. Such a route gets a second runner,
-- split by a call of that same function before the handler: what stands before it is a trace, and
-- behind it begins another, which may go into loops. It costs a little, so it is not the first
-- choice.

local context = require "justhttp.context"
local scheduler = require "justhttp.scheduler"

local format, load_text = string.format, loadstring
local end_trace = coroutine.isyieldable

local SOURCE = [[
local event, ctxs, ctx_at, live, take, end_trace, state, new_ctx, finish, route, handler = ...
return function()
  local id = event.id
  local ctx = new_ctx(ctxs[id] or ctx_at(id), route)
  live[id], state.ctx = ctx, ctx
  %s
  finish(ctx, handler(ctx))
  state.ctx = nil
  return take()
end
]]

--- Makes the runner of a route.
---@param loop { event: ffi.cdata*, ctxs: table, ctx_at: function, live: table, take: function }
---@param route { handler: justhttp.handler }
---@param is_split boolean? the compiler gave the first runner of this route up
---@return fun() runner
local function make(loop, route, is_split)
  local text = format(SOURCE, is_split and "end_trace()" or "")
  return load_text(text, "=justhttp/runner.lua")(loop.event, loop.ctxs, loop.ctx_at, loop.live,
    loop.take, end_trace, scheduler.state, context.new, context.finish, route, route.handler)
end
jit.off(make)

return make
