--- Where a redirect leads, and what of a request goes there.
--
-- Used by the client and by sessions. Pure: no door. The rules are fasthttp's: 303 makes everything
-- but HEAD a GET, 301 and 302 a POST, and then the body stays behind; 307 and 308 keep method and
-- body. What proves who is asking stays behind when the redirect leaves the host that was asked
-- first, and its subdomains, or leaves https for http.

local head = require "justhttp.request_head"
local url_of = require "justhttp.url"

local sub = string.sub

local M = {}

local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

--- Fields that must not reach another host.
M.CREDENTIALS = {
  authorization = true, cookie = true, cookie2 = true, ["proxy-authorization"] = true,
  ["proxy-authenticate"] = true, ["www-authenticate"] = true,
}

-- Fields about a body that is not sent again.
local ABOUT_BODY = {
  ["content-type"] = true, ["content-length"] = true, ["content-encoding"] = true,
  ["content-language"] = true, ["content-location"] = true, ["transfer-encoding"] = true,
  expect = true, digest = true,
}

--- True for a status that sends the client elsewhere.
---@param status integer
---@return boolean
function M.is_redirect(status) return REDIRECTS[status] or false end

-- The same host or one below it, and not out of https.
local function may_keep_credentials(first, to)
  if first.scheme == "https" and to.scheme ~= "https" then return false end
  if first.host == to.host then return first.port == to.port or first.scheme ~= to.scheme end
  return sub(to.host, -#first.host - 1) == "." .. first.host
end

--- The request that follows a response. `first` is the URL that was asked for at the beginning.
-- Taken and given: { method =, url =, headers = list, body = }.
---@param request { method: string, url: justhttp.url, headers: table, body: any }
---@param status integer
---@param location string?
---@param first justhttp.url
---@return { method: string, url: justhttp.url, headers: table, body: any }?
---@return string? err
function M.follow(request, status, location, first)
  if not location or location == "" then
    return nil, status .. " without a Location"
  end
  local to, err = url_of.resolve(request.url, location)
  if not to then return nil, "bad Location: " .. err end
  if to.scheme ~= "http" and to.scheme ~= "https" then
    return nil, "Location leads to " .. to.scheme .. ", which is neither http nor https"
  end
  to.fragment = to.fragment or request.url.fragment
  local method, headers, body = request.method, request.headers, request.body
  local becomes_get = status == 303 and method ~= "HEAD" and method ~= "GET"
    or (status == 301 or status == 302) and method == "POST"
  if becomes_get then
    method, body = "GET", nil
    headers = head.without(headers, ABOUT_BODY)
  elseif type(body) == "function" then
    return nil, status .. " wants the body again, which came from a function"
  end
  if not may_keep_credentials(first, to) then
    headers = head.without(headers, M.CREDENTIALS)
  end
  return { method = method, url = to, headers = headers, body = body }
end

return M
