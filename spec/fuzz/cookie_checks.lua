-- cookie_checks.lua: what holds for any Cookie field, and any cookie an app sets. Run by
-- cookie_fuzz.c.
--
--  - parse never raises; names are not empty; no name or value holds a byte that ends one; they are
--    trimmed, bounded in number and together no longer than the field.
--  - serialise either raises its own message or gives one line with the attributes asked for.
--  - What was read can be set again, and reads back as the same.
local cookie = require "justhttp.cookie"

cookie.MAX_COOKIES = 7 -- so that short inputs reach it

local function is_trimmed(text)
  return not text:find "^[ \t]" and not text:find "[ \t]$"
end

local function check_parsed(text)
  local cookies = cookie.parse(text)
  local count, bytes = 0, 0
  for name, value in pairs(cookies) do
    assert(type(name) == "string" and type(value) == "string")
    assert(name ~= "" and not name:find "[=;]" and not value:find ";")
    assert(is_trimmed(name), "a name is not trimmed")
    count, bytes = count + 1, bytes + #name + #value
  end
  assert(count <= cookie.MAX_COOKIES and bytes <= #text)
  return cookies
end

-- The field, or nil when the cookie is refused.
local function try(name, value, options)
  local ok, field = pcall(cookie.serialise, name, value, options)
  if not ok then
    assert(type(field) == "string" and field:find("cookie: ", 1, true), "refused in other words")
    return nil
  end
  assert(type(field) == "string" and not field:find "%c", "a control character got through")
  return field
end

local function check_set_again(name, value)
  local field = try(name, value)
  if not field then return end
  assert(not field:find ";", "an attribute was smuggled in")
  -- Reading drops blanks and one pair of quotes around a value.
  local is_kept = is_trimmed(value) and not value:find '^".*"$'
  if is_kept then assert(cookie.parse(field)[name] == value, "reads back as something else") end
end

-- The lines of the text as: name, value, domain, path, same_site, and flags as letters.
local function check_options(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  local flags = lines[6] or ""
  local options = {
    domain = lines[3], path = lines[4], same_site = lines[5],
    http_only = flags:find "h" ~= nil, secure = flags:find "s" ~= nil,
    partitioned = flags:find "p" ~= nil, max_age = tonumber(flags:match "m(%-?%d+)"),
    expires = tonumber(flags:match "e(%d+)"),
  }
  local value = lines[2]
  if flags:find "x" then value = nil end
  local field = try(lines[1], value, options)
  if not field then return end
  local _, attributes = field:gsub(";", "")
  assert(attributes <= 8, "more attributes than there are")
  assert(cookie.parse(field)[lines[1]] ~= nil)
end

return function(text)
  for name, value in pairs(check_parsed(text)) do check_set_again(name, value) end
  check_options(text)
end
