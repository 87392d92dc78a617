--- The reverse proxy: `app:any("/api/*rest", http.proxy { upstream = "http://127.0.0.1:9000" })`.
--
-- A handler. It chooses an upstream, has the core send the request there (core/net/relay.c) and
-- waits for the head of the response; bodies pass through the core in both directions, as they are.
-- The head goes out when the handler and its middleware are done, so they can still change status
-- and headers.
--
-- What is not possible becomes an answer: 502, 503 or 504 with a reason for the client, and in the
-- log the upstream's name and what failed.

local ffi = require "ffi"
local door = require "justhttp.door"
local context = require "justhttp.context"
local options_of = require "justhttp.proxy_options"
local proxied = require "justhttp.proxied"
local scheduler = require "justhttp.scheduler"
local slots = require "justhttp.slots"

local C = door.C
local CORE, ROUTE, STATUS, ENDING = slots.CORE, slots.ROUTE, slots.STATUS, slots.ENDING
local BODY = slots.BODY
local band, rawset, rawget, tonumber, find = bit.band, rawset, rawget, tonumber, string.find
local format, setmetatable, type, error = string.format, setmetatable, type, error
local new_id, prepare, suspend = scheduler.new_id, scheduler.prepare, scheduler.suspend
local check_suspended = scheduler.check_suspended
local alive = context.alive

local WHOLE = tonumber(C.JH_RELAY_WHOLE_BIT)
local PASSED = tonumber(C.JH_RELAY_PASSED)
local EWAIT, ECLOSED = tonumber(C.JH_EWAIT), tonumber(C.JH_ECLOSED)
local ECANCELED = tonumber(C.JH_ECANCELED)
local GRACE_MS = scheduler.GRACE_MS
local code_box = ffi.new "int[1]"

local M = {}

-- ---- the end of an exchange -----------------------------------------------------------------

local function log_cut(ctx, relay)
  if C.jh_relay_failure(relay) == C.JH_CALL_OK then return end
  door.log("warn", format("proxy: %s %s: the response broke off: %s", ctx.method, ctx.url,
    ffi.string(C.jh_relay_reason(relay))))
end

-- All of the response is there: it leaves with its head.
local function send_whole(ctx)
  local c, relay = ctx[CORE], rawget(ctx, "_relay")
  context.clean_up(ctx)
  ctx[CORE] = false
  local code = C.jh_relay_send(relay, ctx[STATUS], 0)
  if code == 0 then return end
  if code == PASSED then -- over HTTP/2 nothing is whole
    C.jh_relay_end(relay)
  else
    C.jh_ctx_release(c)
  end
end

-- The upstream works on it until the body has ended.
local function await_end(upstream, id)
  prepare "http.proxy"
  upstream.pending = upstream.pending + 1
  local code = suspend(id)
  upstream.pending = upstream.pending - 1
  check_suspended(code, id, "http.proxy")
  return code
end

-- The body passes through the core; this waits for its end.
local function stream(ctx)
  local relay, id = rawget(ctx, "_relay"), new_id()
  local code = C.jh_relay_send(relay, ctx[STATUS], id)
  if code == EWAIT then code = await_end(rawget(ctx, "_upstream"), id) end
  if code < 0 then
    log_cut(ctx, relay)
    return context.abandon(ctx)
  end
  context.clean_up(ctx)
  ctx[CORE] = false
  C.jh_relay_end(relay)
end

-- Both sides speak another protocol from now on, and have no more to do with Lua.
local function connect(ctx)
  local c, relay = ctx[CORE], rawget(ctx, "_relay")
  context.clean_up(ctx)
  ctx[CORE] = false
  if C.jh_relay_tunnel(relay) ~= 0 then C.jh_ctx_release(c) end
end

-- What a log reads of a response that passes through.
local Bytes = { __name = "justhttp.proxied_bytes" }
Bytes.__index = Bytes

function Bytes:bytes() return tonumber(C.jh_relay_bytes(self._relay)) end

local function set_ending(ctx, upstream, relay, status, is_whole)
  rawset(ctx, "_relay", relay)
  rawset(ctx, "_upstream", upstream)
  ctx[STATUS] = status
  if rawget(ctx, "_outcome_hooks") then
    rawset(ctx, "_stream", setmetatable({ _relay = relay }, Bytes))
  end
  if status == 101 then
    ctx[ENDING] = connect
  else
    ctx[ENDING] = is_whole and send_whole or stream
  end
