--- The request side of ctx: what the client sent, read when it is asked for.
--
-- Strings are copies made by the FFI call; they may be kept. Bodies above `body_buffer_bytes` are
-- still on their way when the handler starts: `ctx.body` and `ctx:read` wait for them.

local ffi = require "ffi"
local buffer = require "string.buffer"
local door = require "justhttp.door"
local scheduler = require "justhttp.scheduler"
local slots = require "justhttp.slots"

local C, out = door.C, door.out
local CORE, ROUTE, PARAMS = slots.CORE, slots.ROUTE, slots.PARAMS
local ffi_string = ffi.string
local setmetatable, rawset, type, error, tonumber = setmetatable, rawset, type, error, tonumber
local lower, format, floor = string.lower, string.format, math.floor

local PIECE_BYTES = 65536

local VERSIONS = { [10] = "HTTP/1.0", [11] = "HTTP/1.1", [20] = "HTTP/2" }

-- What a failed body read is to the client.
local BODY_STATUS = {
  [C.JH_ELIMIT] = 413, [C.JH_EPROTO] = 400, [C.JH_ETIMEDOUT] = 408, [C.JH_ECLOSED] = 400,
  [C.JH_ENOMEM] = 503,
}

--- An error that answers with a status of its own instead of 500.
local StatusError = { __name = "justhttp.status_error" }
StatusError.__index = StatusError
StatusError.__tostring = function(err) return err.message end

local Headers = { __name = "justhttp.headers" }

