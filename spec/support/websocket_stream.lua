-- A stream of HTTP/2 after an extended CONNECT (RFC 8441), with the methods of a spec.support.wire
-- connection that WebSocket specs use. websocket.lua hands one out while its over_http2 is true.
--
--   local stream = require "spec.support.websocket_stream"
--   local conn, response = stream.connect(server, "/path", { headers = {…}, extensions = "…" })
--   local conn = stream.connect(server, "/path", { on = h2 })   -- on a connection of http2.lua
--   conn:send "…"; conn:read(5); conn:expect_closed(); conn:half_close(); conn:reset()
local http2 = require "spec.support.http2"
local sys = require "spec.support.sys"

local M = {}
local Stream = {}
Stream.__index = Stream
Stream.__name = "spec.websocket_stream"

-- The fields of an extended CONNECT. options: headers, extensions, protocols, protocol.
function M.fields(path, options)
  options = options or {}
  local fields = {
    { ":method", "CONNECT" }, { ":protocol", options.protocol or "websocket" },
    { ":scheme", "http" }, { ":authority", "localhost" }, { ":path", path },
  }
  local function add(name, value)
    if value then fields[#fields + 1] = { name:lower(), value } end
  end
  local given = options.headers or {}
  if not given["Sec-WebSocket-Version"] then add("sec-websocket-version", "13") end
  add("sec-websocket-extensions", options.extensions)
  add("sec-websocket-protocol", options.protocols)
  for name, value in pairs(given) do add(name, value) end
  return fields
end

function M.connect(where, path, options)
  options = options or {}
  local h2, is_own = options.on, not options.on
  h2 = h2 or http2.connect(where, options.http2)
  if not h2.settings[8] then
    h2:read_until(function() return h2.settings[8] end, "SETTINGS_ENABLE_CONNECT_PROTOCOL")
  end
  local id = h2:open { fields = M.fields(path or "/", options), ends = false }
  local response = h2:wait_head(id)
  return setmetatable({ h2 = h2, id = id, stream = response, buffer = "",
    is_own = is_own }, Stream), response
end

function Stream:send(bytes)
  self.h2:data(self.id, bytes)
  return self
end

-- As wire's: true, or nil, why not, and how much was sent.
function Stream:try_send(bytes)
  local h2 = self.h2
  h2.wire.patience = self.patience or h2.wire.patience
  local deadline = sys.now() + h2.wire.patience
  for at = 1, #bytes, 16384 do
    local ok, err = pcall(h2.data, h2, self.id, bytes:sub(at, at + 16383))
    if ok and sys.now() > deadline then ok, err = nil, "the server takes too long" end
    if not ok then return nil, err, at - 1 end
  end
  return true
end

function Stream:send_slowly(bytes, how)
  how = how or {}
  local step = how.bytes or 1
  for at = 1, #bytes, step do
    if at > 1 then sys.sleep(how.pause or 0.002) end
    self:send(bytes:sub(at, at + step - 1))
  end
  return self
end

-- What DATA frames brought goes into the buffer; true when it did.
local function take(self)
  local pieces = self.stream.pieces
  if #pieces == 0 then return false end
  self.buffer = self.buffer .. table.concat(pieces)
  for i = #pieces, 1, -1 do pieces[i] = nil end
  return true
end

local function fill(self)
  self.h2.wire.patience = self.patience or self.h2.wire.patience
  if take(self) then return true end
  if self.stream.is_closed then return false end
  self.h2:read_until(function() return #self.stream.pieces > 0 or self.stream.is_closed end,
    "bytes of stream " .. self.id)
  return take(self)
end

function Stream:read(count)
  local pieces, bytes = { self.buffer }, #self.buffer
  while bytes < count do
    self.buffer = ""
    if not fill(self) then error("the stream ended", 2) end
    pieces[#pieces + 1] = self.buffer
    bytes = bytes + #self.buffer
  end
  local all = table.concat(pieces)
  self.buffer = all:sub(count + 1)
  return all:sub(1, count)
end

function Stream:read_all()
  while fill(self) do end -- luacheck: ignore 542
  return self.buffer
end

function Stream:is_quiet(seconds)
  take(self)
  return #self.buffer == 0 and not self.stream.is_closed and self.h2.wire:is_quiet(seconds)
end

function Stream:expect_closed()
  local rest = self:read_all()
  if #rest > 0 then error(("expected the stream to end, but got %q"):format(rest:sub(1, 80)), 2) end
  if not self.stream.reset then self:half_close() end
  if self.is_own then self.h2:close() end
  return true
end

function Stream:half_close() self.h2:frame(http2.DATA, http2.END_STREAM, self.id) end
function Stream:reset() self.h2:frame(http2.RST_STREAM, 0, self.id, http2.number(8, 4)) end
function Stream:close() self.h2:close() end

return M
