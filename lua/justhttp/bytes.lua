--- Reading a stream of bytes by line, by length, up to a pattern: what sockets and hijacked
-- connections have in common.
--
-- `mixin` adds the methods to a class whose objects have `_data` and `_at` (what was received and
-- where the part of it that nobody took yet begins) and a method `_pull` that waits for more: it
-- returns a piece, or nil and an error, "closed" at the end. A wait in it may raise (the task is
-- cancelled); what was gathered until then is not lost: `restore` puts it back.

local buffer = require "string.buffer"

local find, sub, format, byte = string.find, string.sub, string.format, string.byte
local type, error, tostring, tonumber = type, error, tostring, tonumber

local CR = 13

local M = {}

---@class justhttp.bytes
---@field _data string
---@field _at integer
---@field _pieces any? a buffer, while an operation gathers
local Bytes = {}

--- Puts back what an operation had gathered when its wait was cancelled.
---@param self justhttp.bytes
function M.restore(self)
  local pieces = self._pieces
  if not pieces then return end
  self._pieces = nil
  self._data, self._at = pieces:get() .. sub(self._data, self._at), 1
end

--- The bytes that were received and not taken yet.
---@param self justhttp.bytes
---@return integer
function M.waiting(self) return #self._data - self._at + 1 end

-- Everything that is there.
local function take_all(self)
  local data, at = self._data, self._at
  self._data, self._at = "", 1
  return at == 1 and data or sub(data, at)
end

-- Takes so many bytes off the front.
local function take(self, count)
  local at = self._at
  self._at = at + count
  return sub(self._data, at, at + count - 1)
end

-- Waits for one more piece, behind what is there.
local function more(self)
  local piece, err = self:_pull()
  if not piece then return nil, err end
  if self._at > #self._data then
    self._data = piece
  else
    self._data = sub(self._data, self._at) .. piece
  end
  self._at = 1
  return true
end

local function start_gathering(self)
  local pieces = buffer.new()
  pieces:put(take_all(self))
  self._pieces = pieces
  return pieces
end

local function receive_bytes(self, count)
  local at = self._at
  local stop = at + count - 1
  if stop <= #self._data then
    self._at = stop + 1
    return sub(self._data, at, stop)
  end
  local pieces = start_gathering(self)
  while true do
    local piece, err = self:_pull()
    if not piece then
      self._pieces = nil
      return nil, err, pieces:get()
    end
    local missing = count - #pieces
    if #piece >= missing then
      self._pieces = nil
      self._data, self._at = piece, missing + 1
      pieces:put(sub(piece, 1, missing))
      return pieces:get()
    end
    pieces:put(piece)
  end
end

local function receive_all(self)
  local pieces = start_gathering(self)
  while true do
    local piece, err = self:_pull()
    if not piece then
      self._pieces = nil
      if err == "closed" then return pieces:get() end
      return nil, err, pieces:get()
    end
    pieces:put(piece)
  end
end

-- Without its end. Nothing is gathered: what is there stays in _data until the line is whole.
local function receive_line(self, max_bytes)
  local searched = 0
  while true do
    local at = self._at
    local stop = find(self._data, "\n", at + searched, true)
    if stop then
      self._at = stop + 1
      local last = stop - 1
      if last >= at and byte(self._data, last) == CR then last = last - 1 end
      return sub(self._data, at, last)
    end
    searched = #self._data - at + 1
    if max_bytes and searched > max_bytes then return nil, "the line is too long" end
    local ok, err = more(self)
    if not ok then return nil, err, take_all(self) end
  end
end

local function misuse(self, call, wanted, got)
  error(format("%s:%s: %s, got %s", self._noun, call, wanted, tostring(got)), 3)
end

--- Receives by a pattern: "*l" a line without its LF or CRLF (the default), "*a" everything up to
-- the end, or a number of bytes.
---@param pattern ("*l"|"*a"|"l"|"a"|number)?
---@param prefix string? what the result begins with
---@return string? data
---@return string? err "timeout", "closed", or a sentence
---@return string? partial what had come until then; it is taken
function Bytes:receive(pattern, prefix)
  local data, err, partial
  if pattern == nil or pattern == "*l" or pattern == "l" then
    data, err, partial = receive_line(self)
  elseif pattern == "*a" or pattern == "a" then
    data, err, partial = receive_all(self)
  else
    local count = tonumber(pattern)
    if not count or count < 0 or count % 1 ~= 0 then
      misuse(self, "receive", 'give "*l", "*a" or a number of bytes', pattern)
    end
    if count == 0 then return prefix or "" end
    data, err, partial = receive_bytes(self, count)
  end
  if prefix then
    if data then return prefix .. data end
    return nil, err, prefix .. (partial or "")
  end
  if data then return data end
  return nil, err, partial
end

