--- What the hooks of a proxy get: the request as it is about to be sent, the response as it came.
--
-- Both are views of the core's relay. What is set goes straight there; what is read is taken from
-- the head when it is asked for. They are over when the hook has returned.

local ffi = require "ffi"
local buffer = require "string.buffer"
local door = require "justhttp.door"
local explain = require "justhttp.explain"
local make_response = require "justhttp.client_response"
local scheduler = require "justhttp.scheduler"

local C = door.C
local type, error, tostring, rawget, rawset = type, error, tostring, rawget, rawset
local setmetatable, tonumber, format = setmetatable, tonumber, string.format

local M = {}

local PIECE_BYTES = 65536
local MOST_BYTES = 16 * 1024 * 1024

local function check_set(call, code, name, value)
  if code == 0 then return end
  if code == C.JH_EUNSUPPORTED then
    error(format("%s: %s is the proxy's own business", call, name), 3)
  end
  error(format("%s: %q: %q cannot be sent: %s", call, tostring(name), tostring(value),
    door.strerror(code)), 3)
end

local function check_field(call, name, value)
  if type(name) ~= "string" then
    error(format("%s: the name must be a string, got a %s", call, type(name)), 3)
  end
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then
    error(format("%s: the value of %q must be a string or a number, got a %s", call, name,
      type(value)), 3)
  end
  return value
end

local function alive(view)
  local relay = rawget(view, "_relay")
  if not relay then error("proxy: this is over when the hook has returned", 3) end
  return relay
end

-- ---- requests -----------------------------------------------------------------------------------

---@class justhttp.proxy_request
---@field method string
---@field target string path and query, as they go on when they are set; else the client's
---@field body string? in place of the client's
---@field headers table<string, string> the client's, in any case
local Request = { __name = "justhttp.proxy_request" }

local request_methods = {}

