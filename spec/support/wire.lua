-- A client that shows the wire: exact bytes out, exact bytes in, over TCP or a unix socket.
--
--   local wire = require "spec.support.wire"
--   local c = wire.connect(server)             -- or (port), { host=, port= }, { path = "/x.sock" }
--   c:send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
--   local r = c:response()          -- r.status r.reason r.version r.headers r.body r.head
--   c:send(get .. get); local a, b = unpack(c:responses(2))
--   c:send_slowly("GET / HT", { bytes = 1, pause = 0.01 })
--   c:half_close()  c:reset()  c:close()       -- FIN after what was sent · RST · close
--   c:read(5)  c:read_until("\r\n\r\n")  c:read_all()      -- each raises when its deadline passes
--   c:expect_closed()                          -- nothing more comes, the connection ends
--   local r = wire.request(server, "GET / HTTP/1.0\r\n\r\n")   -- one request on its own connection
--   local r = wire.get(server, "/users/1", { Accept = "*/*" })
--
-- A server that speaks TLS (s.is_tls) is spoken to with TLS; `tls` in `where` is then the context
-- of spec.support.tls (default: any certificate will do), `server_name` the name to ask for. An
-- end without a close_notify sets was_cut.
--
-- r.headers is indexed in lower case; repeated fields are joined with ", " there and are all in
-- order in r.header_list ({ {name, value}, … }). Chunked bodies are decoded (r.chunks has the
-- pieces, r.trailers what followed). Interim responses (1xx) before a response are in r.interim.
local ffi = require "ffi"
local bit = require "bit"
local sys = require "spec.support.sys"
local C = ffi.C

local M = {}
local conn = {}
conn.__index = conn
conn.__name = "spec.wire"

local AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
local SOCK_STREAM, SOCK_CLOEXEC = 1, 0x80000
local SOL_SOCKET, SO_LINGER, SO_SNDBUF, SO_RCVBUF = 1, 13, 7, 8
local MSG_DONTWAIT, MSG_NOSIGNAL = 0x40, 0x4000
local EINPROGRESS = 115
local chunk_bytes = 65536
local scratch = ffi.new("char[?]", chunk_bytes)

