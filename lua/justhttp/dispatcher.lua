--- Pulls events from the core and runs handlers: the loop of a worker.
--
-- `drain` is what the core calls once per turn. It resumes the active dispatcher, a coroutine that
-- pulls events and calls handlers directly: a handler that does not wait costs no coroutine switch.
-- When one waits, its dispatcher is parked with it and another from the pool becomes the active
-- one; when the parked one is done it finds that it is active no more and goes back to the pool.
--
-- An error in a handler ends its dispatcher, whose stack is then still there for the traceback: so
-- there is no pcall per request.

local door = require "justhttp.door"
local context = require "justhttp.context"
local compose = require "justhttp.compose"
local scheduler = require "justhttp.scheduler"
local failure = require "justhttp.failure"

local C = door.C
local create, resume, yield, running = coroutine.create, coroutine.resume, coroutine.yield,
  coroutine.running
local tonumber = tonumber
local state, PARK = scheduler.state, scheduler.PARK
local finish, new_ctx = context.finish, context.new

local REQUEST, WAKE = tonumber(C.JH_EVENT_REQUEST), tonumber(C.JH_EVENT_WAKE)
local DRAIN, ABORT = tonumber(C.JH_EVENT_DRAIN), tonumber(C.JH_EVENT_ABORT)
local TRIM_AFTER_MS = 10000

local M = {}

local IDLE = {} -- what the active dispatcher yields when nothing is left to pull

local generation
local ctxs = {}   -- slot -> jh_ctx *, made once per slot
local live = {}   -- slot -> the ctx that is in it, or was last
local routes = {} -- route id -> { handler =, names =, … }
local on_drain

local active
local pool, pool_count = {}, 0
local pool_used_at_ms = 0

local function ctx_at(slot)
  local c = C.jh_generation_ctx(generation, slot)
  ctxs[slot] = c
  return c
end

-- The client of a request left: its on_abort functions run, and what waits for it is ended.
local function abort(ctx)
  if not ctx or not ctx._c then return end
  local hooks = context.kept(ctx, "_on_abort")
  if hooks then
    for i = 1, #hooks do scheduler.spawn(hooks[i], ctx) end
  end
  if context.kept(ctx, "_runs_on") then return end
  scheduler.cancel_request(ctx)
end

local function handle_other(kind, id, code)
  if kind == WAKE then
    local dead, err = scheduler.wake(id, code)
    if dead then failure.of_coroutine(dead, err) end
  elseif kind == ABORT then
    abort(live[id])
  elseif kind == DRAIN then
    if on_drain then scheduler.spawn(on_drain) end
  end
end

local function dispatch()
  local self = running()
  local next_event = function() return C.jh_generation_next(generation) end
  while true do
    local event = next_event()
    if event == nil then
      yield(IDLE)
    elseif event.kind == REQUEST then
      local route = routes[event.route]
      local id = event.id
      local ctx = new_ctx(ctxs[id] or ctx_at(id), route)
      live[id] = ctx
      state.ctx = ctx
      finish(ctx, route.handler(ctx))
      state.ctx = nil
      if active ~= self then
        pool_count = pool_count + 1
        pool[pool_count] = self
        yield(PARK)
      end
    else
      handle_other(event.kind, event.id, event.error)
    end
  end
end

-- Dispatchers that nobody needed for a while are let go.
local function trim_pool()
  local now_ms = C.jh_now_ms(generation)
  if now_ms - pool_used_at_ms < TRIM_AFTER_MS then return end
  pool_used_at_ms = now_ms
  for i = pool_count, 1, -1 do pool[i] = nil end
  pool_count = 0
end

local function next_dispatcher()
  if pool_count == 0 then return create(dispatch) end
  local co = pool[pool_count]
  pool[pool_count] = nil
  pool_count = pool_count - 1
  pool_used_at_ms = C.jh_now_ms(generation)
  return co
end

--- Pulls events until none are left. The one function the core calls.
function M.drain()
  while true do
    local co = active
    state.root, state.ctx = co, nil
    local ok, why = resume(co)
    if ok and why == IDLE then
      state.root = nil
      if pool_count > 0 then trim_pool() end
      return
    end
    active = next_dispatcher()
    if not ok then failure.of_coroutine(co, why) end
  end
end

-- ---- misses ------------------------------------------------------------------------------------

local function answer_miss(ctx)
  return ctx:error(404)
end

local function answer_wrong_method(ctx)
  local allow = ctx.allow
  ctx:error(405)
  ctx:set("Allow", allow)
end

local function answer_options(ctx)
  ctx:set("Allow", ctx.allow)
  return 204
end

-- ---- start -------------------------------------------------------------------------------------

-- Names of ":id" and "*rest" in a pattern, in order.
local function param_names(pattern)
  local names = {}
  for segment in pattern:gmatch "[^/]+" do
    local name = segment:match "^[:*](.+)$"
    if name then names[#names + 1] = name end
  end
  return names
end

local function fallback_route(fallback, handler)
  return {
    handler = compose(fallback.middleware or {}, handler), names = {},
    on_error = fallback.on_error, pattern = "(no route)",
  }
end

--- Registers the routes of an app with the core's router.
---@param app justhttp.app
---@return integer? count of routes
---@return string? err names the file and line of both routes in a conflict
function M.register(app)
  local list = app:_routes()
  for i = 1, #list do
    local route = list[i]
    local id = tonumber(C.JH_ROUTE_FIRST) + i - 1
    local method = route.method == "ANY" and "" or route.method
    local ok, err = door.add_route(id, route.host, method, route.pattern, route.where)
    if not ok then return nil, err end
    routes[id] = {
      handler = compose(route.middleware, route.handler), names = param_names(route.pattern),
      on_error = route.on_error, pattern = route.pattern,
    }
  end
  local fallback = app:_fallback()
  routes[tonumber(C.JH_ROUTE_MISS)] = fallback_route(fallback, fallback.not_found or answer_miss)
  routes[tonumber(C.JH_ROUTE_MISS_METHOD)] = fallback_route(fallback, answer_wrong_method)
  routes[tonumber(C.JH_ROUTE_MISS_OPTIONS)] = fallback_route(fallback, answer_options)
  return #list
end

--- Starts the loop. `hooks.on_drain` runs as a task when the worker is about to stop.
---@param hooks { on_drain: fun() }
function M.start(hooks)
  generation = door.generation
  on_drain = hooks.on_drain
  active = create(dispatch)
end

return M
