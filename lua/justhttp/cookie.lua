--- Cookies: reads the Cookie field of a request, writes the Set-Cookie field of a response.
--
-- Called by the ctx (`ctx.cookies`, `ctx:cookie`). Pure: no door. Nothing that could break out of
-- the header field gets into it: such bytes raise where the cookie is set. Attribute rules and
-- their order are those of fasthttp: max_age wins over expires, SameSite=None and Partitioned imply
-- Secure, Partitioned implies Path=/.

local date = require "justhttp.date"
local misuse = require "justhttp.traceback".misuse

local find, sub, match = string.find, string.sub, string.match
local format, lower = string.format, string.lower

local M = {}

--- How many cookies `parse` reads from one field at most.
M.MAX_COOKIES = 200

-- A moment long past: what tells a browser to drop a cookie.
local EXPIRED = "Tue, 10 Nov 2009 23:00:00 GMT"

-- The end of year 9999, the last that an HTTP date can say.
local LAST_SECOND = 253402300799

local SAME_SITE = {
  lax = "; SameSite=Lax",
  strict = "; SameSite=Strict",
  none = "; SameSite=None",
  default = "; SameSite",
}

local OPTIONS = {
  max_age = "number", expires = "number", domain = "string", path = "string",
  http_only = "boolean", secure = "boolean", same_site = "string", partitioned = "boolean",
}

-- Without the blanks around it; linear, whatever the text.
local function trim(text)
  local from = find(text, "[^ \t]")
  return from and match(text, "^.*[^ \t]", from) or ""
end

--- Reads a Cookie field. Of a repeated name the first value counts (the most specific one, RFC 6265
-- §5.4); quotes around a value are dropped; nothing is percent-decoded.
---@param text string?
---@return table<string, string>
function M.parse(text)
  local cookies = {}
  if not text then return cookies end
  local pos, last, count = 1, #text, 0
  local equals = 0
  while pos <= last and count < M.MAX_COOKIES do
    local stop = find(text, ";", pos, true) or last + 1
    if equals < pos then equals = find(text, "=", pos, true) end
    if not equals then break end
    if equals < stop then
      local name = trim(sub(text, pos, equals - 1))
      if name ~= "" and cookies[name] == nil then
        local value = trim(sub(text, equals + 1, stop - 1))
        cookies[name] = match(value, '^"(.*)"$') or value
        count = count + 1
      end
    end
    pos = stop + 1
  end
  return cookies
end

local function check_options(options)
  for key, value in pairs(options) do
    local wanted = OPTIONS[key]
    if not wanted then
      misuse(format("cookie: unknown option %q; options are max_age, expires, domain, path, "
        .. "http_only, secure, same_site and partitioned", tostring(key)))
    end
    if type(value) ~= wanted then
      misuse(format("cookie: %s must be a %s, got a %s", key, wanted, type(value)))
    end
    if wanted == "number" and not (value >= -LAST_SECOND and value <= LAST_SECOND) then
      misuse(format("cookie: %s is out of range: %s", key, tostring(value)))
    end
  end
  for _, key in ipairs { "domain", "path" } do
    local value = options[key]
    if value and find(value, "[%c;]") then
      misuse(format("cookie: %s contains a control character or ';', which would break the header",
        key))
    end
  end
end

local function attributes(options, is_https)
  check_options(options)
  local text, path, secure = "", options.path, options.secure
  if secure == nil then secure = is_https end
  local same_site = options.same_site and lower(options.same_site)
  if same_site and not SAME_SITE[same_site] then
    misuse(format('cookie: same_site is "lax", "strict", "none" or "default", not %q',
      options.same_site))
  end
  if options.partitioned then path, secure = "/", true end
  if same_site == "none" then secure = true end

  local max_age = options.max_age
  if max_age and max_age ~= 0 then
    text = text .. format("; max-age=%d", max_age > 0 and max_age or 0)
  elseif options.expires then
    text = text .. "; expires=" .. date.http(options.expires)
  end
  if options.domain and options.domain ~= "" then text = text .. "; domain=" .. options.domain end
  if path and path ~= "" then text = text .. "; path=" .. path end
  if options.http_only then text = text .. "; HttpOnly" end
  if secure then text = text .. "; secure" end
  if same_site then text = text .. SAME_SITE[same_site] end
  if options.partitioned then text = text .. "; Partitioned" end
  return text
end

--- Builds the value of a Set-Cookie field. Without a value (nil) the cookie is one the browser
-- drops at once; give the same path and domain it was set with.
---@param name string
---@param value string|number|nil
---@param options justhttp.cookie_options?
---@param is_https boolean? the request came over TLS: secure unless the options say otherwise
---@return string
function M.serialise(name, value, options, is_https)
  if type(name) ~= "string" or not find(name, "^[%w!#$%%&'*+%-.^_`|~]+$") then
    misuse(format("cookie: %q is no cookie name; use letters, digits and !#$%%&'*+-.^_`|~",
      tostring(name)))
  end
  if options ~= nil and type(options) ~= "table" then
    misuse("cookie: options must be a table, got a " .. type(options))
  end
  if value == nil then
    local kept = {}
    for key, option in pairs(options or kept) do
      if key ~= "max_age" and key ~= "expires" then kept[key] = option end
    end
    return name .. "=; expires=" .. EXPIRED .. attributes(kept, is_https)
  end
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then
    misuse(format("cookie: the value of %q must be a string, got a %s", name, type(value)))
  end
  if find(value, "[%c;]") then
    misuse(format("cookie: the value of %q contains a control character or ';', which would break "
      .. "the header; encode it first", name))
  end
  if not options and not is_https then return name .. "=" .. value end
  return name .. "=" .. value .. attributes(options or {}, is_https)
end

return M
