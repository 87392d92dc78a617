--- What a balancer can be told: names, defaults, checks.
--
-- Called by balancer.lua. Misuse raises with the name of the option, at the line of the caller.
-- Whatever is no option of a balancer is left for the client to check.

local retry = require "justhttp.balancer.retry"

local type, error, tostring, pairs, getmetatable = type, error, tostring, pairs, getmetatable
local format = string.format

local M = {}

---@class justhttp.upstream_options
---@field url string "http://host:port" (a path comes before targets), "http://unix:/path"
---@field weight number? 1
---@field authority string? value of the Host field instead of host and port
---@field tls justhttp.tls_options?

---@class justhttp.ejection
---@field failures integer? in a row, 5
---@field seconds number? out for so long the first time, 10
---@field max_seconds number? 300
---@field max_fraction number? of all upstreams, 0.5

---@class justhttp.balancer_options : justhttp.client_options
---@field upstreams (string|justhttp.upstream_options)[]
---@field policy "least_pending"|"round_robin"|"weighted"|"consistent_hash"|nil the first one
---@field key (fun(request: justhttp.outgoing): string)? for consistent_hash; the target when absent
---@field host string? value of the Host field for every upstream
---@field is_good (fun(response: table?, err: string?): boolean)? any answer when absent
---@field try_timeout number? seconds for one try
---@field retry justhttp.retry_policy|boolean|nil
---@field eject justhttp.ejection|boolean|nil
---@field check justhttp.health_check|boolean|nil
---@field slow_start number? seconds
---@field hedge number|{ after: number?, percentile: number?, least: number? }|nil
---@field resolve number|boolean|nil seconds (30): each address of a name is an upstream
---@field on_change fun(upstream: justhttp.upstream, is_healthy: boolean)?
---@field name string? what it is called in messages, and what keeps its links over a reload

local POLICIES = { least_pending = true, round_robin = true, weighted = true,
                   consistent_hash = true }

--- Names of the options that are the balancer's own.
M.OWN = {
  upstreams = true, policy = true, key = true, host = true, is_good = true, try_timeout = true,
  retry = true, eject = true, check = true, slow_start = true, hedge = true, resolve = true,
  on_change = true,
}

local EJECT = { failures = 5, seconds = 10, max_seconds = 300, max_fraction = 0.5 }
local CHECK = {
  path = "/", method = "GET", interval = 5, timeout = 2, rise = 2, fall = 3, headers = {},
  status = false, host = false,
}
local HEDGE = { after = false, percentile = 95, least = 0.001 }

local function fail(level, text, ...) error("balancer: " .. format(text, ...), level + 1) end

-- A table of options with what is missing taken from `defaults`.
local function filled(what, given, defaults, level)
  if given == true then given = {} end
  if type(given) ~= "table" then
    fail(level + 1, "%s must be a table of options, got a %s", what, type(given))
  end
  local all = {}
  for name, value in pairs(given) do
    local default = defaults[name]
    if default == nil then fail(level + 1, "%s has no option %q", what, tostring(name)) end
    if type(default) == "number" and not (type(value) == "number" and value >= 0) then
      fail(level + 1, "%s.%s must be a number, got %s", what, name, tostring(value))
    end
    all[name] = value
  end
  for name, default in pairs(defaults) do
    if all[name] == nil and default ~= false then all[name] = default end
  end
  return all
end

local function seconds(name, value, level)
  if value == nil then return nil end
  if type(value) ~= "number" or not (value > 0 and value <= 86400) then
    fail(level + 1, "%s must be seconds above 0, got %s", name, tostring(value))
  end
  return value
end

local function policy_of(given, level)
  if given == nil then given = "least_pending" end
  if type(given) == "table" and (given.pick or (getmetatable(given) or {}).__index) then
    return given
  end
  if not POLICIES[given] then
    fail(level + 1, "policy must be \"least_pending\", \"round_robin\", \"weighted\" or "
      .. "\"consistent_hash\", got %s", tostring(given))
  end
  return require("justhttp.balancer." .. given).new()
end

local function ejection_of(given, level)
  if given == false then return nil end
  local rules = filled("eject", given == nil and true or given, EJECT, level + 1)
  if rules.failures < 1 then fail(level + 1, "eject.failures must be at least 1") end
  return { failures = rules.failures, ms = rules.seconds * 1000,
           max_ms = rules.max_seconds * 1000, max_fraction = rules.max_fraction }
end

local function hedge_of(given, level)
  if given == nil or given == false then return nil end
  if type(given) == "number" then given = { after = given } end
  local hedge = filled("hedge", given, HEDGE, level + 1)
  hedge.after = seconds("hedge.after", hedge.after, level + 1)
  if not (hedge.percentile > 0 and hedge.percentile <= 100) then
    fail(level + 1, "hedge.percentile must be above 0 and at most 100")
  end
  return hedge
end

local function function_or_nil(name, value, level)
  if value ~= nil and type(value) ~= "function" then
    fail(level + 1, "%s must be a function, got a %s", name, type(value))
  end
  return value
end

--- Checks the options; `level` is that of the caller.
---@param given justhttp.balancer_options
---@param level integer
---@return table options of the balancer
---@return table options of its client
function M.check(given, level)
  level = level + 1
  if type(given) ~= "table" or type(given.upstreams) ~= "table" then
    fail(level, "give options such as { upstreams = { \"http://10.0.0.1:8080\" } }")
  end
  local of_client = {}
  for name, value in pairs(given) do
    if not M.OWN[name] then of_client[name] = value end
  end
  if of_client.proxy == nil then of_client.proxy = false end
  local check = given.check and filled("check", given.check, CHECK, level)
  local resolve = given.resolve
  if resolve == true then resolve = 30 end
  if given.host ~= nil and type(given.host) ~= "string" then
    fail(level, "host must be a string")
  end
  local options = {
    upstreams = given.upstreams, policy = policy_of(given.policy, level),
    key = function_or_nil("key", given.key, level), host = given.host,
    is_good = function_or_nil("is_good", given.is_good, level)
      or function(response) return response ~= nil end,
    try_timeout = seconds("try_timeout", given.try_timeout, level),
    retry = retry.check(given.retry, level), ejection = ejection_of(given.eject, level),
    check = check or nil, slow_start = seconds("slow_start", given.slow_start, level),
    hedge = hedge_of(given.hedge, level),
    resolve = resolve and seconds("resolve", resolve, level) or nil,
    on_change = function_or_nil("on_change", given.on_change, level),
  }
  if check then
    seconds("check.interval", check.interval, level)
    seconds("check.timeout", check.timeout, level)
  end
  return options, of_client
end

return M
