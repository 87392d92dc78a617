--- What http.proxy can be told: names, defaults, checks; and how upstreams of the core come of it.
--
-- Used by proxy.lua. Upstreams are those of a balancer's set (balancer/set.lua), which chooses
-- among them; what the core needs of one is made when it is chosen first.

local ffi = require "ffi"
local door = require "justhttp.door"
local nearest = require "justhttp.nearest"
local least_pending = require "justhttp.balancer.least_pending"
local set_of = require "justhttp.balancer.set"
local size = require "justhttp.size"

local C = door.C
local type, error, pairs, ipairs, tostring = type, error, pairs, ipairs, tostring
local setmetatable = setmetatable
local format, lower, find, concat = string.format, string.lower, string.find, table.concat
local ceil, sort = math.ceil, table.sort

local M = {}

---@class justhttp.proxy_options
---@field upstream string|justhttp.upstream_options|nil "http://127.0.0.1:9000"; its path goes first
---@field upstreams (string|justhttp.upstream_options)[]|nil several
---@field balancer justhttp.balancer? that chooses among its upstreams
---@field key (fun(ctx: justhttp.ctx): string?)? for balancers that go by one
---@field keep_path boolean? the whole path goes on, also where the route has a *rest
---@field preserve_host boolean? Host as the client sent it, not the upstream's
---@field headers table<string, string>? set in every request, in place of the client's
---@field remove string[]? request headers that stay behind
---@field x_forwarded boolean? X-Forwarded-For, -Host and -Proto; true
---@field forwarded boolean? Forwarded (RFC 7239); false
---@field via string? a name to add to Via
---@field timeout number? seconds for a whole exchange; no limit
---@field connect_timeout number? 5
---@field read_timeout number? between two reads of the upstream, and for its first byte; 60
---@field write_timeout number? 60
---@field wait_timeout number? for a free connection; 0 does not wait; 10
---@field retries integer? further tries, at other upstreams where there are some; 1
---@field max_connections integer? per upstream and worker, 1024
---@field max_idle_connections integer? 256
---@field idle_timeout number? seconds an idle connection is kept; 30
---@field max_header_bytes integer|string|nil of a response's head, 65536
---@field tls justhttp.tls_options? for https upstreams
---@field on_request (fun(ctx: justhttp.ctx, req: justhttp.proxy_request): any, any)?
---@field on_response (fun(ctx: justhttp.ctx, res: justhttp.proxy_response): any, any)?
---@field on_error (fun(ctx: justhttp.ctx, err: string, kind: string): any, any)?

local KNOWN = {
  upstream = { "string or table" }, upstreams = { "table" }, balancer = { "table" },
  key = { "function" }, keep_path = { "boolean" }, preserve_host = { "boolean" },
  headers = { "table" }, remove = { "table" }, x_forwarded = { "boolean", true },
  forwarded = { "boolean" }, via = { "string", "" }, timeout = { "seconds", 0 },
  connect_timeout = { "seconds", 5 }, read_timeout = { "seconds", 60 },
  write_timeout = { "seconds", 60 }, wait_timeout = { "wait", 10 }, retries = { "count", 1 },
  max_connections = { "count", 1024 }, max_idle_connections = { "count", 256 },
  idle_timeout = { "seconds", 30 }, max_header_bytes = { "size", 65536 }, tls = { "table" },
  on_request = { "function" }, on_response = { "function" }, on_error = { "function" },
}

local HEADER_COUNT = 256

local is_a = {}
is_a["string or table"] = function(value)
  return type(value) == "string" or type(value) == "table"
end
for _, kind in ipairs { "string", "table", "boolean", "function" } do
  is_a[kind] = function(value) return type(value) == kind end
end
function is_a.count(value)
  return type(value) == "number" and value >= 0 and value % 1 == 0 and value < 2 ^ 31
end
function is_a.seconds(value) return type(value) == "number" and value > 0 and value <= 86400 end
function is_a.wait(value) return value == 0 or is_a.seconds(value) end
function is_a.size(value) return size.bytes(value) ~= nil end

local WANTED = {
  count = "a whole number", seconds = "seconds above 0, at most 86400",
  wait = "seconds, or 0 for not waiting", size = 'a number of bytes or text such as "64k"',
  ["string or table"] = "a URL, or a table with one",
}

local function check_names(options, level)
  for name, value in pairs(options) do
    local about = KNOWN[name]
    if not about then
      local near = type(name) == "string" and nearest(name, KNOWN)
      error(format("http.proxy: no option %q%s", tostring(name),
        near and format("; did you mean %q?", near) or ""), level + 1)
    end
    if not is_a[about[1]](value) then
      error(format("http.proxy: %s must be %s, got %s", name,
        WANTED[about[1]] or "a " .. about[1],
        type(value) == "string" and format("%q", value) or tostring(value)), level + 1)
    end
  end
end

-- ---- fields -------------------------------------------------------------------------------------

local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$"
local FRAMING = { ["content-length"] = true, ["transfer-encoding"] = true, connection = true }

local function check_name(what, name, level)
  if type(name) ~= "string" or not find(name, TOKEN) then
    error(format("http.proxy: %s: %s is no name of a header", what, tostring(name)), level + 1)
  elseif FRAMING[lower(name)] then
    error(format("http.proxy: %s: %s is the proxy's own business", what, name), level + 1)
  end
end

