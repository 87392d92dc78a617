--- What a client can be told: names, defaults, checks; and how a request comes of it.
--
-- Used by client.lua. Mistakes raise with a text that names the option; client.lua adds the line of
-- the caller. What depends on the world (a bad URL, a file that is not there) comes back as nil and
-- why.

local door = require "justhttp.door"
local nearest = require "justhttp.nearest"
local proxies = require "justhttp.proxies"
local request_head = require "justhttp.request_head"
local size = require "justhttp.size"
local url_of = require "justhttp.url"

local type, error, pairs, tostring = type, error, pairs, tostring
local format = string.format

local M = {}

---@alias justhttp.failure_kind
---| "timeout" | "resolve" | "connect" | "tls" | "closed" | "protocol" | "limit" | "busy"
---| "redirect" | "proxy" | "invalid"

---@class justhttp.request_options
---@field method string?
---@field url string?
---@field headers table<string, string|string[]|false>|{ [1]: string, [2]: string }[]|nil
---@field query table<string, any>|string|nil added to the URL's own
---@field body string|fun(): string?|nil pieces until nil
---@field json any sent as JSON
---@field form table<string, any>? sent as application/x-www-form-urlencoded
---@field multipart table? sent as multipart/form-data; see request_body.lua
---@field content_length integer? of a body that a function gives
---@field timeout number? seconds for all of it
---@field connect_timeout number? looking up, connecting, TLS
---@field read_timeout number? between two reads
---@field write_timeout number?
---@field wait_timeout number? for a free connection; 0 does not wait
---@field max_body_bytes integer|string|nil
---@field max_header_bytes integer|string|nil
---@field redirects integer|false|nil
---@field stream boolean? the response is read in pieces
---@field decompress boolean?
---@field retries integer?
---@field auth { user: string, password: string }|{ bearer: string }|nil
---@field proxy string|false|nil
---@field unix string? path of a socket to connect to
---@field tls justhttp.tls_options?
---@field http2 boolean|"prior-knowledge"|nil false: HTTP/1.1 alone; true: where TLS agrees on it
---@field on_informational fun(status: integer, headers: table)?

---@class justhttp.client_options : justhttp.request_options
---@field name string? keeps the links across a reload
---@field max_connections integer? per origin
---@field max_idle_connections integer?
---@field idle_timeout number? seconds
---@field max_connection_age number?

-- What both a client and a request may say, with a client's default.
local SHARED = {
  headers = { "table" }, timeout = { "seconds" }, connect_timeout = { "seconds", 10 },
  read_timeout = { "seconds", 30 }, write_timeout = { "seconds", 30 },
  wait_timeout = { "wait", 30 }, max_body_bytes = { "size" }, max_header_bytes = { "size", 65536 },
  redirects = { "count or false", 16 }, decompress = { "boolean", true }, retries = { "count", 1 },
  auth = { "table" }, proxy = { "string or false" }, unix = { "string" }, tls = { "table" },
  http2 = { "http2" },
}

local OF_CLIENT = {
  name = { "string" }, max_connections = { "count", 512 }, max_idle_connections = { "count", 512 },
  idle_timeout = { "seconds", 30 }, max_connection_age = { "seconds" },
  max_pending = { "count", 1 }, max_waiting = { "count", 0 },
  user_agent = { "string or false", "justhttp/" .. door.version },
}

local OF_REQUEST = {
  method = { "string" }, url = { "string" }, query = { "any" }, body = { "any" }, json = { "any" },
  form = { "table" }, multipart = { "table" }, content_length = { "count" },
  stream = { "boolean" }, on_informational = { "function" },
}

-- Options that sessions and balancers add to those of a client are theirs to check.
for name, about in pairs(SHARED) do OF_CLIENT[name], OF_REQUEST[name] = about, about end

local WHOLE_BODY_BYTES = 64 * 1024 * 1024
local HEADER_COUNT = 256

