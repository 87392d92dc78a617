--- application/x-www-form-urlencoded text: queries and urlencoded bodies.
--
-- Called by the ctx (`ctx.query`, `ctx.query_all`), by form.lua, and by apps that build URLs. Pure:
-- no door. Decoding never fails: a `%` that no two hex digits follow stays as it is, `+` is a
-- space. A field without `=` has the value "". A name given several times keeps every value
-- (`parse_all`), and `parse` shows the first. Parsing is linear in the text and stops at a number
-- of fields, so a hostile text stays cheap.

local find, sub, gsub, char = string.find, string.sub, string.gsub, string.char
local format = string.format
local concat, sort = table.concat, table.sort

---@class justhttp.query
local M = {}

--- How many fields `parse` and `parse_all` read when the caller names no other limit.
M.MAX_FIELDS = 1000

-- "2f" -> "/", for every way to write two hex digits; gsub looks replacements up here without
-- calling back.
local FROM_HEX = {}
do
  local digits = "0123456789abcdefABCDEF"
  for high in digits:gmatch(".") do
    for low in digits:gmatch(".") do
      FROM_HEX[high .. low] = char(tonumber(high .. low, 16))
    end
  end
end

-- Every byte but the unreserved ones of RFC 3986 -> "%XX".
local TO_HEX = {}
for value = 0, 255 do
  local one = char(value)
  if not find(one, "^[%w%-%._~]$") then TO_HEX[one] = format("%%%02X", value) end
end

--- Decodes one name or value: `%XX` and `+`. A bad `%` is kept literally.
---@param text string
---@return string
function M.decode(text)
  if find(text, "+", 1, true) then text = gsub(text, "+", " ") end
  if find(text, "%", 1, true) then text = gsub(text, "%%(%x%x)", FROM_HEX) end
  return text
end

local decode = M.decode

--- Encodes one name or value so that it can stand anywhere in a URL (a space becomes `%20`).
---@param text string
---@return string
function M.escape(text)
  return (gsub(text, "[^%w%-%._~]", TO_HEX))
end

local escape = M.escape

-- Walks the fields of `text` and stores each: the first value per name in `first`, or all of them
-- in `all`. `equals` is remembered between fields: searching for it anew in each field would be
-- quadratic for "a&a&a&…".
local function walk(text, limit, first, all)
  local pos, last, count = 1, #text, 0
  local equals = find(text, "=", 1, true) or last + 1
  while pos <= last do
    local stop = find(text, "&", pos, true) or last + 1
    if equals < pos then equals = find(text, "=", pos, true) or last + 1 end
    if stop > pos then
      count = count + 1
      if count > limit then
        return format("more than %d fields; the rest was not read", limit)
      end
      local name, value
      if equals < stop then
        name, value = decode(sub(text, pos, equals - 1)), decode(sub(text, equals + 1, stop - 1))
      else
        name, value = decode(sub(text, pos, stop - 1)), ""
      end
      if first then
        if first[name] == nil then first[name] = value end
      else
        local values = all[name]
        if values then values[#values + 1] = value else all[name] = { value } end
      end
    end
    pos = stop + 1
  end
  return nil
end

--- Reads the fields of a query or body; of a repeated name the first value.
---@param text string?  without the leading `?`
---@param limit integer? how many fields to read at most; `MAX_FIELDS` when absent
---@return table<string, string> fields
---@return string? truncated why the rest was not read, when there were more than `limit`
function M.parse(text, limit)
  local fields = {}
  if not text or text == "" then return fields, nil end
  return fields, walk(text, limit or M.MAX_FIELDS, fields, nil)
end

--- Like `parse`, but keeps every value of every name, in order.
---@param text string?
---@param limit integer?
---@return table<string, string[]> fields
---@return string? truncated
function M.parse_all(text, limit)
  local fields = {}
  if not text or text == "" then return fields, nil end
  return fields, walk(text, limit or M.MAX_FIELDS, nil, fields)
end

local function field(name, value)
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    error(format("query.encode: the value of %q is a %s; give a string, number, boolean or a list "
      .. "of them", name, kind), 3)
  end
  return escape(name) .. "=" .. escape(tostring(value))
end

--- Builds a query from a table: `{ q = "a b", tag = { "x", "y" } }` gives `q=a%20b&tag=x&tag=y`.
-- Names come out sorted, so equal tables give equal text. A value may be a list: the name is
-- repeated.
---@param fields table<string, string|number|boolean|(string|number|boolean)[]>
---@return string
function M.encode(fields)
  if type(fields) ~= "table" then
    error("query.encode: give a table of names and values, got " .. type(fields), 2)
  end
  local names, parts = {}, {}
  for name in pairs(fields) do
    if type(name) ~= "string" then
      error("query.encode: names are strings, got a " .. type(name), 2)
    end
    names[#names + 1] = name
  end
  sort(names)
  for _, name in ipairs(names) do
    local value = fields[name]
    if type(value) == "table" then
      for _, one in ipairs(value) do parts[#parts + 1] = field(name, one) end
    else
      parts[#parts + 1] = field(name, value)
    end
  end
  return concat(parts, "&")
end

return M
