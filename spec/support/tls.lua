-- Peers for TLS: openssl's s_server, and a client over the core's own engine.
--
--   local tls = require "spec.support.tls"
--   local peer = tls.s_server { own, "-tls1_2" }         -- a certificate, then further arguments
--   local context = tls.context { ca = ca.cert }          -- fields of jh_tls_options; nil, reason
--   local c = tls.connect(context, peer.port, "localhost")
--   assert(c:shake())                                     -- true, or nil, reason, code
--   c:write "hello\n"  c:read()                          -- bytes; "" at the end; nil, reason, code
--   c:close()
--
-- s_server reverses every line it gets (-rev) unless told otherwise.
local ffi = require "ffi"
local core = require "spec.support.core"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local C = core.load("justhttp.h", "net/tls_context.h", "net/tls.h")

-- As in a worker: OpenSSL writes with write(2).
ffi.cdef "void (*signal(int number, void (*handler)(int)))(int);"
ffi.C.signal(13, ffi.cast("void (*)(int)", 1))

local M = {}
local client = {}
client.__index = client

local UV_READABLE = 1
local F_SETFL, O_NONBLOCK = 4, 2048

function M.str(text) return ffi.new("jh_str", text, #text) end

local strings = { "ca", "cert", "key", "server_name", "min_version", "max_version", "ciphers",
                  "alpn" }

-- Options as the core takes them; the second value keeps their text alive.
function M.options(how)
  local options = ffi.new "jh_tls_options"
  for _, name in ipairs(strings) do
    if how[name] then options[name].ptr, options[name].len = how[name], #how[name] end
  end
  options.is_unverified = how.is_unverified or false
  return options, how
end

function M.context(how)
  local reason = ffi.new "char[512]"
  local options = M.options(how)
  local context = C.jh_tls_context_new_client(options, reason, 512)
  if context == nil then return nil, ffi.string(reason) end
  return ffi.gc(context, C.jh_tls_context_release)
end

-- The port that a program of ours says it listens on, by `pattern` in its output.
function M.port_of(peer, pattern)
  peer.port = tonumber(wait_for(function()
    local text = peer:stdout() .. peer:stderr()
    if not peer:is_running() then error(text) end
    return text:match(pattern)
  end, 5, "a port"))
  return peer
end

function M.s_server(how)
  local command = { program = "openssl", "s_server", "-accept", "127.0.0.1:0" }
  local function add(...)
    for _, argument in ipairs { ... } do command[#command + 1] = argument end
  end
  local cert = table.remove(how, 1)
  add("-cert", cert.own_cert, "-key", cert.key, "-cert_chain", cert.cert)
  add(unpack(how))
  if not how.mode then add "-rev" else add(how.mode) end
  local peer = M.port_of(server.launch(command), "ACCEPT [^\n]*:(%d+)")
  peer.expected_signal = sys.SIGKILL
  return peer
end

-- A session over a connected socket; owns it.
function M.over(context, fd, name)
  sys.check(ffi.C.fcntl(fd, F_SETFL, ffi.cast("int", O_NONBLOCK)), "fcntl")
  local tls = C.jh_tls_open(context, fd, false, M.str(name or "localhost"))
  assert(tls ~= nil, "jh_tls_open")
  return setmetatable({ tls = tls, fd = fd, patience = 5, context = context }, client)
end

function M.connect(context, port, name)
  local plain = wire.connect(port)
  local fd = plain.fd
  plain.fd = nil
  return M.over(context, fd, name)
end

local function wait(self, deadline)
  local is_ready = C.jh_tls_wants(self.tls) == UV_READABLE
    and sys.wait_readable(self.fd, deadline) or sys.wait_writable(self.fd, deadline)
  if not is_ready then error("the peer did nothing in time", 0) end
end

function client:reason() return ffi.string(C.jh_tls_reason(self.tls)) end

local function failure(self, code) return nil, self:reason(), code end

function client:shake()
  local deadline = sys.deadline(self.patience)
  while true do
    local code = C.jh_tls_handshake(self.tls)
    if code == 0 then return true end
    if code ~= C.JH_EWAIT then return failure(self, code) end
    wait(self, deadline)
  end
end

function client:read(most)
  local deadline = sys.deadline(self.patience)
  local out = ffi.new("char[?]", most or 65536)
  while true do
    local count = tonumber(C.jh_tls_read(self.tls, out, most or 65536))
    if count >= 0 then return ffi.string(out, count) end
    if count ~= -sys.EAGAIN then return failure(self, count) end
    wait(self, deadline)
  end
end

-- Everything up to and with `bytes` bytes.
function client:read_exactly(bytes)
  local pieces, have = {}, 0
  while have < bytes do
    local piece, reason, code = self:read(math.min(65536, bytes - have))
    if not piece then return nil, reason, code end
    if piece == "" then return nil, "the end after " .. have .. " bytes" end
    pieces[#pieces + 1], have = piece, have + #piece
  end
  return table.concat(pieces)
end

-- One call of jh_tls_write with these pieces.
function client:try_write(pieces)
  local parts = ffi.new("struct iovec[?]", #pieces)
  for i, piece in ipairs(pieces) do
    parts[i - 1].base = ffi.cast("void *", ffi.cast("const char *", piece))
    parts[i - 1].len = #piece
  end
  return tonumber(C.jh_tls_write(self.tls, parts, #pieces))
end

function client:write(bytes)
  local deadline = sys.deadline(self.patience)
  local sent = 0
  while sent < #bytes do
    local count = self:try_write { bytes:sub(sent + 1, sent + 1048576) }
    if count >= 0 then
      sent = sent + count
    elseif count == -sys.EAGAIN then
      wait(self, deadline)
    else
      return failure(self, count)
    end
  end
  return true
end

-- For wire: as send(2) and recv(2), with a negated errno.
function client:send_some(from, len)
  local part = ffi.new("struct iovec[1]")
  part[0].base, part[0].len = ffi.cast("void *", from), len
  local count = tonumber(C.jh_tls_write(self.tls, part, 1))
  return (count >= 0 or count == -sys.EAGAIN) and count or -sys.ECONNRESET
end

function client:receive_some(wire_conn, out, len)
  local count = tonumber(C.jh_tls_read(self.tls, out, len))
  if count >= 0 or count == -sys.EAGAIN or count == -sys.ECONNRESET then return count end
  wire_conn.was_cut = true
  wire_conn.reason = self:reason()
  return 0
end

function client:say_goodbye() C.jh_tls_shutdown(self.tls) end

function client:let_go(says_goodbye)
  if says_goodbye then C.jh_tls_shutdown(self.tls) end
  C.jh_tls_close(self.tls)
end

-- Puts TLS under a client of wire. true, or nil and the reason.
function M.secure(wire_conn, where)
  M.anything = M.anything or assert(M.context { is_unverified = true })
  local over = M.over(where.tls or M.anything, wire_conn.fd, where.server_name)
  wire_conn.tls = over
  return over:shake()
end

function client:version() return ffi.string(C.jh_tls_version(self.tls)) end
function client:cipher() return ffi.string(C.jh_tls_cipher(self.tls)) end
function client:is_resumed() return C.jh_tls_is_resumed(self.tls) end

function client:alpn()
  local out = ffi.new "jh_str"
  C.jh_tls_alpn(self.tls, out)
  return ffi.string(out.ptr, out.len)
end

function client:close()
  if not self.tls then return end
  C.jh_tls_shutdown(self.tls)
  C.jh_tls_close(self.tls)
  ffi.C.close(self.fd)
  self.tls = nil
end

M.C = C
return M
