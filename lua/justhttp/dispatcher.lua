--- Pulls events from the core and runs handlers: the loop of a worker.
--
-- Once per turn the core resumes the active dispatcher, a coroutine that pulls events and calls
-- handlers directly: a handler that does not wait costs no coroutine switch. When one waits, its
-- dispatcher is parked with it and another from the pool becomes the active one; when the parked
-- one is done it finds that it is active no more and goes back to the pool.
--
-- What handles an event is a runner (runner.lua): it does its work, lets `take` choose the runner
-- of the next event and returns. The loop that calls them is left to the interpreter on purpose.
--
-- An error in a handler ends its dispatcher, whose stack is then still there for the traceback: so
-- there is no pcall per request.

local ffi = require "ffi"
local door = require "justhttp.door"
local compose = require "justhttp.compose"
local context = require "justhttp.context"
local make_runner = require "justhttp.runner"
local params = require "justhttp.params"
local scheduler = require "justhttp.scheduler"
local failure = require "justhttp.failure"
local limits = require "justhttp.limits"
local step_websocket = require "justhttp.websocket".step

local C = door.C
local CORE = require "justhttp.slots".CORE
local create, resume, yield, running = coroutine.create, coroutine.resume, coroutine.yield,
  coroutine.running
local tonumber = tonumber
local state, PARK = scheduler.state, scheduler.PARK

local REQUEST = tonumber(C.JH_EVENT_REQUEST)

-- A C function that costs next to nothing and ends a trace; see runner.lua.
local end_trace = coroutine.isyieldable

local M = {
  --- How long dispatchers that nobody needs are kept.
  trim_after_s = 10,
}

local generation
local event = ffi.new "jh_event" -- what was pulled last
local ctxs = {}                  -- slot -> jh_ctx *, made once per slot
local live = {}                  -- slot -> the ctx that is in it, or was last
local routes = {}                -- JH_EVENT_REQUEST + route id -> { handler =, params =, … }
local runners = {}               -- what jh_generation_next() returns -> function
local run_next                   -- the runner of `event`
local on_drain

local active
local pool, pool_count = {}, 0
local pool_lowest = 0 -- since the trimmer looked last
local is_trimming = false

local function ctx_at(slot)
  local c = C.jh_generation_ctx(generation, slot)
  ctxs[slot] = c
  return c
end

local retire

-- Chooses what runs next. A dispatcher that is active no more pulls nothing.
local function take()
  if state.root == active then
    run_next = runners[C.jh_generation_next(generation, event)]
  else
    run_next = retire
  end
  return end_trace()
end

local function dispatch()
  state.root = running()
  take()
  while true do run_next() end
end
jit.off(dispatch)

-- Dispatchers that nobody needed for a while are let go: those at the bottom of the pool.
local function trim_pool()
  repeat
    pool_lowest = pool_count
    scheduler.sleep(M.trim_after_s)
    for i = 1, pool_count do pool[i] = pool[i + pool_lowest] end
    pool_count = pool_count - pool_lowest
  until pool_count == 0
  is_trimming = false
end

function retire()
  pool_count = pool_count + 1
  pool[pool_count] = state.root
  if not is_trimming then
    is_trimming = true
    scheduler.spawn(trim_pool)
  end
  yield(PARK)
  state.root = active
  return take()
end

local function next_dispatcher()
  if pool_count == 0 then return create(dispatch) end
  local co = pool[pool_count]
  pool[pool_count] = nil
  pool_count = pool_count - 1
  if pool_count < pool_lowest then pool_lowest = pool_count end
  return co
end

--- How many dispatchers wait for work, beside the active one.
---@return integer
function M.pool_count() return pool_count end

--- Called when the active dispatcher was left because its handler waits or, with its error, because
-- it died. Returns the one that is active from now on.
---@param has_failed boolean
---@param err any
---@return thread
function M.replace(has_failed, err)
  local left = active
  active = next_dispatcher()
  if has_failed then failure.of_coroutine(left, err) end
  state.ctx = nil
  return active
end

