--- WebSockets: what `app:websocket` gives to handlers.
--
-- The core speaks the protocol: frames, pings, closing, limits, compression. Here a request becomes
-- a WebSocket (`accept`) and messages find their handler. A handler is a function, which is a task
-- and asks for messages; or a table of functions, which the dispatcher calls for each message: then
-- a connection needs no coroutine while it is silent, and no coroutine is switched per message.
--
-- A ws stands in `sockets` under its id, or in the stack of its handler, until it is over; so
-- nothing here is left to the collector.

local ffi = require "ffi"
local door = require "justhttp.door"
local explain = require "justhttp.explain"
local hub = require "justhttp.hub"
local scheduler = require "justhttp.scheduler"
local slots = require "justhttp.slots"
local traceback = require "justhttp.traceback"

local C = door.C
local CORE, STATUS, VALUES = slots.CORE, slots.STATUS, slots.VALUES
local new_id, park, state, capture = scheduler.new_id, scheduler.park, scheduler.state,
  traceback.capture
local ffi_string = ffi.string
local type, error, tostring, setmetatable, rawget, rawset = type, error, tostring, setmetatable,
  rawget, rawset
local xpcall, pairs, ipairs = xpcall, pairs, ipairs
local lower, find, format, gmatch = string.lower, string.find, string.format, string.gmatch

local M = {}

-- Parts of a ws by position, as in slots.lua.
local HANDLE, DEFINITION, ID = 1, 2, 3

local TEXT, BINARY = 1, 2
local KINDS = { "text", "binary" }
local OPCODES = { text = TEXT, binary = BINARY }

local NO_CODE, INTERNAL_ERROR, GOING_AWAY = 1005, 1011, 1001

---@class justhttp.websocket
---@field protocol string? the sub-protocol that was agreed on
---@field values table? ctx.values of the request, closed when the WebSocket is over
local WebSocket = { __name = "justhttp.websocket" }
WebSocket.__index = WebSocket

explain.class(WebSocket, "ws", WebSocket)

local out = ffi.new "jh_str" -- a message, until it is copied

-- ---- definitions --------------------------------------------------------------------------------

---@class justhttp.websocket_handlers : justhttp.websocket_options
---@field open fun(ws: justhttp.websocket, ctx: justhttp.ctx)?
---@field message fun(ws: justhttp.websocket, data: string, kind: "text"|"binary")
---@field close fun(ws: justhttp.websocket, code: integer, reason: string)?

---@class justhttp.websocket_options
---@field protocols string[]? sub-protocols that the app speaks
---@field origins string[]|"*"|fun(origin: string, ctx: justhttp.ctx): boolean? pages that may
--- connect besides those of the same host
---@field max_message_bytes integer? 1 MiB; longer ones are refused with 1009
---@field max_frame_bytes integer? none
---@field ping_interval number? seconds of silence before a ping, 25; 0 for none
---@field idle_timeout number? seconds of silence before the peer is taken for dead, 60; 0 for none
---@field compress boolean|table? permessage-deflate; { context_takeover = true, window_bits = 15 }

local DEFAULTS = {
  max_message_bytes = 1048576, max_frame_bytes = 0, ping_interval = 25, idle_timeout = 60,
}

local KNOWN = {
  open = "function", message = "function", close = "function", protocols = "table", origins = true,
  max_message_bytes = "number", max_frame_bytes = "number", ping_interval = "number",
  idle_timeout = "number", compress = true,
}

local function check_option(call, name, value, level)
  local wanted = KNOWN[name]
  if not wanted then
    local near = require "justhttp.nearest"(tostring(name), KNOWN)
    error(format("%s: there is no option %q%s", call, tostring(name),
      near and format(" (did you mean %q?)", near) or ""), level + 1)
  end
  if wanted ~= true and type(value) ~= wanted then
    error(format("%s: %s must be a %s, got %s", call, name, wanted, tostring(value)), level + 1)
  end
  if wanted == "number" and not (value >= 0 and value < 4294967) and not find(name, "bytes$") then
    error(format("%s: %s must be a number of seconds, got %s", call, name, tostring(value)),
      level + 1)
  end
  if wanted == "number" and not (value >= 0 and value < 2147483648) then
    error(format("%s: %s must be a number of bytes below 2 GiB, got %s", call, name,
      tostring(value)), level + 1)
  end
