--- A jar of cookies: what a browser does with Set-Cookie and Cookie (RFC 6265 §5.3, §5.4).
--
--   local jar = http.cookie_jar()
--   jar:receive("https://shop.example.com/cart", "id=7; Domain=example.com; Secure")
--   jar:field("https://www.example.com/")             --> "id=7"
--
-- session.lua uses one; it works alone, too. Nothing in it waits. The rules that were added since
-- the RFC and that every browser has hold as well: the prefixes __Host- and __Secure-, no Secure
-- cookie from plain http and none overwritten from there, public suffixes.
--
-- Cookies are kept by domain, then by path and name. `_count` is their number, expired ones that
-- nobody came across included.

local cookie_match = require "justhttp.cookie_match"
local set_cookie = require "justhttp.set_cookie"

local find, sub, lower = string.find, string.sub, string.lower
local format, concat, sort = string.format, table.concat, table.sort
local type, error, tostring, pairs, next = type, error, tostring, pairs, next
local setmetatable, ipairs, floor = setmetatable, ipairs, math.floor

local is_address, place_of = cookie_match.is_address, cookie_match.place_of
local domain_matches, path_matches = cookie_match.domain_matches, cookie_match.path_matches
local default_path = cookie_match.default_path

local M = {}

---@class justhttp.cookie
---@field name string
---@field value string
---@field domain string lower case
---@field path string
---@field host_only boolean only for this very host, not for those below it
---@field secure boolean
---@field http_only boolean
---@field same_site "strict"|"lax"|"none"|nil kept, not acted upon: every request is the program's
---@field partitioned boolean
---@field expires integer? seconds since 1970; nil: with the session
---@field created number seconds since 1970
---@field accessed number seconds since 1970

---@class justhttp.cookie_jar_options
---@field max_cookies integer? 3000
---@field max_per_domain integer? 180
---@field public_suffixes (fun(domain: string): boolean)|false|nil libpsl's list when absent
---@field clock (fun(): number)? seconds since 1970; os.time when absent

---@class justhttp.cookie_jar
---@field _domains table<string, table<string, justhttp.cookie>>
---@field _counts table<string, integer> by domain
---@field _count integer
---@field _tick integer order of creation and of use
local Jar = { __name = "justhttp.cookie_jar" }
Jar.__index = Jar
M.class = Jar

local DEFAULT_MAX, DEFAULT_MAX_PER_DOMAIN = 3000, 180

