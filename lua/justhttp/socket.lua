--- http.socket: outgoing connections in the terms of LuaSocket and of OpenResty's cosockets.
--
-- A socket connects, sends and receives without blocking anybody else; only the task that calls
-- waits. One task may receive while another sends. All times are seconds. What is read ahead is
-- here (bytes.lua), the descriptor is the core's; socket_common.lua waits, socket_pool.lua has the
-- pools.

local ffi = require "ffi"
local bytes = require "justhttp.bytes"
local door = require "justhttp.door"
local common = require "justhttp.socket_common"
local explain = require "justhttp.explain"
local pools = require "justhttp.socket_pool"
local scheduler = require "justhttp.scheduler"

local C = door.C
local new_id, bounded = scheduler.new_id, scheduler.bounded
local await, drop, failed = common.await, common.drop, common.failed
local leave, closer = common.leave, common.closer
local type, error, tostring, tonumber = type, error, tostring, tonumber
local setmetatable, format, sub = setmetatable, string.format, string.sub
local ffi_string = ffi.string

local EWAIT, ETIMEDOUT = C.JH_EWAIT, C.JH_ETIMEDOUT
local ECLOSED, EEXIST = C.JH_ECLOSED, C.JH_EEXIST

local PIECE_BYTES = 65536
local DEFAULT_MS = 60000

---@class justhttp.sockets
local M = {}

-- What is read goes through here into a string at once; nothing waits in between.
local scratch = ffi.new("char[?]", PIECE_BYTES)
local code_out = ffi.new "int[1]"

---@class justhttp.socket : justhttp.bytes
---@field _socket ffi.cdata*|false
---@field _reused integer how often it came out of a pool
local Socket = { __name = "justhttp.socket" }
Socket.__index = Socket
bytes.mixin(Socket, "socket")
common.mixin(Socket)
explain.class(Socket, "socket", Socket)

-- ---- connecting ---------------------------------------------------------------------------------

---@class justhttp.socket_options
---@field pool string? name of the pool to take it from and put it back to; "host:port" when absent
---@field pool_size integer? how many may rest there; 30 when absent
---@field backlog integer? how many may wait while pool_size connections of the pool are open
---@field tls boolean|justhttp.tls_options|nil speak TLS
---@field server_name string? for TLS, instead of the host
---@field local_address string? address to connect from
---@field keepalive number? seconds of silence before the kernel probes the peer
---@field timeout number? as settimeout()

local OPTIONS = {
  pool = "string", pool_size = "number", backlog = "number", server_name = "string",
  local_address = "string", keepalive = "number", timeout = "number",
}

local function check_options(options)
  for name, value in pairs(options) do
    local kind, wanted = type(value), OPTIONS[name]
    if name == "tls" then
      wanted = (kind == "table" or kind == "boolean") and kind or "boolean or table"
    elseif not wanted then
      error(format("socket:connect: no option %q", tostring(name)), 4)
    end
    if kind ~= wanted then
      error(format("socket:connect: %s must be a %s, got a %s", name, wanted, kind), 4)
    end
  end
end

local function tls_context(options)
  if not options or not options.tls then return nil end
  return require "justhttp.tls".context(type(options.tls) == "table" and options.tls or nil)
end

local function set(field, text)
  if text then field.ptr, field.len = text, #text end
end

-- Dials and waits. True, or nil and why.
local function dial(self, host, port, options, context)
  local target = ffi.new "jh_socket_target"
  set(target.host, host)
  set(target["local"], options and options.local_address)
  set(target.server_name, options and options.server_name)
  target.port, target.tls = port, context
  target.keepalive_s = options and options.keepalive or 0
  target.connect_timeout_ms = bounded(self._connect_ms)
  local id = new_id()
  local socket = C.jh_socket_open(door.generation, target, id, code_out)
  if socket == nil then
    leave(self)
    return nil, door.strerror(code_out[0])
  end
  self._socket = ffi.gc(socket, self._is_counted and closer(self._pool) or C.jh_socket_close)
  local code = await(self, id, "socket:connect", true)
  if code == 0 then return true end
  if not code then return nil, "closed" end
  local reason = ffi_string(C.jh_socket_reason(socket))
  drop(self)
  if code == ETIMEDOUT then return nil, "timeout", reason end
  return nil, reason ~= "" and reason or door.strerror(code)
end

