--- http.fd_wait: waits until a descriptor is ready that belongs to somebody else, for instance to a
-- library bound by FFI.

local ffi = require "ffi"
local door = require "justhttp.door"
local scheduler = require "justhttp.scheduler"

local C = door.C
local type, error, tostring, pcall, tonumber = type, error, tostring, pcall, tonumber

local EVENTS = { r = 1, w = 2, rw = 3 }
local NAMES = { "r", "w", "rw" }

local M = {}

local wait_out = ffi.new "jh_fd_wait *[1]"

--- Waits until the descriptor can be read ("r"), written ("w") or either ("rw"); at its end, or
-- broken, it can. The descriptor stays as it is and may be closed at any time.
---@param fd integer
---@param events "r"|"w"|"rw"
---@param seconds number? how long at most; for ever when absent
---@return ("r"|"w"|"rw")? ready
---@return string? err "timeout", or why it cannot be waited for
function M.fd_wait(fd, events, seconds)
  fd = tonumber(fd)
  if not fd or fd < 0 or fd % 1 ~= 0 then error("fd_wait: give a descriptor", 2) end
  local wanted = EVENTS[events]
  if not wanted then
    error('fd_wait: give "r", "w" or "rw", got ' .. tostring(events), 2)
  end
  if seconds ~= nil and (type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds) then
    error("fd_wait: the time must be a number of seconds, got " .. tostring(seconds), 2)
  end
  local ms = seconds == nil and 0 or seconds == 0 and 0.01 or seconds * 1000
  local id = scheduler.new_id()
  local code = C.jh_fd_wait_start(door.generation, fd, wanted, id, scheduler.bounded(ms),
    wait_out)
  local wait = wait_out[0]
  if code == C.JH_EWAIT then
    local ok, err = pcall(scheduler.prepare, "fd_wait")
    if not ok then
      C.jh_fd_wait_stop(wait, id)
      error(err, 0)
    end
    code = scheduler.suspend(id)
    if type(code) ~= "number" or code == C.JH_ECANCELED then
      C.jh_fd_wait_stop(wait, id)
      scheduler.check_suspended(code, id, "fd_wait")
    end
  end
  if code > 0 then return NAMES[code] end
  if code == C.JH_ETIMEDOUT then return nil, "timeout" end
  return nil, "fd_wait: " .. door.strerror(code)
end

return M
