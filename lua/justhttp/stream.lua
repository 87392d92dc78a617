--- Responses in pieces: what stands behind `ctx:stream` and `ctx:events`.
--
-- The function runs when the handler and its middleware are done, with the head already decided.
-- `write` waits when the client is slow, and says so when it is gone: the function is then unwound
-- by an error that nobody has to catch.

local door = require "justhttp.door"
local explain = require "justhttp.explain"
local scheduler = require "justhttp.scheduler"

local C = door.C
local CORE = require "justhttp.slots".CORE
local type, error, tostring, setmetatable, getmetatable = type, error, tostring, setmetatable,
  getmetatable
local format, find, gsub = string.format, string.find, string.gsub

local M = {}

--- Raised out of `write` when the client is gone.
local Gone = { __name = "justhttp.client_gone" }
Gone.__index = Gone
Gone.__tostring = function() return "the client is gone" end
M.gone = setmetatable({}, Gone)

--- True for the error that unwinds a stream whose client is gone.
function M.is_gone(err) return getmetatable(err) == Gone end

---@class justhttp.stream
---@field _ctx justhttp.ctx
---@field _bytes integer
local Stream = { __name = "justhttp.stream" }
Stream.__index = Stream

-- A reader as fast as the writer never makes it wait; the others in this worker still want their
-- turn.
local TURN_BYTES = 262144

local function give_way(stream, bytes)
  local sent = (stream._turn_bytes or 0) + bytes
  if sent >= TURN_BYTES then
    sent = 0
    scheduler.sleep(0)
  end
  stream._turn_bytes = sent
end

local function raw_write(stream, piece)
  local c = stream._ctx[CORE]
  if not c or stream._is_stopped then error(M.gone, 0) end
  stream._written_at_ms = C.jh_now_ms(door.generation)
  local id = scheduler.new_id()
  local code = C.jh_ctx_write(c, piece, #piece, id)
  if code == 0 or code == C.JH_EWAIT then stream._bytes = stream._bytes + #piece end
  if code == 0 then return give_way(stream, #piece) end
  if code == C.JH_EWAIT then
    code = scheduler.park(id)
    if code == 0 then return end
  end
  if code == C.JH_ERANGE then
    error(format("stream:write: more than the declared length; %d bytes are too many", #piece), 3)
  end
  error(M.gone, 0)
end

--- Sends a piece. Pieces of one turn leave together.
---@param piece string|number
function Stream:write(piece)
  if type(piece) == "number" then piece = tostring(piece) end
  if type(piece) ~= "string" then error("stream:write: give a string, got a " .. type(piece), 2) end
  raw_write(self, piece)
end

--- Sets a trailer, sent behind a chunked body.
---@param name string
---@param value string
function Stream:trailer(name, value)
  if not find(name, "^[%w!#$%%&'*+%-.^_`|~]+$") or find(value, "[%c]") then
    error(format("stream:trailer: %q: %q cannot be sent", tostring(name), tostring(value)), 2)
  end
  self._trailers = (self._trailers or "") .. name .. ": " .. value .. "\r\n"
end

-- Server-sent events (HTML standard, §9.2): one field per line, an empty line ends the event.
local function event_field(name, value)
  value = tostring(value)
  if find(value, "[\r\n%z]") then
    error(format("events:send: the %s must be one line, got %q", name, value), 3)
  end
  return name .. ": " .. value .. "\n"
end

---@class justhttp.events : justhttp.stream
local Events = setmetatable({ __name = "justhttp.events" }, { __index = Stream })
Events.__index = Events

explain.class(Stream, "stream", Stream)
explain.class(Events, "events", Events, Stream)

--- Sends an event: text, or { data =, event =, id =, retry = } with `retry` in milliseconds.
---@param event string|{ data: string, event: string?, id: string|number?, retry: integer? }
function Events:send(event)
  if type(event) == "string" then event = { data = event } end
  if type(event) ~= "table" then
    error("events:send: give a string or a table, got a " .. type(event), 2)
  end
  local text = ""
  if event.event ~= nil then text = text .. event_field("event", event.event) end
  if event.id ~= nil then text = text .. event_field("id", event.id) end
  if event.retry ~= nil then text = text .. event_field("retry", event.retry) end
  if event.data ~= nil then
    local data = gsub(gsub(tostring(event.data), "\r\n?", "\n"), "\n", "\ndata: ")
    text = text .. "data: " .. data .. "\n"
  end
  raw_write(self, text .. "\n")
end

--- Sends a comment, which clients ignore; keeps proxies from closing a silent stream.
---@param text string?
function Events:comment(text)
  raw_write(self, ":" .. gsub(text or "", "[\r\n]", " ") .. "\n\n")
end

-- Sends comments while nobody else writes, until the stream stops.
local function keep_alive(events, seconds)
  while not events._is_stopped do
    scheduler.sleep(seconds)
    if events._is_stopped then return end
    if C.jh_now_ms(door.generation) - events._written_at_ms >= seconds * 1000 then
      events:comment "keep-alive"
    end
  end
end

--- Starts the comments that keep a silent stream open.
---@param seconds number
function Events:start_keepalive(seconds)
  self._written_at_ms = C.jh_now_ms(door.generation)
  self._keepalive = scheduler.spawn(keep_alive, self, seconds)
end

--- How many bytes were written so far.
---@return integer
function Stream:bytes() return self._bytes end

--- The function is done; nothing more may be written.
function Stream:stop()
  self._is_stopped = true
  if self._keepalive then self._keepalive:cancel() end
end

--- Makes the object a stream function gets.
---@param ctx justhttp.ctx
---@param is_events boolean
function M.new(ctx, is_events)
  return setmetatable({ _ctx = ctx, _bytes = 0 }, is_events and Events or Stream)
end

return M
