--- Reads the Set-Cookie field of a response (RFC 6265 §5.2).
--
-- Called by cookie_jar.lua, which then decides whether the cookie may be kept. Pure. Nothing
-- raises: a field that no browser would take gives nil and the reason. As the drafts of the RFC's
-- successor have it, fields with control characters and pairs of more than 4096 bytes are refused,
-- and attributes of more than 1024 bytes ignored.

local cookie_date = require "justhttp.cookie_date"

local find, match, sub, lower = string.find, string.match, string.sub, string.lower
local tonumber = tonumber

local M = {}

--- Control characters but the tab, as a pattern: none may stand in a cookie.
M.CONTROL = "[%z\1-\8\10-\31\127]"

M.MAX_PAIR_BYTES = 4096
M.MAX_ATTRIBUTE_BYTES = 1024

--- Later than any date: the end of year 9999.
M.LAST_SECOND = 253402300799

local SAME_SITE = { strict = "strict", lax = "lax", none = "none" }

---@class justhttp.set_cookie
---@field name string
---@field value string
---@field expires integer? seconds since 1970, from the attribute of that name
---@field max_age number? seconds
---@field domain string? lower case, without a leading dot
---@field path string? nil unless it begins with "/"
---@field secure boolean
---@field http_only boolean
---@field same_site "strict"|"lax"|"none"|nil
---@field partitioned boolean

-- Without the blanks around it; linear, whatever the text.
local function trim(text)
  local from = find(text, "[^ \t]")
  return from and match(text, "^.*[^ \t]", from) or ""
end

local take = {}

function take.expires(cookie, value) cookie.expires = cookie_date.parse(value) or cookie.expires end

take["max-age"] = function(cookie, value)
  if find(value, "^%-?%d+$") then cookie.max_age = tonumber(value) end
end

function take.domain(cookie, value)
  if sub(value, 1, 1) == "." then value = sub(value, 2) end
  if value ~= "" then cookie.domain = lower(value) end
end

function take.path(cookie, value)
  cookie.path = sub(value, 1, 1) == "/" and value or nil
end

function take.secure(cookie) cookie.secure = true end
function take.httponly(cookie) cookie.http_only = true end
function take.partitioned(cookie) cookie.partitioned = true end
function take.samesite(cookie, value) cookie.same_site = SAME_SITE[lower(value)] end

-- Of a repeated attribute the last one counts.
local function take_attributes(cookie, text, pos)
  local last = #text
  while pos <= last do
    local stop = find(text, ";", pos, true) or last + 1
    local part = sub(text, pos, stop - 1)
    local equals = find(part, "=", 1, true)
    local name = trim(equals and sub(part, 1, equals - 1) or part)
    local fn = take[lower(name)]
    if fn then
      local value = equals and trim(sub(part, equals + 1)) or ""
      if #value <= M.MAX_ATTRIBUTE_BYTES then fn(cookie, value) end
    end
    pos = stop + 1
  end
end

--- Reads one field.
---@param text string
---@return justhttp.set_cookie? cookie
---@return string? why not
function M.parse(text)
  if find(text, M.CONTROL) then return nil, "it contains a control character" end
  local stop = find(text, ";", 1, true) or #text + 1
  local pair = sub(text, 1, stop - 1)
  local equals = find(pair, "=", 1, true)
  if not equals then return nil, "it has no '='" end
  local name, value = trim(sub(pair, 1, equals - 1)), trim(sub(pair, equals + 1))
  if name == "" then return nil, "it has no name" end
  if #name + #value > M.MAX_PAIR_BYTES then return nil, "it is too long" end
  local cookie = { name = name, value = value, secure = false, http_only = false,
                   partitioned = false }
  take_attributes(cookie, text, stop + 1)
  return cookie
end

return M
