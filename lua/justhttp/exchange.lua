--- One request over the wire and its response: the client's way through the door.
--
-- client.lua builds the head and decides what follows; here a call is started, waited for and
-- ended, whatever happens: a response, a failure, a cancelled task. The head and the body must stay
-- until the call is closed, so they are kept on this stack, or with a streamed response.
--
-- Code behind a wait runs in the interpreter, where each call through the door costs something: a
-- plain exchange makes three.

local ffi = require "ffi"
local door = require "justhttp.door"
local scheduler = require "justhttp.scheduler"
local make_response = require "justhttp.client_response"

local C = door.C
local ffi_string, tonumber = ffi.string, tonumber
local prepare, suspend, check_suspended = scheduler.prepare, scheduler.suspend,
  scheduler.check_suspended
local new_id, note_open = scheduler.new_id, scheduler.note_open

local M = {}

--- Kinds of failures by jh_call_failure.
local KINDS = {
  [tonumber(C.JH_CALL_TIMED_OUT)] = "timeout", [tonumber(C.JH_CALL_NOT_RESOLVED)] = "resolve",
  [tonumber(C.JH_CALL_NOT_CONNECTED)] = "connect", [tonumber(C.JH_CALL_TLS_FAILED)] = "tls",
  [tonumber(C.JH_CALL_LINK_CLOSED)] = "closed", [tonumber(C.JH_CALL_BAD_ANSWER)] = "protocol",
  [tonumber(C.JH_CALL_OVER_LIMIT)] = "limit", [tonumber(C.JH_CALL_BUSY)] = "busy",
  [tonumber(C.JH_CALL_PROXY_FAILED)] = "proxy", [tonumber(C.JH_CALL_NO_MEMORY)] = "limit",
}

local CHUNKED = tonumber(C.JH_CALL_SENDS_CHUNKED_BIT)
local STREAMED = tonumber(C.JH_CALL_STREAMED_BIT)
local INTERIM = tonumber(C.JH_CALL_INTERIM_BIT)
local SENDS_STREAM = tonumber(C.JH_CALL_SENDS_STREAM_BIT)
M.flags = {
  head = tonumber(C.JH_CALL_HEAD_BIT), idempotent = tonumber(C.JH_CALL_IDEMPOTENT_BIT),
  streamed = STREAMED, sends_stream = SENDS_STREAM, chunked = CHUNKED,
  expects = tonumber(C.JH_CALL_EXPECTS_BIT), interim = INTERIM,
  close = tonumber(C.JH_CALL_CLOSE_BIT), connect = tonumber(C.JH_CALL_CONNECT_BIT),
}

local response = ffi.new "jh_call_response"

--- Why a call failed: a sentence, and its kind.
local function failure(call)
  return ffi_string(C.jh_call_reason(call)), KINDS[tonumber(C.jh_call_failure_of(call))] or "closed"
end
M.failure = failure

local bounded = scheduler.bounded
M.bounded = bounded

-- The response of a call that is done, as a table; the call is closed.
local function take_whole(call)
  if C.jh_call_read_response(call, response) ~= 0 then
    local reason, kind = failure(call)
    C.jh_call_close(call)
    return nil, reason, kind
  end
  local head = ffi_string(response.head.ptr, response.head.len)
  local body = ffi_string(response.body.ptr, response.body.len)
  local trailers
  if response.has_trailers then
    local out = door.out
    C.jh_call_trailers(call, out)
    if out.len > 0 then trailers = ffi_string(out.ptr, out.len) end
  end
  local res = make_response(response.status, head, response.fields, body, response.has_coding,
    trailers)
  C.jh_call_close(call)
  return res
end

local function take_streamed(call, head, body)
  if C.jh_call_read_response(call, response) ~= 0 then
    local reason, kind = failure(call)
    C.jh_call_close(call)
    return nil, reason, kind
  end
  local res = make_response(response.status,
    ffi_string(response.head.ptr, response.head.len), response.fields, false,
    response.has_coding)
  res._is_tunnel = response.is_tunnel
  res._content_length = tonumber(response.content_length)
  res._sent = { head, body } -- the core may still be writing them
  res._call = ffi.gc(call, C.jh_call_close)
  note_open(res)
  return res
end

-- Interim responses go to whoever asked for them.
local function tell_interim(call, tell)
  local interim = ffi.new "jh_call_response"
  while C.jh_call_next_interim(call, interim) == 0 do
    local head = ffi_string(interim.head.ptr, interim.head.len)
    tell(interim.status, make_response(interim.status, head, interim.fields, "", false).headers)
  end
