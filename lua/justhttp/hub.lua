--- Topics: `ws:subscribe`, `events:subscribe`, `app:publish`.
--
-- The core keeps who listens and sends what is published, to listeners of all workers; nothing of a
-- message comes to Lua again.

local door = require "justhttp.door"

local C = door.C
local type, error, tostring, tonumber, format = type, error, tostring, tonumber, string.format

local M = {}

local POLICIES = {
  disconnect = C.JH_HUB_DISCONNECT, drop_oldest = C.JH_HUB_DROP_OLDEST,
  coalesce = C.JH_HUB_COALESCE,
}
local BACKLOG_BYTES = 1048576

local options_out = require "ffi".new "jh_hub_options"

---@class justhttp.subscribe_options
---@field slow "disconnect"|"drop_oldest"|"coalesce"|nil what becomes of a slow listener: disconnect
---@field max_backlog_bytes integer? what may wait for it, 1 MiB

local function check_topic(call, topic, level)
  if type(topic) ~= "string" or #topic == 0 or #topic > 255 then
    error(format("%s: a topic is a string of 1 to 255 bytes, got %s", call,
      type(topic) == "string" and format("%d bytes", #topic) or "a " .. type(topic)), level + 1)
  end
end
M.check_topic = check_topic

--- Reads options into what the core takes.
---@param call string
---@param options justhttp.subscribe_options?
---@param level integer
function M.options(call, options, level)
  options = options or {}
  local slow = options.slow or "disconnect"
  local bytes = options.max_backlog_bytes or BACKLOG_BYTES
  if not POLICIES[slow] then
    error(format('%s: slow must be "disconnect", "drop_oldest" or "coalesce", got %s', call,
      tostring(slow)), level + 1)
  end
  if type(bytes) ~= "number" or not (bytes >= 0 and bytes <= 1073741824) then
    error(format("%s: max_backlog_bytes must be a number of bytes, got %s", call,
      tostring(bytes)), level + 1)
  end
  options_out.policy, options_out.max_backlog_bytes = POLICIES[slow], bytes
  return options_out
end

--- What subscribing came to: true, or nil and why not.
function M.outcome(code)
  if code == 0 then return true end
  if code == C.JH_ECLOSED or code == C.JH_ESTALE then return nil, "closed" end
  return nil, door.strerror(code)
end

--- Sends a message to all who listen to a topic, in all workers; but not to `except`.
---@param call string
---@param topic string
---@param data string|number
---@param kind "text"|"binary"?
---@param except ffi.cdata*?
---@return integer count of those in this worker
function M.publish(call, topic, data, kind, except)
  check_topic(call, topic, 3)
  if type(data) == "number" then data = tostring(data) end
  if type(data) ~= "string" then error(call .. ": give a string, got a " .. type(data), 3) end
  if kind ~= nil and kind ~= "text" and kind ~= "binary" then
    error(format('%s: a message is "text" or "binary", not %s', call, tostring(kind)), 3)
  end
  local count = tonumber(C.jh_hub_publish(door.generation, topic, #topic,
    kind == "binary" and 2 or 1, data, #data, except))
  if count == C.JH_EPROTO then
    error(format('%s: this text is no UTF-8; publish it as "binary"', call), 3)
  end
  return count
end

--- How many listen to a topic in this worker.
---@param topic string
---@return integer
function M.listeners(topic)
  check_topic("app:listeners", topic, 3)
  return C.jh_hub_listeners(door.generation, topic, #topic)
end

return M