end

-- ---- failures -----------------------------------------------------------------------------------

-- By jh_call_failure: status, what the client is told, kind.
local FAILURES = {
  [tonumber(C.JH_CALL_TIMED_OUT)] = { 504, "the upstream did not answer in time", "timeout" },
  [tonumber(C.JH_CALL_NOT_RESOLVED)] = { 502, "the upstream's name is not known", "resolve" },
  [tonumber(C.JH_CALL_NOT_CONNECTED)] = { 502, "the upstream cannot be reached", "connect" },
  [tonumber(C.JH_CALL_TLS_FAILED)] = { 502, "no secure connection to the upstream", "tls" },
  [tonumber(C.JH_CALL_LINK_CLOSED)] = { 502, "the upstream closed the connection", "closed" },
  [tonumber(C.JH_CALL_BAD_ANSWER)] = { 502, "the upstream's answer is malformed", "protocol" },
  [tonumber(C.JH_CALL_OVER_LIMIT)] = { 502, "the upstream's answer is too large", "limit" },
  [tonumber(C.JH_CALL_BUSY)] = { 503, "no connection to the upstream is free", "busy" },
  [tonumber(C.JH_CALL_NO_MEMORY)] = { 503, "out of memory", "limit" },
}

-- The client's own side of the exchange.
local CLIENT_FAILURES = {
  [tonumber(C.JH_ELIMIT)] = { 413 }, [tonumber(C.JH_EPROTO)] = { 400 },
  [tonumber(C.JH_ETIMEDOUT)] = { 408, "the request body took too long" },
}

-- Nothing of the request was sent.
local NOT_SENT = { resolve = true, connect = true, tls = true, busy = true }
local IDEMPOTENT = {
  GET = true, HEAD = true, OPTIONS = true, TRACE = true, PUT = true, DELETE = true,
}

local function answer_failure(proxy, ctx, status, text, err, kind)
  local on_error = proxy.on_error
  if on_error and kind then
    local first, second = on_error(ctx, err, kind)
    if first ~= nil then return first, second end
    if ctx:_has_answer() then return end
  end
  ctx:error(status, text and format("%s: %s", context.reason(status), text))
end

local function answer_client_failure(proxy, ctx, code)
  if code == ECLOSED then
    context.abandon(ctx)
    return
  end
  local failure = CLIENT_FAILURES[code] or { 500 }
  return answer_failure(proxy, ctx, failure[1], failure[2])
end

-- The relay could not even begin.
local function answer_start_failure(proxy, ctx, code)
  if code == C.JH_EUNSUPPORTED then
    return ctx:error(501, "Not Implemented: CONNECT is not for this server")
  elseif code == C.JH_EPROTO then
    return ctx:error(400, "Bad Request: Connection names too many fields")
  elseif code == C.JH_EINVAL then
    error("http.proxy: the body of this request was read already; give it to on_request's "
      .. "req.body", 0)
  end
  return answer_client_failure(proxy, ctx, code)
end

-- ---- one try --------------------------------------------------------------------------------

-- The last wildcard of the route, by position; -1 when the whole path goes on.
local function rest_of(proxy, route)
  local index = -1
  if not proxy.keeps_path and find(route.pattern, "*", 1, true) and route.names then
    index = #route.names - 1
  end
  proxy.rests[route] = index
  return index
end

-- Starts a relay with the hook's changes, bounded by the request's deadline. Returns it, or nil and
-- a code; `false` when the hook answers itself, with what it returned.
local function start_changed(proxy, ctx, upstream, rest, id)
  local relay = C.jh_relay_open(alive(ctx), upstream, code_box)
  if relay == nil then return nil, code_box[0] end
  local at_ms = rawget(ctx, "_deadline_ms")
  if at_ms then
    local left_ms = at_ms - C.jh_now_ms(door.generation)
    C.jh_relay_set_timeout(relay, (left_ms > 0 and left_ms or 0) + GRACE_MS)
  end
  if proxy.on_request then
    local req = proxied.request(ctx, relay)
    local first, second = proxy.on_request(ctx, req)
    proxied.end_request(req)
    if first ~= nil or ctx:_has_answer() then
      C.jh_relay_close(relay)
      return false, first, second
    end
  end
  local code = C.jh_relay_start(relay, rest, id)
  if code ~= 0 then
    C.jh_relay_close(relay)
    return nil, code
  end
  return relay
