--- Sockets for datagrams: http.socket.udp(), in LuaSocket's terms and OpenResty's.
--
-- UDP over IPv4 or IPv6, or unix datagrams where an address begins with "unix:". The descriptor is
-- made when the first address tells its family. Names are looked up.

local ffi = require "ffi"
local streams = require "justhttp.bytes"
local common = require "justhttp.socket_common"
local door = require "justhttp.door"
local explain = require "justhttp.explain"
local resolve = require "justhttp.resolve"
local scheduler = require "justhttp.scheduler"

local C = door.C
local new_id, bounded = scheduler.new_id, scheduler.bounded
local type, error, tostring, tonumber = type, error, tostring, tonumber
local setmetatable, find, sub = setmetatable, string.find, string.sub
local ffi_string = ffi.string
local await, failed = common.await, common.failed

local EWAIT = C.JH_EWAIT
local DATAGRAM_BYTES = 65536
local DEFAULT_MS = 60000

local M = {}

local scratch = ffi.new("char[?]", DATAGRAM_BYTES)
local sender = ffi.new "jh_socket_name"
local code_out = ffi.new "int[1]"

---@class justhttp.datagram_socket
---@field _socket ffi.cdata*|false
local Datagram = { __name = "justhttp.datagram_socket", _data = "", _at = 1 }
Datagram.__index = Datagram
explain.class(Datagram, "udp", Datagram)

streams.mixin(Datagram, "udp") -- for what `send` takes; the ways to receive are its own
for _, name in ipairs { "receiveany", "receiveline", "receiveuntil" } do Datagram[name] = nil end
common.mixin(Datagram)
Datagram.settimeouts, Datagram.shutdown = nil, nil

-- A numeric address, or the path, that stands for a host.
local function address_of(self, host)
  if sub(host, 1, 5) == "unix:" or find(host, ":", 1, true) or find(host, "^[%d.]+$") then
    return host
  end
  if host == "*" then return "0.0.0.0" end
  local list, err = resolve.resolve(host, self._send_ms > 0 and self._send_ms / 1000 or nil)
  if not list then return nil, err end
  return list[1]
end

local function check(call, host, port)
  if type(host) ~= "string" then
    error(call .. ": give an address, got a " .. type(host), 3)
  end
  if sub(host, 1, 5) == "unix:" then return 0 end
  local number = tonumber(port)
  if not number or number < 0 or number > 65535 then
    error(call .. ": give a port, got " .. tostring(port), 3)
  end
  return number
end

-- The descriptor, of the family that the address has.
local function open(self, address)
  if self._socket then return self._socket end
  local made = C.jh_socket_open_datagram(door.generation, address, #address, code_out)
  if made == nil then return nil, door.strerror(code_out[0]) end
  self._socket = ffi.gc(made, C.jh_socket_close)
  scheduler.note_open(self)
  return made
end

local function set_address(self, call, set, host, port)
  port = check(call, host, port)
  local address, err = address_of(self, host)
  if not address then return nil, err end
  local made
  made, err = open(self, address)
  if not made then return nil, err end
  local code = set(made, address, #address, port)
  if code ~= 0 then return nil, door.strerror(code) end
  return 1
end

local function bind(made, address, len, port) return C.jh_socket_bind(made, address, len, port) end

local function set_peer(made, address, len, port)
  return C.jh_socket_set_peer(made, address, len, port)
end

--- Gives it an address of its own: "*" for any, port 0 for a free one.
---@param host string
---@param port integer?
---@return 1? ok
---@return string? err
function Datagram:setsockname(host, port)
  return set_address(self, "udp:setsockname", bind, host, port)
end
Datagram.bind = Datagram.setsockname

--- Sends to and receives from this address only. "*" takes that back.
---@param host string name, address or "unix:/path"
---@param port integer?
---@return 1? ok
---@return string? err
function Datagram:setpeername(host, port)
  if host == "*" then
    if not self._socket then return 1 end
    local code = C.jh_socket_set_peer(self._socket, "", 0, 0)
    if code ~= 0 then return nil, door.strerror(code) end
    return 1
  end
  return set_address(self, "udp:setpeername", set_peer, host, port)
end
Datagram.connect = Datagram.setpeername

local function send(self, call, data, address, port)
  if type(data) ~= "string" then data = self:_flatten(data) end
  while true do
    local made = self._socket
    if not made then return nil, "closed" end
    local id = new_id()
    local count = C.jh_socket_send_to(made, data, #data, address, #address, port, id,
      bounded(self._send_ms))
    if count >= 0 then return count end
    if count ~= EWAIT then return nil, door.strerror(count) end
    count = await(self, id, call, false)
    if not count then return nil, "closed" end
    if count ~= 0 then return nil, failed(self, count) end
  end
end

--- Sends a datagram to the peer.
---@param data string|number|table
---@return integer? count
---@return string? err
function Datagram:send(data) return send(self, "udp:send", data, "", 0) end

--- Sends a datagram to an address.
---@param data string|number|table
---@param host string
---@param port integer?
---@return integer? count
---@return string? err
function Datagram:sendto(data, host, port)
  port = check("udp:sendto", host, port)
  local address, err = address_of(self, host)
  if not address then return nil, err end
  local made
  made, err = open(self, address)
  if not made then return nil, err end
  return send(self, "udp:sendto", data, address, port)
end

local function receive(self, call, bytes)
  bytes = bytes or DATAGRAM_BYTES
  if type(bytes) ~= "number" or bytes < 1 then
    error(call .. ": give the most bytes, got " .. tostring(bytes), 3)
  end
  if bytes > DATAGRAM_BYTES then bytes = DATAGRAM_BYTES end
  while true do
    local made = self._socket
    if not made then return nil, "closed" end
    local id = new_id()
    local count = C.jh_socket_receive_from(made, scratch, bytes, sender, id,
      bounded(self._receive_ms))
    if count >= 0 then return ffi_string(scratch, count) end
    -- "Connection refused" is about a datagram that was sent before; the socket goes on.
    if count ~= EWAIT then return nil, door.strerror(count) end
    count = await(self, id, call, false)
    if not count then return nil, "closed" end
    if count ~= 0 then return nil, failed(self, count) end
  end
end

--- The next datagram, cut at `bytes`.
---@param bytes integer?
---@return string? data
---@return string? err
function Datagram:receive(bytes) return receive(self, "udp:receive", bytes) end

--- The next datagram and who sent it.
---@param bytes integer?
---@return string? data
---@return string host_or_err
---@return integer? port
function Datagram:receivefrom(bytes)
  local data, err = receive(self, "udp:receivefrom", bytes)
  if not data then return nil, err end
  return data, ffi_string(sender.host, sender.host_len), sender.port
end

--- Makes one.
---@return justhttp.datagram_socket
function M.new()
  return setmetatable({
    _socket = false, _is_counted = false, _connect_ms = DEFAULT_MS, _send_ms = DEFAULT_MS,
    _receive_ms = DEFAULT_MS,
  }, Datagram)
end

return M
