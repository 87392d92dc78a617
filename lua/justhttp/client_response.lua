--- A response that a client got: status, fields, body.
--
-- The head is kept as the text it came as; fields are looked at when they are asked for. A streamed
-- response has no `body`: `read`, `chunks` and `close` take it from the link piece by piece, and
-- closing, or letting go of it, gives the link back or ends it.

local ffi = require "ffi"
local buffer = require "string.buffer"
local door = require "justhttp.door"

local C = door.C
local setmetatable, rawget, rawset, type, error, tostring = setmetatable, rawget, rawset, type,
  error, tostring
local find, sub, lower, match, concat = string.find, string.sub, string.lower, string.match,
  table.concat

local PIECE_BYTES = 65536

---@class justhttp.client_response
---@field status integer
---@field reason string
---@field version string "HTTP/1.1", "HTTP/2"
---@field headers table<string, string> by name in any case; a repeated field is one list
---@field body string? decoded; nil when streamed
---@field url string? the one that answered, after redirects
---@field is_ok boolean status 200 to 299
---@field trailers table<string, string> fields behind the body, once it was read
local Response = { __name = "justhttp.client_response" }

-- The lines of a head (or of trailers) as lists of values by lower-case name, and the names in the
-- order they came.
local function read_fields(text, from)
  local values, list = {}, {}
  local at, count = from, 0
  while true do
    local stop = find(text, "\r\n", at, true)
    if not stop or stop == at then break end
    local colon = find(text, ":", at, true)
    local name = sub(text, at, colon - 1)
    local value = match(sub(text, colon + 1, stop - 1), "^[ \t]*(.-)[ \t]*$")
    local key = lower(name)
    local of_name = values[key]
    if of_name then of_name[#of_name + 1] = value else values[key] = { value } end
    count = count + 1
    list[count] = { name, value }
    at = stop + 2
  end
  return values, list
end

local function fields_of(self)
  local fields = rawget(self, "_fields")
  if not fields then
    fields, self._list = read_fields(self._head, self._fields_at + 1)
    self._fields = fields
  end
  return fields
end

-- Cookies have no list form (RFC 6265 §3); the first one stands for them here.
local function joined(values, key)
  if #values == 1 or key == "set-cookie" then return values[1] end
  return concat(values, ", ")
end

local Headers = { __name = "justhttp.client_headers" }

function Headers.__index(headers, name)
  if type(name) ~= "string" then return nil end
  local key = lower(name)
  local values = rawget(headers, Headers)[key]
  if not values then return nil end
  return joined(values, key)
end

local function headers_of(fields)
  return setmetatable({ [Headers] = fields }, Headers)
end

local lazy = {}

function lazy.headers(self) return headers_of(fields_of(self)) end

function lazy.reason(self)
  return match(self._head, "^[^ ]* %d+ ?([^\r]*)") or ""
end

function lazy.version(self) return match(self._head, "^[^ ]+") end

function lazy.is_ok(self) return self.status >= 200 and self.status < 300 end

function lazy.trailers(self)
  local text = rawget(self, "_trailers")
  local call = rawget(self, "_call")
  if call then
    C.jh_call_trailers(call, door.out)
    text = ffi.string(door.out.ptr, door.out.len)
    if text == "" then return headers_of {} end -- not yet, perhaps
  end
  return headers_of(text and read_fields(text, 1) or {})
end

function Response.__index(self, name)
  local method = rawget(Response, name)
  if method then return method end
  local make = lazy[name]
  if not make then return nil end
  local value = make(self)
  if name ~= "trailers" then rawset(self, name, value) end
  return value
end

--- All values of a field, as separate strings.
---@param name string
---@return string ...
function Response:header(name)
  local values = fields_of(self)[lower(name)]
  if values then return unpack(values) end
end

--- Goes through the fields as they came: `for name, value in res:each_header() do`.
---@return fun(): string?, string?
function Response:each_header()
  fields_of(self)
  local index, list = 0, self._list
  return function()
    index = index + 1
    local field = list[index]
    if field then return field[1], field[2] end
  end
end

--- The body as text; reads a streamed one to its end.
---@return string? text
---@return string? err
---@return string? kind
function Response:text()
  local body = rawget(self, "body")
  if body then return body end
  local pieces = buffer.new()
  while true do
    local piece, err, kind = self:read(PIECE_BYTES)
    if not piece then
      if err then return nil, err, kind end
      break
    end
    pieces:put(piece)
  end
  self.body = pieces:get()
  return self.body
end

--- The body as JSON.
---@return any value
---@return string? err
function Response:json()
  local text, err = self:text()
  if not text then return nil, err end
  return require "justhttp.json".decode(text)
end

local function read_raw(self, bytes)
  local call = rawget(self, "_call")
  if not call then
    if rawget(self, "_was_closed") then return nil, "the response was closed", "invalid" end
    return nil
  end
  local into = rawget(self, "_into")
  if not into then
    into = buffer.new()
    self._into = into
  end
  local memory = into:reserve(bytes)
  local count, err, kind = require "justhttp.exchange".read(call, memory, bytes)
  if not count then
    self:_end()
    return nil, self._what .. ": " .. err, kind
  end
  if count == 0 then
    self:_end()
    return nil
  end
  into:commit(count)
  return into:get()
end

--- The next bytes of a streamed body, of at most `bytes` (65536) that came over the wire, as soon
-- as there are any; nil at the end.
---@param bytes integer?
---@return string? piece
---@return string? err nil at the end
---@return string? kind
function Response:read(bytes)
  bytes = bytes or PIECE_BYTES
  if type(bytes) ~= "number" or bytes < 1 then
    error("res:read: give a number of bytes, got " .. tostring(bytes), 2)
  end
  local body = rawget(self, "body")
  if body then
    if rawget(self, "_was_read") then return nil end
    self._was_read = true
    if body ~= "" then return body end
    return nil
  end
  local decoder = rawget(self, "_decoder")
  if decoder then return decoder(self, read_raw, bytes) end
  return read_raw(self, bytes)
end

--- Goes through a streamed body: `for piece in res:chunks() do`. Raises when it does not come to
-- its end.
---@param bytes integer?
---@return fun(): string?
function Response:chunks(bytes)
  return function()
    local piece, err = self:read(bytes)
    if err then error(err, 2) end
    return piece
  end
end

-- The body was read to its end, or never will be.
function Response:_end()
  local call = rawget(self, "_call")
  if not call then return end
  C.jh_call_trailers(call, door.out)
  if door.out.len > 0 then self._trailers = ffi.string(door.out.ptr, door.out.len) end
  self._call = nil
  self._sent = nil
  C.jh_call_close(ffi.gc(call, nil))
  local tell = rawget(self, "_when_over")
  if tell then tell() end
end

--- Calls `fn` once nothing more of a streamed response will come, however that comes about. False
-- when that is so already.
---@param fn fun()
---@return boolean
function Response:when_over(fn)
  local call = rawget(self, "_call")
  if not call then return false end
  self._when_over = fn
  ffi.gc(call, function(unread)
    C.jh_call_close(unread)
    fn()
  end)
  return true
end

--- Ends a streamed response before its end was read; harmless at any time.
function Response:close()
  if rawget(self, "_call") then self._was_closed = true end
  self:_end()
  local coder = rawget(self, "_coder")
  if coder then
    self._coder = nil
    coder:close()
  end
end

---@param status integer
---@param head string
---@param fields_at integer offset of the first field in the head
---@param body string|false
---@param has_coding boolean
---@param trailers string?
---@return justhttp.client_response
return function(status, head, fields_at, body, has_coding, trailers)
  return setmetatable({
    status = status, body = body or nil, _head = head, _fields_at = fields_at,
    _has_coding = has_coding, _trailers = trailers,
  }, Response)
end
