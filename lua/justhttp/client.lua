--- The HTTP client: `http.get(url)`, `http.client{…}:post(url, …)`.
--
-- A client is a set of options and the origins it talks to; links are pooled per origin in the core
-- and outlive the client's Lua. `send` does one exchange and nothing else. `request`, which all the
-- others end in, follows redirects, decodes, and tries again what may be tried again.
--
-- A plain GET of an address that was asked for before is built from a plan: its head, its origin
-- and its options as they were the last time.

local ffi = require "ffi"
local door = require "justhttp.door"
local exchange = require "justhttp.exchange"
local request_head = require "justhttp.request_head"
local options_of = require "justhttp.client_options"
local redirect = require "justhttp.redirect"
local url_of = require "justhttp.url"

local C = door.C
local flags = exchange.flags
local type, error, tostring, setmetatable = type, error, tostring, setmetatable
local format, ceil = string.format, math.ceil

local M = {}

---@class justhttp.client
---@field _options table checked options
---@field _origins table<string, ffi.cdata*>
---@field _plans table<string, table>
local Client = { __name = "justhttp.client" }
Client.__index = Client

local MOST_PLANS = 1000
local MOST_ORIGINS = 1000

local IDEMPOTENT = {
  GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true, TRACE = true,
}

-- ---- origins ------------------------------------------------------------------------------------

local function set_text(settings, name, text)
  settings[name], settings[name .. "_len"] = text, #text
end

local function to_ms(seconds) return seconds and ceil(seconds * 1000) or 0 end

-- Whether links speak HTTP/2.
local function http2_use(to)
  if to.http2 == "prior-knowledge" then return C.JH_HTTP2_ALWAYS end
  return to.http2 and to.scheme == "https" and C.JH_HTTP2_AGREED or C.JH_HTTP2_NEVER
end

