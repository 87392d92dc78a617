--- URLs: taking them apart, putting references onto them (RFC 3986).
--
-- Used by the client for what it is given, and for redirects. Pure: no door. Hosts come out in
-- lower case, IPv6 literals without brackets; paths and queries are made fit for a request line:
-- what may not stand there (spaces, quotes, bytes that are not ASCII) is percent-encoded, what is
-- encoded already stays. Control bytes are refused: no URL has them, whoever sends one wants to
-- inject.
--
-- A server on a unix socket: http+unix://%2Frun%2Fapp.sock/path, with the path of the socket as the
-- host.

local query = require "justhttp.query"

local find, match, sub, gsub, lower = string.find, string.match, string.sub, string.gsub,
  string.lower
local byte, format, tonumber, concat = string.byte, string.format, tonumber, table.concat

local M = {}

---@class justhttp.url
---@field scheme string "http" or "https", or what it is in lower case
---@field host string lower case; "unix:/path" for unix sockets
---@field port integer the scheme's own when none was given
---@field target string path and query, for the request line
---@field user string? decoded; `password` too
---@field password string?
---@field fragment string? without "#"
---@field authority string host and port as they stand in a Host field

local PORTS = { http = 80, https = 443, ws = 80, wss = 443, ["http+unix"] = 0 }

local function encode_byte(one) return format("%%%02X", byte(one)) end

-- pchar / "/" / "?" of RFC 3986 and "%"; the rest is encoded. "[" and "]" stay, as browsers do.
local function clean(text)
  if not find(text, "[^%w%-%._~!$&'()*+,;=:@/?%%%[%]]") then return text end
  return (gsub(text, "[^%w%-%._~!$&'()*+,;=:@/?%%%[%]]", encode_byte))
end

-- RFC 3986 §5.2.4.
local function remove_dots(path)
  if not find(path, "/%.") then return path end
  local out, depth = {}, 0
  local is_last_empty = false
  for segment in path:gmatch "/([^/]*)" do
    is_last_empty = segment == "." or segment == ".."
    if segment == ".." then
      out[depth] = nil
      depth = depth > 0 and depth - 1 or 0
    elseif segment ~= "." then
      depth = depth + 1
      out[depth] = segment
    end
  end
  return "/" .. concat(out, "/") .. (is_last_empty and depth > 0 and "/" or "")
end

local function parse_port(text, scheme)
  if text == "" then return PORTS[scheme] or 0 end
  if not find(text, "^%d%d?%d?%d?%d?$") then return nil end
  local port = tonumber(text)
  return port <= 65535 and port or nil
end

-- "host", "host:80", "[::1]:80".
local function parse_host(text, scheme)
  local host, port = match(text, "^%[([%x:%.]+)%]:?(%d*)$")
  if host then
    if not find(host, ":", 1, true) then return nil, "bad IPv6 address" end
  else
    host, port = match(text, "^([^:]*):?([^:]*)$")
    if not host then return nil, "bad host" end
  end
  local number = parse_port(port, scheme)
  if not number then return nil, "bad port" end
  if scheme == "http+unix" then
    host = query.decode((gsub(host, "+", "%%2B")))
    if sub(host, 1, 1) ~= "/" then return nil, "no path of a socket" end
    if find(host, "%z") then return nil, "NUL in the path of a socket" end
    return "unix:" .. host, number
  end
  if host == "" then return nil, "no host" end
  if find(host, "[^%w%-%._~:]") then
    if find(host, "[\128-\255]") then return nil, "names must be ASCII: write them as xn--…" end
    return nil, "bad host"
  end
  return lower(host), number
end

--- "example.com" or "[::1]:8080": host and port as a Host field has them.
---@param scheme string
---@param host string
---@param port integer
---@return string
function M.authority(scheme, host, port)
  if sub(host, 1, 5) == "unix:" then return "localhost" end
  if find(host, ":", 1, true) then host = "[" .. host .. "]" end
  if port == PORTS[scheme] then return host end
  return host .. ":" .. format("%d", port)
end

local function split_user(url, user_text)
  if not user_text then return end
  local user, password = match(user_text, "^([^:]*):?(.*)$")
  url.user = query.decode((gsub(user, "+", "%%2B")))
  url.password = query.decode((gsub(password, "+", "%%2B")))
end

--- Takes an absolute URL apart.
---@param text string
---@return justhttp.url?
---@return string? err
function M.parse(text)
  if find(text, "[%c]") then return nil, "a control byte in the URL" end
  local scheme, rest = match(text, "^([%a][%w+%-%.]*)://(.*)$")
  if not scheme then return nil, "no scheme; begin it with http:// or https://" end
  scheme = lower(scheme)
  local authority, tail = match(rest, "^([^/?#]*)(.*)$")
  local user_text, host_text = match(authority, "^(.*)@([^@]*)$")
  local host, port = parse_host(host_text or authority, scheme)
  if not host then return nil, port end
  local before, fragment = match(tail, "^([^#]*)#?(.*)$")
  local url = { scheme = scheme, host = host, port = port }
  url.fragment = fragment ~= "" and fragment or nil
  local path, query_text = match(before, "^([^?]*)(.*)$")
  if path == "" then path = "/" end
  url.target = remove_dots(clean(path)) .. clean(query_text)
  url.authority = M.authority(scheme, host, port)
  split_user(url, user_text)
  return url
end

--- Writes one as text again.
---@param url justhttp.url
---@return string
function M.format(url)
  local authority = url.authority
  if sub(url.host, 1, 5) == "unix:" then authority = query.escape(sub(url.host, 6)) end
  return url.scheme .. "://" .. authority .. url.target
    .. (url.fragment and "#" .. url.fragment or "")
end

--- What a reference ("/a", "b?c", "//host/", "https://…") is when it is met at `base`.
---@param base justhttp.url
---@param reference string
---@return justhttp.url?
---@return string? err
function M.resolve(base, reference)
  if find(reference, "[%c]") then return nil, "a control byte in the URL" end
  if find(reference, "^%a[%w+%-%.]*:") then return M.parse(reference) end
  if sub(reference, 1, 2) == "//" then return M.parse(base.scheme .. ":" .. reference) end
  local before, fragment = match(reference, "^([^#]*)#?(.*)$")
  local path, query_text = match(before, "^([^?]*)(.*)$")
  local base_path = match(base.target, "^([^?]*)")
  local url = {
    scheme = base.scheme, host = base.host, port = base.port, authority = base.authority,
    user = base.user, password = base.password, fragment = fragment ~= "" and fragment or nil,
  }
  if path == "" then
    if query_text == "" then
      url.target = base.target
      return url
    end
    path = base_path
  elseif sub(path, 1, 1) ~= "/" then
    path = match(base_path, "^(.*/)") .. path
  end
  url.target = remove_dots(clean(path)) .. clean(query_text)
  return url
end

return M
