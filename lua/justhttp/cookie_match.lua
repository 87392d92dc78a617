--- Which requests a cookie belongs to: domains and paths (RFC 6265 §5.1.3, §5.1.4).
--
-- Called by cookie_jar.lua. Pure.

local find, match, sub, lower = string.find, string.match, string.sub, string.lower

local M = {}

local MOST_KNOWN = 200

--- True for an IP address: it has no domains above it.
---@param host string
---@return boolean
function M.is_address(host)
  return find(host, ":", 1, true) ~= nil or find(host, "^%d+$") ~= nil
    or find(host, "%.%d+$") ~= nil
end

--- True when a host belongs to a domain (RFC 6265 §5.1.3); both in lower case.
---@param host string
---@param domain string
---@return boolean
function M.domain_matches(host, domain)
  if host == domain then return true end
  local rest = #host - #domain
  return rest > 0 and sub(host, rest + 1) == domain and sub(host, rest, rest) == "."
    and not M.is_address(host)
end

--- True when a path lies at or below another (RFC 6265 §5.1.4).
---@param path string
---@param above string
---@return boolean
function M.path_matches(path, above)
  if path == above then return true end
  if sub(path, 1, #above) ~= above then return false end
  return sub(above, -1) == "/" or sub(path, #above + 1, #above + 1) == "/"
end

--- The directory of a path: where a cookie counts that names no path.
---@param path string
---@return string
function M.default_path(path)
  if sub(path, 1, 1) ~= "/" then return "/" end
  return match(path, "^(/.*)/[^/]*$") or "/"
end

---@class justhttp.cookie_place
---@field scheme string
---@field host string lower case, IPv6 without brackets
---@field path string begins with "/"
---@field is_secure boolean

local function read_place(url)
  local scheme, authority, path = match(url, "^(%a[%w+.-]*)://([^/?#]*)([^?#]*)")
  if not scheme or authority == "" then return nil end
  local host = match(authority, "([^@]*)$")
  host = match(host, "^%[(.-)%]") or match(host, "^([^:]*)")
  if host == "" then return nil end
  scheme = lower(scheme)
  return {
    scheme = scheme, host = (lower(host):gsub("%.$", "")), path = path ~= "" and path or "/",
    is_secure = scheme == "https" or scheme == "wss",
  }
end

-- A client asks for the same URLs again and again: what was read is kept.
local known, known_count = {}, 0

--- What of a URL matters to cookies; nil when it is none. Not to be changed.
---@param url string
---@return justhttp.cookie_place?
function M.place_of(url)
  local place = known[url]
  if place then return place end
  place = read_place(url)
  if not place then return nil end
  if known_count >= MOST_KNOWN then known, known_count = {}, 0 end
  known[url], known_count = place, known_count + 1
  return place
end

return M