local function open_origin(self, key, to)
  local options = self._options
  local settings = ffi.new "jh_origin_options"
  set_text(settings, "host", to.host)
  set_text(settings, "server_name", to.server_name or "")
  settings.port = to.port
  settings.max_connections = options.max_connections
  settings.max_idle_connections = options.max_idle_connections
  settings.max_pending = options.max_pending or 1
  settings.max_waiting = options.max_waiting or 0
  settings.idle_timeout_ms = to_ms(options.idle_timeout)
  settings.max_connection_age_ms = to_ms(options.max_connection_age)
  settings.connect_timeout_ms = to_ms(to.connect_timeout)
  local proxy = to.proxy
  local auth = proxy and proxy.auth or ""
  if proxy then
    settings.proxy_kind = proxy.kind
    settings.proxy_port = proxy.port
    set_text(settings, "proxy_host", proxy.host)
    set_text(settings, "proxy_auth", auth)
  end
  settings.tls = to.tls
  settings.http2 = http2_use(to)
  local code = ffi.new "int[1]"
  local origin = C.jh_origin_open(door.generation, key, #key, settings, code)
  if origin == nil then return nil, door.strerror(code[0]) end
  return ffi.gc(origin, C.jh_origin_close)
end

-- Where the links of a request lead to: the origin itself, or a proxy.
local function find_origin(self, to)
  local proxy = to.proxy
  local key = format("%s|%s|%s|%d|%s|%d|%s|%s|%s", self._key, to.scheme, to.host, to.port,
    to.tls and tostring(to.tls) or "", to_ms(to.connect_timeout), to.server_name or "",
    tostring(to.http2),
    proxy and format("%d %s %d %s", proxy.kind, proxy.host, proxy.port, proxy.auth or "") or "")
  local origin = self._origins[key]
  if origin then return origin end
  if self._origin_count >= MOST_ORIGINS then
    -- Those in use are held by their calls, their idle links go after a while.
    self._origins, self._plans, self._origin_count, self._plan_count = {}, {}, 0, 0
  end
  local err
  origin, err = open_origin(self, key, to)
  if not origin then return nil, err end
  self._origins[key] = origin
  self._origin_count = self._origin_count + 1
  return origin
end

-- ---- one exchange -------------------------------------------------------------------------------

local function call_options(request, call_flags)
  local options = ffi.new "jh_call_options"
  options.flags = call_flags
  options.read_timeout_ms = to_ms(request.read_timeout)
  options.write_timeout_ms = to_ms(request.write_timeout)
  options.wait_timeout_ms = request.wait_timeout == 0 and C.JH_CALL_NO_WAIT
    or to_ms(request.wait_timeout)
  options.max_header_bytes = request.max_header_bytes
  options.max_header_count = request.max_header_count
  options.max_body_bytes = request.max_body_bytes or 1e300
  return options
end

local function what(request)
  return request.method .. " " .. (request.url_text or url_of.format(request))
end

-- Everything that is decided before the wire: the origin, the head, the flags.
local function prepare(self, request)
  local method, body, target = request.method, request.body, request.target
  local is_function = type(body) == "function"
  local length, chunked
  if is_function then
    length = request.content_length
    chunked = not length
  elseif body then
    length = #body
  elseif method == "POST" or method == "PUT" or method == "PATCH" then
    length = 0
  end
  local proxy = request.proxy
  local defaults = request.defaults or {}
  if proxy and proxy.kind == 0 then -- a plain proxy: it gets the whole URL
    target = "http://" .. request.authority .. target
    if proxy.auth and proxy.auth ~= "" then
      defaults = { { "Proxy-Authorization", proxy.auth }, unpack(defaults) }
    end
    request = setmetatable({ host = proxy.host, port = proxy.port, proxy = false, http2 = false },
      { __index = request })
  end
  local head, closes, expects = request_head.build {
    method = method, target = target, authority = request.authority, fields = request.headers,
    defaults = defaults, length = length, chunked = chunked,
  }
  local origin, err = find_origin(self, request)
  if not origin then return nil, err end
  local call_flags = (method == "HEAD" and flags.head or 0)
    + (IDEMPOTENT[method] and not is_function and flags.idempotent or 0)
    + (is_function and flags.sends_stream or 0) + (chunked and flags.chunked or 0)
    + (request.stream and flags.streamed or 0) + (closes and flags.close or 0)
    + (expects and (is_function or body and body ~= "") and flags.expects or 0)
    + (request.on_informational and flags.interim or 0)
  return { origin = origin, head = head, body = is_function and "" or body or "",
    produce = is_function and body or nil, tell = request.on_informational,
    options = call_options(request, call_flags),
    is_plain = not (is_function or request.stream or request.on_informational) }
end

-- What is left until the deadline of a request, in ms: 0 for no limit, nil when it is over.
local function time_left(request)
  local deadline_ms = request.deadline_ms
  if not deadline_ms then return 0 end
  local left_ms = deadline_ms - door.precise_ms()
  return left_ms >= 0.5 and left_ms or nil
end

local function run(plan, request, left_ms)
  local res, err, kind
  if plan.is_plain then
    res, err, kind = exchange.whole(plan.origin, plan.options, plan.head, plan.body, left_ms)
  else
    res, err, kind = exchange.streamed { origin = plan.origin, options = plan.options,
      head = plan.head, body = plan.body, produce = plan.produce, tell = plan.tell,
      timeout_ms = left_ms }
  end
  if not res then
    -- Whoever cannot be connected to is the proxy.
    if request.proxy and (kind == "connect" or kind == "resolve") then kind = "proxy" end
    return nil, what(request) .. ": " .. err, kind
  end
  res._what = what(request)
  return res
end

--- Does one exchange: no redirects, no decoding, no second try but that of the pool.
---@param request justhttp.outgoing
---@return justhttp.client_response?
---@return string? err names the URL and what failed
---@return string? kind
function Client:send(request)
  options_of.complete(self._options, request)
  local plan, err = prepare(self, request)
  if not plan then return nil, what(request) .. ": " .. err, "invalid" end
  local left_ms = time_left(request)
  if not left_ms then return nil, what(request) .. ": no time left", "timeout" end
  return run(plan, request, left_ms)
end

-- ---- requests -----------------------------------------------------------------------------------

-- Once more what failed because a link ended, when it may be done twice.
local function send_with_retries(self, request)
  local tries = IDEMPOTENT[request.method] and type(request.body) ~= "function"
    and request.retries or 0
  while true do
    local res, err, kind = self:send(request)
    if res or kind ~= "closed" or tries <= 0 then return res, err, kind end
    tries = tries - 1
  end
end

local function follow(self, request, res)
  local first, left = request, request.redirects
  while redirect.is_redirect(res.status) do
    if left <= 0 then
      res:close()
      return nil, format("%s: more than %d redirects", what(first), request.redirects), "redirect"
    end
    left = left - 1
    local next_one, err = redirect.follow({ method = request.method, url = request,
      headers = request.headers, body = request.body }, res.status, res.headers.location, first)
    local from = what(request)
    res:close()
    if not next_one then return nil, from .. ": " .. err, "redirect" end
    request = options_of.redirected(request, next_one)
    local kind
    res, err, kind = send_with_retries(self, request)
    if not res then return nil, err .. " (redirected from " .. from .. ")", kind end
  end
  return res, request
end

local function complete(self, request, res)
  if request.redirects and redirect.is_redirect(res.status) then
    local err, kind
    res, err, kind = follow(self, request, res)
    if not res then return nil, err, kind end
    request = err
  end
  res.url = request.url_text or url_of.format(request)
  if res._has_coding and request.decompress then
    return require "justhttp.client_decoding"(res, request)
  end
  return res
end

-- Misuse is the caller's: `request` below is called in tail position all the way from there.
local function request_of(self, method, url, options)
  local ok, wanted, err = pcall(options_of.request, self._options, method, url, options)
  if not ok then error(wanted, 3) end
  return wanted, err
end

-- The plan of a plain GET, kept for the next time.
local function keep_plan(self, url, request)
  if self._plan_count >= MOST_PLANS then self._plans, self._plan_count = {}, 0 end
  local plan = prepare(self, request)
  if not plan or not plan.is_plain then return end
  plan.request, plan.timeout_ms = request, to_ms(self._options.timeout)
  self._plans[url] = plan
  self._plan_count = self._plan_count + 1
end

-- Sends what `request_of` made.
local function run_request(self, wanted)
  local res, err, kind = send_with_retries(self, wanted)
  if not res then return nil, err, kind end
  return complete(self, wanted, res)
end

local function request(self, method, url, options)
  local wanted, err = request_of(self, method, url, options)
  if not wanted then return nil, err, "invalid" end
  if method == "GET" and options == nil and wanted.is_lasting and not wanted.proxy then
    keep_plan(self, url, wanted)
  end
  return run_request(self, wanted)
end

-- A request without options that was made before.
local function run_plan(self, plan, url)
  local res, err, kind = exchange.whole(plan.origin, plan.options, plan.head, "", plan.timeout_ms)
  if not res then
    if kind == "closed" and self._options.retries > 0 then
      return request(self, "GET", url, {})
    end
    return nil, "GET " .. url .. ": " .. err, kind
  end
  local status = res.status
  if res._has_coding or status >= 300 and status < 400 then
    local wanted = request_of(self, "GET", url, nil)
    res._what = what(wanted)
    return complete(self, wanted, res)
  end
  res.url = url
  return res
end

--- Sends a request and gives the response, after redirects and decoded.
---@param method string|justhttp.request_options a method, or all in one table
---@param url string?
---@param options justhttp.request_options?
---@return justhttp.client_response?
---@return string? err
---@return justhttp.failure_kind? kind
function Client:request(method, url, options)
  if type(method) == "table" then
    options = method
    return request(self, options.method or "GET", options.url, options)
  end
  return request(self, method, url, options)
end

---@param url string
---@param options justhttp.request_options?
function Client:get(url, options)
  if options == nil then
    local plan = self._plans[url]
    if plan then return run_plan(self, plan, url) end
  end
  return request(self, "GET", url, options)
end

local function shorthand(method)
  return function(self, url, options, more)
    if type(options) == "string" then
      options = options_of.with_body(options, more)
    end
    return request(self, method, url, options)
  end
end

Client.head, Client.delete, Client.options = shorthand "HEAD", shorthand "DELETE",
  shorthand "OPTIONS"
Client.post, Client.put, Client.patch = shorthand "POST", shorthand "PUT", shorthand "PATCH"

--- What the client's links do, by origin.
---@return table<string, { connections: integer, idle: integer, waiting: integer, calls: integer,
---  dialled: integer, retried: integer }>
function Client:stats()
  local all, stats = {}, ffi.new "jh_origin_stats"
  for key, origin in pairs(self._origins) do
    C.jh_origin_read_stats(origin, stats)
    local scheme, host, port = key:match "^[^|]*|([^|]*)|([^|]*)|([^|]*)"
    all[scheme .. "://" .. url_of.authority(scheme, host, tonumber(port))] = {
      connections = stats.connections, idle = stats.idle, waiting = stats.waiting,
      calls = tonumber(stats.calls), dialled = tonumber(stats.dialled),
      retried = tonumber(stats.retried),
    }
  end
  return all
end

--- Lets go of the links that nobody uses; those in use close when their call is over. The client
-- can still be used.
function Client:close()
  for _, origin in pairs(self._origins) do
    C.jh_origin_close(ffi.gc(origin, nil))
  end
  self._origins, self._plans, self._origin_count, self._plan_count = {}, {}, 0, 0
end

local client_count = 0

--- Makes a client. See README for the options.
---@param options justhttp.client_options?
---@return justhttp.client
function M.new(options)
  local ok, checked = pcall(options_of.client, options)
  if not ok then error(checked, 2) end
  client_count = client_count + 1
  local name = checked.name or format("client%d.%s", client_count, tostring(door.generation))
  return setmetatable({
    _options = checked, _origins = {}, _plans = {}, _origin_count = 0, _plan_count = 0,
    _key = name:gsub("|", "_") .. " " .. options_of.fingerprint(checked),
  }, Client)
end

local default

--- The client behind http.get and the others.
---@return justhttp.client
function M.default()
  default = default or M.new { name = "default" }
  return default
end

M.class = Client

--- The two halves of a request, for what has a `send` of its own: what was asked for as a request,
-- and its exchanges with all that follows.
M.request_of, M.run_request = request_of, run_request

return M
