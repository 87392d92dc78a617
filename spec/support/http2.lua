-- An HTTP/2 client that shows the frames: whole requests for those who only want an answer, and any
-- bytes at all for those who attack.
--
--   local http2 = require "spec.support.http2"
--   local c = http2.connect(server, { settings = { [4] = 10 } })   -- preface, SETTINGS
--   local r = c:request { method = "POST", path = "/x", headers = { … }, body = "…" }
--   r.status r.headers r.header_list r.body r.trailers r.interim r.reset (the code of RST_STREAM)
--   local id = c:open { path = "/x", ends = false }      -- the head alone; c:data(id, "…", true)
--   local r = c:response(id)                             -- waits for it
--   c:frame(http2.PING, 0, 0, ("x"):rep(8))              -- any frame; c:send(bytes) any bytes
--   c:block { { ":path", "/" }, … }                      -- fields as HPACK literals
--   local f = c:next_frame()                             -- f.type f.flags f.id f.payload; nil: end
--   c:wait_goaway()                                      -- its error code; then the end follows
--
-- It plays the server's part as well:
--
--   local c = http2.accept(p, { settings = { [3] = 1 } })   -- of spec.support.peer
--   local stream = c:next_request()                      -- stream.id stream.request[":path"]
--   c:answer(stream.id, "body", { ["content-type"] = "text/plain" })      -- 200
--   http2.accept(p, { is_silent = true })                -- sends nothing of its own accord
--
-- What it reads it also acts upon: SETTINGS and PINGs are acknowledged and windows opened again,
-- unless `is_passive` is set. Fields are decoded by nghttp2's HPACK decoder.
local ffi = require "ffi"
local bit = require "bit"
local core = require "spec.support.core"
local wire = require "spec.support.wire"

local C = core.load("justhttp.h")

ffi.cdef [[
typedef struct spec_nv {
  uint8_t *name, *value; size_t name_len, value_len; uint8_t flags;
} spec_nv;
int nghttp2_hd_inflate_new(void **inflater);
void nghttp2_hd_inflate_del(void *inflater);
ssize_t nghttp2_hd_inflate_hd2(void *inflater, spec_nv *out, int *flags, const uint8_t *in,
                               size_t len, int is_final);
int nghttp2_hd_inflate_end_headers(void *inflater);
]]

local M = {
  DATA = 0, HEADERS = 1, PRIORITY = 2, RST_STREAM = 3, SETTINGS = 4, PUSH_PROMISE = 5, PING = 6,
  GOAWAY = 7, WINDOW_UPDATE = 8, CONTINUATION = 9, PRIORITY_UPDATE = 16,
  END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8,
  NO_ERROR = 0, PROTOCOL_ERROR = 1, INTERNAL_ERROR = 2, FLOW_CONTROL_ERROR = 3,
  REFUSED_STREAM = 7, CANCEL = 8, COMPRESSION_ERROR = 9, ENHANCE_YOUR_CALM = 11,
  PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}

local conn = {}
conn.__index = conn
conn.__name = "spec.http2"

