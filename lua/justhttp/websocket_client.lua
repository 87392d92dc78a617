--- The client's side of WebSockets: `http.websocket(url, options)`.
--
-- The core dials and speaks the protocol; here the handshake's request is made and its answer is
-- judged (RFC 6455 §4.1). What comes out is a ws as handlers get it.

local ffi = require "ffi"
local door = require "justhttp.door"
local scheduler = require "justhttp.scheduler"
local websocket = require "justhttp.websocket"

local C, out = door.C, door.out
local format, lower, find, concat = string.format, string.lower, string.find, table.concat

local TIMEOUT_S = 10

local KNOWN = {
  headers = "table", protocols = "table", timeout = "number", tls = "table", compress = true,
  max_message_bytes = "number", max_frame_bytes = "number", ping_interval = "number",
  idle_timeout = "number", auth = "table",
}

-- Fields that are the handshake's own.
local OWN = {
  upgrade = true, connection = true, ["sec-websocket-key"] = true,
  ["sec-websocket-version"] = true, ["sec-websocket-extensions"] = true,
  ["sec-websocket-accept"] = true, ["sec-websocket-protocol"] = true, host = false,
}

local KINDS = {
  [tonumber(C.JH_ETIMEDOUT)] = "timeout", [tonumber(C.JH_ELIMIT)] = "limit",
  [tonumber(C.JH_ECLOSED)] = "closed", [tonumber(C.JH_EPROTO)] = "protocol",
}

local function check_options(options)
  for name, value in pairs(options) do
    local wanted = KNOWN[name]
    if not wanted then
      local near = type(name) == "string" and require "justhttp.nearest"(name, KNOWN)
      error(format("http.websocket: there is no option %q%s", tostring(name),
        near and format(" (did you mean %q?)", near) or ""), 3)
    end
    if wanted ~= true and type(value) ~= wanted then
      error(format("http.websocket: %s must be a %s, got %s", name, wanted, tostring(value)), 3)
    end
  end
end

