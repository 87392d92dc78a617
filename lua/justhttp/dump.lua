--- A value as one line that people can read: for error messages and log lines.
--
-- Bounded in every direction (depth, entries, length of strings, length of the whole), so that an
-- error object that holds half of the program is still one line. Not a format to be read back.

local format, gsub, sub, match = string.format, string.gsub, string.sub, string.match
local concat, sort = table.concat, table.sort
local type, tostring, pcall, pairs, getmetatable = type, tostring, pcall, pairs, getmetatable

local MOST_DEPTH, MOST_ENTRIES, MOST_STRING_BYTES, MOST_BYTES = 3, 16, 80, 400

--- A string as Lua writes it, on one line.
local function quote(text)
  if #text > MOST_STRING_BYTES then text = sub(text, 1, MOST_STRING_BYTES) .. "…" end
  return (gsub(gsub(format("%q", text), "\\\n", "\\n"), "\r", "\\r"))
end

local function text_of(value)
  local ok, text = pcall(tostring, value)
  return ok and type(text) == "string" and text or "(" .. type(value) .. ")"
end

-- Lists first and in order, then names.
local function before(a, b)
  if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
  if type(a) == "number" or type(b) == "number" then return type(a) == "number" end
  return text_of(a) < text_of(b)
end

local write

local function write_table(value, depth, seen)
  if seen[value] then return "(itself)" end
  if depth > MOST_DEPTH then return "{…}" end
  seen[value] = true
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  sort(keys, before)
  local parts = {}
  for i = 1, #keys do
    if i > MOST_ENTRIES then
      parts[i] = format("… %d more", #keys - MOST_ENTRIES)
      break
    end
    local key, text = keys[i], write(value[keys[i]], depth + 1, seen)
    if key == i then
      parts[i] = text
    elseif type(key) == "string" and match(key, "^[%a_][%w_]*$") then
      parts[i] = key .. " = " .. text
    else
      parts[i] = "[" .. write(key, depth + 1, seen) .. "] = " .. text
    end
  end
  seen[value] = nil
  if #parts == 0 then return "{}" end
  return "{ " .. concat(parts, ", ") .. " }"
end

function write(value, depth, seen)
  local kind = type(value)
  if kind == "string" then return quote(value) end
  if kind ~= "table" then return text_of(value) end
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__tostring then return text_of(value) end
  return write_table(value, depth, seen)
end

--- One line for any value; at most about 400 bytes.
---@param value any
---@return string
return function(value)
  local ok, text = pcall(write, value, 1, {})
  if not ok then text = "(" .. type(value) .. ")" end
  if #text > MOST_BYTES then text = sub(text, 1, MOST_BYTES) .. "…" end
  return text
end