end

local function start(proxy, ctx, upstream, rest, id)
  if proxy.on_request or rawget(ctx, "_deadline_ms") then
    return start_changed(proxy, ctx, upstream, rest, id)
  end
  local relay = C.jh_relay_pass(alive(ctx), upstream, rest, id, code_box)
  if relay == nil then return nil, code_box[0] end
  return relay
end

-- The hook of a response has its say. True when the answer is made.
local function ask_hook(proxy, ctx, relay, status)
  local res = proxied.response(ctx, relay, status)
  local first, second = proxy.on_response(ctx, res)
  local body
  status, body = proxied.end_response(res)
  if first ~= nil then
    C.jh_relay_close(relay)
    context.apply(ctx, first, second)
    return true
  end
  if ctx:_has_answer() then
    C.jh_relay_close(relay)
    return true
  end
  if not body then return false, status end
  if C.jh_relay_replace(relay) ~= 0 then error("http.proxy: out of memory", 0) end
  ctx[STATUS], ctx[BODY] = status, body
  return true
end

-- The head is there.
local function respond(proxy, ctx, upstream, relay, code)
  local status, is_whole = band(code, WHOLE - 1), band(code, WHOLE) ~= 0
  if proxy.on_response and status ~= 101 then
    local is_made
    is_made, status = ask_hook(proxy, ctx, relay, status)
    if is_made then return end
  end
  return set_ending(ctx, upstream, relay, status, is_whole)
end

local function may_try_again(proxy, ctx, relay, kind, count)
  if count > proxy.retries or not C.jh_relay_may_repeat(relay) then return false end
  return NOT_SENT[kind] or (IDEMPOTENT[ctx.method] and kind ~= "limit")
end

-- ---- the handler ------------------------------------------------------------------------------

local function fail(proxy, ctx, err, failure)
  door.log("warn", format("proxy: %s %s: %s", ctx.method, ctx.url, err))
  return answer_failure(proxy, ctx, failure[1], failure[2], err, failure[3])
end

-- One try at an upstream that was taken. The relay and the code it woke with; nil and what to
-- return when there is nothing to wait for.
local function try(proxy, ctx, upstream, rest)
  local set, id = proxy.set, new_id()
  local handle = proxy.handles[upstream] or options_of.handle_of(proxy, upstream)
  local relay, first, second = start(proxy, ctx, handle, rest, id)
  if not relay then
    set:release(upstream, nil)
    if relay == false then return nil, first, second end
    return nil, answer_start_failure(proxy, ctx, first)
  end
  local code = suspend(id)
  if type(code) ~= "number" or code == ECANCELED then
    set:release(upstream, nil)
    check_suspended(code, id, "http.proxy")
  end
  return relay, code
end

-- Tries until an upstream answers or nothing more may be tried.
local function pass(proxy, ctx, rest)
  local set, count, tried = proxy.set, 0, nil
  prepare "http.proxy"
  local key = proxy.key and proxy.key(ctx)
  local err, failure = "no upstream is up", { 503, "no upstream is there", "busy" }
  while true do
    local upstream = set:acquire(key, tried)
    if not upstream then return fail(proxy, ctx, err, failure) end
    local relay, code, second = try(proxy, ctx, upstream, rest)
    if not relay then return code, second end
    if code > 0 then
      set:release(upstream, true)
      return respond(proxy, ctx, upstream, relay, code)
    end
    failure = FAILURES[tonumber(C.jh_relay_failure(relay))]
    if not failure then
      set:release(upstream, nil)
      return answer_client_failure(proxy, ctx, code)
    end
    err = ffi.string(C.jh_relay_reason(relay))
    set:release(upstream, false, err)
    count = count + 1
    if not may_try_again(proxy, ctx, relay, failure[3], count) then
      return fail(proxy, ctx, err, failure)
    end
    tried = tried or {}
    tried[upstream] = true
  end
end

--- Makes the handler.
---@param options justhttp.proxy_options
---@return justhttp.handler
function M.new(options)
  local proxy = options_of.check(options, 3)
  local rests = setmetatable({}, { __mode = "k" })
  proxy.rests = rests
  return function(ctx)
    local route = ctx[ROUTE]
    return pass(proxy, ctx, rests[route] or rest_of(proxy, route))
  end
end

return M
