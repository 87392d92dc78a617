--- Other ends of an exchange than one response: streams, events, hijack, upgrade.
--
-- They are only noted while the handler runs; `context.finish` comes here when the handler and its
-- middleware are done. Also here: what concerns the time an exchange may take.

local ffi = require "ffi"
local door = require "justhttp.door"
local scheduler = require "justhttp.scheduler"
local slots = require "justhttp.slots"
local stream = require "justhttp.stream"
local traceback = require "justhttp.traceback"

local C = door.C
local CORE, STATUS, BODY = slots.CORE, slots.STATUS, slots.BODY
local TYPE, ENDING = slots.TYPE, slots.ENDING
local type, error, tostring, tonumber, xpcall, rawset = type, error, tostring, tonumber, xpcall,
  rawset
local lower, find, format = string.lower, string.find, string.format

local TEXT = tonumber(C.JH_TYPE_TEXT)

---@param context table
return function(context)
  local methods, alive, kept = context.methods, context.alive, context.kept

  local function set_ending(ctx, call, ending)
    alive(ctx)
    if ctx[ENDING] and ctx[ENDING] ~= context.send then
      error(call .. ": this response has another ending already", 3)
    end
    ctx[ENDING] = ending
  end

  local function check_function(call, fn)
    if type(fn) ~= "function" then
      error(format("%s: give a function, got a %s", call, type(fn)), 3)
    end
  end

  -- ---- streams ---------------------------------------------------------------------------------

  -- A fault in the middle cannot become a 500 any more: the connection is cut, which is how a
  -- client learns that the body is not whole.
  local function cut(ctx, fault)
    if not stream.is_gone(fault.value) and not scheduler.is_cancelled(fault.value) then
      door.log("error", format("error in the stream of %s %s: %s", ctx.method, ctx.url,
        traceback.full(fault)))
    end
    context.abandon(ctx)
  end

  local function end_stream(ctx, trailers)
    local c = ctx[CORE]
    context.clean_up(ctx)
    ctx[CORE] = false
    local code = C.jh_ctx_end(c, trailers, #trailers)
    if code == C.JH_ERANGE then
      door.log("error", "a stream ended before its declared length; the connection was closed")
    end
  end

  local function run_stream(fn, length, is_events)
    return function(ctx)
      local c = ctx[CORE]
      -- Text, as a string that a handler returns; Content-Type says what else it may be.
      local content_type = ctx[TYPE] == 0 and TEXT or ctx[TYPE]
      if kept(ctx, "_stream_coding") then length = nil end
      local code = C.jh_ctx_start(c, ctx[STATUS] or 200, content_type, length or -1)
      if code ~= 0 then return context.abandon(ctx) end
      local writer = stream.new(ctx, is_events)
      rawset(ctx, "_stream", writer)
      if C.jh_ctx_is_bodyless(c) then return end_stream(ctx, "") end
      local ok, fault = xpcall(fn, traceback.capture, writer)
      writer:stop()
      if not ok then return cut(ctx, fault) end
      if ctx[CORE] then writer:finish_coding() end
      if ctx[CORE] then end_stream(ctx, writer._trailers or "") end
    end
  end

  --- Answers in pieces: `fn(stream)` runs when the handler is done and calls `stream:write(piece)`,
  -- which waits for slow clients. Chunked, unless the length is declared; text/plain, unless a
  -- Content-Type is set.
  ---@param fn fun(stream: justhttp.stream)
  ---@param options { length: integer? }?
  function methods:stream(fn, options)
    check_function("ctx:stream", fn)
    local length = options and options.length
    if length ~= nil and (type(length) ~= "number" or length < 0 or length % 1 ~= 0) then
      error("ctx:stream: length must be a number of bytes, got " .. tostring(length), 2)
    end
    set_ending(self, "ctx:stream", run_stream(fn, length, false))
    rawset(self, "_is_streamed", true)
  end

  --- Answers with server-sent events: `fn(events)` calls `events:send{ data =, event =, id = }`. A
  -- comment goes out when nothing else did for `keepalive` seconds (15), so that proxies keep the
  -- connection and a client that left is noticed.
  ---@param fn fun(events: justhttp.events)
  ---@param options { keepalive: number? }?
  function methods:events(fn, options)
    check_function("ctx:events", fn)
    local seconds = options and options.keepalive or 15
    self:set("Content-Type", "text/event-stream")
    self:set("Cache-Control", "no-store")
    self:set("X-Accel-Buffering", "no")
    set_ending(self, "ctx:events", run_stream(function(events)
      events:start_keepalive(seconds)
      return fn(events)
    end, nil, true))
    rawset(self, "_is_streamed", true)
  end

  -- ---- hijack and upgrade ----------------------------------------------------------------------

  -- Without a status of its own or a body there is no answer: status 0, in the log too.
  local function run_hijack(fn, is_upgrade)
    return function(ctx)
      local ip = ctx.ip
      if is_upgrade then
        ctx[STATUS], ctx[BODY] = 101, false
      elseif not ctx[STATUS] then
        ctx[STATUS] = ctx[BODY] and 200 or 0
      end
      context.clean_up(ctx)
      local c, code = ctx[CORE], ffi.new "int[1]"
      local status, body = ctx[STATUS], ctx[BODY] or ""
      ctx[CORE] = false
      local handle = C.jh_ctx_hijack(c, status, ctx[TYPE], body, #body, code)
      if handle == nil then
        C.jh_ctx_release(c)
        return
      end
      local channel = require "justhttp.channel".new(handle, ip)
      scheduler.state.ctx = nil
      local ok, fault = xpcall(fn, traceback.capture, channel)
      channel:close()
      if not ok and not scheduler.is_cancelled(fault.value) then
        door.log("error", "error in a hijacked connection: " .. traceback.full(fault))
      end
    end
  end

  --- Takes the connection over: `fn(conn)` runs when the handler is done, after the response if one
  -- was set, and the connection is its own; it is closed when `fn` returns.
  ---@param fn fun(conn: justhttp.channel)
  function methods:hijack(fn)
    check_function("ctx:hijack", fn)
    if C.jh_ctx_http_version(alive(self)) == 20 then
      error("ctx:hijack: this request came over HTTP/2, whose connection carries others too; "
        .. "ctx:stream writes and ctx:read reads without taking it over", 2)
    end
    set_ending(self, "ctx:hijack", run_hijack(fn, false))
  end

  local function wants(header, name)
    for word in (header or ""):gmatch "[^,%s]+" do
      if lower(word) == name then return true end
    end
    return false
  end

  --- Changes the protocol: answers 101 when the client asked for it, 426 when not, and gives the
  -- connection to `fn(conn)`.
  ---@param protocol string as in the Upgrade field: "websocket"
  ---@param fn fun(conn: justhttp.channel)
  function methods:upgrade(protocol, fn)
    if type(protocol) ~= "string" or not find(protocol, "^[%w!#$%%&'*+%-.^_`|~/]+$") then
      error(format("ctx:upgrade: %q is no protocol name", tostring(protocol)), 2)
    end
    check_function("ctx:upgrade", fn)
    if C.jh_ctx_http_version(alive(self)) == 20 then return self:error(501) end
    if not self.is_upgrade or not wants(self.headers.upgrade, lower(protocol)) then
      self:error(426)
      self:set("Upgrade", protocol)
      self:set("Connection", "Upgrade")
      return
    end
    self:set("Upgrade", protocol)
    self:set("Connection", "Upgrade")
    set_ending(self, "ctx:upgrade", run_hijack(fn, true))
  end

  --- Makes a WebSocket of the request: `fn(ws, ctx)` runs when the handler is done, and the
  -- connection is closed when it returns. See `app:websocket`, which this stands behind. Answers
  -- 426 or 400 when the request asks for none, 403 for a strange origin.
  ---@param fn fun(ws: justhttp.websocket, ctx: justhttp.ctx)|justhttp.websocket_handlers
  ---@param options justhttp.websocket_options?
  function methods:websocket(fn, options)
    local websocket = require "justhttp.websocket"
    local run = websocket.accept(self, websocket.definition("ctx:websocket", fn, options, 3))
    if run then set_ending(self, "ctx:websocket", run) end
  end

  -- ---- time, and clients that leave ------------------------------------------------------------

  --- Calls `fn(ctx)` when the client goes away before its answer is sent.
  ---@param fn fun(ctx: justhttp.ctx)
  function methods:on_abort(fn)
    check_function("ctx:on_abort", fn)
    alive(self)
    context.add_to(self, "_on_abort", fn)
  end

  --- Seconds left until the deadline that the timeout middleware set, or nil without one.
  ---@return number?
  function methods:deadline()
    local at_ms = kept(self, "_deadline_ms")
    if not at_ms then return nil end
    local left_ms = at_ms - C.jh_now_ms(door.generation)
    return left_ms > 0 and left_ms / 1000 or 0
  end

  --- Answers the client at once, from a fresh ctx; this one goes on as a shadow whose reads still
  -- work and whose writes go nowhere. What the handler returns later is dropped.
  ---@param message string? "Service Unavailable"
  ---@param status integer? 503
  function methods:timeout_error(message, status)
    local fresh = self:_detach()
    if not fresh then return end
    fresh:error(status or 503, message)
    self[STATUS], self[BODY] = fresh[STATUS], fresh[BODY]
    context.tell_outcome(self)
    fresh:_finish()
  end
end