---@param context table
return function(context)
  local getters, methods = context.getters, context.methods
  local alive, kept = context.alive, context.kept

  local function field(ctx, which)
    local c = alive(ctx)
    if C.jh_ctx_field(c, which, out) ~= 0 then return nil end
    local value = ffi_string(out.ptr, out.len)
    return value
  end

  local function getter(which)
    return function(ctx)
      local c = ctx[CORE]
      if not c then alive(ctx) end
      if C.jh_ctx_field(c, which, out) ~= 0 then return nil end
      local value = ffi_string(out.ptr, out.len) -- no tail call: LuaJIT would not compile it
      return value
    end
  end

  getters.method = getter(C.JH_FIELD_METHOD)
  getters.path = getter(C.JH_FIELD_PATH)
  getters.url = getter(C.JH_FIELD_TARGET)
  getters.host = getter(C.JH_FIELD_HOST)
  getters.ip = getter(C.JH_FIELD_REMOTE)
  getters.scheme = getter(C.JH_FIELD_SCHEME)
  getters.query_string = getter(C.JH_FIELD_QUERY)

  --- "GET, HEAD, OPTIONS" on a path that has no route for the method.
  getters.allow = getter(C.JH_FIELD_ALLOW)

  function getters.version(ctx)
    return VERSIONS[C.jh_ctx_http_version(alive(ctx))]
  end

  function getters.port(ctx)
    local port = C.jh_ctx_remote_port(alive(ctx))
    return port >= 0 and port or nil
  end

  --- The TLS session that the request came over; nil without TLS.
  function getters.tls(ctx)
    local info = ffi.new "jh_tls_info"
    if C.jh_ctx_tls(alive(ctx), info) ~= 0 then return nil end
    local function text(name)
      local value = info[name]
      return value.len > 0 and ffi_string(value.ptr, value.len) or nil
    end
    local tls = {
      version = text "version", cipher = text "cipher", server_name = text "server_name",
      protocol = text "protocol", is_resumed = info.is_resumed,
    }
    if info.has_client_certificate then
      tls.client = {
        subject = text "client_subject", issuer = text "client_issuer",
        serial = text "client_serial", fingerprint = text "client_fingerprint",
        not_after = info.client_not_after_s,
      }
    end
    return tls
  end

  --- True when the client asks to change the protocol.
  function getters.is_upgrade(ctx)
    return C.jh_ctx_is_upgrade(alive(ctx))
  end

  -- ---- params, query, headers, cookies ---------------------------------------------------------

  function getters.params(ctx)
    local params = ctx[PARAMS]
    local c = alive(ctx)
    if params then return params end
    params = ctx[ROUTE].params(c)
    ctx[PARAMS] = params
    return params
  end

  -- A value that is made when it is first asked for, and kept in a slot or by name.
  local function lazy(name, key, make)
    getters[name] = function(ctx)
      local c = alive(ctx)
      local value = kept(ctx, key)
      if not value then
        value = make(ctx, c)
        rawset(ctx, key, value)
      end
      return value
    end
  end

  lazy("query", slots.QUERY, function(ctx)
    return (require "justhttp.query".parse(field(ctx, C.JH_FIELD_QUERY)))
  end)

  lazy("query_all", "_query_all", function(ctx)
    return (require "justhttp.query".parse_all(field(ctx, C.JH_FIELD_QUERY)))
  end)

  lazy("cookies", "_cookies", function(ctx)
    return require "justhttp.cookie".parse(ctx.headers.cookie)
  end)

  -- A field sent more than once is one list (RFC 9110 §5.3); cookies have their own separator
  -- (RFC 9113 §8.2.3).
  local function join_repeated(c, name)
    local values = {}
    local name_out, value_out = ffi.new "jh_str", ffi.new "jh_str"
    for i = 0, C.jh_ctx_header_count(c) - 1 do
      C.jh_ctx_header_at(c, i, name_out, value_out)
      if lower(ffi_string(name_out.ptr, name_out.len)) == name then
        values[#values + 1] = ffi_string(value_out.ptr, value_out.len)
      end
    end
    return table.concat(values, name == "cookie" and "; " or ", ")
  end

  function Headers.__index(headers, name)
    local ctx = rawget(headers, Headers)
    local c = alive(ctx)
    if type(name) ~= "string" then return nil end
    local result = C.jh_ctx_header(c, name, #name, out)
    if result < 0 then return nil end
    if result > 0 then return join_repeated(c, lower(name)) end
    local value = ffi_string(out.ptr, out.len)
    return value
  end

  function Headers.__newindex()
    error("ctx.headers are the request's and read-only; ctx:set(name, value) sets response headers",
      2)
  end

  --- Headers by name in any case. Use `ctx:each_header()` to see them all.
  lazy("headers", slots.HEADERS, function(ctx)
    return setmetatable({ [Headers] = ctx }, Headers)
  end)

  --- Goes through all headers as they were sent: `for name, value in ctx:each_header() do`.
  function methods:each_header()
    local c = alive(self)
    local name_out, value_out = ffi.new "jh_str", ffi.new "jh_str"
    local index, count = -1, C.jh_ctx_header_count(c)
    return function()
      index = index + 1
      if index >= count then return nil end
      C.jh_ctx_header_at(alive(self), index, name_out, value_out)
      return ffi_string(name_out.ptr, name_out.len), ffi_string(value_out.ptr, value_out.len)
    end
  end

  -- ---- body -------------------------------------------------------------------------------------

  -- Reads up to `bytes` into `into`, waiting as long as it takes. Bytes read, 0 at the end, or nil
  -- and a code.
  local function read_into(c, into, bytes)
    while true do
      local id = scheduler.new_id()
      local count = tonumber(C.jh_ctx_read(c, into, bytes, id))
      if count >= 0 then return count end
      if count ~= C.JH_EWAIT then return nil, count end
      local code = scheduler.park(id)
      if code ~= 0 then return nil, code end
    end
  end

  local shared = ffi.new("char[?]", PIECE_BYTES) -- what is read into it is copied at once

  --- The next piece of the body, at most `bytes` (65536), and nil at its end. What failed is the
  -- second value, "the request body is too large" for instance, and the status for it the third.
  ---@param bytes integer?
  ---@return string? piece
  ---@return string? err
  ---@return integer? status
  function methods:read(bytes)
    local c = alive(self)
    if bytes ~= nil and (type(bytes) ~= "number" or not (bytes >= 1 and bytes < math.huge)) then
      error("ctx:read: give a number of bytes, got " .. tostring(bytes), 2)
    end
    bytes = floor(bytes or PIECE_BYTES)
    local state = C.jh_ctx_body_state(c)
    if state == C.JH_BODY_WHOLE then
      local whole = field(self, C.JH_FIELD_BODY)
      local at = kept(self, "_read_at") or 0
      if at >= #whole then return nil end
      rawset(self, "_read_at", at + bytes)
      return whole:sub(at + 1, at + bytes)
    end
    if state ~= C.JH_BODY_STREAMING then return nil end
    if bytes > PIECE_BYTES then bytes = PIECE_BYTES end
    local count, code = read_into(c, shared, bytes)
    if not count then return nil, context.body_error(code), context.body_status(code) end
    if count == 0 then return nil end
    return ffi_string(shared, count)
  end

  local function read_all(ctx, c)
    local state = C.jh_ctx_body_state(c)
    if state == C.JH_BODY_WHOLE then return field(ctx, C.JH_FIELD_BODY) end
    if state ~= C.JH_BODY_STREAMING then return "" end
    local pieces = buffer.new()
    while true do
      local into = pieces:reserve(PIECE_BYTES)
      local count, code = read_into(c, into, PIECE_BYTES)
      if not count then
        error(context.status_error(context.body_status(code), context.body_error(code)), 0)
      end
      if count == 0 then return pieces:get() end
      pieces:commit(count)
    end
  end

  --- The whole body, "" when there is none. Waits until it is here; answers 413, 408 or 400 when it
  -- does not come as it should.
  lazy("body", "_request_body", read_all)

  --- Why a body could not be read, in words.
  function context.body_error(code)
    if code == C.JH_ELIMIT then return "the request body is too large" end
    if code == C.JH_ETIMEDOUT then return "the request body took too long" end
    if code == C.JH_EPROTO then return "the request body is malformed" end
    if code == C.JH_ECLOSED then return "the client closed the connection" end
    return door.strerror(code)
  end

  --- What such a failure is to the client.
  function context.body_status(code)
    return BODY_STATUS[code] or 500
  end

  --- An error that answers `status` when a handler raises it.
  function context.status_error(status, message)
    if type(status) ~= "number" then error(format("no status: %s", tostring(status)), 2) end
    return setmetatable({ status = status, message = message }, StatusError)
  end

  --- The status an error wants to be answered with, or nil.
  function context.status_of(err)
    if type(err) == "table" and getmetatable(err) == StatusError then return err.status end
  end

  require "justhttp.body"(context)
end
