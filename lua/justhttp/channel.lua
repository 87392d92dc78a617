--- A connection in the hands of a handler: what `ctx:hijack` and `ctx:upgrade` give.
--
-- Bytes both ways, no HTTP and no timeouts but those asked for here. Reads first give what the
-- client sent behind its request; the ways to read are those of sockets (bytes.lua), too. One task
-- may read while another writes. The connection is closed when the function it was given to
-- returns, or by `close`. A worker that is asked to stop waits for that, at most
-- shutdown_timeout_ms: one read ends with "stopping", those behind it wait as ever.

local ffi = require "ffi"
local bytes = require "justhttp.bytes"
local door = require "justhttp.door"
local explain = require "justhttp.explain"
local scheduler = require "justhttp.scheduler"

local C = door.C
local tonumber, type, error, setmetatable = tonumber, type, error, setmetatable
local tostring, pcall = tostring, pcall

local PIECE_BYTES = 65536
local LINE_BYTES = 65536

local M = {}

-- What is read goes through here into a string at once; nothing waits in between.
local scratch = ffi.new("char[?]", PIECE_BYTES)

---@class justhttp.channel : justhttp.bytes
---@field ip string? address of the peer
---@field _channel ffi.cdata*|false
local Channel = { __name = "justhttp.channel" }
Channel.__index = Channel
bytes.mixin(Channel, "conn")

explain.class(Channel, "conn", Channel)

--- Wraps a jh_channel *.
---@param channel ffi.cdata*
---@param ip string?
---@return justhttp.channel
function M.new(channel, ip)
  return setmetatable({ ip = ip, _channel = ffi.gc(channel, C.jh_channel_close), _data = "",
                        _at = 1 }, Channel)
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

Channel.settimeout = Channel.set_timeout

-- The task is cancelled while it waits: nobody waits in the core any more, nothing read is lost.
local function cancel(self, id)
  if self._channel then C.jh_channel_forget(self._channel, id) end
  bytes.restore(self)
end

-- Waits for the event of a read or write. False when the time was over first.
local function await(self, id, what)
  local ok, err = pcall(scheduler.prepare, what)
  if not ok then
    cancel(self, id)
    error(err, 0)
  end
  local seconds, start_ms, timer = self._timeout, nil, nil
  if seconds then
    start_ms = C.jh_now_ms(door.generation)
    timer = C.jh_timer_start(door.generation, id, seconds * 1000)
  end
  local code = scheduler.suspend(id)
  if timer ~= nil then C.jh_timer_stop(timer, id) end
  if code ~= 0 then
    cancel(self, id)
    scheduler.check_suspended(code, id, what)
  end
  if not seconds or C.jh_now_ms(door.generation) - start_ms < seconds * 1000 then return true end
  if self._channel then C.jh_channel_forget(self._channel, id) end
  return false
end

--- For bytes.lua: waits for input.
function Channel:_pull()
  while true do
    local channel = self._channel
    if not channel then return nil, "closed" end
    local id = scheduler.new_id()
    local count = tonumber(C.jh_channel_read(channel, scratch, PIECE_BYTES, id))
    if count == 0 then
      self._has_ended = true
      return nil, "closed"
    end
    if count > 0 then return ffi.string(scratch, count) end
    if count ~= C.JH_EWAIT then return nil, reason_of(count) end
    if not await(self, id, "conn:read") then return nil, "timeout" end
  end
end

-- The end is no error for `read` and `read_line`.
local function without_end(self, data, err)
  if data then return data end
  if err == "closed" and self._has_ended then return nil end
  return nil, err
end

--- The next bytes, at most `count` (65536), as soon as there are any; nil at the peer's end.
---@param count integer?
---@return string? piece
---@return string? err nil at the end; "closed" or "timeout" otherwise, and "stopping" once, when
---  nothing was there and the worker is about to stop: say goodbye, and return soon
function Channel:read(count)
  count = count or PIECE_BYTES
  if type(count) ~= "number" or count < 1 then
    error("conn:read: give a number of bytes, got " .. tostring(count), 2)
  end
  if not self._channel then return nil, "closed" end
  return without_end(self, self:receiveany(count))
end

--- The next line without its LF or CRLF; nil at the peer's end.
---@param max_bytes integer? longest line, 65536
---@return string? line
---@return string? err
function Channel:read_line(max_bytes)
  local line, err, partial = self:receiveline(max_bytes or LINE_BYTES)
  -- Half a line stays for the next call.
  if partial and partial ~= "" then self._data, self._at = partial, 1 end
  return without_end(self, line, err)
end

local function write(self, data)
  local channel = self._channel
  if not channel then return nil, "closed" end
  local id = scheduler.new_id()
  local code = C.jh_channel_write(channel, data, #data, id)
  if code == C.JH_EWAIT then
    if not await(self, id, "conn:write") then return nil, "timeout" end
    return true
  end
  if code ~= 0 then return nil, reason_of(code) end
  return true
end

--- Writes all of it; waits when the peer is slow.
---@param data string|number
---@return true? ok
---@return string? err
function Channel:write(data)
  if type(data) == "number" then data = tostring(data) end
  if type(data) ~= "string" then error("conn:write: give a string, got a " .. type(data), 2) end
  return write(self, data)
end

--- The same in the terms of sockets.
---@param data string|number|table a table: a list of strings, numbers and such lists
---@return integer? count
---@return string? err
function Channel:send(data)
  data = self:_flatten(data)
  local ok, err = write(self, data)
  if not ok then return nil, err end
  return #data
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
