-- A WebSocket client for specs, written from RFC 6455 and not with the server's code, that can also
-- send what no client should.
--
--   local websocket = require "spec.support.websocket"
--   local c = websocket.connect(server, "/echo", { headers = { Origin = "…" }, extensions = "…" })
--   c:text "hello"; c:binary "\0"; c:ping "x"; c:pong ""; c:close_frame(1000, "bye")
--   c:frame { opcode = 1, fin = false, payload = "…", rsv = 4, mask = false, length_bytes = 8 }
--   local frame = c:read_frame()        -- { fin =, rsv =, opcode =, payload =, code =, reason = }
--   local text, kind = c:receive()      -- joins fragments; answers nothing by itself
--   c.response                          -- of the handshake; c.conn is the spec.wire connection
--   local c = websocket.connect_http2(server, "/echo")   -- the same over HTTP/2 (RFC 8441)
--   websocket.encode { … }              -- bytes of a frame; websocket.handshake(path, options)
local bit = require "bit"
local websocket_stream = require "spec.support.websocket_stream"
local wire = require "spec.support.wire"

local M = {}
local Client = {}
Client.__index = Client
Client.__name = "spec.websocket"

M.KEY, M.ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
M.CONTINUATION, M.TEXT, M.BINARY, M.CLOSE, M.PING, M.PONG = 0, 1, 2, 8, 9, 10

local MASK = "\x37\xfa\x21\x3d"

local function mask(payload, key)
  local bytes = {}
  for i = 1, #payload do
    bytes[i] = string.char(bit.bxor(payload:byte(i), key:byte((i - 1) % 4 + 1)))
  end
  return table.concat(bytes)
end
M.mask = mask

local function big_endian(value, count)
  local bytes = {}
  for i = count, 1, -1 do
    bytes[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(bytes)
end

-- frame: opcode, payload, fin (true), rsv (0 to 7, 4 is "compressed"), mask (four bytes; false for
-- none), length (what is claimed), length_bytes (0, 2 or 8).
function M.encode(frame)
  local payload = frame.payload or ""
  local length = frame.length or #payload
  local first = (frame.fin == false and 0 or 128) + (frame.rsv or 0) * 16 + frame.opcode
  local width = frame.length_bytes or (length < 126 and 0 or length < 65536 and 2 or 8)
  local field = width == 0 and length or width == 2 and 126 or 127
  local key = frame.mask
  if key == nil then key = MASK end
  local head = string.char(first, field + (key and 128 or 0)) .. big_endian(length, width)
  if not key then return head .. payload end
  -- Long payloads under a mask of zeros: the specs are about the server.
  if #payload > 4096 and frame.mask == nil then return head .. "\0\0\0\0" .. payload end
  return head .. key .. mask(payload, key)
end

-- The request of a handshake. options: headers (replace those here; false leaves one out), version,
-- method.
function M.handshake(path, options)
  options = options or {}
  local fields = {
    { "Host", "localhost" }, { "Upgrade", "websocket" }, { "Connection", "Upgrade" },
    { "Sec-WebSocket-Key", M.KEY }, { "Sec-WebSocket-Version", "13" },
    { "Sec-WebSocket-Extensions", options.extensions },
    { "Sec-WebSocket-Protocol", options.protocols },
  }
  local method, version = options.method or "GET", options.version or "1.1"
  local lines = { ("%s %s HTTP/%s"):format(method, path, version) }
  local given = options.headers or {}
  for _, field in ipairs(fields) do
    local value = field[2]
    if given[field[1]] ~= nil then value = given[field[1]] end
    if value then lines[#lines + 1] = field[1] .. ": " .. value end
    field.is_known = true
  end
  for name, value in pairs(given) do
    local is_known = false
    for _, field in ipairs(fields) do is_known = is_known or field[1] == name end
    if value and not is_known then lines[#lines + 1] = name .. ": " .. value end
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- The same over HTTP/2. `over_http2` has every connect() do this.
function M.connect_http2(where, path, options)
  local conn, response = websocket_stream.connect(where, path, options)
  if response.status ~= 200 then
    conn:close()
    error(("no handshake: %s"):format(tostring(response.status or response.reset)), 2)
  end
  return setmetatable({ conn = conn, response = response }, Client)
end

-- Connects and shakes hands; raises when the server does not.
function M.connect(where, path, options)
  if M.over_http2 then return M.connect_http2(where, path, options) end
  local conn = wire.connect(where)
  conn:send(M.handshake(path or "/", options))
  local response = conn:response()
  if response.status ~= 101 then
    conn:close()
    error(("no handshake: %d %s"):format(response.status, response.body), 2)
  end
  assert(response.headers["sec-websocket-accept"] == M.ACCEPT, "not the answer to this key")
  return setmetatable({ conn = conn, response = response }, Client)
end

function Client:send(bytes)
  self.conn:send(bytes)
  return self
end

function Client:frame(frame) return self:send(M.encode(frame)) end
function Client:text(payload) return self:frame { opcode = M.TEXT, payload = payload } end
function Client:binary(payload) return self:frame { opcode = M.BINARY, payload = payload } end
function Client:ping(payload) return self:frame { opcode = M.PING, payload = payload } end
function Client:pong(payload) return self:frame { opcode = M.PONG, payload = payload } end

function Client:close_frame(code, reason)
  local payload = code and big_endian(code, 2) .. (reason or "") or ""
  return self:frame { opcode = M.CLOSE, payload = payload }
end

function Client:read_frame()
  local conn = self.conn
  local first, second = conn:read(2):byte(1, 2)
  local length = second % 128
  if length >= 126 then
    local bytes = conn:read(length == 126 and 2 or 8)
    length = 0
    for i = 1, #bytes do length = length * 256 + bytes:byte(i) end
  end
  local key = second >= 128 and conn:read(4)
  local payload = conn:read(length)
  local frame = {
    fin = first >= 128, rsv = math.floor(first / 16) % 8, opcode = first % 16,
    is_masked = second >= 128, payload = key and mask(payload, key) or payload,
  }
  if frame.opcode == M.CLOSE and #payload >= 2 then
    frame.code = payload:byte(1) * 256 + payload:byte(2)
    frame.reason = payload:sub(3)
  end
  return frame
end

-- The next message, its fragments joined. Raises on a control frame.
function Client:receive()
  local frame = self:read_frame()
  local kind, pieces = frame.opcode, { frame.payload }
  assert(kind == M.TEXT or kind == M.BINARY, "expected a message, got a frame with opcode " .. kind
    .. " " .. tostring(frame.code) .. " " .. tostring(frame.reason))
  while not frame.fin do
    frame = self:read_frame()
    assert(frame.opcode == M.CONTINUATION, "expected a continuation")
    pieces[#pieces + 1] = frame.payload
  end
  return table.concat(pieces), kind == M.TEXT and "text" or "binary"
end

-- Reads up to the close frame and the end of the connection. Returns its code and reason.
function Client:expect_close()
  local frame = self:read_frame()
  assert(frame.opcode == M.CLOSE, "expected a close, got opcode " .. frame.opcode .. ": "
    .. frame.payload:sub(1, 100))
  self.conn:expect_closed()
  return frame.code, frame.reason
end

function Client:close() self.conn:close() end

return M