local function check_target(host, port)
  if type(host) ~= "string" then
    error("socket:connect: give a host or \"unix:/path\", got a " .. type(host), 3)
  end
  local number = tonumber(port)
  if not number or number < 1 or number > 65535 or number % 1 ~= 0 then
    error("socket:connect: give a port, got " .. tostring(port), 3)
  end
  return number
end

--- Connects, or takes a connection that rests in the pool. A connection the socket has already is
-- closed first. It is closed when the task that calls, or the request it works for, is cancelled.
---@param host string name, address, or "unix:/path"
---@param port integer|string|justhttp.socket_options|nil none for unix sockets
---@param options justhttp.socket_options?
---@return 1? ok
---@return string? err "timeout", or a sentence that names the address and what failed
---@return string? reason with "timeout": the sentence
function Socket:connect(host, port, options)
  local is_unix = type(host) == "string" and sub(host, 1, 5) == "unix:"
  if is_unix and type(port) == "table" then port, options = 0, port end
  port = is_unix and 0 or check_target(host, port)
  if options then
    check_options(options)
    if options.timeout then self:settimeout(options.timeout) end
  end
  drop(self)
  self._data, self._at, self._reused = "", 1, 0
  local context, err = tls_context(options)
  if err then return nil, err end
  local pool = pools.find(host, port, options, context)
  local entry, is_counted, busy = pools.acquire(pool, bounded(self._connect_ms))
  drop(self) -- another task may have connected it meanwhile
  self._pool = pool
  if entry then
    self._socket, self._reused, self._is_counted = entry.socket, entry.reused, entry.is_counted
    self._host = host
    scheduler.note_open(self)
    return 1
  end
  if busy then return nil, busy end
  self._host, self._is_counted = host, is_counted
  local ok, dial_err, reason = dial(self, host, port, options, context)
  if not ok then return nil, dial_err, reason end
  scheduler.note_open(self)
  return 1
end

--- Speaks TLS from here on. A connection out of a pool that does already is left as it is.
---@param options justhttp.tls_options|string|nil options, or a server name
---@return true? ok
---@return string? err
---@return string? reason
function Socket:starttls(options)
  local socket = self._socket
  if not socket then return nil, "closed" end
  if type(options) == "string" then options = { server_name = options } end
  if C.jh_socket_is_tls(socket) then return true end
  if bytes.waiting(self) > 0 then
    drop(self)
    return nil, "the peer sent something before TLS began"
  end
  local context, err = require "justhttp.tls".context(options)
  if not context then return nil, err end
  local name = options and options.server_name or self._host or ""
  local id = new_id()
  local code = C.jh_socket_start_tls(socket, context, name, #name, id,
    bounded(self._connect_ms))
  if code == EEXIST then return true end
  if code == EWAIT then code = await(self, id, "socket:starttls", true) end
  if code == 0 then return true end
  if not code then return nil, "closed" end
  local reason = ffi_string(C.jh_socket_reason(socket))
  if code == ETIMEDOUT then
    drop(self)
    return nil, "timeout", reason
  end
  return nil, failed(self, code)
end

--- As OpenResty has it: a session to resume is not needed (contexts keep their own).
---@param session any ignored; false returns true instead of a session
---@param server_name string?
---@param verify boolean? true when absent here, unlike in OpenResty
---@return true? ok
---@return string? err
function Socket:sslhandshake(session, server_name, verify)
  local _ = session
  return self:starttls { server_name = server_name, verify = verify ~= false }
end

-- ---- bytes --------------------------------------------------------------------------------------

--- For bytes.lua: waits for input.
function Socket:_pull()
  while true do
    local socket = self._socket
    if not socket then return nil, "closed" end
    local id = new_id()
    local count = C.jh_socket_read(socket, scratch, PIECE_BYTES, id, bounded(self._receive_ms))
    if count > 0 then return ffi_string(scratch, count) end
    if count == 0 then return nil, "closed" end
    if count == EWAIT then count = await(self, id, "socket:receive", false) end
    if not count then return nil, "closed" end
    if count ~= 0 then return nil, failed(self, count) end
  end
end

-- Sends from `at` (0-based) on. The number of bytes sent in all, and why not all were.
local function send_rest(self, data, at, stop)
  local from = ffi.cast("const char *", data)
  while at < stop do
    local socket = self._socket
    if not socket then return at, "closed" end
    local id = new_id()
    local count = C.jh_socket_write(socket, from + at, stop - at, id, bounded(self._send_ms))
    if count == EWAIT then
      count = await(self, id, "socket:send", at > 0 or C.jh_socket_is_tls(socket))
      if not count then return at, "closed" end
      if count ~= 0 then
        -- Half a TLS record cannot be taken back, nor anything else be sent behind it.
        local is_tls = C.jh_socket_is_tls(socket)
        local err = failed(self, count)
        if is_tls then drop(self) end
        return at, err
      end
    elseif count < 0 then
      return at, failed(self, count)
    else
      at = at + count
    end
  end
  return at
