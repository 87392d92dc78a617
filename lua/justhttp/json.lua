--- JSON for the ctx and for apps (`http.json`).
--
-- The work is done by lua-cjson, with an instance of our own so that the app's settings of cjson
-- stay the app's. What cjson cannot express is added here: in Lua an empty table could be `[]` or
-- `{}`. An empty table is written as `{}` unless it is marked by `json.array`; an empty array that
-- was read carries the mark, so it is written as `[]` again. Numbers of 15 digits and more (ids,
-- above all) are written exactly, where cjson rounds to 14. Only text that may hold one of these
-- takes the slow path; everything else is one call of cjson. Fractions keep 14 digits.
--
-- Encoding raises (a value that cannot be JSON is a mistake of the program); decoding returns nil,
-- err.

local cjson = require "cjson"

local find, gsub, match, format = string.find, string.gsub, string.match, string.format
local sub, byte = string.sub, string.byte
local concat = table.concat
local type, pairs, next, pcall, error, rawset = type, pairs, next, pcall, error, rawset
local tonumber, getmetatable, setmetatable = tonumber, getmetatable, setmetatable

---@class justhttp.json
local M = {}

--- How deep arrays and objects may nest, both ways.
M.MAX_DEPTH = 512

--- Stands for `null`, in both directions.
M.null = cjson.null

local codec = cjson.new()
codec.encode_max_depth(M.MAX_DEPTH)
codec.decode_max_depth(M.MAX_DEPTH)
codec.decode_invalid_numbers(false)
codec.encode_sparse_array(true) -- { [1001] = … } is an object, not an error
local cjson_encode, cjson_decode = codec.encode, codec.decode

local ARRAY = { __jsontype = "array", __name = "justhttp.json.array" }

--- Marks a table as an array, so that it is written as `[]` even when empty.
---@generic T
---@param list T[]?
---@return T[]
function M.array(list)
  if list == nil then list = {} end
  if type(list) ~= "table" then error("json.array: give a table, got " .. type(list), 2) end
  return setmetatable(list, ARRAY)
end

-- The two things cjson cannot write, empty arrays and numbers of more than 14 digits, stand in the
-- value as marked strings for the moment of encoding; then the marks are taken out of the text. No
-- string of an app equals a mark by accident: it contains the addresses of two tables nobody else
-- sees.
local MARK = "jh-" .. format("%p-%p", {}, {}):gsub("%W", "") .. ":"
local HOLE = MARK .. "[]"
local MARKED_HOLE = '"' .. HOLE .. '"'
local MARKED_TEXT = '"' .. MARK:gsub("%W", "%%%0") .. '([^"]*)"'

-- The shortest text that reads back as the same number.
local function exact_number(number)
  local text = format("%.15g", number)
  if tonumber(text) ~= number then text = format("%.16g", number) end
  if tonumber(text) ~= number then text = format("%.17g", number) end
  return text
end

local function is_rounded(number)
  return number == number and tonumber(format("%.14g", number)) ~= number
end