--- Pulls events until none are left, where no core drives the loop (standalone.lua).
function M.drain()
  while true do
    state.root = active
    local ok, why = resume(active)
    if ok and why == nil then
      state.root = nil
      return
    end
    M.replace(not ok, why)
  end
end

-- ---- runners -----------------------------------------------------------------------------------

-- Nothing is left to pull.
local function idle()
  yield()
  return take()
end

local function wake()
  local dead, err = scheduler.wake(event.id, event.error)
  if dead then failure.of_coroutine(dead, err) end
  return take()
end

-- The client of a request left: its on_abort functions run, and what waits for it is ended.
local function abort()
  local ctx = live[event.id]
  if not ctx or not ctx[CORE] then return take() end
  local hooks = context.kept(ctx, "_on_abort")
  if hooks then
    for i = 1, #hooks do scheduler.spawn(hooks[i], ctx) end
  end
  if context.kept(ctx, "_runs_on") then return take() end
  rawset(ctx, "_has_left", true)
  scheduler.cancel_request(ctx)
  return take()
end

local function drain()
  if on_drain then scheduler.spawn(on_drain) end
  return take()
end

local function websocket()
  step_websocket(event.id)
  return take()
end

local loop = { event = event, ctxs = ctxs, ctx_at = ctx_at, live = live, take = take }

local first_runners = setmetatable({}, { __mode = "k" }) -- runner -> its index

-- The runner of a route is made for its first request: an app may have thousands never used.
local function start()
  local index = REQUEST + event.route
  local run = make_runner(loop, routes[index])
  runners[index], first_runners[run] = run, index
  return run()
end
jit.off(start)

local recorded -- the runner whose first trace the compiler records now

-- Looks on while LuaJIT compiles: a runner that it gives up is replaced; see runner.lua.
local function on_trace(what, _, fn, _, parent)
  if what == "start" then
    recorded = not parent and first_runners[fn] and fn
  elseif what == "abort" and recorded then
    local index = first_runners[recorded]
    runners[index], first_runners[recorded] = make_runner(loop, routes[index], true), nil
    recorded = nil
  end
end
jit.off(on_trace)

runners[tonumber(C.JH_EVENT_NONE)] = idle
runners[tonumber(C.JH_EVENT_WAKE)] = wake
runners[tonumber(C.JH_EVENT_ABORT)] = abort
runners[tonumber(C.JH_EVENT_DRAIN)] = drain
runners[tonumber(C.JH_EVENT_WEBSOCKET)] = websocket

local function add_route(id, route)
  routes[REQUEST + id], runners[REQUEST + id] = route, start
end

-- ---- misses ------------------------------------------------------------------------------------

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

local function fallback_route(fallback, handler)
  return {
    handler = compose(fallback.middleware or {}, handler), params = params.reader "",
    on_error = fallback.on_error, pattern = "(no route)", places = fallback.places,
    templates = fallback.templates,
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
    local chain, policy, places = limits.resolve(route.middleware, route.places)
    if policy then door.limit_route(id, policy) end
    add_route(id, {
      handler = compose(chain, route.handler), on_error = route.on_error, places = places,
      pattern = route.pattern, names = params.names(route.pattern),
      params = params.reader(route.pattern), templates = route.templates,
    })
  end
  local fallback = app:_fallback()
  if fallback.not_found then context.answer_missing = fallback.not_found end
  add_route(tonumber(C.JH_ROUTE_MISS), fallback_route(fallback, context.answer_missing))
  add_route(tonumber(C.JH_ROUTE_MISS_METHOD), fallback_route(fallback, answer_wrong_method))
  add_route(tonumber(C.JH_ROUTE_MISS_OPTIONS), fallback_route(fallback, answer_options))
  return #list
end

--- Starts the loop. `hooks.on_drain` runs as a task when the worker is about to stop. Returns the
-- first active dispatcher.
---@param hooks { on_drain: fun() }
---@return thread
function M.start(hooks)
  generation = door.generation
  on_drain = hooks.on_drain
  active = create(dispatch)
  jit.attach(on_trace, "trace")
  return active
end

return M
