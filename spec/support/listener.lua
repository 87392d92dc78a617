-- A listening socket of the spec's own: what the code under test connects to.
--
--   local listener = require "spec.support.listener"
--   local l = listener.tcp()                    -- 127.0.0.1, a free port; listener.tcp("::1")
--   local l = listener.unix(path)               -- stream; a path that begins with '@' is abstract
--   local l = listener.udp()                    -- bound; l:receive_from(), l:send_to(text, from)
--   l.port  l.path
--   local c = l:accept()                        -- waits; raises when nobody connects in 5 seconds
--   l:has_pending()                             -- somebody waits to be accepted
--   c:send("x")  c:receive(10)  c:receive_some()  c:close()  c:reset()  c:shutdown()
--   l:close()
--   listener.closed_port()                      -- a port that nobody listens on
local ffi = require "ffi"
local bit = require "bit"
local sys = require "spec.support.sys"
local C = ffi.C

ffi.cdef [[
int bind(int fd, const void *address, unsigned int len);
int listen(int fd, int backlog);
int accept4(int fd, void *address, unsigned int *len, int flags);
int getsockname(int fd, void *address, unsigned int *len);
ssize_t recvfrom(int fd, void *out, size_t len, int flags, void *from, unsigned int *from_len);
ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const void *to,
               unsigned int to_len);
]]

local AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
local SOCK_STREAM, SOCK_DGRAM, SOCK_CLOEXEC = 1, 2, 0x80000
local SOL_SOCKET, SO_LINGER, SO_REUSEADDR = 1, 13, 2
local MSG_NOSIGNAL, MSG_DONTWAIT = 0x4000, 0x40

local M = {}
local Listener, Conn = {}, {}
Listener.__index, Conn.__index = Listener, Conn

local function swap(port) return bit.bor(bit.lshift(port % 256, 8), math.floor(port / 256)) end

local function ip_address(host, port)
  local family = host:find(":", 1, true) and AF_INET6 or AF_INET
  local address = ffi.new(family == AF_INET and "struct spec_sockaddr_in"
    or "struct spec_sockaddr_in6", { family = family })
  address.port = swap(port)
  assert(C.inet_pton(family, host, address.addr) == 1, "not an IP address: " .. host)
  return family, address
end

local function open(host, port, kind)
  local family, address = ip_address(host, port)
  local fd = sys.check(C.socket(family, bit.bor(kind, SOCK_CLOEXEC), 0), "socket")
  local yes = ffi.new("int[1]", 1)
  C.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, yes, 4)
  sys.check(C.bind(fd, address, ffi.sizeof(address)), "bind")
  local len = ffi.new("unsigned int[1]", ffi.sizeof(address))
  sys.check(C.getsockname(fd, address, len), "getsockname")
  return setmetatable({ fd = fd, host = host, port = swap(address.port) }, Listener)
end

function M.tcp(host, port, backlog)
  local self = open(host or "127.0.0.1", port or 0, SOCK_STREAM)
  sys.check(C.listen(self.fd, backlog or 128), "listen")
  return self
end

function M.udp(host) return open(host or "127.0.0.1", 0, SOCK_DGRAM) end

local function unix_address(path)
  local address = ffi.new("struct spec_sockaddr_un", { family = AF_UNIX })
  assert(#path < 108, "unix socket path is too long: " .. path)
  ffi.copy(address.path, path, #path)
  local is_abstract = path:sub(1, 1) == "@"
  if is_abstract then address.path[0] = 0 end
  return address, 2 + #path + (is_abstract and 0 or 1)
end

local function open_unix(path, kind)
  local address, len = unix_address(path)
  local fd = sys.check(C.socket(AF_UNIX, bit.bor(kind, SOCK_CLOEXEC), 0), "socket")
  sys.check(C.bind(fd, address, len), "bind")
  return setmetatable({ fd = fd, path = path }, Listener)
end

function M.unix(path, backlog)
  local self = open_unix(path, SOCK_STREAM)
  sys.check(C.listen(self.fd, backlog or 128), "listen")
  return self
end

function M.unix_datagram(path) return open_unix(path, SOCK_DGRAM) end

function M.closed_port(host)
  local self = open(host or "127.0.0.1", 0, SOCK_STREAM)
  self:close()
  return self.port
end

function Listener:accept(seconds)
  if not sys.wait_readable(self.fd, sys.deadline(seconds)) then error("nobody connects", 2) end
  local fd = sys.check(C.accept4(self.fd, nil, nil, SOCK_CLOEXEC), "accept")
  return setmetatable({ fd = fd }, Conn)
end

function Listener:has_pending() return sys.wait_readable(self.fd, sys.now()) end

function Listener:receive_from(seconds)
  if not sys.wait_readable(self.fd, sys.deadline(seconds)) then error("nothing comes", 2) end
  local out, from = ffi.new "char[65536]", ffi.new "char[128]"
  local from_len = ffi.new("unsigned int[1]", 128)
  local count = sys.check(C.recvfrom(self.fd, out, 65536, 0, from, from_len), "recvfrom")
  return ffi.string(out, count), { bytes = from, len = from_len[0] }
end

function Listener:send_to(text, to)
  sys.check(C.sendto(self.fd, text, #text, MSG_NOSIGNAL, to.bytes, to.len), "sendto")
end

function Listener:close()
  if self.fd then C.close(self.fd) end
  self.fd = nil
end

function Conn:send(text)
  local at = 0
  while at < #text do
    local bytes = ffi.cast("const char *", text) + at
    at = at + tonumber(sys.check(C.send(self.fd, bytes, #text - at, MSG_NOSIGNAL), "send"))
  end
end

-- What there is now, at most `bytes`; nil when there is nothing, "" at the end.
function Conn:receive_now(bytes)
  local out = ffi.new("char[?]", bytes or 65536)
  local count = tonumber(C.recv(self.fd, out, bytes or 65536, MSG_DONTWAIT))
  if count < 0 then
    if ffi.errno() == sys.EAGAIN then return nil end
    error("recv: " .. sys.strerror(ffi.errno()), 2)
  end
  return ffi.string(out, count)
end

-- Waits for something; "" at the end.
function Conn:receive_some(bytes)
  if not sys.wait_readable(self.fd, sys.deadline()) then error("nothing comes", 2) end
  return self:receive_now(bytes)
end

-- Exactly so many bytes.
function Conn:receive(bytes)
  local pieces, count = {}, 0
  while count < bytes do
    local piece = self:receive_some(bytes - count)
    assert(piece ~= "", "it ended early")
    pieces[#pieces + 1], count = piece, count + #piece
  end
  return table.concat(pieces)
end

function Conn:shutdown() C.shutdown(self.fd, 1) end

function Conn:close()
  if self.fd then C.close(self.fd) end
  self.fd = nil
end

function Conn:reset()
  local linger = ffi.new("struct spec_linger", 1, 0)
  C.setsockopt(self.fd, SOL_SOCKET, SO_LINGER, linger, ffi.sizeof(linger))
  self:close()
end

return M
