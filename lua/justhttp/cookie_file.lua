--- Cookie jars in files: `jar:save(path)` and `jar:load(path)`.
--
-- The file is JSON with a cookie per line, oldest first, and only its owner may read it:
--
--   {"justhttp_cookies":1,"cookies":[
--   {"name":"id","value":"7","domain":"example.com","path":"/","host_only":false,"secure":true,
--    "http_only":true,"same_site":"lax","created":1790000000,"accessed":1790000300,
--    "expires":1800000000},
--   …
--   ]}
--
-- `expires` is missing from cookies that end with the session. Saving replaces the whole file at
-- once; a reader never sees half of it. A file with one damaged cookie is refused as a whole.

local json = require "justhttp.json"
local set_cookie = require "justhttp.set_cookie"

local format, concat, find, lower = string.format, table.concat, string.find, string.lower
local type, error, ipairs, tostring = type, error, ipairs, tostring
local open, sort = io.open, table.sort

local M = {}

local VERSION = 1

-- Fields in the order they are written, and their types.
local FIELDS = {
  { "name", "string" }, { "value", "string" }, { "domain", "string" }, { "path", "string" },
  { "host_only", "boolean" }, { "secure", "boolean" }, { "http_only", "boolean" },
  { "partitioned", "boolean" }, { "same_site", "string", is_optional = true },
  { "created", "number" }, { "accessed", "number" }, { "expires", "number", is_optional = true },
}

local function encode(cookie)
  local parts = {}
  for _, field in ipairs(FIELDS) do
    local value = cookie[field[1]]
    if value ~= nil and value ~= false then
      if type(value) == "number" then
        value = format("%.0f", value)
      else
        value = json.encode(value)
      end
      parts[#parts + 1] = format('"%s":%s', field[1], value)
    end
  end
  return "{" .. concat(parts, ",") .. "}"
end

--- The text of the file for a jar.
---@param jar justhttp.cookie_jar
---@param options { session_cookies: boolean? }?
---@return string
function M.encode(jar, options)
  local lines = {}
  for cookie in jar:each() do
    if cookie.expires or not (options and options.session_cookies == false) then
      lines[#lines + 1] = encode(cookie)
    end
  end
  local list = lines[1] and "\n" .. concat(lines, ",\n") .. "\n" or ""
  return format('{"justhttp_cookies":%d,"cookies":[%s]}\n', VERSION, list)
end

local function is_good(cookie)
  for _, field in ipairs(FIELDS) do
    local value, wanted = cookie[field[1]], field[2]
    if value == nil and wanted == "boolean" then
      cookie[field[1]] = false
    elseif type(value) ~= wanted and not (value == nil and field.is_optional) then
      return false
    end
    if type(value) == "number" and not (value > -1e15 and value < 1e15) then return false end
  end
  for _, name in ipairs { "name", "value", "path" } do
    if find(cookie[name], set_cookie.CONTROL) or find(cookie[name], ";", 1, true) then
      return false
    end
  end
  return cookie.name ~= "" and not find(cookie.name, "=", 1, true)
    and #cookie.name + #cookie.value <= set_cookie.MAX_PAIR_BYTES
    and cookie.domain ~= "" and cookie.domain == lower(cookie.domain)
    and find(cookie.path, "^/") ~= nil
end

local function copy(cookie)
  local one = {}
  for _, field in ipairs(FIELDS) do one[field[1]] = cookie[field[1]] end
  return one
end

--- The cookies in the text of a file, oldest first; nil and why when it is no such text.
---@param text string
---@return justhttp.cookie[]? cookies
---@return string? err
function M.decode(text)
  local content = json.decode(text)
  if type(content) ~= "table" or type(content.cookies) ~= "table" then
    return nil, "this is no file of cookies"
  end
  if content.justhttp_cookies ~= VERSION then
    return nil, format("this is a file of cookies of version %s, not %d",
      tostring(content.justhttp_cookies), VERSION)
  end
  local cookies = {}
  for i, cookie in ipairs(content.cookies) do
    if type(cookie) ~= "table" then return nil, format("cookie %d is damaged", i) end
    cookies[i] = copy(cookie)
    if not is_good(cookies[i]) then return nil, format("cookie %d is damaged", i) end
  end
  return cookies
end

local function check_path(what, path)
  if type(path) ~= "string" or path == "" or find(path, "%z") then
    error(format("cookie_jar:%s: give the path of a file, got %s", what, tostring(path)), 3)
  end
end

--- See Jar:save.
function M.save(jar, path, options)
  check_path("save", path)
  local text = M.encode(jar, options)
  local door = require "justhttp.door"
  local code = door.C.jh_file_replace(path, text, #text)
  if code == 0 then return true end
  return nil, format("%s: %s", path, door.strerror(code))
end

--- See Jar:load.
function M.load(jar, path)
  check_path("load", path)
  local file, err = open(path, "rb")
  if not file then return nil, err end
  local text
  text, err = file:read "*a"
  file:close()
  if not text then return nil, format("%s: %s", path, err or "cannot be read") end
  local cookies
  cookies, err = M.decode(text)
  if not cookies then return nil, format("%s: %s", path, err) end
  local now = jar._clock()
  for i, cookie in ipairs(cookies) do cookie._at = i end
  local count = 0
  for _, cookie in ipairs(cookies) do
    if not cookie.expires or cookie.expires > now then
      jar:_add(cookie)
      count = count + 1
    end
  end
  -- What was used longest ago is to go first again.
  sort(cookies, function(a, b)
    if a.accessed ~= b.accessed then return a.accessed < b.accessed end
    return a._at < b._at
  end)
  jar:_note_use(cookies)
  return count
end

return M
