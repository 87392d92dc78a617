--- The head of an outgoing request as text, with nothing in it that the caller could not mean.
--
-- Used by client.lua. Pure: no door. Names and values that could end a line, or begin a request of
-- their own, raise: nothing that an app passes on from its users gets onto the wire as anything but
-- a value. Framing is the client's own business: Content-Length and Transfer-Encoding are written
-- here, from what the body is.

local find, lower, format, concat = string.find, string.lower, string.format, table.concat
local type, pairs, error, tostring = type, pairs, error, tostring

local M = {}

local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$"

-- Fields that are written from the body, or that belong to one link.
local FRAMING = {
  ["content-length"] = true, ["transfer-encoding"] = true, ["keep-alive"] = true,
  ["proxy-connection"] = true, te = true, trailer = true,
}

local checked = {} -- names that passed, with their lower-case form; names are few
local checked_count = 0

local function check_name(name)
  if type(name) ~= "string" or not find(name, TOKEN) then
    error(format("%q is no name for a header", tostring(name)), 0)
  end
  local key = lower(name)
  if checked_count < 1000 then
    checked_count = checked_count + 1
    checked[name] = key
  end
  return key
end

local function check_value(name, value)
  if type(value) == "number" then return format("%.14g", value) end
  if type(value) ~= "string" then
    error(format("header %s: give a string, got a %s", name, type(value)), 0)
  end
  if find(value, "[%z\1-\8\10-\31\127]") then
    error(format("header %s: %q has bytes that no header may have", name, value), 0)
  end
  return value
end

-- Calls add(key, name, value) for every field of a table: names with values, or with lists of
-- values, or pairs in order.
local function each(fields, add)
  for name, value in pairs(fields) do
    if type(name) == "number" then
      if type(value) ~= "table" then
        error("headers: a list must hold pairs such as { \"Accept\", \"*/*\" }", 0)
      end
      name, value = value[1], value[2]
    end
    local key = checked[name] or check_name(name)
    if type(value) == "table" then
      for i = 1, #value do add(key, name, check_value(name, value[i])) end
    elseif value ~= false then
      add(key, name, check_value(name, value))
    else
      add(key, name, false)
    end
  end
end

--- Fields as a list of { name, value }, checked; `false` as a value stays, it takes a default away.
---@param fields table?
---@return { [1]: string, [2]: string|false }[]
function M.list(fields)
  local list = {}
  if not fields then return list end
  if type(fields) ~= "table" then
    error("headers: give a table, got a " .. type(fields), 0)
  end
  each(fields, function(_, name, value) list[#list + 1] = { name, value } end)
  return list
end

--- Value of the first field of that name in a list, nil without one.
---@param list { [1]: string, [2]: string }[]
---@param key string in lower case
---@return string|false|nil
function M.find(list, key)
  for i = 1, #list do
    if lower(list[i][1]) == key then return list[i][2] end
  end
end

--- A list without the fields of these names.
---@param list { [1]: string, [2]: string }[]
---@param keys table<string, boolean> lower case
---@return { [1]: string, [2]: string }[]
function M.without(list, keys)
  local rest = {}
  for i = 1, #list do
    if not keys[lower(list[i][1])] then rest[#rest + 1] = list[i] end
  end
  return rest
end

local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, DELETE = true, PATCH = true,
  OPTIONS = true }

--- Raises unless it is a method.
---@param method any
function M.check_method(method)
  if METHODS[method] then return end
  if type(method) ~= "string" or not find(method, TOKEN) then
    error(format("%q is no method", tostring(method)), 0)
  end
end

---@class justhttp.head_parts
---@field method string
---@field target string what stands in the request line
---@field authority string for Host
---@field fields { [1]: string, [2]: string|false }[] of the caller
---@field defaults { [1]: string, [2]: string }[] sent unless the caller has them
---@field length integer? of the body; nil without one
---@field chunked boolean?

--- Builds a head. Also tells whether its Connection field says close, and whether it expects
-- 100 Continue.
---@param parts justhttp.head_parts
---@return string head
---@return boolean closes
---@return boolean expects
function M.build(parts)
  local fields, defaults = parts.fields, parts.defaults
  local closes, expects = false, false
  local lines = { parts.method .. " " .. parts.target .. " HTTP/1.1", false }
  local count, seen, host = 2, {}, parts.authority
  for i = 1, #fields do
    local name, value = fields[i][1], fields[i][2]
    local key = checked[name] or check_name(name)
    seen[key] = true
    if key == "host" then
      host = check_value(name, value)
    elseif value and not FRAMING[key] then
      if key == "connection" then closes = closes or find(lower(value), "close", 1, true) ~= nil end
      if key == "expect" then expects = lower(value) == "100-continue" end
      count = count + 1
      lines[count] = name .. ": " .. check_value(name, value)
    end
  end
  lines[2] = "Host: " .. host
  for i = 1, #defaults do
    local name = defaults[i][1]
    if not seen[checked[name] or check_name(name)] then
      count = count + 1
      lines[count] = name .. ": " .. defaults[i][2]
    end
  end
  if parts.chunked then
    count = count + 1
    lines[count] = "Transfer-Encoding: chunked"
  elseif parts.length then
    count = count + 1
    lines[count] = format("Content-Length: %d", parts.length)
  end
  lines[count + 1] = "\r\n"
  return concat(lines, "\r\n"), closes, expects
end

return M
