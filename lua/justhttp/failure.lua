--- What happens when a handler raises: a log line with an id, and an answer.
--
-- The dispatcher calls `of_coroutine` with the dead coroutine. The app's on_error may wait, so it
-- runs in a task of its own. An error that names a status (a body over its limit) is the client's
-- and is answered as such, without a traceback in the log.

local door = require "justhttp.door"
local budget = require "justhttp.budget"
local context = require "justhttp.context"
local scheduler = require "justhttp.scheduler"
local slots = require "justhttp.slots"
local traceback = require "justhttp.traceback"

local CORE, ROUTE, STATUS, BODY = slots.CORE, slots.ROUTE, slots.STATUS, slots.BODY
local format, random = string.format, math.random

local M = {}

local is_dev
local prefix, count

-- "3f9a1c-2": unique among the workers of a machine for all practical purposes.
local function new_error_id()
  if not prefix then
    local urandom = io.open("/dev/urandom", "rb")
    local bytes = urandom and urandom:read(4) or tostring(random(1e9))
    if urandom then urandom:close() end
    prefix = bytes:gsub(".", function(byte) return format("%02x", byte:byte()) end):sub(1, 8)
    count = 0
  end
  count = count + 1
  return prefix .. "-" .. count
end

local REASONS = { [500] = "Internal Server Error", [503] = "Service Unavailable" }

local function default_answer(ctx, fault, id)
  local status = ctx[STATUS]
  local reason = REASONS[status]
  if not reason then status, reason = 500, REASONS[500] end
  if is_dev == nil then is_dev = door.option "dev" == "true" end
  local body, content_type = require "justhttp.error_page".render {
    status = status, reason = reason, id = id, fault = fault,
    accept = ctx.headers.accept, is_dev = is_dev, method = ctx.method, target = ctx.url,
  }
  ctx:text(body, status)
  ctx:set("Content-Type", content_type)
end

local function log_failure(ctx, fault, id)
  local values = ctx[slots.VALUES]
  local request_id = values and values.request_id
  door.log("error", format("error %s in %s %s%s: %s", id, ctx.method, ctx.url,
    request_id and " (request " .. tostring(request_id) .. ")" or "", traceback.full(fault)))
end

-- The app's own error handler, where one is set. True when it made a response; the status is
-- `status` until it sets another.
local function ask_app(ctx, fault, id, status)
  local on_error = ctx[ROUTE].on_error
  if not on_error then return false end
  local ok, first, second = xpcall(on_error, traceback.capture, ctx, fault.value)
  if not ok then
    door.log("error", format("error %s: on_error failed: %s", id, traceback.full(first)))
    return false
  end
  if first ~= nil then
    ok, first = xpcall(context.apply, traceback.capture, ctx, first, second, "on_error")
    if not ok then
      door.log("error", format("error %s: %s", id, traceback.full(first)))
    end
    return ok
  end
  return ctx[BODY] ~= false or ctx[STATUS] ~= status
end

--- Makes the response of a failed request; whoever called sends it.
---@param ctx justhttp.ctx
---@param fault justhttp.fault
function M.answer(ctx, fault)
  local status = context.status_of(fault.value)
  if status then return ctx:error(status, fault.message) end
  local id = new_error_id()
  log_failure(ctx, fault, id)
  context.reset_body(ctx)
  status = budget.is_exceeded(fault.value) and 503 or 500
  ctx[STATUS] = status
  if not ask_app(ctx, fault, id, status) then default_answer(ctx, fault, id) end
end

function context.methods:_fail(fault)
  if not traceback.is_fault(fault) then fault = traceback.capture(fault) end
  return M.answer(self, fault)
end

-- Not a task of the request, which would end with its client: the ctx must be given back.
local function answer_and_finish(ctx, fault)
  scheduler.state.ctx = ctx
  local ok, err = xpcall(M.answer, traceback.capture, ctx, fault)
  if not ok then
    door.log("error", "cannot answer a failed request: " .. traceback.full(err))
    ctx[BODY], ctx[STATUS] = "Internal Server Error\n", 500
  end
  context.finish(ctx)
end

-- A handler may be unwound although its client waits: when it waits for a task that was cancelled.
local function is_still_wanted(ctx)
  return ctx and ctx[CORE] and not context.kept(ctx, "_has_left")
    and not context.kept(ctx, "_is_shadow")
end

--- Until the app serves: `on_orphan(fault)` gets what fails outside of everything that catches, and
-- ends the worker. Set and cleared by boot.lua.
M.on_orphan = nil

--- A dispatcher died while it ran a handler, or a task outside of requests.
---@param co thread
---@param err any
function M.of_coroutine(co, err)
  local ctx = scheduler.state.ctx
  local fault = traceback.capture_thread(co, err)
  scheduler.state.ctx = nil
  if scheduler.is_cancelled(fault.value) and not is_still_wanted(ctx) then
    if ctx then scheduler.spawn(context.abandon, ctx) end
    return
  end
  if not ctx and M.on_orphan then return M.on_orphan(fault) end
  if not ctx then
    door.log("error", "error outside of a request: " .. traceback.full(fault))
    return
  end
  if not ctx[CORE] then
    door.log("error", "error after the response: " .. traceback.full(fault))
    return
  end
  scheduler.spawn(answer_and_finish, ctx, fault)
end

return M