-- Marks what needs it in `value`, which is known to have no cycles and bounded depth. Each edit is
-- three entries of `edits`: table, key, what was there.
local function mark(value, edits)
  if next(value) == nil then
    local meta = getmetatable(value)
    if type(meta) == "table" and meta.__jsontype == "array" then
      edits[#edits + 1], edits[#edits + 2], edits[#edits + 3] = value, 1, M.null
      rawset(value, 1, HOLE)
    end
    return
  end
  for key, child in next, value do
    local kind = type(child)
    if kind == "table" then
      mark(child, edits)
    elseif kind == "number" and is_rounded(child) then
      edits[#edits + 1], edits[#edits + 2], edits[#edits + 3] = value, key, child
      rawset(value, key, MARK .. exact_number(child))
    end
  end
end

local HOLE_IN_ARRAY = "%[" .. MARKED_HOLE:gsub("%W", "%%%0") .. "%]"

local function unmark(text)
  return (gsub((gsub(text, HOLE_IN_ARRAY, "[]")), MARKED_TEXT, "%1"))
end

-- Encodes what the fast path got wrong. The app's tables are as before when this returns, also on
-- failure.
local function encode_exactly(value, text)
  local edits = {}
  mark(value, edits)
  if #edits == 0 then return text end
  local ok, marked = pcall(cjson_encode, value)
  for i = #edits - 2, 1, -3 do
    local was = edits[i + 2]
    if was == M.null then was = nil end
    rawset(edits[i], edits[i + 1], was)
  end
  if not ok then error(marked, 0) end
  return unmark(marked)
end

-- Finds what in `value` cannot be JSON: returns its path ("items[2].price") and the reason.
local function find_culprit(value, path, seen, depth)
  local kind = type(value)
  if kind == "number" then
    if value ~= value then return path, "NaN is not a JSON number" end
    if value == math.huge or value == -math.huge then
      return path, "infinity is not a JSON number"
    end
  elseif kind == "table" then
    if seen[value] then return path, "the table contains itself" end
    if depth > M.MAX_DEPTH then return path, "more than " .. M.MAX_DEPTH .. " levels deep" end
    seen[value] = true
    for key, child in pairs(value) do
      if type(key) ~= "string" and type(key) ~= "number" then
        return path, "a key is a " .. type(key) .. "; keys are strings or numbers"
      end
      local child_path = type(key) == "number" and path .. "[" .. key .. "]"
        or path == "" and key
        or path .. "." .. key
      local where, why = find_culprit(child, child_path, seen, depth + 1)
      if where then return where, why end
    end
    seen[value] = nil
  elseif kind == "userdata" or kind == "lightuserdata" then
    if value ~= M.null then return path, "a userdata has no JSON form" end
  elseif kind ~= "string" and kind ~= "boolean" and kind ~= "nil" then
    return path, "a " .. kind .. " has no JSON form"
  end
  return nil
end

--- Why a value cannot be JSON: "at items[2].price: NaN is not a JSON number". `reason` is what
-- cjson said.
---@param value any
---@param reason any
---@return string
function M.failure(value, reason)
  local where, why = find_culprit(value, "", {}, 1)
  if not where then return tostring(reason) end
  return (where == "" and "" or "at " .. where .. ": ") .. why
end

-- What cjson wrote, made right where it needs to be.
local function finish(value, text)
  if type(value) == "table" then
    if find(text, "{}", 1, true) or find(text, "e+", 1, true) then
      text = encode_exactly(value, text)
    end
  elseif type(value) == "number" and is_rounded(value) then
    text = exact_number(value)
  end
  -- cjson writes "/" as "\/" and every "/" it writes has that backslash, so dropping it is exact.
  if find(text, "\\/", 1, true) then text = gsub(text, "\\/", "/") end
  return text
end

--- Writes a value as JSON. Raises when it has no JSON form, naming the place: "at items[2].price:
-- NaN is not …".
---@param value any
---@return string
function M.encode(value)
  local ok, text = pcall(cjson_encode, value)
  if not ok then error("json.encode: " .. M.failure(value, text), 2) end
  return (finish(value, text))
end

--- The same for the response of each request: without the pcall, behind which LuaJIT would leave
-- compiled code. What it raises is cjson's own text; explain.lua makes it clear afterwards.
---@param value any
---@return string
function M.encode_response(value)
  local text = cjson_encode(value)
  return (finish(value, text))
end

-- What cjson calls the tokens in its messages, in plain words.
local TOKENS = {
  T_OBJ_BEGIN = "'{'", T_OBJ_END = "'}'", T_ARR_BEGIN = "'['", T_ARR_END = "']'",
  T_STRING = "a string", T_NUMBER = "a number", T_INTEGER = "a number", T_BOOLEAN = "a boolean",
  T_NULL = "null", T_COLON = "':'", T_COMMA = "','", T_END = "the end of the text",
  T_WHITESPACE = "white space", T_ERROR = "an error", T_UNKNOWN = "an unknown token",
}

local function decode_failure(text, reason)
  local what, at = match(tostring(reason), "^(.-) at character (%d+)$")
  if not what then return "not JSON: " .. tostring(reason) end
  what = gsub(what, "T_[%u_]+", TOKENS)
  local before = text:sub(1, tonumber(at) - 1)
  local _, lines = gsub(before, "\n", "")
  local column = #match(before, "[^\n]*$") + 1
  what = gsub(what, "^%u", string.lower)
  return format("not JSON: %s (line %d, column %d)", what, lines + 1, column)
end

-- Puts a mark into every empty array of `text`, which is known to be JSON: only strings have to be
-- stepped over.
local function mark_text(text)
  local parts, count, from, pos = {}, 0, 1, 1
  while true do
    local at = find(text, '["%[]', pos)
    if not at then break end
    if byte(text, at) == 34 then -- a string: go behind its closing quote
      pos = at + 1
      while true do
        pos = find(text, '["\\]', pos)
        if byte(text, pos) == 34 then break end
        pos = pos + 2
      end
      pos = pos + 1
    else
      local _, stop = find(text, "^%s*%]", at + 1)
      if stop then
        parts[count + 1], parts[count + 2] = sub(text, from, at), MARKED_HOLE
        count, from = count + 2, stop
      end
      pos = (stop or at) + 1
    end
  end
  parts[count + 1] = sub(text, from)
  return concat(parts)
end

local function empty_marked_arrays(value)
  if value[1] == HOLE then
    value[1] = nil
    setmetatable(value, ARRAY)
    return
  end
  for _, child in next, value do
    if type(child) == "table" then empty_marked_arrays(child) end
  end
end

local function decode_with_arrays(text)
  local value = cjson_decode(mark_text(text))
  empty_marked_arrays(value)
  return value
end

--- Reads JSON. `null` becomes `json.null`, an empty array keeps its mark.
---@param text string
---@return any value nil when the text is not JSON
---@return string? err names line and column
function M.decode(text)
  if type(text) ~= "string" then error("json.decode: give a string, got " .. type(text), 2) end
  local ok, value = pcall(cjson_decode, text)
  if not ok then return nil, decode_failure(text, value) end
  if type(value) == "table" and find(text, "%[%s*%]") then return decode_with_arrays(text) end
  return value
end

--- True for a table that `[]` was read into, or that `json.array` marked.
---@param value any
---@return boolean
function M.is_array(value)
  return type(value) == "table" and getmetatable(value) == ARRAY
end

return M
