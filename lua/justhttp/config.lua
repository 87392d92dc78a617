--- Reads an app's config.lua: a file that returns a table of options.
--
-- Which options there are, their units and bounds is the core's table (core/server/options.h); this
-- only evaluates the file and hands over each value as text. The file is plain Lua, so it may
-- compute values or read the environment. Every failure is one line with file, line and the fix.

local format, find, gmatch, gsub = string.format, string.find, string.gmatch, string.gsub

local M = {}

-- The line of the file that sets `name`, for messages: a table does not remember it.
local function line_of(source, name)
  local number, pattern = 0, "%f[%w_]" .. gsub(name, "%p", "%%%0") .. "%f[^%w_]%s*=[^=]"
  for text in gmatch(source .. "\n", "([^\n]*)\n") do
    number = number + 1
    if find(gsub(text, "%-%-.*$", "") .. " ", pattern) then
      return number
    end
  end
  return nil
end

local function as_text(value)
  if type(value) == "number" and value % 1 == 0 then return format("%.0f", value) end
  if type(value) == "string" or type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  if type(value) ~= "table" then return nil end
  local items = {}
  for i, item in ipairs(value) do
    local text = type(item) ~= "table" and as_text(item)
    if not text then return nil end
    items[i] = text
  end
  if #items == 0 then return nil end
  return table.concat(items, ",")
end

-- tls = { { cert = "a.pem", key = "a.key" }, … } is another way to write tls_cert and tls_key.
local function expand_pairs(options)
  if type(options.tls) ~= "table" then return options end
  local certs, keys, all = {}, {}, {}
  local pairs_given = options.tls.cert and { options.tls } or options.tls
  for i, pair in ipairs(pairs_given) do
    if type(pair) ~= "table" or type(pair.cert) ~= "string" then
      return nil, 'tls: write { { cert = "file.pem", key = "file.key" }, … }, or tls = "self"'
    end
    certs[i], keys[i] = pair.cert, pair.key or pair.cert
  end
  for name, value in pairs(options) do all[name] = value end
  all.tls, all.tls_cert, all.tls_key = nil, certs, keys
  return all
end

--- Evaluates a config file and sets each option it returns, in the order of their names.
---@param path string for messages
---@param source string what is in the file
---@param set fun(name: string, value: string): boolean?, string? nil and one line to refuse
---@return boolean? ok nil on failure
---@return string? err
function M.load(path, source, set)
  local chunk, syntax_error = loadstring((gsub(source, "^#[^\n]*", "", 1)), "@" .. path)
  if not chunk then return nil, syntax_error end
  local ok, options = pcall(chunk)
  if not ok then return nil, tostring(options) end
  if type(options) ~= "table" then
    return nil, format("%s: returns %s; end it with a table such as return { workers = 2 }", path,
      options == nil and "nothing" or "a " .. type(options))
  end
  local expanded, pairs_error = expand_pairs(options)
  if not expanded then
    return nil, format("%s:%d: %s", path, line_of(source, "tls") or 1, pairs_error)
  end
  options = expanded
  local names = {}
  for name in pairs(options) do
    if type(name) ~= "string" then
      return nil, format("%s: options are name = value, but %s has no name", path, tostring(name))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local line = line_of(source, name)
    local place = line and path .. ":" .. line or path
    local value = options[name]
    local text = as_text(value)
    if not text then
      return nil, format("%s: %s is a %s; write a string, a number, true or false, or a list",
        place, name, type(value))
    end
    local is_set, err = set(name, text)
    if not is_set then return nil, place .. ": " .. tostring(err) end
  end
  return true
end

return M
