--- Coroutines that wait: sleep, spawn, wait, every, after.
--
-- A waiting coroutine is parked under an id; the core sends that id back as a JH_EVENT_WAKE when
-- its time has come, and the active dispatcher (dispatcher.lua) resumes it. Whoever waits does so
-- through `park`, which also restores `state.ctx`: the ctx whose code runs. Nothing else may yield
-- PARK.
--
-- Handlers may use coroutines of their own: coroutine.resume, wrap and yield are replaced so that a
-- wait inside one suspends the whole task and not just the inner coroutine.

local door = require "justhttp.door"
local traceback = require "justhttp.traceback"

local C = door.C
local slots = require "justhttp.slots"
local CORE, WAIT_ID = slots.CORE, slots.WAIT_ID
local create, raw_resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local status, running, isyieldable = coroutine.status, coroutine.running, coroutine.isyieldable
local xpcall, error, select, type = xpcall, error, select, type
local unpack = unpack
local format, remove = string.format, table.remove

local M = {}

--- What a coroutine yields when it waits, and a dispatcher when there is nothing to pull.
M.PARK = setmetatable({}, { __name = "justhttp.park" })
local PARK = M.PARK

--- The code that runs now: `ctx` it works for (nil outside of requests), `root` the coroutine that
-- was resumed by the dispatcher (nil in the main chunk).
local state = { ctx = nil, root = nil }
M.state = state

local parked = {} -- wait id -> root coroutine
local tasks = setmetatable({}, { __mode = "k" }) -- root coroutine -> task

--- Raised out of a wait in a task that is to end: its client is gone, or somebody cancelled it.
local Cancelled = { __name = "justhttp.cancelled" }
Cancelled.__index = Cancelled
Cancelled.__tostring = function() return "cancelled" end
M.cancelled = setmetatable({ message = "cancelled" }, Cancelled)

--- True for that error.
---@param err any
---@return boolean
function M.is_cancelled(err) return getmetatable(err) == Cancelled end
local wakes_cancelled = {} -- wait ids whose wake is to raise
local last_id = 0

local function new_id()
  last_id = last_id + 1
  if last_id == 4294967295 then last_id = 1 end
  return last_id
end

--- A fresh wait id, for a call of the door that answers with a JH_EVENT_WAKE.
M.new_id = new_id

local NOT_HERE = "waiting is possible in handlers, hooks and tasks only, not here"
local NOT_BELOW_C = "waiting is not possible in a function that C code calls (of table.sort, "
  .. "string.gsub, load and the like)"

-- What a wait returns in a coroutine of a handler's own that a function called by C resumed.
local CANNOT = {}

local function check_may_wait(what)
  if state.root == nil then error(format("%s: %s", what, NOT_HERE), 3) end
end

local function refuse(what, why)
  traceback.misuse(what and format("%s: %s", what, why) or why)
end

-- Goes on for a request: for messages should it get stuck.
local function serve(ctx)
  local core = ctx[CORE]
  if core then C.jh_generation_serve(door.generation, core) end
end

-- Gives way until the wake with this id comes. What it returns may be a reason to raise.
local function suspend(id)
  local ctx, root = state.ctx, state.root
  -- So that `cancel` finds what a task, or else a request, waits for.
  local task = tasks[root]
  if task then
    task._wait_id = id
  elseif ctx then
    ctx[WAIT_ID] = id
  end
  parked[id] = root
  local code = yield(PARK)
  state.ctx = ctx
  if ctx then serve(ctx) end
  return code
end

local function prepare(what)
  local root = state.root
  if root == nil then refuse(what, NOT_HERE) end
  if not isyieldable() then refuse(what, NOT_BELOW_C) end
  local task = tasks[root]
  if task and task._is_cancelled then error(M.cancelled, 0) end
end

--- Waits for the JH_EVENT_WAKE with this id. Returns its error code, 0 when all is well.
---@param id integer
---@param what string? the call that waits, for messages
---@return integer
local function park(id, what)
  prepare(what)
  local code = suspend(id)
  if code == C.JH_ECANCELED then error(M.cancelled, 0) end
  if code == CANNOT then
    parked[id] = nil
    refuse(what, NOT_BELOW_C)
  end
  return code
end

