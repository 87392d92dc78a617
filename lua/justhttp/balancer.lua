--- One client for many upstreams: `http.balancer{ upstreams = { "http://a:1", "http://b:2" } }`.
--
-- A balancer is a client whose `send` chooses where each exchange goes: set.lua and the policies
-- know who is next, attempts.lua whether to go on elsewhere. What it learns (who is slow, who is
-- down) lives in the VM: every worker learns for itself.
--
-- Requests name targets, not hosts: inside they go to a host of that name that is none (PLACE),
-- so that redirects, which are exchanges of their own, find back to the balancer; one that leads to
-- another host leaves it.

local attempts = require "justhttp.balancer.attempts"
local budget = require "justhttp.balancer.budget"
local client = require "justhttp.client"
local door = require "justhttp.door"
local latency = require "justhttp.balancer.latency"
local options_of = require "justhttp.balancer.options"
local request_options = require "justhttp.client_options"
local set_of = require "justhttp.balancer.set"
local upstream_of = require "justhttp.balancer.upstream"

local type, error, tostring, pairs, ipairs, setmetatable = type, error, tostring, pairs, ipairs,
  setmetatable
local format, sub, match, min, rawset = string.format, string.sub, string.match, math.min, rawset

local M = {}

-- Reserved by RFC 6761: no name below "invalid" is ever looked up.
local PLACE = "balancer.invalid"

---@class justhttp.balancer
---@field _set justhttp.upstream_set
---@field _client justhttp.client
local Balancer = { __name = "justhttp.balancer" }
Balancer.__index = Balancer
M.class = Balancer

-- ---- making one ---------------------------------------------------------------------------------

-- Checks and look-ups begin once there is a loop to wait on.
local function start(self)
  if self._is_started or door.generation == nil then return end
  self._is_started = true
  if self._check then
    local health = require "justhttp.balancer.health"
    for _, upstream in ipairs(self._set.list) do health.watch(self, upstream) end
  end
  if self._names then require "justhttp.balancer.names".watch(self) end
end

local function add(self, given, level, is_first)
  local upstream = self._set:add(given, level + 1, is_first)
  if self._check and self._is_started then
    require "justhttp.balancer.health".watch(self, upstream)
  end
  return upstream
end

--- Adds an upstream that was made of a name; for names.lua.
---@param given justhttp.upstream_options
---@param is_first boolean
---@return justhttp.upstream
function Balancer:_add(given, is_first)
  local upstream = add(self, given, 2, is_first)
  return upstream
end

-- A name whose addresses are the upstreams waits until it was looked up.
local function add_or_expand(self, given, level, is_first)
  local names = self._names and require "justhttp.balancer.names"
  if names and names.is_name(given) then
    names.add(self, given, level + 1)
    return
  end
  add(self, given, level + 1, is_first)
end

--- Makes a balancer. See README for the options.
---@param given justhttp.balancer_options
---@return justhttp.balancer
function M.new(given)
  local options, of_client = options_of.check(given, 2)
  local own_client = client.new(of_client)
  local self = setmetatable({
    _client = own_client, _options = own_client._options, _key = options.key,
    _host = options.host, _retry = options.retry, _hedge = options.hedge,
    _try_ms = options.try_timeout and options.try_timeout * 1000, _check = options.check,
    _is_good = options.is_good, _on_change = options.on_change,
    _latency = latency.new(),
    _budget = budget.new(options.retry and options.retry.budget or 0.2,
      options.retry and options.retry.reserve or 10),
    _counts = { requests = 0, retries = 0, hedges = 0, hedges_won = 0 },
    _name = of_client.name, _names = options.resolve and { interval = options.resolve, list = {} },
  }, Balancer)
  self._set = set_of.new {
    policy = options.policy, clock_ms = door.clock_ms, ejection = options.ejection,
    slow_start_ms = options.slow_start and options.slow_start * 1000,
  }
  self._send = function(upstream, request) return self:_send_to(upstream, request) end
  self._ask = function(upstream, check) return self:_ask_health(upstream, check) end
  self._options.retries = 0 -- what may be tried again goes elsewhere
  for _, one in ipairs(options.upstreams) do add_or_expand(self, one, 2, true) end
  start(self)
  return self
end

--- What it is called in messages.
---@return string
function Balancer:_describe()
  return self._name and format("balancer %q", self._name) or "balancer"
end