local function address_of(where)
  if where.path then
    local address = ffi.new("struct spec_sockaddr_un", { family = AF_UNIX })
    assert(#where.path < 108, "unix socket path is too long: " .. where.path)
    ffi.copy(address.path, where.path)
    return AF_UNIX, address
  end
  local host = where.host or "127.0.0.1"
  local family = host:find(":", 1, true) and AF_INET6 or AF_INET
  local address = ffi.new(family == AF_INET and "struct spec_sockaddr_in"
    or "struct spec_sockaddr_in6", { family = family })
  local port = assert(tonumber(where.port), "no port to connect to")
  address.port = bit.bor(bit.lshift(port % 256, 8), math.floor(port / 256))
  assert(C.inet_pton(family, host, address.addr) == 1, "not an IP address: " .. host)
  return family, address
end

local function set_option(fd, name, value)
  local box = ffi.new("int[1]", value)
  sys.check(C.setsockopt(fd, SOL_SOCKET, name, box, ffi.sizeof("int")), "setsockopt")
end

-- Connects. `where`: a server of spec.support.server, a port, or a table { host=, port= } or
-- { path= }; it may also hold `deadline` (seconds for each later operation, default 5),
-- `receive_bytes` and `send_bytes` (socket buffer sizes). Raises when refused; with
-- `try_connect`, nil and the errno's text instead.
function M.try_connect(where)
  if type(where) == "number" then where = { port = where } end
  local family, address = address_of(where)
  local fd = sys.check(C.socket(family, bit.bor(SOCK_STREAM, SOCK_CLOEXEC), 0), "socket")
  if where.receive_bytes then set_option(fd, SO_RCVBUF, where.receive_bytes) end
  if where.send_bytes then set_option(fd, SO_SNDBUF, where.send_bytes) end
  while C.connect(fd, address, ffi.sizeof(address)) < 0 do
    local code = ffi.errno()
    if code ~= sys.EINTR and code ~= EINPROGRESS then
      C.close(fd)
      return nil, sys.strerror(code)
    end
  end
  local c = M.adopt(fd, type(where.deadline) == "number" and where.deadline)
  if not where.is_tls then return c end
  local ok, err = require("spec.support.tls").secure(c, where)
  if ok then return c end
  c:close()
  return nil, err
end

-- A client on a socket that is connected already; it closes the socket.
function M.adopt(fd, seconds)
  return setmetatable({ fd = fd, patience = seconds or 5, buffer = "", at_end = false }, conn)
end

function M.connect(where)
  local c, err = M.try_connect(where)
  if not c then error("connect: " .. err, 2) end
  return c
end

local function shown(bytes)
  if #bytes > 600 then bytes = bytes:sub(1, 600) .. "…" end
  return ("%q"):format(bytes):gsub("\r", "\\r"):gsub("\\\n", "\\n")
end

-- As send(2) and recv(2), over TLS too: an errno in place of the count is negative.
local function send_some(self, from, len)
  if self.tls then return self.tls:send_some(from, len) end
  local n = tonumber(C.send(self.fd, from, len, bit.bor(MSG_DONTWAIT, MSG_NOSIGNAL)))
  return n >= 0 and n or -ffi.errno()
end

local function receive_some(self)
  if self.tls then return self.tls:receive_some(self, scratch, chunk_bytes) end
  local n = tonumber(C.recv(self.fd, scratch, chunk_bytes, MSG_DONTWAIT))
  return n >= 0 and n or -ffi.errno()
end

-- Sends everything. Returns true, or nil and the errno's text when the server has closed.
function conn:try_send(bytes)
  local deadline = sys.deadline(self.patience)
  local sent = 0
  while sent < #bytes do
    local from = ffi.cast("const char *", bytes) + sent
    local n = send_some(self, from, #bytes - sent)
    if n >= 0 then
      sent = sent + n
    else
      local code = -n
      if code == sys.EAGAIN then
        if not sys.wait_writable(self.fd, deadline) then
          return nil, ("the server took only %d of %d bytes in time"):format(sent, #bytes), sent
        end
      elseif code ~= sys.EINTR then
        return nil, sys.strerror(code), sent
      end
    end
  end
  return true
end

function conn:send(bytes)
  local ok, err = self:try_send(bytes)
  if not ok then error("send: " .. err, 2) end
  return self
end

-- Sends a few bytes at a time. `how`: bytes (per piece, default 1), pause (seconds, default 0.002).
function conn:send_slowly(bytes, how)
  how = how or {}
  local step = how.bytes or 1
  for at = 1, #bytes, step do
    if at > 1 then sys.sleep(how.pause or 0.002) end
    self:send(bytes:sub(at, at + step - 1))
  end
  return self
end

-- Reads what is there into the buffer, waiting until the deadline. Returns false when the deadline
-- passed; at the end of the stream sets at_end (and reset_by_peer).
local function fill(self, deadline)
  while true do
    local n = receive_some(self)
    if n > 0 then
      self.buffer = self.buffer .. ffi.string(scratch, n)
      return true
    end
    if n == 0 then
      self.at_end = true
      return true
    end
    local code = -n
    if code == sys.EAGAIN then
      if not sys.wait_readable(self.fd, deadline) then return false end
    elseif code == sys.ECONNRESET or code == sys.EPIPE then
      self.at_end, self.reset_by_peer = true, true
      return true
    elseif code ~= sys.EINTR then
      error("recv: " .. sys.strerror(code))
    end
  end
end

local function take(self, count)
  local bytes = self.buffer:sub(1, count)
  self.buffer = self.buffer:sub(count + 1)
  return bytes
end

local function give_up(self, what, timed_out)
  error(("%s while reading %s; unread so far: %s"):format(
    timed_out and "the deadline passed" or "the connection ended", what, shown(self.buffer)), 0)
end

-- Exactly `count` bytes.
function conn:read(count)
  local deadline = sys.deadline(self.patience)
  local pieces, have = { self.buffer }, #self.buffer
  self.buffer = ""
  while have < count do
    local ok = not self.at_end and fill(self, deadline)
    if not ok then
      self.buffer = table.concat(pieces)
      give_up(self, count .. " bytes", not self.at_end)
    end
    pieces[#pieces + 1], have = self.buffer, have + #self.buffer
    self.buffer = ""
  end
  self.buffer = table.concat(pieces)
  return take(self, count)
end

-- Everything up to and with the plain text `mark`.
function conn:read_until(mark)
  local deadline = sys.deadline(self.patience)
  local from = 1
  while true do
    local _, last = self.buffer:find(mark, from, true)
    if last then return take(self, last) end
    from = math.max(1, #self.buffer - #mark + 1)
    if self.at_end or not fill(self, deadline) then
      give_up(self, "until " .. shown(mark), not self.at_end)
    end
  end
end

-- Everything until the server closes.
function conn:read_all()
  local deadline = sys.deadline(self.patience)
  local pieces = {}
  while not self.at_end do
    pieces[#pieces + 1] = self.buffer
    self.buffer = ""
    if not fill(self, deadline) then
      self.buffer = table.concat(pieces)
      give_up(self, "until the server closes", true)
    end
  end
  pieces[#pieces + 1] = self.buffer
  self.buffer = ""
  return table.concat(pieces)
end

-- What is there or comes within `seconds` (default 0: only what is there); "" when nothing does.
function conn:read_available(seconds)
  if #self.buffer == 0 and not self.at_end then fill(self, sys.now() + (seconds or 0)) end
  return take(self, #self.buffer)
end

-- True when the server sends nothing and keeps the connection open for `seconds`.
function conn:is_quiet(seconds)
  if #self.buffer > 0 or self.at_end then return false end
  return not fill(self, sys.now() + seconds)
end

-- Raises unless the connection ends, with nothing left to read, within the deadline.
function conn:expect_closed()
  local rest = self:read_all()
  if #rest > 0 then error("expected the connection to end, but got " .. shown(rest), 2) end
  return true
end

-- True once the server has closed; waits up to `seconds` (default 0) for it.
function conn:is_closed(seconds)
  local deadline = sys.now() + (seconds or 0)
  while not self.at_end do
    if not fill(self, deadline) then return false end
  end
  return true
end

local function parse_fields(self, text, into)
  for line in text:gmatch("(.-)\r\n") do
    local name, value = line:match("^([^:%s]+):[ \t]*(.-)[ \t]*$")
    if not name then error("not a header field: " .. shown(line), 0) end
    local key = name:lower()
    into.header_list[#into.header_list + 1] = { name, value }
    into.headers[key] = into.headers[key] and into.headers[key] .. ", " .. value or value
  end
  return self
end

local function read_head(self)
  local head = self:read_until("\r\n\r\n")
  local version, status, reason, fields =
    head:match("^HTTP/(1%.[01]) (%d%d%d) ([^\r\n]*)\r\n(.*)\r\n$")
  if not version then error("not a response head: " .. shown(head), 0) end
  local r = { version = version, status = tonumber(status), reason = reason, head = head,
              headers = {}, header_list = {} }
  parse_fields(self, fields, r)
  return r
end

local function read_chunked(self, r)
  r.chunks, r.trailers = {}, {}
  while true do
    local line = self:read_until("\r\n")
    local size = tonumber(line:match("^(%x+)"), 16)
    if not size then error("not a chunk size: " .. shown(line), 0) end
    if size == 0 then break end
    r.chunks[#r.chunks + 1] = self:read(size)
    local tail = self:read(2)
    if tail ~= "\r\n" then error("a chunk ends in " .. shown(tail), 0) end
  end
  while true do
    local line = self:read_until("\r\n")
    if line == "\r\n" then break end
    local name, value = line:match("^([^:]+):%s*(.-)\r\n$")
    r.trailers[name:lower()] = value
  end
  return table.concat(r.chunks)
end

-- Reads one final response, framed as RFC 9112 says. `how.method = "HEAD"`: it has no body.
-- `how.interim`: return a 1xx response as well instead of collecting it.
function conn:response(how)
  how = how or {}
  local interim = {}
  local r = read_head(self)
  while r.status < 200 and r.status ~= 101 and not how.interim do
    interim[#interim + 1] = r
    r = read_head(self)
  end
  r.interim = interim
  local length = r.headers["content-length"]
  if how.method == "HEAD" or r.status < 200 or r.status == 204 or r.status == 304 then
    r.body = ""
  elseif (r.headers["transfer-encoding"] or ""):lower():find("chunked", 1, true) then
    r.body = read_chunked(self, r)
  elseif length then
    r.body = self:read(assert(tonumber(length), "not a length: " .. length))
  else
    r.body = self:read_all()
    r.until_close = true
  end
  return r
end

-- The next `count` responses, as an array.
function conn:responses(count, how)
  local all = {}
  for i = 1, count do all[i] = self:response(how) end
  return all
end

-- Sends one request made of parts and reads its response.
-- request: method, path, headers ({ name = value } or { {name, value}, … }), body, version.
function conn:request(request)
  self:send(M.format(request))
  return self:response { method = request.method }
end

-- FIN: we are done sending, the server may still answer.
function conn:half_close()
  if self.tls then self.tls:say_goodbye() end
  sys.check(C.shutdown(self.fd, 1), "shutdown")
  return self
end

-- RST: the connection breaks off.
function conn:reset()
  local linger = ffi.new("struct spec_linger", 1, 0)
  C.setsockopt(self.fd, SOL_SOCKET, SO_LINGER, linger, ffi.sizeof(linger))
  self.is_broken = true
  self:close()
end

function conn:close()
  if self.tls then self.tls:let_go(not self.is_broken) end
  self.tls = nil
  if self.fd then C.close(self.fd) end
  self.fd, self.at_end = nil, true
end

-- The bytes of a request made of parts (see conn:request); Host and Content-Length are added when
-- they are not given.
function M.format(request)
  local lines = { ("%s %s HTTP/%s"):format(request.method or "GET", request.path or "/",
    request.version or "1.1") }
  local seen = {}
  local function add(name, value)
    seen[name:lower()] = true
    lines[#lines + 1] = name .. ": " .. value
  end
  for name, value in pairs(request.headers or {}) do
    if type(name) == "number" then add(value[1], value[2]) else add(name, value) end
  end
  if not seen.host then add("Host", "localhost") end
  if request.body and not seen["content-length"] and not seen["transfer-encoding"] then
    add("Content-Length", #request.body)
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (request.body or "")
end

-- Sends raw bytes (or a request made of parts) on a connection of its own; the response to it.
function M.request(where, request)
  local c = M.connect(where)
  local method = type(request) == "table" and request.method or tostring(request):match("^%u+")
  local ok, r = pcall(function()
    c:send(type(request) == "table" and M.format(request) or request)
    return c:response { method = method }
  end)
  c:close()
  if not ok then error(r, 2) end
  return r
end

function M.get(where, path, headers)
  return M.request(where, { path = path, headers = headers })
end

return M
