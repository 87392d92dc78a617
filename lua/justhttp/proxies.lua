--- Which proxy a request goes through: what the caller said, or the environment.
--
-- Used by client_options.lua. http_proxy, https_proxy, all_proxy and no_proxy are read as curl
-- does: in lower case first; HTTP_PROXY in capitals is not, because a CGI program gets the Proxy
-- field of a request there. Schemes: http:// (CONNECT for https, the whole URL for http), socks5://
-- and socks5h:// (the proxy looks names up in both).

local url_of = require "justhttp.url"

local format, lower, match, sub = string.format, string.lower, string.match, string.sub
local getenv = os.getenv

local M = {}

M.PLAIN, M.CONNECT, M.SOCKS5 = 0, 1, 2

local PORTS = { http = 80, socks5 = 1080, socks5h = 1080 }

local function environment(name)
  local value = getenv(name)
  if value == nil and name ~= "http_proxy" then value = getenv(name:upper()) end
  return value ~= "" and value or nil
end

-- "example.com" and ".example.com" mean the host and all below it, "*" everything.
local function is_excluded(host, port, list)
  if not list then return false end
  host = lower(host)
  for entry in list:gmatch "[^,%s]+" do
    if entry == "*" then return true end
    local name, entry_port = match(entry, "^%[?([^%]]-)%]?:(%d+)$")
    name = lower(name or match(entry, "^%[?([^%]]*)"))
    if not entry_port or tonumber(entry_port) == port then
      name = name:gsub("^%*?%.", "")
      if host == name or sub(host, -#name - 1) == "." .. name then return true end
    end
  end
  return false
end

local parsed = {}

local function parse(text, scheme)
  local key = text .. " " .. scheme
  local known = parsed[key]
  if known then return known end
  local full = text:find("://", 1, true) and text or "http://" .. text
  local url, err = url_of.parse(full)
  if not url then return nil, format("proxy %q: %s", text, err) end
  local default_port = PORTS[url.scheme]
  if not default_port then
    return nil, format("proxy %q: scheme %s is none of http, socks5 and socks5h", text, url.scheme)
  end
  local proxy = { host = url.host, port = url.port > 0 and url.port or default_port }
  if url.scheme == "http" then
    proxy.kind = scheme == "https" and M.CONNECT or M.PLAIN
    if url.user then
      proxy.auth = "Basic " .. require "justhttp.base64".encode(url.user .. ":"
        .. (url.password or ""))
    end
  else
    proxy.kind = M.SOCKS5
    if url.user then proxy.auth = url.user .. ":" .. (url.password or "") end
  end
  parsed[key] = proxy
  return proxy
end

--- The proxy for a request, false for none. nil and why when what is said makes no sense.
---@param request { scheme: string, host: string, port: integer }
---@param said string|nil what the caller wants instead of the environment
---@return { kind: integer, host: string, port: integer, auth: string? }|false|nil
---@return string? err
function M.choose(request, said)
  if said then return parse(said, request.scheme) end
  local text = environment(request.scheme .. "_proxy") or environment "all_proxy"
  if not text or is_excluded(request.host, request.port, environment "no_proxy") then
    return false
  end
  return parse(text, request.scheme)
end

return M
