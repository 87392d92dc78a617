--- Upstreams that are names: every address of a name is an upstream, looked up anew now and then.
--
-- Called by balancer.lua when its option `resolve` is set. Addresses that come are added (slowly,
-- when there is a slow start), those that went are removed; while name servers fail, what they said
-- last stays. The name stays what TLS verifies and what Host says. A balancer is held weakly by the
-- task that looks its names up.

local cookie_match = require "justhttp.cookie_match"
local log = require "justhttp.log"
local scheduler = require "justhttp.scheduler"
local traceback = require "justhttp.traceback"
local upstream_of = require "justhttp.balancer.upstream"

local find, format, type = string.find, string.format, type
local ipairs, pairs, setmetatable, xpcall, remove = ipairs, pairs, setmetatable, xpcall,
  table.remove

local M = {}

--- Looks a name up: a list of addresses as text, or nil and why. A spec may put its own here.
---@param host string
---@return string[]? addresses
---@return string? err
function M.look_up(host)
  local addresses, err = require "justhttp.resolve".resolve(host, 10)
  if err == "timeout" then err = "look up " .. host .. ": timeout" end
  return addresses, err
end

--- True when an upstream is given by name.
---@param given string|justhttp.upstream_options
---@return boolean
function M.is_name(given)
  local url = type(given) == "table" and given.url or given
  local parts = type(url) == "string" and upstream_of.parse_url(url)
  return parts ~= nil and parts ~= false and find(parts.host, "^unix:") == nil
    and not cookie_match.is_address(parts.host)
end

--- The addresses to add and those to remove, to get from one list to another.
---@param current table<string, any> by address
---@param wanted string[]
---@return string[] added
---@return string[] removed
function M.difference(current, wanted)
  local is_wanted, added, removed = {}, {}, {}
  for _, address in ipairs(wanted) do
    if not is_wanted[address] and not current[address] then added[#added + 1] = address end
    is_wanted[address] = true
  end
  for address in pairs(current) do
    if not is_wanted[address] then removed[#removed + 1] = address end
  end
  return added, removed
end

local function url_at(parts, address)
  if find(address, ":", 1, true) then address = "[" .. address .. "]" end
  return format("%s://%s:%d%s", parts.scheme, address, parts.port, parts.prefix)
end

local function refresh(balancer, entry)
  local addresses, err = M.look_up(entry.parts.host)
  local is_first = not entry.is_known
  if not addresses or not addresses[1] then
    entry.err = err or entry.parts.host .. " has no address"
    return
  end
  if entry.is_removed then return end
  entry.is_known, entry.err = true, nil
  local parts, given = entry.parts, entry.given
  local added, removed = M.difference(entry.upstreams, addresses)
  for _, address in ipairs(added) do
    local upstream = balancer:_add({
      url = url_at(parts, address), weight = given.weight, tls = given.tls,
      authority = given.authority or parts.authority, server_name = parts.host,
    }, is_first)
    upstream.name = parts.url
    entry.upstreams[address] = upstream
  end
  for _, address in ipairs(removed) do
    balancer._set:remove(entry.upstreams[address])
    entry.upstreams[address] = nil
  end
end

--- Adds a name; its addresses follow.
---@param balancer justhttp.balancer
---@param given string|justhttp.upstream_options
---@param level integer of the caller, for misuse
function M.add(balancer, given, level)
  if type(given) == "string" then given = { url = given } end
  upstream_of.new(given, level + 1) -- checks it
  local list = balancer._names.list
  list[#list + 1] = { given = given, parts = upstream_of.parse_url(given.url), upstreams = {} }
end

--- Forgets a name; its upstreams are the caller's to remove.
---@param balancer justhttp.balancer
---@param url string
function M.remove(balancer, url)
  local list = balancer._names.list
  for i = #list, 1, -1 do
    if list[i].parts.url == url then
      list[i].is_removed = true
      remove(list, i)
    end
  end
end

--- Looks up what never was, so that the first request finds somebody. Returns why a name failed.
---@param balancer justhttp.balancer
---@return string? err
function M.settle(balancer)
  local err
  for _, entry in ipairs(balancer._names.list) do
    if not entry.is_known then refresh(balancer, entry) end
    err = entry.err or err
  end
  return err
end

local function refresh_all(balancer)
  -- A copy: waiting, others may add and remove.
  for _, entry in ipairs { unpack(balancer._names.list) } do
    refresh(balancer, entry)
    if entry.err then
      log.warn("upstreams %s: %s; keeping what is known", entry.parts.url, entry.err)
    end
  end
end

--- Looks every name up now and then, until the balancer is closed or gone.
---@param balancer justhttp.balancer
function M.watch(balancer)
  local held = setmetatable({ balancer = balancer }, { __mode = "v" })
  local interval = balancer._names.interval
  local function is_over() return not held.balancer or held.balancer._is_closed end
  local function once() refresh_all(held.balancer) end
  scheduler.after(0, function()
    while not is_over() do
      local ok, fault = xpcall(once, traceback.capture)
      if not ok then log.error("error in a look-up of names: %s", traceback.full(fault)) end
      scheduler.sleep(interval)
    end
  end)
end

return M
