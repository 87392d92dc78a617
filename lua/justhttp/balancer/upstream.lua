--- One server behind a balancer: where it is, how it does, what part of the load it should get.
--
-- Made by set.lua; policies read it, health.lua and set.lua write it. No I/O: the time comes as an
-- argument, in milliseconds.
--
-- It is up unless active checks say it is not (`is_healthy`) or failures of requests have ejected
-- it for a while. After `failures` failures in a row it is ejected, each time for twice as long as
-- the time before; when it is back, one failure is enough. Who has come back, or is new, gets its
-- part of the load by and by when a slow start is asked for.

local penalty = require "justhttp.balancer.penalty"

local match, lower, format = string.match, string.lower, string.format
local max, min, tonumber, setmetatable = math.max, math.min, tonumber, setmetatable
local type, error, tostring, pairs = type, error, tostring, pairs

local M = {}

---@class justhttp.upstream
---@field number integer order in which they were made
---@field url string scheme, host and port
---@field scheme "http"|"https"
---@field host string name or address, or "unix:/path"
---@field port integer
---@field prefix string put before every target, "" when the URL has no path
---@field authority string value of the Host field
---@field server_name string? whom to expect behind TLS, when that is not `host`
---@field weight number
---@field pending integer requests it works on now
---@field total integer requests it answered
---@field failures integer requests it failed
---@field is_healthy boolean what active checks say
---@field ejected_until_ms number 0: never was
---@field is_removed boolean
---@field last_error string?
local Upstream = { __name = "justhttp.upstream" }
Upstream.__index = Upstream

local SLOWEST = 0.1 -- part of the load at the beginning of a slow start
local last_number = 0

local PORTS = { http = 80, https = 443 }

local KEYS = { url = true, weight = true, authority = true, server_name = true, tls = true }

--- Takes a URL apart: "http://10.0.0.1:8080", "https://[::1]/api", "http://unix:/run/app.sock".
---@param url string
---@return table? parts
function M.parse_url(url)
  local scheme, authority, path = match(url, "^(%a+)://([^/?#]+)([^?#]*)$")
  if not scheme then return nil end
  scheme = lower(scheme)
  if not PORTS[scheme] then return nil end
  if authority == "unix:" and path ~= "" then
    return { scheme = scheme, host = "unix:" .. path, port = 0, prefix = "",
             authority = "localhost", url = scheme .. "://unix:" .. path }
  end
  local host, port = match(authority, "^%[([%x:.]+)%]:?(%d*)$")
  if not host then host, port = match(authority, "^([^:@%[%]%s]+):?(%d*)$") end
  if not host or (match(authority, ":(%d*)$") == "" and port == "") then return nil end
  port = port ~= "" and tonumber(port) or PORTS[scheme]
  if port < 1 or port > 65535 then return nil end
  host = lower(host)
  local shown = match(host, ":") and "[" .. host .. "]" or host
  local is_usual = port == PORTS[scheme]
  local prefix = match(path, "^(.-)/*$")
  return {
    scheme = scheme, host = host, port = port, prefix = prefix,
    authority = is_usual and shown or shown .. ":" .. port,
    url = format("%s://%s:%d%s", scheme, shown, port, prefix),
  }
end

--- Makes one from a URL or { url =, weight = }. Misuse raises at `level`.
---@param given string|justhttp.upstream_options
---@param level integer
---@return justhttp.upstream
function M.new(given, level)
  if type(given) == "string" then given = { url = given } end
  if type(given) ~= "table" or type(given.url) ~= "string" then
    error('balancer: an upstream is "http://host:port" or { url = "http://host:port", weight = 2 }',
      level + 1)
  end
  for key in pairs(given) do
    if not KEYS[key] then
      error(format("balancer: unknown key %q of an upstream; keys are url, weight, authority, "
        .. "server_name and tls", tostring(key)), level + 1)
    end
  end
  local parts = M.parse_url(given.url)
  if not parts then
    error(format("balancer: %q is no URL of an upstream; write it as http://host:port", given.url),
      level + 1)
  end
  local weight = given.weight == nil and 1 or given.weight
  if type(weight) ~= "number" or not (weight > 0 and weight <= 1000000) then
    error(format("balancer: the weight of %s must be a number above 0, got %s", given.url,
      tostring(weight)), level + 1)
  end
  last_number = last_number + 1
  parts.number, parts.weight, parts.tls = last_number, weight, given.tls
  parts.authority = given.authority or parts.authority
  parts.server_name = given.server_name
  parts.pending, parts.total, parts.failures = 0, 0, 0
  parts.is_healthy, parts.is_removed = true, false
  parts.ejected_until_ms, parts._ejected_ms = 0, 0
  parts._failures_in_a_row = 0
  parts._current, parts._credit = 0, 0 -- of smooth weighted, of round robin
  parts._penalties = penalty.new()
  return setmetatable(parts, Upstream)
end

--- True while it is to get requests.
---@param now_ms number
---@return boolean
function Upstream:is_up(now_ms)
  return self.is_healthy and self.ejected_until_ms <= now_ms and not self.is_removed
end

--- Penalties that count now.
---@param now_ms number
---@return integer
function Upstream:penalty(now_ms)
  return self._penalties:count(now_ms)
end

-- ---- slow start ---------------------------------------------------------------------------------

--- Begins a slow start.
---@param now_ms number
---@param duration_ms number?
function Upstream:begin_slowly(now_ms, duration_ms)
  if not duration_ms then return end
  self._slow_from_ms, self._slow_for_ms = now_ms, duration_ms
end

--- The part of its weight it should get now: 0.1 to 1.
---@param now_ms number
---@return number
function Upstream:pace(now_ms)
  local from_ms = self._slow_from_ms
  if not from_ms then return 1 end
  local pace = (now_ms - from_ms) / self._slow_for_ms
  if pace >= 1 then
    self._slow_from_ms = nil
    return 1
  end
  return max(pace, SLOWEST)
end

-- ---- outcomes -----------------------------------------------------------------------------------

--- A request went well.
---@param now_ms number
function Upstream:note_success(now_ms)
  self.total = self.total + 1
  self._failures_in_a_row = 0
  -- Having done well for as long as it was out, it is as good as new.
  if self._ejected_ms > 0 and now_ms - self.ejected_until_ms >= self._ejected_ms then
    self._ejected_ms = 0
  end
end

--- A request failed. True when there were so many in a row that it should be ejected.
---@param now_ms number
---@param limit integer? failures in a row
---@param why string?
---@return boolean
function Upstream:note_failure(now_ms, limit, why)
  self.failures = self.failures + 1
  self.last_error = why
  if not self._penalties:add(now_ms) then self.total = self.total + 1 end
  self._failures_in_a_row = self._failures_in_a_row + 1
  return limit ~= nil and self._failures_in_a_row >= limit
    and self.ejected_until_ms <= now_ms
end

--- Takes it out for a while: for `base_ms`, twice that the next time, at most `max_ms`.
---@param now_ms number
---@param base_ms number
---@param max_ms number
---@param limit integer failures in a row; the last of them decides when it is back
function Upstream:eject(now_ms, base_ms, max_ms, limit)
  local for_ms = self._ejected_ms > 0 and self._ejected_ms * 2 or base_ms
  self._ejected_ms = min(for_ms, max_ms)
  self.ejected_until_ms = now_ms + self._ejected_ms
  self._failures_in_a_row = limit - 1
end

--- It is well again, for sure: what failures have left behind is forgotten.
function Upstream:absolve()
  self._penalties:clear()
  self._failures_in_a_row, self._ejected_ms = 0, 0
  self.ejected_until_ms = 0
end

return M
