--- What streams (socket.lua) and datagrams (datagram.lua) have in common: waiting, timeouts, ends,
-- options.
--
-- Objects have `_socket` (a jh_socket *, false without one), `_connect_ms`, `_send_ms`,
-- `_receive_ms`, and `_pool` and `_is_counted` when a pool bounds their number.

local ffi = require "ffi"
local bytes = require "justhttp.bytes"
local door = require "justhttp.door"
local pools = require "justhttp.socket_pool"
local scheduler = require "justhttp.scheduler"

local C = door.C
local prepare, suspend = scheduler.prepare, scheduler.suspend
local type, error, tostring, pcall, rawequal = type, error, tostring, pcall, rawequal
local format, huge, ffi_string = string.format, math.huge, ffi.string

local ETIMEDOUT, ECANCELED = C.JH_ETIMEDOUT, C.JH_ECANCELED
local ECLOSED, EBUSY = C.JH_ECLOSED, C.JH_EBUSY

local LEAST_MS = 0.01 -- 0 stands for no limit in the core

local M = {}
local Common = {}

-- ---- ends and errors ----------------------------------------------------------------------------

local function leave(self)
  if not self._is_counted then return end
  self._is_counted = false
  pools.leave(self._pool)
end

local function drop(self)
  local socket = self._socket
  if not socket then return end
  self._socket = false
  C.jh_socket_close(ffi.gc(socket, nil))
  leave(self)
end

-- For the collector, when a socket of a limited pool was forgotten.
local function closer(pool)
  return function(socket)
    C.jh_socket_close(socket)
    pools.leave(pool)
  end
end

-- The sentence for a code; whatever is not just slow ends the socket.
local function failed(self, code)
  if code == ETIMEDOUT then return "timeout" end
  if code == EBUSY then return "another task is at it already" end
  local reason = self._socket and ffi_string(C.jh_socket_reason(self._socket)) or ""
  drop(self)
  -- TLS that ends without its own end has a reason: it may have been cut short.
  if reason ~= "" then return reason end
  return code == ECLOSED and "closed" or door.strerror(code)
end

-- The task is cancelled while it waits: nobody waits in the core any more, nothing read is lost.
local function cancel(self, socket, id, ends)
  if not rawequal(self._socket, socket) then return end
  if socket then C.jh_socket_forget(socket, id) end
  bytes.restore(self)
  if ends then drop(self) end
end

-- Waits for the event of a call that answered EWAIT, and returns its code; nil when another task
-- has closed the socket meanwhile, or connected it anew. `ends`: a wait that is broken off leaves
-- nothing that could go on.
local function await(self, id, what, ends)
  local socket = self._socket
  local ok, err = pcall(prepare, what)
  if not ok then
    cancel(self, socket, id, ends)
    error(err, 0)
  end
  local code = suspend(id)
  if code == ECANCELED or type(code) ~= "number" then
    cancel(self, socket, id, ends)
    scheduler.check_suspended(code, id, what)
  end
  if not rawequal(self._socket, socket) then return nil end
  return code
end

local function milliseconds(self, seconds, call)
  if seconds == nil then return 0 end
  if type(seconds) ~= "number" or seconds ~= seconds then
    error(format("%s:%s: give a number of seconds, got %s", self._noun, call,
      tostring(seconds)), 3)
  end
  if seconds < 0 or seconds == huge then return 0 end
  return seconds > 0 and seconds * 1000 or LEAST_MS
end

--- Sets how long connecting, sending and each wait for input may take: seconds, 60 at first; nil
-- is for ever.
---@param seconds number?
function Common:settimeout(seconds)
  local ms = milliseconds(self, seconds, "settimeout")
  self._connect_ms, self._send_ms, self._receive_ms = ms, ms, ms
  return 1
end

--- The same, one by one.
---@param connect number?
---@param send number?
---@param receive number?
function Common:settimeouts(connect, send, receive)
  self._connect_ms = milliseconds(self, connect, "settimeouts")
  self._send_ms = milliseconds(self, send, "settimeouts")
  self._receive_ms = milliseconds(self, receive, "settimeouts")
  return 1
end

--- Tells the peer that nothing more will be sent; receiving goes on.
function Common:shutdown()
  if not self._socket then return nil, "closed" end
  C.jh_socket_shutdown(self._socket)
  return 1
end

--- Closes it; tasks that wait for it are told "closed".
function Common:close()
  if not self._socket then return nil, "closed" end
  drop(self)
  return 1
end

-- ---- about it -----------------------------------------------------------------------------------

local SETTABLE = {
  keepalive = C.JH_SOCKET_KEEPALIVE, ["tcp-nodelay"] = C.JH_SOCKET_NODELAY,
  reuseaddr = C.JH_SOCKET_REUSEADDR, broadcast = C.JH_SOCKET_BROADCAST,
  sndbuf = C.JH_SOCKET_SEND_BYTES, rcvbuf = C.JH_SOCKET_RECEIVE_BYTES,
}

--- Sets "keepalive", "tcp-nodelay", "reuseaddr", "broadcast" (true, false) or "sndbuf", "rcvbuf"
-- (bytes).
---@param name string
---@param value boolean|integer|nil true when absent
---@return 1? ok
---@return string? err
function Common:setoption(name, value)
  local option = SETTABLE[name]
  if not option then error("socket:setoption: no option " .. tostring(name), 2) end
  if not self._socket then return nil, "closed" end
  if value == nil or value == true then value = 1 elseif value == false then value = 0 end
  local code = C.jh_socket_set_option(self._socket, option, value)
  if code ~= 0 then return nil, door.strerror(code) end
  return 1
end

local function name_of(self, is_peer)
  if not self._socket then return nil, "closed" end
  local name = ffi.new "jh_socket_name"
  local code = C.jh_socket_name_of(self._socket, is_peer, name)
  if code ~= 0 then return nil, door.strerror(code) end
  return ffi_string(name.host, name.host_len), name.port
end

--- Address and port of this end.
function Common:getsockname() return name_of(self, false) end

--- Address and port of the other end.
function Common:getpeername() return name_of(self, true) end

--- The descriptor, for http.fd_wait and FFI libraries; it stays this socket's.
---@return integer? fd
function Common:getfd()
  if not self._socket then return nil, "closed" end
  local fd = C.jh_socket_fd(self._socket)
  if fd < 0 then return nil, "closed" end
  return fd
end

M.leave, M.drop, M.closer, M.failed, M.await = leave, drop, closer, failed, await

--- Adds the methods to a class.
---@param class table
function M.mixin(class)
  for name, fn in pairs(Common) do class[name] = fn end
end

return M
