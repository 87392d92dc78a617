--- A client that remembers: `http.session{…}` keeps cookies, tells where it comes from, and knows a
-- base URL and headers of its own.
--
-- A session is a client whose `send` puts cookies and Referer into a request and takes cookies out
-- of the response. Redirects are exchanges of their own, so cookies set on the way count. The page
-- got last is where the next request comes from; a redirect comes from the page that redirects.
-- Tasks may share a session: what one of them receives the others send from then on.

local client = require "justhttp.client"
local cookie_jar = require "justhttp.cookie_jar"
local options_of = require "justhttp.client_options"
local referrer = require "justhttp.referrer"
local request_head = require "justhttp.request_head"
local url_of = require "justhttp.url"

local type, error, tostring, pairs, getmetatable, setmetatable = type, error, tostring, pairs,
  getmetatable, setmetatable
local format, find, sub, lower = string.format, string.find, string.sub, string.lower
local Client = client.class

local M = {}

---@class justhttp.session_options : justhttp.client_options
---@field base string? URL that others are relative to, as links on that page are
---@field jar justhttp.cookie_jar|justhttp.cookie_jar_options|nil a jar to share, or options of one
---@field referrer_policy string|false|nil "strict-origin-when-cross-origin"; false sends no Referer

---@class justhttp.session
---@field cookies justhttp.cookie_jar
---@field _client justhttp.client
local Session = { __name = "justhttp.session" }
Session.__index = Session
M.class = Session

local MOST_RESOLVED = 1000

local OWN = { base = true, jar = true, referrer_policy = true }

local function check_base(base)
  if base == nil then return nil end
  local url, err
  if type(base) == "string" then url, err = url_of.parse(base) end
  if not url then
    error(format("session: base must be a URL such as \"https://example.com/\", got %s%s",
      tostring(base), err and ": " .. err or ""), 3)
  end
  return url
end

local function check_jar(jar)
  if getmetatable(jar) == cookie_jar.class then return jar end
  if jar ~= nil and type(jar) ~= "table" then
    error("session: jar must be a cookie jar, or a table of options of one, got a " .. type(jar), 3)
  end
  return cookie_jar.new(jar)
end

local function check_policy(policy)
  if policy == nil or policy == false or referrer.is_policy(policy) then return policy end
  error(format("session: %q is no referrer policy; browsers use %q", tostring(policy),
    referrer.DEFAULT), 3)
end

--- Makes a session.
---@param options justhttp.session_options?
---@return justhttp.session
function M.new(options)
  if options ~= nil and type(options) ~= "table" then
    error("session: give a table of options, got a " .. type(options), 2)
  end
  local of_client = {}
  for name, value in pairs(options or {}) do
    if not OWN[name] then of_client[name] = value end
  end
  options = options or {}
  local base, jar = check_base(options.base), check_jar(options.jar)
  local policy = check_policy(options.referrer_policy)
  local own_client = client.new(of_client)
  return setmetatable({
    cookies = jar, _base = base, _policy = policy, _client = own_client,
    _options = own_client._options, _page = false, _page_policy = nil,
    _resolved = {}, _resolved_count = 0,
  }, Session)
end

-- ---- one exchange -------------------------------------------------------------------------------

-- The URL as cookies and pages know it: with a socket for its place it keeps the name it has.
local function address_of(request)
  if request.scheme == "http+unix" then return url_of.format(request) end
  local authority = request.authority
    or url_of.authority(request.scheme, request.host, request.port)
  return request.scheme .. "://" .. authority .. request.target
end