local is_a = {}
function is_a.any() return true end
function is_a.string(value) return type(value) == "string" end
function is_a.table(value) return type(value) == "table" end
function is_a.boolean(value) return type(value) == "boolean" end
is_a["function"] = function(value) return type(value) == "function" end
function is_a.count(value)
  return type(value) == "number" and value >= 0 and value % 1 == 0 and value < 2 ^ 31
end
function is_a.seconds(value)
  return type(value) == "number" and value > 0 and value <= 86400
end
function is_a.wait(value) return value == 0 or is_a.seconds(value) end
function is_a.size(value) return size.bytes(value) ~= nil end
function is_a.http2(value) return type(value) == "boolean" or value == "prior-knowledge" end
is_a["string or false"] = function(value) return value == false or type(value) == "string" end
is_a["count or false"] = function(value) return value == false or is_a.count(value) end

local WANTED = {
  count = "a whole number", seconds = "seconds above 0, at most 86400",
  wait = "seconds, or 0 for not waiting", size = 'a number of bytes or text such as "10m"',
  http2 = 'true, false or "prior-knowledge"',
  ["string or false"] = "a string or false", ["count or false"] = "a whole number or false",
}

local function check(what, options, known)
  for name, value in pairs(options) do
    local about = known[name]
    if not about then
      local near = type(name) == "string" and nearest(name, known)
      error(format("%s: no option %q%s", what, tostring(name),
        near and format("; did you mean %q?", near) or ""), 0)
    end
    if not is_a[about[1]](value) then
      error(format("%s: %s must be %s, got %s", what, name, WANTED[about[1]] or "a " .. about[1],
        type(value) == "string" and format("%q", value) or tostring(value)), 0)
    end
  end
end

--- Checks the options of a client and fills in what is absent.
---@param options table?
---@return table
function M.client(options)
  if options ~= nil and type(options) ~= "table" then
    error("http.client: give a table of options, got a " .. type(options), 0)
  end
  options = options or {}
  check("http.client", options, OF_CLIENT)
  local checked = {}
  for name, about in pairs(OF_CLIENT) do
    local value = options[name]
    if value == nil then value = about[2] end
    checked[name] = value
  end
  if checked.max_body_bytes then checked.max_body_bytes = size.bytes(checked.max_body_bytes) end
  checked.max_header_bytes = size.bytes(checked.max_header_bytes)
  -- Pipelines are HTTP/1.1's own way of having many requests on one link.
  if checked.http2 == nil then checked.http2 = checked.max_pending <= 1 end
  checked.list = request_head.list(options.headers)
  checked.defaults = { { "Accept", "*/*" } }
  if checked.user_agent then
    checked.defaults[2] = { "User-Agent", checked.user_agent }
  end
  return checked
end

--- Text that differs when the pools of two clients must.
---@param checked table
---@return string
function M.fingerprint(checked)
  return format("%d %d %g %g %d %d", checked.max_connections, checked.max_idle_connections,
    checked.idle_timeout or 0, checked.max_connection_age or 0, checked.max_pending or 1,
    checked.max_waiting or 0)
end

-- ---- requests -----------------------------------------------------------------------------------

local parsed, parsed_count = {}, 0
local MOST_PARSED = 1000

local function parse_url(text)
  local url = parsed[text]
  if url then return url end
  local err
  url, err = url_of.parse(text)
  if not url then return nil, err end
  if parsed_count >= MOST_PARSED then parsed, parsed_count = {}, 0 end
  parsed_count = parsed_count + 1
  parsed[text] = url
  return url
end

local function with_query(target, fields)
  local text = type(fields) == "table" and require "justhttp.query".encode(fields)
    or tostring(fields)
  if text == "" then return target end
  return target .. (target:find("?", 1, true) and "&" or "?") .. text
end

local function check_scheme(url)
  local scheme = url.scheme
  if scheme == "http" or scheme == "https" or scheme == "http+unix" then return true end
  return nil, format("scheme %s is neither http nor https", scheme)
