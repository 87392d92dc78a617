-- The other side of an outgoing connection, played by the spec itself: it sees the very bytes a
-- client sends and answers whatever the spec wants, well-formed or not.
--
--   local peer = require "spec.support.peer"
--   local p = peer.listen()                    -- 127.0.0.1, a free port; p.port, p.url
--   local c = p:accept()                       -- a connection of spec.support.wire
--   c:read_until "\r\n\r\n"  c:send "HTTP/1.1 200 OK\r\n…"  c:close()  c:reset()  c:half_close()
--   local head, body = peer.request(c)            -- reads a request with its Content-Length body
--   p:has_pending()                            -- somebody connected and was not accepted yet
--   p:close()
--   peer.listen { path = "/tmp/x.sock" }
local ffi = require "ffi"
local bit = require "bit"
local sys = require "spec.support.sys"
local wire = require "spec.support.wire"
local C = ffi.C

ffi.cdef [[
int bind(int fd, const void *address, unsigned int len);
int listen(int fd, int backlog);
int accept4(int fd, void *address, unsigned int *len, int flags);
int getsockname(int fd, void *address, unsigned int *len);
]]

local AF_UNIX, AF_INET, SOCK_STREAM, SOCK_CLOEXEC = 1, 2, 1, 0x80000

local M = {}
local peer = {}
peer.__index = peer
peer.__name = "spec.peer"

local function bind_unix(self, path)
  local address = ffi.new("struct spec_sockaddr_un", { family = AF_UNIX })
  ffi.copy(address.path, path)
  self.fd = sys.check(C.socket(AF_UNIX, bit.bor(SOCK_STREAM, SOCK_CLOEXEC), 0), "socket")
  sys.check(C.bind(self.fd, address, ffi.sizeof(address)), "bind")
  self.path = path
end

local function bind_tcp(self)
  local address = ffi.new("struct spec_sockaddr_in", { family = AF_INET })
  local len = ffi.new("unsigned int[1]", ffi.sizeof(address))
  self.fd = sys.check(C.socket(AF_INET, bit.bor(SOCK_STREAM, SOCK_CLOEXEC), 0), "socket")
  assert(C.inet_pton(AF_INET, "127.0.0.1", address.addr) == 1)
  sys.check(C.bind(self.fd, address, ffi.sizeof(address)), "bind")
  sys.check(C.getsockname(self.fd, address, len), "getsockname")
  local port = address.port
  self.port = bit.bor(bit.lshift(bit.band(port, 255), 8), bit.rshift(port, 8))
  self.url = "http://127.0.0.1:" .. self.port
end

function M.listen(where)
  local self = setmetatable({}, peer)
  if where and where.path then bind_unix(self, where.path) else bind_tcp(self) end
  sys.check(C.listen(self.fd, 64), "listen")
  return self
end

-- The next connection, or an error after `seconds` (5).
function peer:accept(seconds)
  if not sys.wait_readable(self.fd, sys.deadline(seconds or 5)) then
    error("nobody connected", 2)
  end
  return wire.adopt(sys.check(C.accept4(self.fd, nil, nil, SOCK_CLOEXEC), "accept"))
end

function peer:has_pending()
  return sys.wait_readable(self.fd, 0)
end

function peer:close()
  if self.fd then C.close(self.fd) end
  self.fd = nil
end

-- Reads a request: its head, and as much body as its Content-Length says.
function M.request(c)
  local head = c:read_until "\r\n\r\n"
  local length = tonumber(head:lower():match "content%-length: (%d+)" or 0)
  return head, length > 0 and c:read(length) or ""
end

-- Reads a request and answers it with 200 and this body.
function M.answer(c, body, fields)
  local head, sent = M.request(c)
  c:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s"):format(#body, fields or "", body))
  return head, sent
end

return M
