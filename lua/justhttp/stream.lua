--- Responses in pieces: what stands behind `ctx:stream` and `ctx:events`.
--
-- The function runs when the handler and its middleware are done, with the head already decided.
-- `write` waits when the client is slow, and says so when it is gone: the function is then unwound
-- by an error that nobody has to catch.

local door = require "justhttp.door"
local explain = require "justhttp.explain"
local scheduler = require "justhttp.scheduler"
local sse = require "justhttp.sse"

local C = door.C
local CORE = require "justhttp.slots".CORE
local type, error, tostring, setmetatable, getmetatable = type, error, tostring, setmetatable,
  getmetatable
local format, find = string.format, string.find

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

local function send_piece(stream, piece)
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
    error(format("stream:write: more than the declared length; %d bytes are too many", #piece), 4)
  end
  error(M.gone, 0)
end

-- Through the content coding that the compress middleware chose, if it did.
local function raw_write(stream, piece)
  local coder = stream._coder
  if not coder then return send_piece(stream, piece) end
  return send_piece(stream, coder:flush(piece))
end

--- Sends what a content coding still holds. Called once, when the function has returned.
function Stream:finish_coding()
  local coder = self._coder
  if not coder then return end
  self._is_stopped = false
  self._coder = nil
  send_piece(self, coder:finish "")
  coder:close()
  self._is_stopped = true
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

---@class justhttp.events : justhttp.stream
local Events = setmetatable({ __name = "justhttp.events" }, { __index = Stream })
Events.__index = Events

explain.class(Stream, "stream", Stream)
explain.class(Events, "events", Events, Stream)

--- Sends an event: text, or { data =, event =, id =, retry = } with `retry` in milliseconds.
---@param event string|{ data: string, event: string?, id: string|number?, retry: integer? }
function Events:send(event)
  raw_write(self, sse.event(event, 3))
end

--- Sends a comment, which clients ignore; keeps proxies from closing a silent stream.
---@param text string?
function Events:comment(text)
  raw_write(self, sse.comment(text))
end

local function check_coding(events, call)
  if events._coder then
    error(call .. ": a stream that is compressed cannot share what is published; leave it out of "
      .. "the compress middleware", 3)
  end
end

--- Sends it what is published to a topic from now on, by `app:publish` in any worker: each text as
-- one event.
---@param topic string 1 to 255 bytes
---@param options justhttp.subscribe_options?
---@return true? ok
---@return string? err
function Events:subscribe(topic, options)
  local hub = require "justhttp.hub"
  hub.check_topic("events:subscribe", topic, 2)
  check_coding(self, "events:subscribe")
  local how = hub.options("events:subscribe", options, 2)
  local c = self._ctx[CORE]
  if not c or self._is_stopped then return nil, "closed" end
  return hub.outcome(C.jh_ctx_subscribe(c, topic, #topic, how))
end

--- Ends that. False when it did not listen to the topic.
---@param topic string
---@return boolean
function Events:unsubscribe(topic)
  require "justhttp.hub".check_topic("events:unsubscribe", topic, 2)
  local c = self._ctx[CORE]
  return c and C.jh_ctx_unsubscribe(c, topic, #topic) == 0 or false
end

local LOOK_S = 0.25

local waiting = setmetatable({}, { __mode = "k" }) -- stream -> the id it waits under
local is_watched = false

-- One task looks for all of them whether the server stops.
local function watch_for_stop()
  while next(waiting) do
    scheduler.sleep(LOOK_S)
    if C.jh_generation_is_stopping(door.generation) then
      for events, id in pairs(waiting) do
        waiting[events] = nil
        C.jh_generation_post(door.generation, id)
      end
    end
  end
  is_watched = false
end

--- Waits until the client leaves or the server stops: for streams that only pass on what is
-- published.
function Events:wait()
  if self._is_stopped or not self._ctx[CORE] then return end
  local id = scheduler.new_id()
  waiting[self] = id
  if not is_watched then
    is_watched = true
    scheduler.branch(watch_for_stop)
  end
  scheduler.park(id, "events:wait")
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
  waiting[self] = nil
  if self._keepalive then self._keepalive:cancel() end
end

--- Makes the object a stream function gets.
---@param ctx justhttp.ctx
---@param is_events boolean
function M.new(ctx, is_events)
  local stream = setmetatable({ _ctx = ctx, _bytes = 0 }, is_events and Events or Stream)
  local wanted = rawget(ctx, "_stream_coding")
  if wanted then
    stream._coder = require "justhttp.coding".encoder(wanted.kind, wanted.level)
  end
  return stream
end

return M
