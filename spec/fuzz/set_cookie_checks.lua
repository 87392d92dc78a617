-- set_cookie_checks.lua: what holds for any Set-Cookie fields, and the jar they go to. Run by
-- set_cookie_fuzz.c. Lines of the input are fields of responses from one host; a line that is a URL
-- changes the host.
--
--  - parse never raises; what it returns is trimmed, bounded and free of what would end a cookie.
--  - A jar never raises, is never over its limits, counts right, and sends only cookies whose
--    domain and path belong to the request; a Secure one never over plain http.
--  - The Cookie field can be read again and has no control characters but tabs.
local cookie = require "justhttp.cookie"
local cookie_date = require "justhttp.cookie_date"
local cookie_jar = require "justhttp.cookie_jar"
local cookie_match = require "justhttp.cookie_match"
local set_cookie = require "justhttp.set_cookie"

local MAX, MAX_PER_DOMAIN = 6, 4

local function is_trimmed(text)
  return not text:find "^[ \t]" and not text:find "[ \t]$"
end

local function check_parsed(line)
  local given, why = set_cookie.parse(line)
  if not given then return assert(type(why) == "string") end
  assert(given.name ~= "" and not given.name:find "[=;]" and is_trimmed(given.name))
  assert(not given.value:find ";" and is_trimmed(given.value))
  assert(not (given.name .. given.value):find(set_cookie.CONTROL))
  assert(#given.name + #given.value <= set_cookie.MAX_PAIR_BYTES)
  assert(given.path == nil or given.path:sub(1, 1) == "/")
  assert(given.domain == nil or given.domain ~= "")
end

local function check_date(line)
  local at = cookie_date.parse(line)
  if at then assert(at >= -11644473600 and at < 253402300800 and at % 1 == 0) end
end

local function check_sent(jar, url)
  local place = cookie_match.place_of(url)
  local field = jar:field(url)
  local count = 0
  for one in jar:each() do
    if one.accessed == 2 then
      count = count + 1
      one.accessed = 1
      assert(cookie_match.domain_matches(place.host, one.domain))
      assert(not one.host_only or one.domain == place.host)
      assert(cookie_match.path_matches(place.path, one.path))
      assert(place.is_secure or not one.secure)
      assert(field:find(one.name .. "=" .. one.value, 1, true))
    end
  end
  assert((field == nil) == (count == 0))
  if not field then return end
  assert(not field:find(set_cookie.CONTROL))
  cookie.parse(field)
end

local function check_jar(jar)
  local all, per_domain, count = jar:all(), {}, 0
  for _, cookies in pairs(jar._domains) do
    assert(next(cookies), "an empty domain was kept")
    for _ in pairs(cookies) do count = count + 1 end
  end
  assert(count == jar._count and #all <= count and count <= MAX)
  for _, one in ipairs(all) do
    per_domain[one.domain] = (per_domain[one.domain] or 0) + 1
    assert(per_domain[one.domain] <= MAX_PER_DOMAIN)
    assert(not one.domain:find "%u" and one.domain ~= "com")
  end
end

return function(text)
  local now, url = 1, "https://www.example.com/a/b"
  local jar = cookie_jar.new {
    max_cookies = MAX, max_per_domain = MAX_PER_DOMAIN, clock = function() return now end,
    public_suffixes = function(domain) return domain == "com" end,
  }
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    check_date(line)
    check_parsed(line)
    if cookie_match.place_of(line) then
      url = line
    else
      jar:receive(url, line)
      check_jar(jar)
      now = 2
      check_sent(jar, url)
      now = 1
    end
  end
end