--- Receives what there is, as soon as there is something.
---@param max integer at most so many bytes
---@return string? data
---@return string? err
function Bytes:receiveany(max)
  if type(max) ~= "number" or max < 1 then
    misuse(self, "receiveany", "give the most bytes", max)
  end
  if self._at > #self._data then
    local ok, err = more(self)
    if not ok then return nil, err end
  end
  local there = #self._data - self._at + 1
  if max >= there then return take_all(self) end
  return take(self, max)
end

--- A line without its LF or CRLF.
---@param max_bytes integer? the longest line
---@return string? line
---@return string? err
---@return string? partial
function Bytes:receiveline(max_bytes) return receive_line(self, max_bytes) end

-- ---- up to a pattern --------------------------------------------------------------------------

-- The whole part in front of the pattern.
local function receive_part(self, pattern, is_inclusive)
  local searched = 0
  while true do
    local at = self._at
    local from, to = find(self._data, pattern, at + searched, true)
    if from then
      self._at = to + 1
      return sub(self._data, at, is_inclusive and to or from - 1)
    end
    -- The pattern may have begun in the last bytes.
    searched = #self._data - at + 1 - (#pattern - 1)
    if searched < 0 then searched = 0 end
    local ok, err = more(self)
    if not ok then return nil, err, take_all(self) end
  end
end

-- The next piece of that part: `size` bytes, fewer at its end, nil behind it.
local function receive_piece(self, state, pattern, is_inclusive, size)
  if state.is_behind then
    state.is_behind = false
    return nil
  end
  while true do
    local at = self._at
    local from, to = find(self._data, pattern, at, true)
    local there = #self._data - at + 1
    if from then
      local count = (is_inclusive and to or from - 1) - at + 1
      if count == 0 then
        self._at = to + 1
        return nil
      end
      if count <= size then
        self._at = to + 1
        state.is_behind = true
        return sub(self._data, at, at + count - 1)
      end
      -- An inclusive part may be cut within its pattern.
      if is_inclusive and size > from - at then
        state.rest = count - size
        return take(self, size)
      end
      return take(self, size)
    end
    if there - (#pattern - 1) >= size then return take(self, size) end
    local ok, err = more(self)
    if not ok then return nil, err, take_all(self) end
  end
end

--- Makes a function that receives up to a pattern, a plain string. Called without an argument it
-- returns all in front of the pattern; called with a size it returns at most so many bytes of that
-- and nil, without an error, when it is used up. Then it goes on behind the pattern.
---@param pattern string
---@param options { inclusive: boolean? }? inclusive: the pattern belongs to what is returned
---@return fun(size: integer?): string?, string?, string?
function Bytes:receiveuntil(pattern, options)
  if type(pattern) == "number" then pattern = tostring(pattern) end
  if type(pattern) ~= "string" or pattern == "" then
    misuse(self, "receiveuntil", "give a string that is not empty", pattern)
  end
  local is_inclusive = options ~= nil and options.inclusive == true
  local state = { is_behind = false, rest = 0 }
  return function(size)
    if size == nil then
      if state.rest > 0 then
        local rest = state.rest
        state.rest = 0
        return take(self, rest)
      end
      state.is_behind = false
      return receive_part(self, pattern, is_inclusive)
    end
    if type(size) ~= "number" or size < 1 then
      misuse(self, "receiveuntil", "give its function a number of bytes", size)
    end
    if state.rest > 0 then
      local count = state.rest < size and state.rest or size
      state.rest = state.rest - count
      state.is_behind = state.rest == 0
      return take(self, count)
    end
    return receive_piece(self, state, pattern, is_inclusive, size)
  end
end

-- ---- what is sent -----------------------------------------------------------------------------

local function put_all(self, out, list, depth)
  if depth > 100 then misuse(self, "send", "tables are nested too deeply", "a cycle, perhaps") end
  for i = 1, #list do
    local value = list[i]
    local kind = type(value)
    if kind == "string" or kind == "number" then
      out:put(value)
    elseif kind == "table" then
      put_all(self, out, value, depth + 1)
    else
      misuse(self, "send", "give strings, numbers, or nested lists of them", "a " .. kind)
    end
  end
end

--- What `send` was given as one string.
---@param data string|number|table
---@return string
function Bytes:_flatten(data)
  local kind = type(data)
  if kind == "string" then return data end
  if kind == "number" then return tostring(data) end
  if kind ~= "table" then
    misuse(self, "send", "give a string, a number, or a list of them", "a " .. kind)
  end
  local out = buffer.new()
  put_all(self, out, data, 1)
  return out:get()
end

--- Adds the methods to a class; `noun` is what messages call its objects.
---@param class table
---@param noun string
function M.mixin(class, noun)
  class._noun = noun
  for name, fn in pairs(Bytes) do class[name] = fn end
end

return M
