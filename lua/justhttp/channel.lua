--- A connection in the hands of a handler: what `ctx:hijack` and `ctx:upgrade` give.
--
-- Bytes both ways, no HTTP and no timeouts but those asked for here. Reads first give what the
-- client sent behind its request. One task may read while another writes. The connection is closed
-- when the function it was given to returns, or by `close`. A worker that is asked to stop waits for
-- that, at most shutdown_timeout_ms: one read ends with "stopping", those behind it wait as ever.

local ffi = require "ffi"
local buffer = require "string.buffer"
local door = require "justhttp.door"
local explain = require "justhttp.explain"
local scheduler = require "justhttp.scheduler"

local C = door.C
local tonumber, type, error, setmetatable = tonumber, type, error, setmetatable
local find, sub, tostring = string.find, string.sub, tostring

local PIECE_BYTES = 65536
local LINE_BYTES = 65536

local M = {}

---@class justhttp.channel
---@field ip string? address of the peer
---@field _channel ffi.cdata*|false
---@field _rest string read and not yet given out
local Channel = { __name = "justhttp.channel" }
Channel.__index = Channel

explain.class(Channel, "conn", Channel)

--- Wraps a jh_channel *.
---@param channel ffi.cdata*
---@param ip string?
---@return justhttp.channel
function M.new(channel, ip)
  return setmetatable({ ip = ip, _channel = ffi.gc(channel, C.jh_channel_close), _rest = "" },
    Channel)
end

local function reason_of(code)
  if code == C.JH_ECLOSED then return "closed" end
  if code == C.JH_ESTOPPING then return "stopping" end
  if code == C.JH_EBUSY then return "another task is at it already" end
  return door.strerror(code)
end

--- Sets how long each read and write may wait; nil is for ever.
---@param seconds number?
function Channel:set_timeout(seconds)
  if seconds ~= nil and (type(seconds) ~= "number" or seconds ~= seconds or seconds <= 0) then
    error("conn:set_timeout: give a number of seconds, got " .. tostring(seconds), 2)
  end
  self._timeout = seconds
end

-- Waits for the event of a read or write. False when the time was over first.
local function await(self, id)
  local seconds = self._timeout
  if not seconds then
    scheduler.park(id)
    return true
  end
  local start_ms = C.jh_now_ms(door.generation)
  local timer = C.jh_timer_start(door.generation, id, seconds * 1000)
  scheduler.park(id)
  if timer ~= nil then C.jh_timer_stop(timer, id) end
  if C.jh_now_ms(door.generation) - start_ms < seconds * 1000 then return true end
  if self._channel then C.jh_channel_forget(self._channel, id) end
  return false
end

local function receive(self, bytes)
  local pieces = buffer.new()
  local into = pieces:reserve(bytes)
  while true do
    local channel = self._channel
    if not channel then return nil, "closed" end
    local id = scheduler.new_id()
    local count = tonumber(C.jh_channel_read(channel, into, bytes, id))
    if count == 0 then return nil end
    if count > 0 then
      pieces:commit(count)
      return pieces:get()
    end
    if count ~= C.JH_EWAIT then return nil, reason_of(count) end
    if not await(self, id) then return nil, "timeout" end
  end
end

--- The next bytes, at most `bytes` (65536), as soon as there are any; nil at the peer's end.
---@param bytes integer?
---@return string? piece
---@return string? err nil at the end; "closed" or "timeout" otherwise, and "stopping" once, when
---  nothing was there and the worker is about to stop: say goodbye, and return soon
function Channel:read(bytes)
  bytes = bytes or PIECE_BYTES
  if type(bytes) ~= "number" or bytes < 1 then
    error("conn:read: give a number of bytes, got " .. tostring(bytes), 2)
  end
  local rest = self._rest
  if not self._channel then return nil, "closed" end
  if rest == "" then return receive(self, bytes) end
  self._rest = sub(rest, bytes + 1)
  return sub(rest, 1, bytes)
end

--- The next line without its LF or CRLF; nil at the peer's end.
---@param max_bytes integer? longest line, 65536
---@return string? line
---@return string? err
function Channel:read_line(max_bytes)
  max_bytes = max_bytes or LINE_BYTES
  while true do
    local stop = find(self._rest, "\n", 1, true)
    if stop then
      local line = sub(self._rest, 1, stop - 1)
      self._rest = sub(self._rest, stop + 1)
      if sub(line, -1) == "\r" then line = sub(line, 1, -2) end
      return line
    end
    if #self._rest > max_bytes then return nil, "the line is too long" end
    local piece, err = receive(self, PIECE_BYTES)
    if not piece then return nil, err end
    self._rest = self._rest .. piece
  end
end

--- Writes all of it; waits when the peer is slow.
---@param bytes string|number
---@return true? ok
---@return string? err
function Channel:write(bytes)
  if type(bytes) == "number" then bytes = tostring(bytes) end
  if type(bytes) ~= "string" then error("conn:write: give a string, got a " .. type(bytes), 2) end
  local channel = self._channel
  if not channel then return nil, "closed" end
  local id = scheduler.new_id()
  local code = C.jh_channel_write(channel, bytes, #bytes, id)
  if code == C.JH_EWAIT then
    if not await(self, id) then return nil, "timeout" end
    return true
  end
  if code ~= 0 then return nil, reason_of(code) end
  return true
end

--- Tells the peer that nothing more will be written; reading goes on.
function Channel:shutdown()
  if self._channel then C.jh_channel_shutdown(self._channel) end
end

--- Closes it, after what was written has left.
function Channel:close()
  local channel = self._channel
  if not channel then return end
  self._channel = false
  C.jh_channel_close(ffi.gc(channel, nil))
end

return M