end

-- What TLS offers for a request that speaks HTTP/2 or does not.
local function alpn(request)
  if request.http2 == "prior-knowledge" then return "h2" end
  return request.http2 and "h2,http/1.1" or nil
end
M.alpn = alpn

-- Upgrade and CONNECT take the link over, which HTTP/2 does not let them.
local function takes_link(request)
  if request.method == "CONNECT" then return true end
  local headers = request.headers
  for i = 1, #headers do
    local name = headers[i][1]
    if #name == 7 and name:lower() == "upgrade" then return true end
  end
  return false
end

local function tls_of(request, options)
  if request.scheme ~= "https" then return true end
  local settings = options.tls or {}
  request.server_name = settings.server_name or ""
  local context, err = require "justhttp.tls".context(settings, alpn(request))
  if not context then return nil, err end
  request.tls = context
  return true
end

local function authorization(auth)
  if auth.bearer then return "Bearer " .. auth.bearer end
  return "Basic " .. require "justhttp.base64".encode((auth.user or "") .. ":"
    .. (auth.password or ""))
end

-- Headers of the client come first; the same of the request take their place.
local function merge_headers(request, options, client)
  local own = request_head.list(options and options.headers)
  local auth = options and options.auth or client.auth
  if auth then
    if type(auth) ~= "table" then error("auth: give a table", 0) end
    own[#own + 1] = { "Authorization", authorization(auth) }
  elseif request.user then
    own[#own + 1] = { "Authorization", authorization(request) }
  end
  if #client.list == 0 then return own end
  local keys, all = {}, {}
  for i = 1, #own do keys[own[i][1]:lower()] = true end
  for i = 1, #client.list do
    if not keys[client.list[i][1]:lower()] then all[#all + 1] = client.list[i] end
  end
  for i = 1, #own do all[#all + 1] = own[i] end
  return all
end

local PASSED_ON = {
  "connect_timeout", "read_timeout", "write_timeout", "wait_timeout", "max_header_bytes",
  "redirects", "decompress", "retries", "http2",
}

-- A request knows all that the client would add.
local function fill(request, options, client)
  for i = 1, #PASSED_ON do
    local name = PASSED_ON[i]
    local value = options and options[name]
    if value == nil then value = client[name] end
    request[name] = value
  end
  request.max_header_bytes = size.bytes(request.max_header_bytes)
  request.max_header_count = HEADER_COUNT
  if takes_link(request) then request.http2 = false end
  local limit = options and options.max_body_bytes or client.max_body_bytes
  request.max_body_bytes = limit and size.bytes(limit)
    or (not request.stream and WHOLE_BODY_BYTES or nil)
  request.defaults = client.defaults
  if request.decompress then
    request.defaults = client.decoding_defaults
    if not request.defaults then
      request.defaults = { { "Accept-Encoding", "gzip, br, zstd" }, unpack(client.defaults) }
      client.decoding_defaults = request.defaults
    end
  end
end

local function choose_proxy(request, options, client)
  local proxy = options and options.proxy
  if proxy == nil then proxy = client.proxy end
  if proxy == false or request.host:sub(1, 5) == "unix:" then
    request.proxy = false
    return true
  end
  local err
  request.proxy, err = proxies.choose(request, proxy)
  if request.proxy == nil then return nil, err end
  return true
end

local function check_request(method, text, options)
  request_head.check_method(method)
  if type(text) ~= "string" then
    error("give a URL as a string, got a " .. type(text), 0)
  end
  if options ~= nil and type(options) ~= "table" then
    error("give a table of options, got a " .. type(options), 0)
  end
  if options then check("http." .. method:lower(), options, OF_REQUEST) end
end

--- Makes a request of what a caller gave. Misuse raises; nil and why for a URL that is none.
---@param client table checked options
---@param method string
---@param text string
---@param options justhttp.request_options?
---@return justhttp.outgoing?
---@return string? err
function M.request(client, method, text, options)
  check_request(method, text, options)
  local url, err = parse_url(text)
  local ok = url and true
  if url then ok, err = check_scheme(url) end
  if not ok then return nil, format("%s %s: %s", method, text, err) end
  local request = {
    method = method, scheme = url.scheme, host = url.host, port = url.port, target = url.target,
    authority = url.authority, user = url.user, password = url.password,
    fragment = url.fragment, url_text = text,
  }
  if options then
    if options.query ~= nil then
      request.target, request.url_text = with_query(request.target, options.query), nil
    end
    request.stream, request.on_informational = options.stream, options.on_informational
    request.content_length = options.content_length
  end
  local unix = options and options.unix or client.unix
  if unix then request.host = "unix:" .. unix end
  if request.scheme == "http+unix" then request.is_unix_url = true end
  request.headers = merge_headers(request, options, client)
  fill(request, options, client)
  ok, err = choose_proxy(request, options, client)
  if ok then ok, err = tls_of(request, options and options.tls and options or client) end
  if not ok then return nil, format("%s %s: %s", method, text, err) end
  if options then
    ok, err = require "justhttp.request_body".put(request, options)
    if not ok then return nil, format("%s %s: %s", method, text, err) end
  end
  local timeout = options and options.timeout or client.timeout
  if timeout then request.deadline_ms = door.precise_ms() + timeout * 1000 end
  -- What the environment says about proxies holds for the life of the process.
  request.is_lasting = true
  return request
end

--- `http.post(url, "body", options)`.
---@param body string
---@param options table?
---@return table
function M.with_body(body, options)
  if options ~= nil and type(options) ~= "table" then
    error("give a table of options, got a " .. type(options), 3)
  end
  local all = { body = body }
  for name, value in pairs(options or {}) do all[name] = value end
  return all
end

--- The request that a redirect makes of another.
---@param request justhttp.outgoing
---@param to { method: string, url: justhttp.url, headers: table, body: any }
---@return justhttp.outgoing
function M.redirected(request, to)
  local url = to.url
  local own = {}
  for name, value in pairs(request) do own[name] = value end
  own.method, own.headers, own.body = to.method, to.headers, to.body
  own.scheme, own.host, own.port = url.scheme, url.host, url.port
  own.target, own.authority, own.fragment = url.target, url.authority, url.fragment
  own.url_text = nil
  own.redirects = request.redirects
  local is_elsewhere = url.host ~= request.host or url.port ~= request.port
    or url.scheme ~= request.scheme
  if is_elsewhere then own.tls, own.proxy, own.server_name = nil, nil, nil end
  return own
end

---@class justhttp.outgoing one request as `client:send` takes it
---@field method string
---@field scheme string "http" or "https"
---@field host string "unix:/path" for a socket
---@field port integer
---@field target string
---@field headers { [1]: string, [2]: string|false }[]? in order
---@field body string|fun(): string?|nil
---@field content_length integer? of a body from a function; without it that goes in chunks
---@field deadline_ms number? on the clock of door.precise_ms()
---@field stream boolean? the response comes when its head is there
---@field authority string? for Host; host and port when absent
---@field tls ffi.cdata*? a context, or the client's
---@field proxy table|false|nil
---@field http2 boolean|"prior-knowledge"|nil

--- Fills in what `send` needs and the caller left out.
---@param client table checked options
---@param request justhttp.outgoing
function M.complete(client, request)
  request_head.check_method(request.method)
  request.headers = request.headers or {}
  if not request.authority then
    request.authority = url_of.authority(request.scheme, request.host, request.port)
  end
  if request.max_header_count == nil then fill(request, request, client) end
  if request.proxy == nil then
    local ok, err = choose_proxy(request, request, client)
    if not ok then error(err, 0) end
  end
  if request.scheme == "https" and not request.tls then
    local ok, err = tls_of(request, client)
    if not ok then error(err, 0) end
  end
end

return M