--- The parts of `park`, for whoever has to clean up before the error of a cancelled wait: raises
-- when waiting is not possible here; waits; raises what the wait has to raise.
M.prepare, M.suspend = prepare, suspend

--- Raises when the code that `suspend` returned says so; everything is cleaned up by now.
---@param code any
---@param id integer
---@param what string
function M.check_suspended(code, id, what)
  if code == C.JH_ECANCELED then error(M.cancelled, 0) end
  if code == CANNOT then
    parked[id] = nil
    refuse(what, NOT_BELOW_C)
  end
end
M.park = park

--- How much later than the deadline of their request waits end: whoever set the deadline answers
-- first, and what the handler makes of its failed wait does not get in between.
M.GRACE_MS = 100
local GRACE_MS = M.GRACE_MS

--- A limit for a wait, in ms: the one given (0 is none), or what the request that this runs for has
-- left when that is less, and GRACE_MS.
---@param timeout_ms number
---@return number
function M.bounded(timeout_ms)
  local ctx = state.ctx
  local at_ms = ctx and rawget(ctx, "_deadline_ms")
  if not at_ms then return timeout_ms end
  local left_ms = at_ms - C.jh_now_ms(door.generation)
  left_ms = (left_ms > 0 and left_ms or 0) + GRACE_MS
  if timeout_ms == 0 or left_ms < timeout_ms then return left_ms end
  return timeout_ms
end

--- Stops listening for an id; a wake that still comes is ignored.
function M.forget(id)
  parked[id] = nil
end

--- Resumes the coroutine parked under an id. For the dispatcher. Returns the coroutine when it
-- died, and its error.
---@param id integer
---@param code integer
---@return thread? dead
---@return any err
function M.wake(id, code)
  local co = parked[id]
  if not co then return nil end
  parked[id] = nil
  if wakes_cancelled[id] then
    wakes_cancelled[id], code = nil, C.JH_ECANCELED
  end
  local root, ctx = state.root, state.ctx
  state.root = co
  local ok, err = raw_resume(co, code)
  state.root = root
  if ok then
    state.ctx = ctx
    return nil
  end
  return co, err
end

--- Runs `fn(…)` at once in a coroutine of its own, until it waits first. Nobody can wait for it or
-- cancel it, so it costs less memory than a task; `fn` must not raise.
---@param fn function
---@param ... any
function M.branch(fn, ...)
  local root, ctx = state.root, state.ctx
  local co = create(fn)
  state.root, state.ctx = co, nil
  raw_resume(co, ...)
  state.root, state.ctx = root, ctx
end

local function post(id)
  if C.jh_generation_post(door.generation, id) ~= 0 then error "out of memory" end
end

-- ---- sleep ------------------------------------------------------------------------------------

--- Waits for so many seconds; others run meanwhile. 0 lets everything that is ready run first.
---@param seconds number
function M.sleep(seconds)
  if type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds then
    error("sleep: give a number of seconds, got " .. tostring(seconds), 2)
  end
  check_may_wait "sleep"
  local id = new_id()
  if C.jh_timer_start(door.generation, id, seconds * 1000) == nil then error("out of memory", 2) end
  park(id, "sleep")
end

-- ---- tasks ------------------------------------------------------------------------------------

---@class justhttp.task
---@field _is_done boolean
---@field _fault justhttp.fault? why it failed
---@field _results table? { n =, … }
---@field _waiters integer[]? wait ids
---@field _is_watched boolean? somebody asked for its outcome, so an error is not logged
---@field _wait_id integer? what it waits for
---@field _is_cancelled boolean? it ends at its next wait
---@field _children justhttp.task[]? tasks it started
---@field _open table<{ close: function }, true>? what to close when it is cancelled
local Task = { __name = "justhttp.task" }
Task.__index = Task

local function pack(...) return { n = select("#", ...), ... } end

local function finish_task(task, ok, ...)
  task._is_done = true
  if ok then
    task._results = pack(...)
  else
    task._fault = ...
    if not task._is_watched and not M.is_cancelled(task._fault.value) then
      door.log("error", "error in a task nobody waits for: " .. traceback.full(task._fault))
    end
  end
  local waiters = task._waiters
  if not waiters then return end
  for i = 1, #waiters do
    if parked[waiters[i]] then post(waiters[i]) end
  end
end