end

-- Waits until the call has an answer; its error is raised when the wait is cancelled.
local function await(call, id, tell)
  while true do
    local code = suspend(id)
    if code ~= 0 and code ~= nil then
      local is_ours = type(code) == "number" and code ~= C.JH_ECANCELED
      if is_ours then return end
      C.jh_call_close(call)
      check_suspended(code, id, "http.request")
    end
    if not tell then return end
    local ok, err = pcall(tell_interim, call, tell)
    if not ok then
      C.jh_call_close(call)
      error(err, 0)
    end
    id = new_id()
    if C.jh_call_await(call, id) ~= C.JH_EWAIT then return end
  end
end

local function start(origin, options, head, body, timeout_ms, id)
  local call = C.jh_call_start(door.generation, origin, options, head, #head, body, #body,
    timeout_ms, id)
  return call
end

--- Sends a request and waits for the whole response.
---@param origin ffi.cdata*
---@param options ffi.cdata* jh_call_options
---@param head string
---@param body string
---@param timeout_ms number 0: no limit
---@return justhttp.client_response?
---@return string? err
---@return string? kind
function M.whole(origin, options, head, body, timeout_ms)
  prepare "http.request"
  local id = new_id()
  local call = start(origin, options, head, body, bounded(timeout_ms), id)
  if call == nil then return nil, "out of memory", "limit" end
  local code = suspend(id)
  if code == C.JH_ECANCELED or type(code) ~= "number" then
    C.jh_call_close(call)
    check_suspended(code, id, "http.request")
  end
  return take_whole(call)
end

-- ---- bodies in pieces ---------------------------------------------------------------------------

-- Waits under `id`; closes the call when the wait is cancelled.
local function wait_for_call(call, id)
  local code = suspend(id)
  if code == C.JH_ECANCELED or type(code) ~= "number" then
    C.jh_call_close(call)
    check_suspended(code, id, "http.request")
  end
end

-- Sends what `produce` gives. An error of its own ends the call and is raised again.
local function send_stream(call, produce)
  while true do
    local ok, piece, err = pcall(produce)
    if not ok or (piece ~= nil and type(piece) ~= "string") or (piece == nil and err ~= nil) then
      C.jh_call_close(call)
      if not ok then error(piece, 0) end
      return nil, "the body of the request: " .. (piece == nil and tostring(err)
        or "its function gave a " .. type(piece) .. ", not a string"), "invalid"
    end
    if piece == nil then break end
    local id = new_id()
    local code = C.jh_call_write(call, piece, #piece, id)
    if code == C.JH_EWAIT then
      wait_for_call(call, id)
    elseif code ~= 0 then
      return true
    end
  end
  C.jh_call_end(call, "", 0)
  return true
end

--- Sends a request whose body a function gives, or whose response is read in pieces, or that wants
-- to hear of interim responses.
---@param how { origin: ffi.cdata*, options: ffi.cdata*, head: string, body: string,
---  timeout_ms: number, produce: function?, tell: function? }
---@return justhttp.client_response?
---@return string? err
---@return string? kind
function M.streamed(how)
  prepare "http.request"
  local head, body, options = how.head, how.body, how.options
  local call = start(how.origin, options, head, body, bounded(how.timeout_ms), 0)
  if call == nil then return nil, "out of memory", "limit" end
  if how.produce then
    local ok, err, kind = send_stream(call, how.produce)
    if not ok then return nil, err, kind end
  end
  local id = new_id()
  if C.jh_call_await(call, id) == C.JH_EWAIT then await(call, id, how.tell) end
  if bit.band(options.flags, STREAMED) == 0 then return take_whole(call) end
  return take_streamed(call, head, body)
end

--- Reads the next piece of a streamed response into memory that `bytes` fit into.
---@param call ffi.cdata*
---@param into ffi.cdata*
---@param bytes integer
---@return integer? count 0 at the end
---@return string? err
---@return string? kind
function M.read(call, into, bytes)
  while true do
    local id = new_id()
    local count = tonumber(C.jh_call_read(call, into, bytes, id))
    if count >= 0 then return count end
    if count == C.JH_EBUSY then return nil, "another task reads this response", "invalid" end
    if count ~= C.JH_EWAIT then return nil, failure(call) end
    prepare "res:read"
    local code = suspend(id)
    check_suspended(code, id, "res:read")
  end
end

return M