-- Lines of the fields to be set, a name for Host, and the names of what stays behind.
local function read_fields(options, level)
  local lines, names, host = {}, {}, nil
  for name, value in pairs(options.headers or {}) do
    check_name("headers", name, level + 1)
    value = tostring(value)
    if find(value, "[%c\127]") then
      error(format("http.proxy: headers: %q has control characters", name), level + 1)
    end
    if lower(name) == "host" then
      host = value
    else
      names[#names + 1], lines[#lines + 1] = name .. "\n", name .. ": " .. value .. "\r\n"
    end
  end
  for _, name in ipairs(options.remove or {}) do
    check_name("remove", name, level + 1)
    names[#names + 1] = name .. "\n"
  end
  sort(lines)
  return concat(lines), concat(names), host
end

-- ---- upstreams ----------------------------------------------------------------------------------

local function to_ms(seconds) return ceil(seconds * 1000) end

local function set_text(settings, name, text)
  settings[name], settings[name .. "_len"] = text, #text
end

local function open_origin(proxy, upstream)
  local settings = ffi.new "jh_origin_options"
  local tls
  if upstream.scheme == "https" then
    local err
    tls, err = require "justhttp.tls".context(upstream.tls or proxy.tls)
    if not tls then error("http.proxy: " .. err, 0) end
    settings.tls = tls
  end
  set_text(settings, "host", upstream.host)
  set_text(settings, "server_name", upstream.server_name or "")
  settings.port = upstream.port
  settings.max_connections = proxy.max_connections
  settings.max_idle_connections = proxy.max_idle_connections
  settings.max_pending = 1
  settings.idle_timeout_ms = to_ms(proxy.idle_timeout)
  settings.connect_timeout_ms = to_ms(proxy.connect_timeout)
  local key = format("proxy|%s|%d|%d|%g|%g|%s", upstream.url, proxy.max_connections,
    proxy.max_idle_connections, proxy.idle_timeout, proxy.connect_timeout, tostring(tls))
  local code = ffi.new "int[1]"
  local origin = C.jh_origin_open(door.generation, key, #key, settings, code)
  if origin == nil then error("http.proxy: " .. door.strerror(code[0]), 0) end
  return ffi.gc(origin, C.jh_origin_close)
end

local function open_upstream(proxy, upstream, origin)
  local settings = ffi.new "jh_upstream_options"
  settings.flags = (proxy.preserve_host and C.JH_UPSTREAM_KEEP_HOST_BIT or 0)
    + (proxy.x_forwarded and C.JH_UPSTREAM_X_FORWARDED_BIT or 0)
    + (proxy.forwarded and C.JH_UPSTREAM_FORWARDED_BIT or 0)
  set_text(settings, "host", proxy.host or upstream.authority)
  set_text(settings, "base", upstream.prefix)
  set_text(settings, "via", proxy.via)
  set_text(settings, "lines", proxy.lines)
  set_text(settings, "dropped", proxy.dropped)
  settings.timeout_ms = to_ms(proxy.timeout)
  local call = settings.call
  call.read_timeout_ms, call.write_timeout_ms = to_ms(proxy.read_timeout),
    to_ms(proxy.write_timeout)
  call.wait_timeout_ms = proxy.wait_timeout == 0 and C.JH_CALL_NO_WAIT or to_ms(proxy.wait_timeout)
  call.max_header_bytes, call.max_header_count = size.bytes(proxy.max_header_bytes), HEADER_COUNT
  call.max_body_bytes = 1e300
  local code = ffi.new "int[1]"
  local handle = C.jh_upstream_open(door.generation, origin, settings, code)
  if handle == nil then error("http.proxy: " .. door.strerror(code[0]), 0) end
  return ffi.gc(handle, C.jh_upstream_close)
end

--- The core's side of an upstream, made when it is asked for first.
---@param proxy table
---@param upstream justhttp.upstream
---@return ffi.cdata* jh_upstream *
function M.handle_of(proxy, upstream)
  local origin = open_origin(proxy, upstream)
  local handle = open_upstream(proxy, upstream, origin)
  proxy.origins[upstream], proxy.handles[upstream] = origin, handle
  return handle
end

local function make_set(options, level)
  local given = options.upstreams or { options.upstream }
  if not given[1] then error("http.proxy: upstreams is empty", level + 1) end
  local set = set_of.new { policy = least_pending.new(), clock_ms = door.clock_ms,
    ejection = { failures = 3, ms = 5000, max_ms = 60000, max_fraction = 0.9 } }
  for _, upstream in ipairs(given) do set:add(upstream, level + 1, true) end
  return set
end

--- Checks the options and fills in what is absent.
---@param options justhttp.proxy_options
---@param level integer of the caller, for misuse
---@return table
function M.check(options, level)
  if type(options) ~= "table" then
    error("http.proxy: give a table such as { upstream = \"http://127.0.0.1:9000\" }", level)
  end
  check_names(options, level + 1)
  local count = (options.upstream and 1 or 0) + (options.upstreams and 1 or 0)
    + (options.balancer and 1 or 0)
  if count ~= 1 then
    error("http.proxy: give one of upstream, upstreams and balancer", level)
  end
  local proxy = {}
  for name, about in pairs(KNOWN) do
    local value = options[name]
    if value == nil then value = about[2] end
    proxy[name] = value
  end
  proxy.lines, proxy.dropped, proxy.host = read_fields(options, level + 1)
  proxy.keeps_path = options.keep_path
  proxy.set = options.balancer or make_set(options, level + 1)
  if type(proxy.set.acquire) ~= "function" then
    error("http.proxy: balancer must be what http.balancer returns", level)
  end
  local weak = { __mode = "k" }
  proxy.origins, proxy.handles = setmetatable({}, weak), setmetatable({}, weak)
  return proxy
end

return M