-- ---- one exchange -------------------------------------------------------------------------------

-- The context for an upstream that says more about TLS than the balancer does.
local function tls_of(self, upstream, request)
  if upstream.scheme ~= "https" or not (upstream.tls or upstream.server_name) then return nil end
  local offer = request_options.alpn(request) or ""
  upstream._contexts = upstream._contexts or {}
  if upstream._contexts[offer] then return upstream._contexts[offer] end
  local settings = {}
  for name, value in pairs(self._options.tls or settings) do settings[name] = value end
  for name, value in pairs(upstream.tls or settings) do settings[name] = value end
  settings.server_name = settings.server_name or upstream.server_name
  local context, err = require "justhttp.tls".context(settings, offer)
  upstream._contexts[offer], upstream.server_name = context, settings.server_name
  return context, err
end

-- The request as it goes to this upstream.
local function addressed(self, upstream, request)
  local one = {}
  for name, value in pairs(request) do one[name] = value end
  one.scheme, one.host, one.port = upstream.scheme, upstream.host, upstream.port
  one.target = upstream.prefix .. request.target
  one.authority = self._host or upstream.authority
  one.url_text = upstream.url .. request.target
  one.tls, one.proxy, one.server_name = nil, nil, nil
  if one.http2 == nil then one.http2 = self._options.http2 end
  if self._try_ms then
    local until_ms = door.precise_ms() + self._try_ms
    one.deadline_ms = one.deadline_ms and min(one.deadline_ms, until_ms) or until_ms
  end
  return one
end

function Balancer:_send_to(upstream, request)
  local one = addressed(self, upstream, request)
  local tls, err = tls_of(self, upstream, one)
  if err then return nil, one.url_text .. ": " .. err, "tls" end
  if tls then one.tls, one.server_name = tls, upstream.server_name or "" end
  return self._client:send(one)
end