local function number(value, bytes)
  local out = {}
  for i = bytes, 1, -1 do
    out[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(out)
end
M.number = number

local function read_number(bytes, from, to)
  local value = 0
  for i = from, to do value = value * 256 + bytes:byte(i) end
  return value
end

-- The bytes of a frame.
function M.frame(kind, flags, id, payload)
  payload = payload or ""
  return number(#payload, 3) .. string.char(kind, flags) .. number(id, 4) .. payload
end

local function integer(value, bits, first)
  local limit = 2 ^ bits - 1
  if value < limit then return string.char(first + value) end
  local out = { string.char(first + limit) }
  value = value - limit
  while value >= 128 do
    out[#out + 1] = string.char(128 + value % 128)
    value = math.floor(value / 128)
  end
  out[#out + 1] = string.char(value)
  return table.concat(out)
end
M.integer = integer

-- Fields as literals without indexing: what a peer without any compression sends.
function M.block(fields)
  local out = {}
  for _, field in ipairs(fields) do
    out[#out + 1] = "\0" .. integer(#field[1], 7, 0) .. field[1] .. integer(#field[2], 7, 0)
      .. field[2]
  end
  return table.concat(out)
end

function M.settings(values)
  local out = {}
  for id, value in pairs(values or {}) do out[#out + 1] = number(id, 2) .. number(value, 4) end
  return table.concat(out)
end

local function new(over, how)
  local inflater = ffi.new "void *[1]"
  C.nghttp2_hd_inflate_new(inflater)
  return setmetatable({ wire = over, last_id = -1, streams = {}, is_passive = how.is_passive,
    settings = {}, requests = {}, inflater = ffi.gc(inflater[0], C.nghttp2_hd_inflate_del) }, conn)
end

-- Connects and begins to speak HTTP/2. `how`: settings, window (of the connection, beyond 65,535),
-- is_passive, over (a connection of spec.support.wire that is there already).
function M.connect(where, how)
  how = how or {}
  local self = new(how.over or wire.connect(where), how)
  self:send(M.PREFACE .. M.frame(M.SETTINGS, 0, 0, M.settings(how.settings)))
  if how.window then self:frame(M.WINDOW_UPDATE, 0, 0, number(how.window, 4)) end
  return self
end

-- The server's side of the next connection to a peer.
function M.accept(peer, how)
  how = how or {}
  local self = new(peer:accept(), how)
  self.is_passive = how.is_passive or how.is_silent
  local preface = self.wire:read(#M.PREFACE)
  if preface ~= M.PREFACE then error("no preface but " .. ("%q"):format(preface), 2) end
  if not how.is_silent then self:frame(M.SETTINGS, 0, 0, M.settings(how.settings)) end
  return self
end

function conn:close() self.wire:close() end

function conn:send(bytes)
  self.wire:send(bytes)
  return self
end

function conn:try_send(bytes) return self.wire:try_send(bytes) end
function conn:frame(...) return self:send(M.frame(...)) end
function conn.block(_, fields) return M.block(fields) end

-- Fields of a request made of parts, pseudo fields first.
local function fields_of(request)
  local fields = {
    { ":method", request.method or "GET" }, { ":scheme", request.scheme or "http" },
    { ":authority", request.authority or "localhost" }, { ":path", request.path or "/" },
  }
  for name, value in pairs(request.headers or {}) do
    fields[#fields + 1] = type(name) == "number" and { value[1]:lower(), value[2] }
      or { name:lower(), tostring(value) }
  end
  return fields
end
M.fields_of = fields_of

-- Sends the head of a request, made of parts as in wire.request or given as `fields`; the number of
-- its stream. It ends the request when there is no body to come (`ends`).
function conn:open(request)
  request = request or {}
  self.last_id = self.last_id + 2
  local id = self.last_id
  local ends = request.ends
  if ends == nil then ends = not request.body end
  local block = M.block(request.fields or fields_of(request))
  local kind, flags = M.HEADERS, ends and M.END_STREAM or 0
  while #block > 16384 do
    self:frame(kind, flags, id, block:sub(1, 16384))
    kind, flags, block = M.CONTINUATION, 0, block:sub(16385)
  end
  self:frame(kind, flags + M.END_HEADERS, id, block)
  self:stream(id)
  return id
end

-- Sends bytes of a body, in frames of at most 16 KiB and as the server's windows allow.
function conn:data(id, bytes, ends)
  local stream = self:stream(id)
  local at = 1
  repeat
    local piece = bytes:sub(at, at + 16383)
    while #piece > 0 and (stream.send_window < #piece or self.send_window < #piece) do
      local is_over = stream.is_closed and not stream.request
      if is_over or stream.reset or not self:next_frame() then return self end
    end
    stream.send_window = stream.send_window - #piece
    self.send_window = self.send_window - #piece
    at = at + #piece
    self:frame(M.DATA, ends and at > #bytes and M.END_STREAM or 0, id, piece)
  until at > #bytes
  return self
end
conn.send_window = 65535

-- Of a server: the next stream whose head has come.
function conn:next_request()
  self:read_until(function() return self.requests[1] end, "a request")
  return table.remove(self.requests, 1)
end

-- Of a server: the head of an answer, and a whole one.
function conn:head(id, status, headers, ends)
  local fields = { { ":status", tostring(status) } }
  for name, value in pairs(headers or {}) do
    fields[#fields + 1] = type(name) == "number" and value or { name, value }
  end
  return self:frame(M.HEADERS, M.END_HEADERS + (ends and M.END_STREAM or 0), id, M.block(fields))
end

function conn:answer(id, body, headers)
  return self:head(id, 200, headers):data(id, body, true)
end

-- What is known of a stream; it is the response as well.
function conn:stream(id)
  local stream = self.streams[id]
  if not stream then
    stream = { id = id, pieces = {}, interim = {}, send_window = self.settings[4] or 65535 }
    self.streams[id] = stream
  end
  return stream
end

-- A whole request; its response.
function conn:request(request)
  local id = self:open(request)
  if request.body then self:data(id, request.body, true) end
  return self:response(id)
end

local function inflate(self, block)
  local nv, flags = ffi.new "spec_nv", ffi.new "int[1]"
  local at, bytes = 0, ffi.cast("const uint8_t *", block)
  local list = {}
  while true do
    local used = tonumber(C.nghttp2_hd_inflate_hd2(self.inflater, nv, flags, bytes + at,
      #block - at, 1))
    if used < 0 then error("the server's fields cannot be decoded: " .. used, 0) end
    at = at + used
    if bit.band(flags[0], 2) ~= 0 then
      list[#list + 1] = { ffi.string(nv.name, nv.name_len), ffi.string(nv.value, nv.value_len) }
    end
    if bit.band(flags[0], 1) ~= 0 then break end
    if bit.band(flags[0], 2) == 0 and at == #block then break end
  end
  C.nghttp2_hd_inflate_end_headers(self.inflater)
  return list
end

local function on_head(self, stream, block)
  local list, headers = inflate(self, block), {}
  for _, field in ipairs(list) do
    headers[field[1]] = headers[field[1]] and headers[field[1]] .. ", " .. field[2] or field[2]
  end
  local status = tonumber(headers[":status"])
  if headers[":method"] then
    stream.request, stream.request_list = headers, list
    self.requests[#self.requests + 1] = stream
  elseif not status then
    stream.trailers = headers
  elseif status < 200 then
    stream.interim[#stream.interim + 1] = { status = status, headers = headers }
  else
    stream.status, stream.headers, stream.header_list = status, headers, list
  end
end

local function end_stream(stream)
  stream.is_closed = true
  stream.body = table.concat(stream.pieces)
end

local handlers = {}

handlers[M.HEADERS] = function(self, frame)
  local stream = self:stream(frame.id)
  stream.block = frame.payload
  stream.ends = bit.band(frame.flags, M.END_STREAM) ~= 0
  handlers[M.CONTINUATION](self, frame, stream)
end

handlers[M.CONTINUATION] = function(self, frame, begun)
  local stream = begun or self:stream(frame.id)
  if not begun then stream.block = stream.block .. frame.payload end
  if bit.band(frame.flags, M.END_HEADERS) == 0 then return end
  on_head(self, stream, stream.block)
  if stream.ends then end_stream(stream) end
end

handlers[M.DATA] = function(self, frame)
  local stream = self:stream(frame.id)
  stream.pieces[#stream.pieces + 1] = frame.payload
  if bit.band(frame.flags, M.END_STREAM) ~= 0 then end_stream(stream) end
  if #frame.payload == 0 or self.is_passive then return end
  local increment = number(#frame.payload, 4)
  self:try_send(M.frame(M.WINDOW_UPDATE, 0, 0, increment)
    .. (stream.is_closed and "" or M.frame(M.WINDOW_UPDATE, 0, frame.id, increment)))
end

handlers[M.RST_STREAM] = function(self, frame)
  local stream = self:stream(frame.id)
  stream.reset = read_number(frame.payload, 1, 4)
  if not stream.is_closed then end_stream(stream) end
end

handlers[M.SETTINGS] = function(self, frame)
  if bit.band(frame.flags, M.ACK) ~= 0 then
    self.has_ack = true
    return
  end
  for at = 1, #frame.payload, 6 do
    local value = read_number(frame.payload, at + 2, at + 5)
    self.settings[read_number(frame.payload, at, at + 1)] = value
  end
  for _, stream in pairs(self.streams) do
    stream.send_window = stream.send_window + (self.settings[4] or 65535) - 65535
  end
  if not self.is_passive then self:try_send(M.frame(M.SETTINGS, M.ACK, 0)) end
end

handlers[M.PING] = function(self, frame)
  if bit.band(frame.flags, M.ACK) ~= 0 then
    self.pong = frame.payload
  elseif not self.is_passive then
    self:try_send(M.frame(M.PING, M.ACK, 0, frame.payload))
  end
end

handlers[M.GOAWAY] = function(self, frame)
  self.goaway = { last_id = read_number(frame.payload, 1, 4),
    code = read_number(frame.payload, 5, 8), text = frame.payload:sub(9) }
end

handlers[M.WINDOW_UPDATE] = function(self, frame)
  local into = frame.id == 0 and self or self:stream(frame.id)
  into.send_window = into.send_window + read_number(frame.payload, 1, 4)
end

-- Reads one frame and acts upon it. nil at the end of the connection; raises when the deadline
-- passes.
function conn:next_frame()
  local w = self.wire
  if #w.buffer < 9 then
    local ok, head = pcall(w.read, w, 9)
    if not ok then
      if w.at_end then return nil end
      error(head, 2)
    end
    w.buffer = head .. w.buffer
  end
  local head = w:read(9)
  local frame = { type = head:byte(4), flags = head:byte(5), id = read_number(head, 6, 9),
    payload = w:read(read_number(head, 1, 3)) }
  if handlers[frame.type] then handlers[frame.type](self, frame) end
  return frame
end

-- Reads until `condition` holds. Raises at the end of the connection.
function conn:read_until(condition, what)
  while not condition() do
    if not self:next_frame() then
      error("the connection ended while waiting for " .. what
        .. (self.goaway and " (GOAWAY " .. self.goaway.code .. ")" or ""), 2)
    end
  end
end

-- The response of a stream, when it is complete or was reset.
function conn:response(id)
  local stream = self:stream(id)
  self:read_until(function() return stream.is_closed end, "the response of stream " .. id)
  return stream
end

-- Waits for the head of a response.
function conn:wait_head(id)
  local stream = self:stream(id)
  self:read_until(function() return stream.status or stream.is_closed end,
    "the head of stream " .. id)
  return stream
end

-- True when the server answers a PING: it is alive, and has taken everything that was sent.
function conn:ping()
  self.pong = nil
  self:frame(M.PING, 0, 0, "justhttp")
  self:read_until(function() return self.pong end, "the answer to a PING")
  return true
end

-- The error code of the GOAWAY that comes, or nil when the connection ends without.
function conn:wait_goaway()
  while not self.goaway do
    if not self:next_frame() then return nil end
  end
  return self.goaway.code
end

-- Reads to the end of the connection.
function conn:wait_end()
  while self:next_frame() do end -- luacheck: ignore 542
  return true
end

function conn:close() self.wire:close() end

return M
