--- http.resolve: the addresses of a name, as the system finds them, without blocking.
--
-- The same cache serves every connection the worker makes; see core/net/resolver.h.

local ffi = require "ffi"
local door = require "justhttp.door"
local scheduler = require "justhttp.scheduler"

local C = door.C
local type, error, tostring, pcall = type, error, tostring, pcall

local M = {}

local code_out = ffi.new "int[1]"
local text = ffi.new "char[46]"

local function addresses_of(resolve)
  local list = {}
  while C.jh_resolve_at(resolve, #list, text) == 0 do list[#list + 1] = ffi.string(text) end
  return list
end

local function wait(resolve, id)
  local ok, err = pcall(scheduler.prepare, "resolve")
  if not ok then
    C.jh_resolve_close(resolve)
    error(err, 0)
  end
  local code = scheduler.suspend(id)
  if type(code) ~= "number" or code == C.JH_ECANCELED then
    C.jh_resolve_close(resolve)
    scheduler.check_suspended(code, id, "resolve")
  end
  return code
end

--- Looks a name up.
---@param host string name or address
---@param seconds number? how long at most; 60 when absent
---@return string[]? addresses in the system's order
---@return string? err "timeout", or a sentence
function M.resolve(host, seconds)
  if type(host) ~= "string" then
    error("resolve: give a name, got a " .. type(host), 2)
  end
  if seconds ~= nil and (type(seconds) ~= "number" or seconds <= 0) then
    error("resolve: the time must be a number of seconds, got " .. tostring(seconds), 2)
  end
  local id = scheduler.new_id()
  local resolve = C.jh_resolve_open(door.generation, host, #host, id,
    scheduler.bounded((seconds or 60) * 1000), code_out)
  local code = code_out[0]
  if resolve ~= nil then
    if code == C.JH_EWAIT then code = wait(resolve, id) end
    local list = code == 0 and addresses_of(resolve)
    C.jh_resolve_close(resolve)
    if list then return list end
  end
  if code == C.JH_ETIMEDOUT then return nil, "timeout" end
  return nil, "look up " .. host .. ": " .. ffi.string(C.jh_resolve_strerror(code))
end

return M