function Balancer:_ask_health(upstream, check)
  local headers = {}
  for name, value in pairs(check.headers) do headers[#headers + 1] = { name, value } end
  local one = addressed(self, upstream, {
    method = check.method, target = check.path, headers = headers,
  })
  one.target, one.url_text = check.path, upstream.url .. check.path
  one.authority = check.host or one.authority
  one.deadline_ms = door.precise_ms() + check.timeout * 1000
  local tls, err = tls_of(self, upstream, one)
  if err then return nil, err, "tls" end
  if tls then one.tls, one.server_name = tls, upstream.server_name or "" end
  return self._client:send(one)
end

-- A redirect that names its own upstream is meant for all of them.
local function make_relative(self, res, upstream)
  local location = res.headers.location
  local authority, rest = match(location or "", "^%a+://([^/?#]*)(.*)$")
  if not authority or (authority ~= upstream.authority and authority ~= self._host) then return end
  local prefix = upstream.prefix
  if sub(rest, 1, #prefix) == prefix then rest = sub(rest, #prefix + 1) end
  rawset(res.headers, "location", sub(rest, 1, 1) == "/" and rest or "/" .. rest)
end

--- Does one exchange, at whichever upstream is to have it; see Client:send. A request for another
-- host, which only a redirect can make, goes there.
---@param request justhttp.outgoing
---@return justhttp.client_response?
---@return string? err
---@return string? kind
function Balancer:send(request)
  start(self)
  if request.host ~= PLACE then return self._client:send(request) end
  local names_err = self._names and require "justhttp.balancer.names".settle(self)
  request.is_replayable = type(request.body) ~= "function"
  if request.key == nil and self._set.policy.needs_key then
    request.key = self._key and tostring(self._key(request)) or request.target
  end
  local res, err, kind, upstream = attempts.run(self, request)
  if not res then
    if upstream or not names_err then return nil, err, kind end
    return nil, self:_describe() .. ": " .. names_err, "resolve"
  end
  res.upstream = upstream.url
  if request.redirects and res.status >= 300 and res.status < 400 then
    make_relative(self, res, upstream)
  end
  return res
end

--- Takes an upstream for an exchange that somebody else makes (a proxy); give it back with
-- `release`, once. Nil when none is up that was not tried.
---@param key string?
---@param tried table<justhttp.upstream, boolean>?
---@return justhttp.upstream?
function Balancer:acquire(key, tried)
  start(self)
  return self._set:acquire(key, tried)
end

--- Gives an upstream back: `outcome` is true, false, or nil when nothing was learned about it.
---@param upstream justhttp.upstream
---@param outcome boolean?
---@param why string?
function Balancer:release(upstream, outcome, why)
  return self._set:release(upstream, outcome, why)
end

-- ---- requests -----------------------------------------------------------------------------------

local function check_target(target)
  if type(target) == "string" and sub(target, 1, 1) == "/" then return end
  error(format("balancer: give a target such as \"/users?id=1\", got %s", tostring(target)), 3)
end

-- What is the balancer's own in the options of a request is taken out of them.
local function split(options)
  if type(options) ~= "table" or options.key == nil then return options or {}, nil end
  local rest = {}
  for name, value in pairs(options) do rest[name] = value end
  rest.key = nil
  return rest, tostring(options.key)
end

-- Called in tail position, so that misuse names the line of the app.
local function run(self, method, target, given)
  check_target(target)
  local options, key = split(given)
  local request, err = client.request_of(self, method, "http://" .. PLACE .. target, options)
  if not request then return nil, err, "invalid" end
  request.key, request.proxy = key, false
  local res, kind
  res, err, kind = client.run_request(self, request)
  if res and res.upstream and sub(res.url, 1, 8 + #PLACE) == "http://" .. PLACE .. "/" then
    res.url = res.upstream .. sub(res.url, 8 + #PLACE)
  end
  return res, err, kind
end

--- Sends a request to one of the upstreams: `lb:request("GET", "/users", { key = "ada" })`. Options
-- are those of a client's request, and `key` for policies that go by one. Errors and results are a
-- client's, too; `res.upstream` tells who answered.
---@param method string|justhttp.request_options
---@param target string? path and query; `url` of the table
---@param options justhttp.request_options?
---@return justhttp.client_response?
---@return string? err
---@return justhttp.failure_kind? kind
function Balancer:request(method, target, options)
  if type(method) == "table" then
    options = {}
    for name, value in pairs(method) do options[name] = value end
    method, target = options.method or "GET", options.url or options.target
    options.method, options.url, options.target = nil, nil, nil
  end
  return run(self, method, target, options)
end

local function shorthand(method)
  return function(self, target, options, more)
    if type(options) == "string" then options = request_options.with_body(options, more) end
    return run(self, method, target, options)
  end
end

Balancer.get, Balancer.head, Balancer.delete = shorthand "GET", shorthand "HEAD", shorthand "DELETE"
Balancer.options, Balancer.post = shorthand "OPTIONS", shorthand "POST"
Balancer.put, Balancer.patch = shorthand "PUT", shorthand "PATCH"

-- ---- upstreams ----------------------------------------------------------------------------------

--- Adds an upstream: a URL, or { url =, weight = }.
---@param given string|justhttp.upstream_options
function Balancer:add(given)
  add_or_expand(self, given, 2, false)
end

--- Takes out the upstreams with this URL; what they work on goes on. Returns how many there were.
---@param url string
---@return integer
function Balancer:remove(url)
  local parts = type(url) == "string" and upstream_of.parse_url(url)
  if not parts then
    error(format("balancer: give the URL of an upstream to remove, got %s", tostring(url)), 2)
  end
  local found = {}
  for _, upstream in ipairs(self._set.list) do
    if upstream.url == parts.url or upstream.name == parts.url then
      found[#found + 1] = upstream
    end
  end
  for _, upstream in ipairs(found) do self._set:remove(upstream) end
  if self._names then require "justhttp.balancer.names".remove(self, parts.url) end
  return #found
end

--- What is known: every upstream, and counts of the balancer, for people and status pages.
---@return { upstreams: table[], requests: integer, retries: integer, hedges: integer,
--- hedges_won: integer, budget: number }
function Balancer:status()
  local counts = self._counts
  return {
    name = self._name, upstreams = self._set:status(), requests = counts.requests,
    retries = counts.retries, hedges = counts.hedges, hedges_won = counts.hedges_won,
    budget = self._budget.tokens,
    p50 = (self._latency:percentile(50) or 0) / 1000,
    p95 = (self._latency:percentile(95) or 0) / 1000,
  }
end

--- What its links do, by upstream; as Client:stats.
function Balancer:stats() return self._client:stats() end

--- Ends health checks and look-ups, and lets go of links that nobody uses.
function Balancer:close()
  self._is_closed = true
  return self._client:close()
end

return M