local function spawn(ctx, fn, ...)
  local task = setmetatable({ _is_done = false }, Task)
  local arguments = pack(...)
  local co = create(function(code)
    state.ctx = ctx
    if ctx then serve(ctx) end
    if code == C.JH_ECANCELED then
      return finish_task(task, false, traceback.capture(M.cancelled))
    end
    finish_task(task, xpcall(fn, traceback.capture, unpack(arguments, 1, arguments.n)))
  end)
  local id = new_id()
  parked[id], tasks[co], task._wait_id = co, task, id
  if ctx then M.note_child(ctx, task) end
  post(id)
  return task
end

--- Runs `fn(…)` as a task of its own, beginning in this turn of the loop. It may wait. An error is
-- raised again where the task is waited for, and logged when nobody waits. It works for the ctx of
-- the one who spawns it, and is cancelled with it, and with the task that spawns it.
---@param fn function
---@param ... any
---@return justhttp.task
function M.spawn(fn, ...)
  if type(fn) ~= "function" then
    error("spawn: give a function, got a " .. type(fn), 2)
  end
  local task, parent = spawn(state.ctx, fn, ...), tasks[state.root]
  if parent then M.note_child(parent, task) end
  return task
end

-- Tasks that a request or a task started and that are not done, so that they end with it.
function M.note_child(parent, task)
  local children = rawget(parent, "_children")
  if not children then
    children = {}
    rawset(parent, "_children", children)
  end
  for i = #children, 1, -1 do
    if children[i]._is_done then remove(children, i) end
  end
  children[#children + 1] = task
end

local function cancel_wait(id)
  if not id or not parked[id] then return false end
  wakes_cancelled[id] = true
  post(id)
  return true
end

local OPEN = { __mode = "k" }

local function note_open_of(owner, resource)
  local open = rawget(owner, "_open")
  if not open then
    open = setmetatable({}, OPEN)
    rawset(owner, "_open", open)
  end
  open[resource] = true
end

--- Closes something (`resource:close()`) with the task, and the request, that runs now when these
-- are cancelled, so that it does not stay open until the collector finds it. Held weakly; closing
-- it before is right and does no harm.
---@param resource { close: function }
function M.note_open(resource)
  local ctx, task = state.ctx, tasks[state.root]
  if ctx then note_open_of(ctx, resource) end
  if task then note_open_of(task, resource) end
end

-- What a request or a task has begun: the tasks it started, and what it left open.
local function cancel_children(parent)
  local children, open = rawget(parent, "_children"), rawget(parent, "_open")
  for i = 1, children and #children or 0 do children[i]:cancel() end
  if not open then return end
  rawset(parent, "_open", nil)
  for resource in pairs(open) do resource:close() end
end

--- Ends a task and those it started: the wait it is in, or its next one, raises an error that
-- unwinds it.
function Task:cancel()
  if self._is_done or self._is_cancelled then return end
  self._is_cancelled = true
  self._is_watched = true
  cancel_children(self)
  cancel_wait(self._wait_id)
end

--- Ends what runs for a request: its handler, when it waits, and the tasks it started.
---@param ctx justhttp.ctx
function M.cancel_request(ctx)
  cancel_children(ctx)
  return cancel_wait(ctx[WAIT_ID])
end

local function outcome(task)
  if task._fault then error(task._fault, 0) end
  return unpack(task._results, 1, task._results.n)
end

local function forget_waiter(task, id)
  local waiters = task._waiters
  for i = 1, #waiters do
    if waiters[i] == id then return remove(waiters, i) end
  end
end

--- Waits for a task and returns what its function returned; raises what it raised.
---@param task justhttp.task
---@param seconds number? how long at most
---@return any ... results; or nil, "timeout"
function M.wait(task, seconds)
  if getmetatable(task) ~= Task then
    error("wait: give a task that spawn returned, got a " .. type(task), 2)
  end
  if seconds ~= nil and (type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds) then
    error("wait: the time must be a number of seconds, got " .. tostring(seconds), 2)
  end
  if state.root and tasks[state.root] == task then
    error("wait: a task cannot wait for itself", 2)
  end
  task._is_watched = true
  if task._is_done then return outcome(task) end
  check_may_wait "wait"
  local id, timer = new_id(), nil
  task._waiters = task._waiters or {}
  task._waiters[#task._waiters + 1] = id
  if seconds then timer = C.jh_timer_start(door.generation, id, seconds * 1000) end
  park(id, "wait")
  if timer ~= nil then C.jh_timer_stop(timer, id) end
  if task._is_done then return outcome(task) end
  forget_waiter(task, id)
  task._is_watched = task._waiters[1] ~= nil
  return nil, "timeout"
end

--- Waits for the first of several tasks to end, whatever its outcome; `wait` has that.
---@param list justhttp.task[]
---@param seconds number? how long at most
---@return justhttp.task? task nil when the time was over first
function M.wait_first(list, seconds)
  for i = 1, #list do
    list[i]._is_watched = true
    if list[i]._is_done then return list[i] end
  end
  check_may_wait "wait_first"
  local id, timer = new_id(), nil
  for i = 1, #list do
    local task = list[i]
    task._waiters = task._waiters or {}
    task._waiters[#task._waiters + 1] = id
  end
  if seconds then timer = C.jh_timer_start(door.generation, id, seconds * 1000) end
  park(id, "wait_first")
  if timer ~= nil then C.jh_timer_stop(timer, id) end
  local first
  for i = 1, #list do
    forget_waiter(list[i], id)
    if not first and list[i]._is_done then first = list[i] end
  end
  return first
end

--- True once the task has ended.
---@return boolean
function Task:is_done() return self._is_done end

-- ---- every and after ----------------------------------------------------------------------------

---@class justhttp.timer_handle
local Handle = { __name = "justhttp.timer_handle" }
Handle.__index = Handle

--- Stops it: `fn` is not called any more. One that runs now is not interrupted.
function Handle:cancel()
  self._is_cancelled = true
  if self._timer ~= nil then C.jh_timer_stop(self._timer, self._id) end
  if self._id then parked[self._id] = nil end
end

local function sleep_handle(handle, seconds)
  handle._id = new_id()
  handle._timer = C.jh_timer_start(door.generation, handle._id, seconds * 1000)
  park(handle._id)
  handle._timer = nil
end

local function call_logged(what, fn)
  local ok, fault = xpcall(fn, traceback.capture)
  if not ok then door.log("error", what .. ": " .. traceback.full(fault)) end
end

local function run_handle(handle, seconds, fn, is_repeated)
  repeat
    if handle._is_cancelled then return end
    sleep_handle(handle, seconds)
    if handle._is_cancelled then return end
    call_logged(is_repeated and "error in app:every" or "error in app:after", fn)
  until not is_repeated or handle._is_cancelled
end

--- Calls `fn` every so many seconds; the next period begins when it has returned.
---@param seconds number
---@param fn function
---@return justhttp.timer_handle
function M.every(seconds, fn)
  local handle = setmetatable({}, Handle)
  spawn(nil, run_handle, handle, seconds, fn, true)
  return handle
end

--- Calls `fn` once, so many seconds from now.
---@param seconds number
---@param fn function
---@return justhttp.timer_handle
function M.after(seconds, fn)
  local handle = setmetatable({}, Handle)
  spawn(nil, run_handle, handle, seconds, fn, false)
  return handle
end

-- ---- coroutines of handlers' own ----------------------------------------------------------------

-- The inner coroutine waits: the task waits with it, and goes on in it.
local function pass_on(co, ok, first, ...)
  if not ok then
    traceback.note_inner(co, first)
    return false, first, ...
  end
  if first == PARK and status(co) == "suspended" then
    if not isyieldable() then return pass_on(co, raw_resume(co, CANNOT)) end
    return pass_on(co, raw_resume(co, yield(PARK)))
  end
  return true, first, ...
end

local function resume(co, ...)
  return pass_on(co, raw_resume(co, ...))
end

local function unwrap(ok, ...)
  if ok then return ... end
  error((...), 0)
end

-- The coroutine of a handler or task itself belongs to the dispatcher, which would never come back.
local function yield_inner(...)
  if running() == state.root then
    error("coroutine.yield: there is no coroutine of yours to leave here; http.sleep(0) lets "
      .. "others run", 2)
  end
  return yield(...)
end

--- Replaces coroutine.resume, wrap and yield of this VM.
function M.install()
  coroutine.resume, coroutine.yield = resume, yield_inner
  coroutine.wrap = function(fn)
    local co = create(fn)
    return function(...) return unwrap(resume(co, ...)) end
  end
end

return M