end

--- Sends all of it, waiting when the peer is slow.
---@param data string|number|table a table: a list of strings, numbers and such lists
---@param first integer? of the bytes of a string; 1 when absent
---@param last integer?
---@return integer? count index of the last byte sent
---@return string? err
---@return integer? sent with an error: index of the last byte that the kernel took
function Socket:send(data, first, last)
  if type(data) ~= "string" then data = self:_flatten(data) end
  local socket = self._socket
  if not socket then return nil, "closed", 0 end
  local stop, at = #data, 0
  if first then
    if first < 0 then first = stop + first + 1 end
    if first > 1 then at = first - 1 end
    if last then
      if last < 0 then last = stop + last + 1 end
      if last < stop then stop = last end
    end
    if at >= stop then return stop end
  elseif stop == 0 then
    return 0
  else
    local id = new_id()
    local count = C.jh_socket_write(socket, data, stop, id, bounded(self._send_ms))
    if count == stop then return stop end
    if count > 0 then
      at = count
    else
      C.jh_socket_forget(socket, id)
      if count ~= EWAIT then return nil, failed(self, count), 0 end
    end
  end
  local sent, err = send_rest(self, data, at, stop)
  if err then return nil, err, sent end
  return sent
end

-- ---- the end ------------------------------------------------------------------------------------

--- Puts the connection into its pool: for `idle_seconds` at most (60 when absent, 0 for ever), and
-- no more than `pool_size` there (30), the longest unused go first. The socket can connect again.
---@param idle_seconds number?
---@param pool_size integer?
---@return 1? ok
---@return string? err then it is closed
function Socket:setkeepalive(idle_seconds, pool_size)
  local socket = self._socket
  if not socket then return nil, "closed" end
  if idle_seconds ~= nil and (type(idle_seconds) ~= "number" or idle_seconds < 0) then
    error("socket:setkeepalive: give a number of seconds, got " .. tostring(idle_seconds), 2)
  end
  local code = bytes.waiting(self) > 0 and C.JH_EPROTO
    or C.jh_socket_rest(socket, (idle_seconds or 60) * 1000)
  if code ~= 0 then
    self:close()
    if code == C.JH_EPROTO then return nil, "unread data is there" end
    return nil, code == ECLOSED and "closed" or door.strerror(code)
  end
  local entry = { socket = socket, reused = self._reused + 1, is_counted = self._is_counted }
  self._socket, self._is_counted = false, false
  pools.put(self._pool, entry, pool_size)
  return 1
end

--- How often the connection came out of a pool: 0 for a new one.
---@return integer? count
---@return string? err
function Socket:getreusedtimes()
  if not self._socket then return nil, "closed" end
  return self._reused
end

M.Socket = Socket

--- A socket for a connection; not connected yet.
---@return justhttp.socket
function M.tcp()
  return setmetatable({
    _socket = false, _data = "", _at = 1, _reused = 0,
    _pool = false, _is_counted = false, _host = false,
    _connect_ms = DEFAULT_MS, _send_ms = DEFAULT_MS, _receive_ms = DEFAULT_MS,
  }, Socket)
end

--- The same, for paths: `connect "/run/x.sock"`.
---@return justhttp.socket
function M.unix()
  local socket = M.tcp()
  function socket:connect(path, options)
    return Socket.connect(self, sub(path, 1, 5) == "unix:" and path or "unix:" .. path,
      options or {})
  end
  return socket
end

--- Makes a socket and connects it.
---@param host string
---@param port integer|string|justhttp.socket_options|nil
---@param options justhttp.socket_options?
---@return justhttp.socket? socket
---@return string? err
---@return string? reason
function M.connect(host, port, options)
  local socket = M.tcp()
  local ok, err, reason = socket:connect(host, port, options)
  if not ok then return nil, err, reason end
  return socket
end

--- A socket for datagrams: UDP, or unix ones with addresses that begin with "unix:".
---@return justhttp.datagram_socket
function M.udp() return require "justhttp.datagram".new() end

return M