-- The request's own fields and ours; those of the caller win, `false` among them.
local function fields_for(self, request, address, from)
  local fields = request.headers or {}
  local cookie = self.cookies:field(address)
  if cookie and request_head.find(fields, "cookie") ~= nil then cookie = nil end
  local referer
  if self._policy ~= false and from.page and request_head.find(fields, "referer") == nil then
    local policy = self._policy or from.policy or referrer.DEFAULT
    referer = referrer.of(policy, from.page, address)
  end
  if not cookie and not referer then return fields end
  local all = {}
  for i = 1, #fields do all[i] = fields[i] end
  if referer then all[#all + 1] = { "Referer", referer } end
  if cookie then all[#all + 1] = { "Cookie", cookie } end
  return all
end

--- Does one exchange, with cookies and Referer. See Client:send.
---@param request justhttp.outgoing
---@return justhttp.client_response?
---@return string? err
---@return string? kind
function Session:send(request)
  -- A redirected request has the same table: it comes from the page that redirected it.
  local from = request.journey
  if not from then
    from = { page = self._page, policy = self._page_policy }
    request.journey = from
  end
  local address, own = address_of(request), request.headers
  request.headers = fields_for(self, request, address, from)
  local res, err, kind = self._client:send(request)
  request.headers = own
  if not res then return nil, err, kind end
  -- Most answers have neither of these fields, and need not be taken apart.
  local head = lower(res._head)
  if find(head, "\nset-cookie:", 1, true) then
    self.cookies:receive(address, { res:header "set-cookie" })
  end
  from.page = address
  if find(head, "\nreferrer-policy:", 1, true) then
    from.policy = referrer.parse(res.headers["referrer-policy"]) or from.policy
  end
  self._page, self._page_policy = from.page, from.policy
  return res
end

-- ---- requests -----------------------------------------------------------------------------------

-- The URL in full; what is no reference to anything is left for the client to refuse. Sessions ask
-- for the same pages again and again, so what was found is kept.
local function resolve(self, url)
  local known = self._resolved[url]
  if known then return known end
  local full = url_of.resolve(self._base, url)
  local text = full and url_of.format(full) or url
  if self._resolved_count >= MOST_RESOLVED then self._resolved, self._resolved_count = {}, 0 end
  self._resolved[url], self._resolved_count = text, self._resolved_count + 1
  return text
end

-- To its base, a session says who the base says it is.
local function with_auth(base, options)
  if not base.user or type(options) ~= "table" or options.auth ~= nil then return options end
  local all = { auth = { user = base.user, password = base.password } }
  for name, value in pairs(options) do all[name] = value end
  return all
end

--- Sends a request; as Client:request, with URLs relative to the base.
---@param method string|justhttp.request_options
---@param url string?
---@param options justhttp.request_options?
---@return justhttp.client_response?
---@return string? err
---@return justhttp.failure_kind? kind
function Session:request(method, url, options)
  if type(method) == "table" then
    options, url, method = method, method.url, method.method or "GET"
  end
  options = options or {}
  if self._base and type(url) == "string" and not find(url, "^%a[%w+.-]*:") then
    if sub(url, 1, 2) ~= "//" then options = with_auth(self._base, options) end
    url = resolve(self, url)
  end
  return Client.request(self, method, url, options)
end

local function shorthand(method)
  return function(self, url, options, more)
    if type(options) == "string" then options = options_of.with_body(options, more) end
    return self:request(method, url, options)
  end
end

Session.get, Session.head, Session.delete = shorthand "GET", shorthand "HEAD", shorthand "DELETE"
Session.options, Session.post = shorthand "OPTIONS", shorthand "POST"
Session.put, Session.patch = shorthand "PUT", shorthand "PATCH"

-- ---- the rest -----------------------------------------------------------------------------------

--- Writes the cookies to a file that only its owner can read; `load` reads it again.
---@param path string
---@param options { session_cookies: boolean? }? false leaves out those without an expiry
---@return true? ok
---@return string? err
function Session:save(path, options) return self.cookies:save(path, options) end

--- Adds the cookies of a file that `save` wrote.
---@param path string
---@return integer? count
---@return string? err
function Session:load(path) return self.cookies:load(path) end

--- What the session's links do, by origin; as Client:stats.
function Session:stats() return self._client:stats() end

--- Lets go of the links that nobody uses.
function Session:close() return self._client:close() end

return M