end

local function core_options(options)
  local compress = options.compress or false
  local how = type(compress) == "table" and compress or {}
  local bits = how.window_bits or 15
  local lives_on = how.context_takeover or false
  return ffi.new("jh_websocket_options", {
    max_message_bytes = options.max_message_bytes or DEFAULTS.max_message_bytes,
    max_frame_bytes = options.max_frame_bytes or DEFAULTS.max_frame_bytes,
    ping_ms = (options.ping_interval or DEFAULTS.ping_interval) * 1000,
    idle_ms = (options.idle_timeout or DEFAULTS.idle_timeout) * 1000,
    is_compressed = compress and true or false, server_takes_over = lives_on,
    client_takes_over = lives_on, server_bits = bits, client_bits = bits,
  })
end
M.core_options = core_options

-- "https://Example.com:443" as browsers write it.
local function set_of(list)
  local set = {}
  for _, value in ipairs(list) do set[lower(value)] = value end
  return set
end

local function check_compress(call, compress, level)
  if type(compress) ~= "table" then return end
  local bits = compress.window_bits
  if bits ~= nil and (type(bits) ~= "number" or bits < 9 or bits > 15 or bits % 1 ~= 0) then
    error(format("%s: compress.window_bits must be 9 to 15, got %s", call, tostring(bits)),
      level + 1)
  end
end

--- Checks what an app declares, once.
---@param call string
---@param handler any
---@param options table?
---@param level integer of the app's own line
function M.definition(call, handler, options, level)
  local is_table = type(handler) == "table"
  if not is_table and type(handler) ~= "function" then
    error(format("%s: the handler must be a function(ws, ctx) or a table with functions open, "
      .. "message, close; got a %s", call, type(handler)), level)
  end
  if is_table and type(handler.message) ~= "function" and type(handler.open) ~= "function" then
    error(call .. ": the table needs a function message(ws, data, kind)", level)
  end
  options = options or (is_table and handler) or {}
  for name, value in pairs(options) do check_option(call, name, value, level) end
  check_compress(call, options.compress, level)
  local origins = options.origins
  if type(origins) == "string" and origins ~= "*" then origins = { origins } end
  return {
    run = not is_table and handler, open = is_table and handler.open,
    message = is_table and (handler.message or function() end), close = is_table and handler.close,
    protocols = options.protocols and set_of(options.protocols),
    origins = type(origins) == "table" and set_of(origins) or origins,
    options = core_options(options),
  }
end

-- ---- a request becomes a WebSocket --------------------------------------------------------------

-- Browsers send Origin always, nothing else does; without the check any page could open a
-- connection with the cookies of this site.
local function may_come(ctx, origins)
  local origin = ctx.headers.origin
  if not origin or origins == "*" then return true end
  if type(origins) == "function" then return origins(origin, ctx) and true or false end
  origin = lower(origin)
  if origins and (origins[origin] or origins["*"]) then return true end
  return origin:match "^%a[%w+.-]*://(.+)$" == lower(ctx.host or "")
end

local function choose_protocol(ctx, protocols)
  if not protocols then return nil end
  for name in gmatch(ctx.headers["sec-websocket-protocol"] or "", "[^,%s]+") do
    local known = protocols[lower(name)]
    if known == name then return name end
  end
end

local Headers = {
  __name = "justhttp.headers",
  __index = function(headers, name)
    if type(name) ~= "string" then return nil end
    return rawget(headers, lower(name))
  end,
}

local KEPT = { "method", "path", "url", "host", "ip", "scheme", "query_string", "params", "query",
  "tls" }

-- What may be read of the ctx when the request is over and its memory is not ours any more.
local function keep_request(ctx)
  local headers = {}
  for name in ctx:each_header() do
    local key = lower(name)
    if not headers[key] then headers[key] = ctx.headers[key] end
  end
  local cookies = headers.cookie and ctx.cookies or {}
  for _, name in ipairs(KEPT) do rawset(ctx, name, ctx[name] or false) end
  rawset(ctx, "headers", setmetatable(headers, Headers))
  rawset(ctx, "cookies", cookies)
  rawset(ctx, "values", ctx[VALUES] or {})
end

-- Whether a function can see its second argument.
local function takes_ctx(fn)
  if not fn then return false end
  local info = debug.getinfo(fn, "u")
  return info.nparams == nil or info.nparams > 1 or info.isvararg
