--- Server-sent events as text (HTML standard, §9.2.6): one field per line, an empty line ends an
-- event.
--
--   sse.event { event = "price", id = 7, data = { eur = 12.5 } }
--     event: price
--     id: 7
--     data: {"eur":12.5}
--
-- Pure: what writes it to a client is stream.lua. What would begin a field or an event of its own
-- cannot: lines of data and comments are kept lines of data and comments, and a name or id with a
-- line break raises.

local json = require "justhttp.json"

local find, gsub, format = string.find, string.gsub, string.format
local type, tostring, error, pairs, floor = type, tostring, error, pairs, math.floor

local M = {}

--- The media type of a response that is a stream of events.
M.CONTENT_TYPE = "text/event-stream"

local FIELDS = { event = true, id = true, data = true, retry = true }

---@class justhttp.sse_event
---@field data any text of any number of lines; a table becomes JSON
---@field event string? what kind of event; "message" to clients when absent
---@field id string|number? what a client that comes back tells in Last-Event-ID; "" forgets it
---@field retry integer? milliseconds a client waits before it comes back

-- A field of one line. A client drops an id with a NUL byte, so that is refused too.
local function line(name, value, level)
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" then
    error(format("sse: the %s must be a string, got a %s", name, kind), level + 1)
  end
  value = tostring(value)
  if find(value, "[\r\n%z]") then
    error(format("sse: the %s must be one line, got %q", name, value), level + 1)
  end
  return name .. ": " .. value .. "\n"
end

local function retry_line(value, level)
  if type(value) ~= "number" or value < 0 or value ~= floor(value) or value > 2 ^ 53 then
    error(format("sse: retry is a whole number of milliseconds, got %s", tostring(value)),
      level + 1)
  end
  return format("retry: %.0f\n", value)
end

-- CR LF, LF and CR end a line alike.
local function lines(prefix, text)
  if find(text, "\r", 1, true) then text = gsub(gsub(text, "\r\n", "\n"), "\r", "\n") end
  if find(text, "\n", 1, true) then text = gsub(text, "\n", "\n" .. prefix) end
  return prefix .. text .. "\n"
end

local function data_lines(value, level)
  local kind = type(value)
  if kind == "table" then
    local ok, text = pcall(json.encode, value)
    if not ok then error(gsub(text, "^.-json%.encode: ", "sse: the data: "), level + 1) end
    return "data: " .. text .. "\n"
  end
  if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    error(format("sse: the data must be a string or a table, got a %s", kind), level + 1)
  end
  return lines("data: ", tostring(value))
end

local function check_fields(event, level)
  for name in pairs(event) do
    if not FIELDS[name] then
      error(format("sse: unknown field %q; fields are data, event, id and retry", tostring(name)),
        level + 1)
    end
  end
end

--- The text of one event.
---@param event string|justhttp.sse_event text is the data
---@param level integer? whom mistakes are blamed on, as `error` has it; 2 when absent
---@return string
function M.event(event, level)
  level = level or 2
  if type(event) == "string" then return lines("data: ", event) .. "\n" end
  if type(event) ~= "table" then
    error("sse: give a string or a table, got a " .. type(event), level)
  end
  check_fields(event, level)
  local text = ""
  if event.event ~= nil then text = line("event", event.event, level) end
  if event.id ~= nil then text = text .. line("id", event.id, level) end
  if event.retry ~= nil then text = text .. retry_line(event.retry, level) end
  if event.data ~= nil then text = text .. data_lines(event.data, level) end
  return text .. "\n"
end

--- A comment, which clients ignore: keeps what is in between from closing a silent stream.
---@param text string? may have several lines
---@return string
function M.comment(text)
  if text ~= nil and type(text) ~= "string" then
    error("sse: a comment is a string, got a " .. type(text), 2)
  end
  return lines(":", text and " " .. text or "") .. "\n"
end

return M