--- Sets a header of the request, in place of the client's; nil takes it away.
---@param name string
---@param value string|number|nil
function request_methods:set(name, value)
  local relay = alive(self)
  if value == nil then return self:remove(name) end
  value = check_field("req:set", name, value)
  check_set("req:set", C.jh_relay_set_field(relay, name, #name, value, #value, false), name, value)
end

--- Adds a header beside the client's.
---@param name string
---@param value string|number
function request_methods:append(name, value)
  local relay = alive(self)
  value = check_field("req:append", name, value)
  check_set("req:append", C.jh_relay_set_field(relay, name, #name, value, #value, true), name,
    value)
end

--- Takes a header away.
---@param name string
function request_methods:remove(name)
  check_field("req:remove", name, "")
  check_set("req:remove", C.jh_relay_drop_field(alive(self), name, #name, false), name, "")
end

function Request.__index(self, name)
  local method = request_methods[name]
  if method then return method end
  alive(self)
  local ctx = rawget(self, "_ctx")
  if name == "method" then return ctx.method end
  if name == "target" then return rawget(self, "_target") or ctx.url end
  if name == "headers" then return ctx.headers end
  return nil
end

function Request.__newindex(self, name, value)
  local relay = alive(self)
  if type(value) ~= "string" then
    error(format("req.%s must be a string, got a %s", tostring(name), type(value)), 2)
  end
  if name == "target" then
    if C.jh_relay_set_target(relay, value, #value) ~= 0 then
      error(format("req.target: %q is no path; it begins with / and has no spaces", value), 2)
    end
    rawset(self, "_target", value)
  elseif name == "body" then
    C.jh_relay_set_body(relay, value, #value)
    rawset(rawget(self, "_ctx"), "_proxy_body", value) -- the core reads it until the end
  else
    error(format("req.%s cannot be set; headers are set with req:set(name, value)",
      tostring(name)), 2)
  end
end

explain.class(Request, "req", request_methods)

--- Makes the view of a request.
---@param ctx justhttp.ctx
---@param relay ffi.cdata*
---@return justhttp.proxy_request
function M.request(ctx, relay)
  return setmetatable({ _ctx = ctx, _relay = relay }, Request)
end

--- The hook has returned.
function M.end_request(req) rawset(req, "_relay", false) end

-- ---- responses ----------------------------------------------------------------------------------

---@class justhttp.proxy_response
---@field status integer may be set
---@field headers table<string, string> the upstream's, in any case
---@field body string? set it to send another one
local Response = { __name = "justhttp.proxy_response" }

local response_methods = {}

local function view_of(self)
  local view = rawget(self, "_view")
  if view then return view end
  local raw = ffi.new "jh_call_response"
  if C.jh_relay_response(alive(self), raw) ~= 0 then
    error("proxy: the response is not there any more", 3)
  end
  view = make_response(raw.status, ffi.string(raw.head.ptr, raw.head.len), raw.fields, "", false)
  rawset(self, "_view", view)
  return view
end

--- All values of a header, as separate strings.
---@param name string
---@return string ...
function response_methods:header(name) return view_of(self):header(name) end

--- Sets a header of the response, in place of the upstream's; nil takes it away.
---@param name string
---@param value string|number|nil
function response_methods:set(name, value)
  if value == nil then return self:remove(name) end
  alive(self)
  rawget(self, "_ctx"):set(name, value)
end

--- Adds a header beside the upstream's.
---@param name string
---@param value string|number
function response_methods:append(name, value)
  alive(self)
  rawget(self, "_ctx"):append(name, value)
end

--- Takes a header away.
---@param name string
function response_methods:remove(name)
  check_field("res:remove", name, "")
  check_set("res:remove", C.jh_relay_drop_field(alive(self), name, #name, true), name, "")
  rawget(self, "_ctx"):set(name, nil)
end

-- Reads once into a buffer. False at the end, nil and why after a failure.
local function read_piece(relay, pieces)
  while true do
    local into, id = pieces:reserve(PIECE_BYTES), scheduler.new_id()
    local count = tonumber(C.jh_relay_read(relay, into, PIECE_BYTES, id))
    if count == 0 then return false end
    if count > 0 then
      pieces:commit(count)
      return true
    end
    if count ~= C.JH_EWAIT then return nil, ffi.string(C.jh_relay_reason(relay)) end
    scheduler.park(id, "res:read")
  end
end

--- Reads the body whole, to be looked at or changed; then set `res.body`, which it is sent from.
---@param max_bytes integer? 16 MiB
---@return string? body as it came: not decoded
---@return string? err
function response_methods:read(max_bytes)
  local relay, pieces = alive(self), buffer.new()
  max_bytes = max_bytes or MOST_BYTES
  while true do
    local more, err = read_piece(relay, pieces)
    if more == nil then return nil, err end
    if #pieces > max_bytes then return nil, "the body is too large" end
    if not more then
      local body = pieces:get()
      rawset(self, "_body", body)
      return body
    end
  end
end

function Response.__index(self, name)
  local method = response_methods[name]
  if method then return method end
  alive(self)
  if name == "status" then return rawget(self, "_status") end
  if name == "headers" then return view_of(self).headers end
  if name == "body" then return rawget(self, "_body") end
  return nil
end

function Response.__newindex(self, name, value)
  alive(self)
  if name == "status" then
    if type(value) ~= "number" or value < 200 or value > 599 or value % 1 ~= 0 then
      error("res.status must be a whole number from 200 to 599, got " .. tostring(value), 2)
    end
    rawset(self, "_status", value)
  elseif name == "body" then
    if type(value) ~= "string" then
      error("res.body must be a string, got a " .. type(value), 2)
    end
    rawset(self, "_body", value)
  else
    error(format("res.%s cannot be set; headers are set with res:set(name, value)",
      tostring(name)), 2)
  end
end

explain.class(Response, "res", response_methods)

--- Makes the view of a response.
---@param ctx justhttp.ctx
---@param relay ffi.cdata*
---@param status integer
---@return justhttp.proxy_response
function M.response(ctx, relay, status)
  return setmetatable({ _ctx = ctx, _relay = relay, _status = status }, Response)
end

--- The hook has returned: its status, and the body that it set or read.
---@param res justhttp.proxy_response
---@return integer status
---@return string? body
function M.end_response(res)
  rawset(res, "_relay", false)
  return rawget(res, "_status"), rawget(res, "_body")
end

return M