end

local context -- justhttp.context, which requires this

local sockets, free_ids = {}, {}

local function open_handle(ctx, definition, protocol, id)
  local c, code = ctx[CORE], ffi.new "int[1]"
  local extensions = ctx.headers["sec-websocket-extensions"] or ""
  if protocol then ctx:set("Sec-WebSocket-Protocol", protocol) end
  ctx[STATUS] = 101
  context.clean_up(ctx, true)
  if not ctx[CORE] then return nil end
  ctx[CORE] = false
  definition.options.id = id
  local handle = C.jh_ctx_open_websocket(c, definition.options, extensions, #extensions, code)
  if handle ~= nil then return handle end
  C.jh_ctx_release(c)
  return nil
end

local function log_fault(what, fault)
  if scheduler.is_cancelled(fault.value) then return end
  door.log("error", what .. ": " .. traceback.full(fault))
end

-- It is over, or its handler is: lets go of everything.
local function let_go(ws)
  local handle = ws[HANDLE]
  if not handle then return end
  ws[HANDLE] = false
  C.jh_websocket_release(ffi.gc(handle, nil))
  local values = rawget(ws, "values")
  if values then context.close_values(values) end
end

local function run_task(ws, fn, ctx)
  local ok, fault = xpcall(fn, capture, ws, ctx)
  if not ok then
    log_fault("error in a WebSocket", fault)
    local code = scheduler.is_cancelled(fault.value) and GOING_AWAY or INTERNAL_ERROR
    if ws[HANDLE] then C.jh_websocket_close(ws[HANDLE], code, "", 0) end
  end
  return let_go(ws)
end

local function forget(ws)
  local id = ws[ID]
  sockets[id] = false
  free_ids[#free_ids + 1] = id
  return let_go(ws)
end

local function fail(ws, fault)
  log_fault("error in a WebSocket", fault)
  if ws[HANDLE] then C.jh_websocket_close(ws[HANDLE], INTERNAL_ERROR, "", 0) end
end

local function close_code(handle)
  local reason = ffi.new "jh_str"
  local code = C.jh_websocket_close_code(handle, reason)
  return code, reason.len > 0 and ffi_string(reason.ptr, reason.len) or ""
end

local function finish(ws)
  local on_close = ws[DEFINITION].close
  if on_close then
    local ok, fault = xpcall(on_close, capture, ws, close_code(ws[HANDLE]))
    if not ok then log_fault("error in a WebSocket", fault) end
  end
  return forget(ws)
end

local function start_handlers(ws, ctx)
  local definition = ws[DEFINITION]
  sockets[ws[ID]] = ws
  if definition.open then
    local ok, fault = xpcall(definition.open, capture, ws, ctx)
    if not ok then fail(ws, fault) end
  end
  C.jh_websocket_arm(ws[HANDLE])
end

local function run(ctx, definition, protocol)
  local fn = definition.run or definition.open
  local kept = takes_ctx(fn) and ctx or nil
  if kept then keep_request(kept) end
  local values = ctx[VALUES] or nil
  local id = 0
  if not definition.run then
    id = table.remove(free_ids) or #sockets + 1
    sockets[id] = sockets[id] or false
  end
  local handle = open_handle(ctx, definition, protocol, id)
  if not handle then
    if id > 0 then free_ids[#free_ids + 1] = id end
    if values then context.close_values(values) end
    return
  end
  local ws = setmetatable({ handle, definition, id }, WebSocket)
  if values then ws.values = values end
  if protocol then ws.protocol = protocol end
  state.ctx = nil
  if definition.run then return scheduler.branch(run_task, ws, fn, kept) end
  return start_handlers(ws, kept)
end

--- A ws over a client's handle, which has its finalizer.
---@param handle ffi.cdata*
---@param headers table<string, string> of the server's answer
function M.adopt(handle, headers)
  local ws = setmetatable({ handle, false, 0 }, WebSocket)
  ws.headers, ws.protocol = headers, headers["sec-websocket-protocol"]
  return ws
end

--- Looks at a request. Returns the function that ends its exchange as a WebSocket, or answers it.
---@param ctx justhttp.ctx
---@param definition table
---@return fun(ctx: justhttp.ctx)?
function M.accept(ctx, definition)
  context = context or require "justhttp.context"
  local code = C.jh_ctx_check_websocket(context.alive(ctx))
  if code == C.JH_EINVAL then return ctx:error(400, "the WebSocket handshake is malformed") end
  if code ~= 0 then
    ctx:error(426, "this is a WebSocket")
    ctx:set("Upgrade", "websocket")
    ctx:set("Connection", "Upgrade")
    ctx:set("Sec-WebSocket-Version", "13")
    return
  end
  if not may_come(ctx, definition.origins) then
    return ctx:error(403, "this origin may not open a WebSocket here")
  end
  local protocol = choose_protocol(ctx, definition.protocols)
  return function(done) return run(done, definition, protocol) end
end

--- A message, or the end, is there for the ws with this id. For the dispatcher.
---@param id integer
function M.step(id)
  local ws = sockets[id]
  local kind = C.jh_websocket_take(ws[HANDLE], out, 0)
  if kind == 0 then return finish(ws) end
  local message = ffi_string(out.ptr, out.len)
  local ok, fault = xpcall(ws[DEFINITION].message, capture, ws, message, KINDS[kind])
  if not ok then fail(ws, fault) end
  C.jh_websocket_arm(ws[HANDLE])
end

-- ---- messages -----------------------------------------------------------------------------------

local function explain_code(code)
  if code == C.JH_ECLOSED then return "closed" end
  if code == C.JH_EBUSY then return "another task is at it already" end
  return door.strerror(code)
end

local function over(ws)
  local handle = ws[HANDLE]
  if not handle then return nil, "closed" end
  return nil, "closed", close_code(handle)
end

--- The next message, "text" or "binary". nil at the end, then "closed", the close code and its
-- reason; nil and "timeout" when it takes longer than `seconds`.
---@param seconds number?
---@return string? message
---@return string kind_or_err
---@return integer? code
---@return string? reason
function WebSocket:receive(seconds)
  if seconds ~= nil and (type(seconds) ~= "number" or seconds ~= seconds or seconds < 0) then
    error("ws:receive: give a number of seconds, got " .. tostring(seconds), 2)
  end
  if self[ID] ~= 0 then
    error("ws:receive: this WebSocket has a function for its messages: message(ws, data, kind)", 2)
  end
  local until_ms = seconds and C.jh_now_ms(door.generation) + seconds * 1000
  while true do
    local handle = self[HANDLE]
    if not handle then return nil, "closed" end
    local id = new_id()
    local kind = C.jh_websocket_take(handle, out, id)
    if kind > 0 then return ffi_string(out.ptr, out.len), KINDS[kind] end
    if kind == 0 then return over(self) end
    if kind ~= C.JH_EWAIT then return nil, explain_code(kind) end
    local timer
    if until_ms then
      local left_ms = until_ms - C.jh_now_ms(door.generation)
      if left_ms <= 0 then
        C.jh_websocket_forget(handle, id)
        return nil, "timeout"
      end
      timer = C.jh_timer_start(door.generation, id, left_ms)
    end
    park(id, "ws:receive")
    if timer ~= nil then C.jh_timer_stop(timer, id) end
    if self[HANDLE] then C.jh_websocket_forget(handle, id) end
  end
end

local function next_message(ws)
  return ws:receive()
end

--- Goes through the messages: `for message, kind in ws:messages() do`. Ends with the connection.
---@return fun(ws: justhttp.websocket): string?, string?
---@return justhttp.websocket
function WebSocket:messages()
  return next_message, self
end

local function send(ws, opcode, data, is_last)
  local handle = ws[HANDLE]
  if not handle then return nil, "closed" end
  local id = new_id()
  local code = C.jh_websocket_send(handle, opcode, data, #data, is_last, id)
  if code == 0 then return true end
  if code == C.JH_EWAIT then code = park(id, "ws:send") end
  if code == 0 then return true end
  if code == C.JH_EPROTO then
    error('ws:send: this text is no UTF-8; send it as ws:send(data, "binary")', 3)
  end
  return nil, explain_code(code)
end

-- Each piece is a fragment, sent as soon as it is there; an empty one ends the message.
local function send_pieces(ws, opcode, pieces)
  local ok, err
  for piece in pieces do
    piece = type(piece) == "number" and tostring(piece) or piece
    if type(piece) ~= "string" then
      error("ws:send: the function must return strings, it returned a " .. type(piece), 3)
    end
    ok, err = send(ws, opcode, piece, false)
    if not ok then return ok, err end
    opcode = 0
  end
  return send(ws, opcode, "", true)
end

--- Sends a message and waits while the peer is slow. A function, called until it returns nil, gives
-- a message in fragments.
---@param data string|number|fun(): string?
---@param kind "text"|"binary"? text
---@return true? ok
---@return string? err
function WebSocket:send(data, kind)
  local opcode = TEXT
  if kind ~= nil then
    opcode = OPCODES[kind]
    if not opcode then
      error('ws:send: a message is "text" or "binary", not ' .. tostring(kind), 2)
    end
  end
  if type(data) ~= "string" then
    if type(data) == "function" then return send_pieces(self, opcode, data) end
    if type(data) ~= "number" then error("ws:send: give a string, got a " .. type(data), 2) end
    data = tostring(data)
  end
  local ok, err = send(self, opcode, data, true)
  return ok, err
end

local function send_ping(ws, call, is_pong, data)
  data = data or ""
  if type(data) ~= "string" or #data > 125 then
    error(call .. ": give a string of at most 125 bytes", 3)
  end
  local handle = ws[HANDLE]
  if not handle then return nil, "closed" end
  local code = C.jh_websocket_ping(handle, is_pong, data, #data)
  if code ~= 0 then return nil, explain_code(code) end
  return true
end

--- Sends a ping; the peer's answer counts as a sign of life and is not reported.
---@param data string? at most 125 bytes
function WebSocket:ping(data)
  local ok, err = send_ping(self, "ws:ping", false, data)
  return ok, err
end

--- Sends a pong that nobody asked for; pings are answered without it.
---@param data string?
function WebSocket:pong(data)
  local ok, err = send_ping(self, "ws:pong", true, data)
  return ok, err
end

--- Closes the connection, after what was sent before. No message comes any more.
---@param code integer? 1000; 3000 to 4999 are the app's own
---@param reason string? at most 123 bytes
---@return true? ok
---@return string? err
function WebSocket:close(code, reason)
  code, reason = code or 1000, reason or ""
  if type(code) ~= "number" or type(reason) ~= "string" then
    error("ws:close: give a number and a string", 2)
  end
  local handle = self[HANDLE]
  if not handle then return nil, "closed" end
  local is_sent = code % 1 == 0 and code >= 1000 and code < 5000 and code ~= NO_CODE
  local result = is_sent and C.jh_websocket_close(handle, code, reason, #reason) or C.JH_EINVAL
  if result == C.JH_EINVAL then
    error(format("ws:close: %s %q cannot be sent: codes are 1000 to 1014, of those not 1004 to "
      .. "1006, and 3000 to 4999; the reason is UTF-8", tostring(code), reason), 2)
  end
  if result ~= 0 then return nil, explain_code(result) end
  return true
end

--- Sends it what is published to a topic from now on, by `app:publish` or `ws:publish`, in any
-- worker. The option is the WebSocket's: the last one given counts for all its topics.
---@param topic string 1 to 255 bytes
---@param options justhttp.subscribe_options?
---@return true? ok
---@return string? err
function WebSocket:subscribe(topic, options)
  hub.check_topic("ws:subscribe", topic, 2)
  local how = hub.options("ws:subscribe", options, 2)
  local handle = self[HANDLE]
  if not handle then return nil, "closed" end
  return hub.outcome(C.jh_websocket_subscribe(handle, topic, #topic, how))
end

--- Ends that. False when it did not listen to the topic.
---@param topic string
---@return boolean
function WebSocket:unsubscribe(topic)
  hub.check_topic("ws:unsubscribe", topic, 2)
  local handle = self[HANDLE]
  return handle and C.jh_websocket_unsubscribe(handle, topic, #topic) == 0 or false
end

--- As `app:publish`, to all others who listen to the topic.
---@param topic string
---@param data string|number
---@param kind "text"|"binary"?
---@return integer count of listeners in this worker
function WebSocket:publish(topic, data, kind)
  local count = hub.publish("ws:publish", topic, data, kind, self[HANDLE] or nil)
  return count
end

--- True until either side closed it.
---@return boolean
function WebSocket:is_open()
  local handle = self[HANDLE]
  return handle and C.jh_websocket_close_code(handle, out) == 0 or false
end

M.WebSocket = WebSocket

return M