local function psl(domain)
  local C = require "justhttp.door".C
  return C.jh_public_suffix_test(domain, #domain)
end

local OPTIONS = { max_cookies = true, max_per_domain = true, public_suffixes = true, clock = true }

local function check_count(name, value)
  if value == nil then return end
  if type(value) ~= "number" or value < 1 or value ~= floor(value) then
    error(format("cookie_jar: %s must be a whole number above 0, got %s", name, tostring(value)), 3)
  end
end

--- Makes an empty jar.
---@param options justhttp.cookie_jar_options?
---@return justhttp.cookie_jar
function M.new(options)
  options = options or {}
  if type(options) ~= "table" then
    error("cookie_jar: give a table of options, got a " .. type(options), 2)
  end
  for key in pairs(options) do
    if not OPTIONS[key] then
      error(format("cookie_jar: unknown option %q; options are max_cookies, max_per_domain, "
        .. "public_suffixes and clock", tostring(key)), 2)
    end
  end
  check_count("max_cookies", options.max_cookies)
  check_count("max_per_domain", options.max_per_domain)
  local is_suffix = options.public_suffixes
  if is_suffix == nil then is_suffix = psl end
  return setmetatable({
    _domains = {}, _counts = {}, _count = 0, _tick = 0,
    _max = options.max_cookies or DEFAULT_MAX,
    _max_per_domain = options.max_per_domain or DEFAULT_MAX_PER_DOMAIN,
    _is_suffix = is_suffix, _clock = options.clock or os.time,
  }, Jar)
end

local function check_place(what, url)
  local place = type(url) == "string" and place_of(url)
  if place then return place end
  error(format("cookie_jar:%s: give a URL such as \"https://example.com/\", got %s", what,
    tostring(url)), 3)
end

-- ---- the store ----------------------------------------------------------------------------------

local function key_of(cookie) return cookie.path .. "\0" .. cookie.name end

local function is_expired(cookie, now) return cookie.expires ~= nil and cookie.expires <= now end

local function take_out(self, cookie)
  local domain, key = cookie.domain, key_of(cookie)
  local cookies = self._domains[domain]
  if not cookies or not cookies[key] then return end
  cookies[key] = nil
  self._count, self._counts[domain] = self._count - 1, self._counts[domain] - 1
  if next(cookies) == nil then self._domains[domain], self._counts[domain] = nil, nil end
end

local function put_in(self, cookie)
  local domain = cookie.domain
  local cookies = self._domains[domain]
  if not cookies then
    cookies = {}
    self._domains[domain], self._counts[domain] = cookies, 0
  end
  local key = key_of(cookie)
  if not cookies[key] then
    self._count, self._counts[domain] = self._count + 1, self._counts[domain] + 1
  end
  cookies[key] = cookie
end

-- Which of two goes first when there are too many: what has expired, then what is not Secure, then
-- what was not used for longer.
local function goes_before(a, b, now)
  local a_expired, b_expired = is_expired(a, now), is_expired(b, now)
  if a_expired ~= b_expired then return a_expired end
  if a.secure ~= b.secure then return b.secure end
  return a._used < b._used
end

local function worst_of(cookies, now, worst)
  for _, cookie in pairs(cookies) do
    if not worst or goes_before(cookie, worst, now) then worst = cookie end
  end
  return worst
end

local function make_room(self, domain, now)
  while self._counts[domain] > self._max_per_domain do
    take_out(self, worst_of(self._domains[domain], now))
  end
  while self._count > self._max do
    local worst
    for _, cookies in pairs(self._domains) do worst = worst_of(cookies, now, worst) end
    take_out(self, worst)
  end
end

local function next_tick(self)
  self._tick = self._tick + 1
  return self._tick
end

--- Puts in a cookie that is known to be a good one; for cookie_file.lua.
---@param cookie justhttp.cookie
function Jar:_add(cookie)
  local old = self._domains[cookie.domain]
  old = old and old[key_of(cookie)]
  cookie._made = old and old._made or next_tick(self)
  cookie._used = next_tick(self)
  if old then cookie.created = old.created end
  put_in(self, cookie)
  make_room(self, cookie.domain, self._clock())
end

--- Makes their order that of their use; for cookie_file.lua.
---@param cookies justhttp.cookie[]
function Jar:_note_use(cookies)
  for i = 1, #cookies do cookies[i]._used = next_tick(self) end
end

-- ---- what is let in -----------------------------------------------------------------------------

-- A page read in the clear cannot shadow a Secure cookie of its site.
local function shadows_secure(self, cookie)
  for domain, cookies in pairs(self._domains) do
    if domain_matches(domain, cookie.domain) or domain_matches(cookie.domain, domain) then
      for _, other in pairs(cookies) do
        if other.secure and other.name == cookie.name
          and path_matches(cookie.path, other.path) then
          return true
        end
      end
    end
  end
  return false
end

local function breaks_prefix(given, cookie)
  local name = lower(cookie.name)
  if find(name, "^__secure%-") and not cookie.secure then return "__Secure- needs Secure" end
  if find(name, "^__host%-")
    and not (cookie.secure and not given.domain and given.path == "/") then
    return "__Host- needs Secure, Path=/ and no Domain"
  end
end

-- The domain a cookie gets; nil and why when it may not have the one it asks for.
local function settle_domain(self, given, place)
  local domain = given.domain
  if not domain then return place.host, true end
  if find(domain, "[\128-\255]") then return nil, "its domain is not in ASCII" end
  if self._is_suffix and self._is_suffix(domain) then
    if domain ~= place.host then return nil, "its domain is a public suffix" end
    return place.host, true
  end
  if not domain_matches(place.host, domain) then
    return nil, "its domain does not contain the host"
  end
  return domain, is_address(place.host)
end

local function expiry_of(given, now)
  local max_age = given.max_age
  if max_age then
    if max_age <= 0 then return -math.huge end
    local at = now + max_age
    return at < set_cookie.LAST_SECOND and at or set_cookie.LAST_SECOND
  end
  return given.expires
end

local function store(self, place, given)
  local domain, host_only = settle_domain(self, given, place)
  if not domain then return nil, host_only end
  local now = self._clock()
  local cookie = {
    name = given.name, value = given.value, domain = domain, host_only = host_only,
    path = given.path or default_path(place.path), secure = given.secure or false,
    http_only = given.http_only or false, same_site = given.same_site,
    partitioned = given.partitioned or false, expires = expiry_of(given, now), created = now,
    accessed = now,
  }
  local broken = breaks_prefix(given, cookie)
  if broken then return nil, broken end
  if not place.is_secure then
    if cookie.secure then return nil, "it is Secure and came in the clear" end
    if shadows_secure(self, cookie) then return nil, "it would shadow a Secure cookie" end
  end
  if is_expired(cookie, now) then
    take_out(self, cookie)
    return true
  end
  self:_add(cookie)
  return true
end

--- Takes the Set-Cookie fields of a response from `url`. Returns how many were accepted, and of one
-- that was not, why.
---@param url string
---@param fields string|string[] values of Set-Cookie
---@return integer accepted
---@return string? err "id: its domain is a public suffix"
function Jar:receive(url, fields)
  local place = check_place("receive", url)
  local accepted, problem = 0, nil
  if type(fields) == "string" then fields = { fields } end
  for i = 1, #fields do
    local given, why = set_cookie.parse(fields[i])
    local ok
    if given then ok, why = store(self, place, given) end
    if ok then
      accepted = accepted + 1
    else
      problem = format("%s: %s", given and given.name or "Set-Cookie", why)
    end
  end
  return accepted, problem
end

-- ---- what is sent -------------------------------------------------------------------------------

-- Longer paths first, then older cookies.
local function is_before(a, b)
  if #a.path ~= #b.path then return #a.path > #b.path end
  return a._made < b._made
end

local function collect(self, place, domain, now, found)
  local cookies = self._domains[domain]
  if not cookies then return end
  local is_host = domain == place.host
  for _, cookie in pairs(cookies) do
    if is_expired(cookie, now) then
      take_out(self, cookie)
    elseif (is_host or not cookie.host_only) and (place.is_secure or not cookie.secure)
      and path_matches(place.path, cookie.path) then
      found[#found + 1] = cookie
    end
  end
end

local function matching(self, place)
  local found, now = {}, self._clock()
  if self._count == 0 then return found, now end
  local host = place.host
  collect(self, place, host, now, found)
  if not is_address(host) then
    local dot = find(host, ".", 1, true)
    while dot do
      collect(self, place, sub(host, dot + 1), now, found)
      dot = find(host, ".", dot + 1, true)
    end
  end
  if found[2] then sort(found, is_before) end
  return found, now
end

--- The value of the Cookie field for a request to `url`; nil when there is no cookie for it.
---@param url string
---@return string?
function Jar:field(url)
  local found, now = matching(self, check_place("field", url))
  if not found[1] then return nil end
  local pairs_of = {}
  for i = 1, #found do
    local cookie = found[i]
    cookie.accessed, cookie._used = now, next_tick(self)
    pairs_of[i] = cookie.name .. "=" .. cookie.value
  end
  return concat(pairs_of, "; ")
end

-- ---- by hand ------------------------------------------------------------------------------------

--- The value that would be sent to `url` under a name, and the whole cookie; with a name alone the
-- oldest cookie of that name, whoever it is for.
---@param url string
---@param name string?
---@return string? value
---@return justhttp.cookie? cookie
function Jar:get(url, name)
  if name == nil and type(url) == "string" and not place_of(url) then
    for _, cookie in ipairs(self:all()) do
      if cookie.name == url then return cookie.value, cookie end
    end
    return nil
  end
  local found = matching(self, check_place("get", url))
  for i = 1, #found do
    if found[i].name == name then return found[i].value, found[i] end
  end
  return nil
end

local SET_OPTIONS = {
  max_age = "number", expires = "number", domain = "string", path = "string",
  http_only = "boolean", secure = "boolean", same_site = "string", partitioned = "boolean",
}

--- Puts a cookie in as if `url` had set it: the same rules hold.
---@param url string
---@param name string
---@param value string|number
---@param options justhttp.cookie_options?
---@return true? ok
---@return string? err
function Jar:set(url, name, value, options)
  local place = check_place("set", url)
  local given = { name = name, value = type(value) == "number" and tostring(value) or value }
  for _, part in ipairs { "name", "value" } do
    if type(given[part]) ~= "string" or find(given[part], "[%c;]")
      or (part == "name" and (given[part] == "" or find(given[part], "=", 1, true))) then
      error(format("cookie_jar:set: %q cannot be the %s of a cookie", tostring(given[part]), part),
        2)
    end
  end
  for key, option in pairs(options or {}) do
    if type(option) ~= SET_OPTIONS[key] then
      error(format("cookie_jar:set: %s is no option, or of another type", tostring(key)), 2)
    end
    given[key] = option
  end
  if given.domain then given.domain = lower((given.domain:gsub("^%.", ""))) end
  return store(self, place, given)
end

--- Drops the cookie that `get` would return.
---@param url string
---@param name string
---@return boolean was_there
function Jar:remove(url, name)
  local _, cookie = self:get(url, name)
  if not cookie then return false end
  take_out(self, cookie)
  return true
end

--- Drops every cookie, or those of one domain and of the hosts below it.
---@param domain string?
function Jar:clear(domain)
  if domain == nil then
    self._domains, self._counts, self._count = {}, {}, 0
    return
  end
  domain = lower(domain)
  for _, cookie in ipairs(self:all()) do
    if domain_matches(cookie.domain, domain) then take_out(self, cookie) end
  end
end

--- Every cookie that has not expired, oldest first; changing the list changes nothing.
---@return justhttp.cookie[]
function Jar:all()
  local list, now = {}, self._clock()
  for _, cookies in pairs(self._domains) do
    for _, cookie in pairs(cookies) do
      if not is_expired(cookie, now) then list[#list + 1] = cookie end
    end
  end
  sort(list, function(a, b) return a._made < b._made end)
  return list
end

--- For loops: `for cookie in jar:each() do`.
---@return fun(): justhttp.cookie?
function Jar:each()
  local list, i = self:all(), 0
  return function()
    i = i + 1
    return list[i]
  end
end

--- Drops what ends with a browser's session: cookies without an expiry.
function Jar:end_session()
  for _, cookie in ipairs(self:all()) do
    if not cookie.expires then take_out(self, cookie) end
  end
end

--- Writes the jar to a file; cookie_file.lua says what is in it.
---@param path string
---@param options { session_cookies: boolean? }? false leaves out those without an expiry
---@return true? ok
---@return string? err
function Jar:save(path, options)
  return require "justhttp.cookie_file".save(self, path, options)
end

--- Adds the cookies of a file that `save` wrote. Nothing is added when it is not one.
---@param path string
---@return integer? count of cookies added
---@return string? err
function Jar:load(path)
  return require "justhttp.cookie_file".load(self, path)
end

return M