local function add_field(lines, name, value)
  if not find(name, "^[%w!#$%%&'*+%-.^_`|~]+$") or find(value, "[%c]") then
    error(format("http.websocket: %q: %q cannot be sent", tostring(name), tostring(value)), 4)
  end
  lines[#lines + 1] = name .. ": " .. value
end

local function make_head(url, options, core_options)
  local key, accept = ffi.new "char[24]", ffi.new "char[28]"
  if C.jh_websocket_make_key(key, accept) ~= 0 then error "no random bytes" end
  local lines = { "GET " .. url.target .. " HTTP/1.1" }
  local has_host = false
  for name, value in pairs(options.headers or {}) do
    if OWN[lower(name)] then
      error(format("http.websocket: the field %s is the handshake's own", name), 3)
    end
    has_host = has_host or lower(name) == "host"
    add_field(lines, name, tostring(value))
  end
  if not has_host then add_field(lines, "Host", url.authority) end
  add_field(lines, "Upgrade", "websocket")
  add_field(lines, "Connection", "Upgrade")
  add_field(lines, "Sec-WebSocket-Key", ffi.string(key, 24))
  add_field(lines, "Sec-WebSocket-Version", "13")
  if options.protocols then
    add_field(lines, "Sec-WebSocket-Protocol", concat(options.protocols, ", "))
  end
  if core_options.is_compressed then
    local text = ffi.new "char[160]"
    add_field(lines, "Sec-WebSocket-Extensions",
      ffi.string(text, C.jh_websocket_write_offer(core_options, text)))
  end
  if url.user and not options.auth then
    options = { auth = { user = url.user, password = url.password } }
  end
  if options.auth then
    local auth = options.auth
    add_field(lines, "Authorization", auth.bearer and "Bearer " .. auth.bearer
      or "Basic " .. require "justhttp.base64".encode((auth.user or "") .. ":"
        .. (auth.password or "")))
  end
  return concat(lines, "\r\n") .. "\r\n\r\n", ffi.string(accept, 28)
end

-- Status, and fields by their names in lower case.
local function parse_answer(text)
  local status, rest = text:match "^HTTP/1%.[01] (%d%d%d)[^\r\n]*\r\n(.*)\r\n$"
  if not status then return nil end
  local headers = {}
  for line in rest:gmatch "([^\r\n]*)\r\n" do
    local name, value = line:match "^([%w!#$%%&'*+%-.^_`|~]+):[ \t]*(.-)[ \t]*$"
    if not name then return nil end
    name = lower(name)
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return tonumber(status), headers
end

local function has_word(list, word)
  for member in (list or ""):gmatch "[^,%s]+" do
    if lower(member) == word then return true end
  end
  return false
end

-- What is wrong with the answer; nil when nothing is.
local function judge(status, headers, accept, options)
  if not status then return "the answer is no HTTP" end
  if status ~= 101 then return format("the server answered %d instead of 101", status) end
  if not has_word(headers.upgrade, "websocket") or not has_word(headers.connection, "upgrade") then
    return "the server does not change the protocol"
  end
  if headers["sec-websocket-accept"] ~= accept then
    return "the answer does not belong to this handshake"
  end
  local protocol = headers["sec-websocket-protocol"]
  if not protocol then return nil end
  for _, name in ipairs(options.protocols or {}) do
    if name == protocol then return nil end
  end
  return format("the server chose the protocol %q, which was not asked for", protocol)
end

local function address_of(url, options)
  local address = ffi.new("jh_websocket_address", {
    host = url.host, host_len = #url.host, port = url.port,
    timeout_ms = (options.timeout or TIMEOUT_S) * 1000,
  })
  if url.scheme ~= "wss" then return address end
  local settings = options.tls or {}
  local context, err = require "justhttp.tls".context(settings)
  if not context then return nil, err end
  address.tls = context
  local name = settings.server_name or ""
  address.server_name, address.server_name_len = name, #name
  return address, context
end

local function open(url, options)
  local core_options = websocket.core_options(options)
  local head, accept = make_head(url, options, core_options)
  local address, context = address_of(url, options)
  if not address then return nil, context, "tls" end
  local id, code = scheduler.new_id(), ffi.new "int[1]"
  local handle = C.jh_websocket_dial(door.generation, address, head, #head, core_options, id, code)
  if handle == nil then return nil, door.strerror(code[0]), "connect" end
  handle = ffi.gc(handle, C.jh_websocket_release)
  scheduler.park(id, "http.websocket")
  local result = C.jh_websocket_answer(handle, out)
  local text = out.len > 0 and ffi.string(out.ptr, out.len) or door.strerror(result)
  local wrong, kind, status, headers
  if result ~= 0 then
    wrong, kind = text, KINDS[result] or "connect"
  else
    status, headers = parse_answer(text)
    wrong, kind = judge(status, headers, accept, options), "protocol"
  end
  if not wrong then
    local extensions = headers["sec-websocket-extensions"] or ""
    result = C.jh_websocket_begin(handle, core_options, extensions, #extensions)
    if result ~= 0 then wrong, kind = "the server chose extensions that were not offered", kind end
  end
  if not wrong then return websocket.adopt(handle, headers), context end
  C.jh_websocket_release(ffi.gc(handle, nil))
  return nil, wrong, kind, status
end

--- Opens a WebSocket to "ws://…" or "wss://…". The connection is closed by `ws:close`, or by the
-- collector when nobody holds it.
---@param url string
---@param options table? headers protocols timeout (10 s for the handshake) tls auth compress
--- max_message_bytes max_frame_bytes ping_interval idle_timeout
---@return justhttp.websocket? ws
---@return string? err
---@return string? kind "timeout" "connect" "tls" "closed" "protocol" "limit"
---@return integer? status of an answer other than 101
local function websocket_to(url, options)
  if type(url) ~= "string" then
    error("http.websocket: give a URL, got a " .. type(url), 2)
  end
  options = options or {}
  check_options(options)
  local parsed, err = require "justhttp.url".parse(url)
  if parsed and parsed.scheme ~= "ws" and parsed.scheme ~= "wss" then
    parsed, err = nil, format("scheme %s is neither ws nor wss", parsed.scheme)
  end
  if not parsed then return nil, format("WebSocket %s: %s", url, err), "invalid" end
  local ws, why, kind, status = open(parsed, options)
  if ws then return ws end
  return nil, format("WebSocket %s: %s", url, why), kind, status
end

return websocket_to
