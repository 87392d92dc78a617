--- In-process requests: what stands behind `app:request{…}`.
--
-- Builds the bytes of a request, hands them to a connection in memory, so that they take the way
-- every request takes, and reads the response out of the bytes that came back. The
-- two halves are pure, for specs of their own.

local json = require "justhttp.json"
local query = require "justhttp.query"

local find, sub, match, lower = string.find, string.sub, string.match, string.lower
local format, gmatch, concat = string.format, string.gmatch, table.concat
local upper = string.upper

local M = {
  --- Called with the app before a request; `justhttp test` has the app served by then.
  ---@type fun(app: justhttp.app)?
  before_request = nil,
}

---@class justhttp.request_options
---@field method string? "GET" when absent, "POST" when there is a body
---@field path string? target: path and query; "/" when absent
---@field query table? fields to add to the target
---@field headers table<string, string|number|(string|number)[]>?
---@field host string? "localhost" when absent
---@field body string?
---@field json any a value to send as JSON, in place of body
---@field form table? fields to send as an urlencoded form, in place of body
---@field multipart justhttp.test_part[]? parts to send as a form with files, in place of body
---
---@class justhttp.test_part
---@field name string of the field
---@field content string
---@field filename string? makes it a file
---@field type string? Content-Type

local KNOWN = {
  method = true, path = true, query = true, headers = true, host = true, body = true, json = true,
  form = true, multipart = true,
}

local Headers = { __name = "justhttp.headers" }
Headers.__index = function(headers, name)
  return type(name) == "string" and rawget(headers, lower(name)) or nil
end

---@class justhttp.test_response
---@field status integer
---@field reason string
---@field headers table<string, string> case-insensitive; of a repeated field the first value
---@field headers_all table<string, string[]> case-insensitive; every value
---@field body string
---@field interim { status: integer, headers: table<string, string> }[] 1xx responses before it
local Response = { __name = "justhttp.test_response" }
Response.__index = Response

--- Reads the body as JSON.
---@return any value
---@return string? err
function Response:json()
  return json.decode(self.body)
end

-- Quotes a name as browsers do.
local function quote(text)
  return '"' .. text:gsub('[\r\n"]', { ["\r"] = "%0D", ["\n"] = "%0A", ['"'] = "%22" }) .. '"'
end

-- The body of a form with files, and its type. The boundary is one that no content has.
local function encode_parts(parts)
  local boundary, number = "justhttp", 0
  for i = 1, #parts do
    while find(parts[i].content, boundary, 1, true) do
      number = number + 1
      boundary = "justhttp" .. number
    end
  end
  local pieces = {}
  for i = 1, #parts do
    local part = parts[i]
    local filename = part.filename and "; filename=" .. quote(part.filename) or ""
    local content_type = part.type and "Content-Type: " .. part.type .. "\r\n" or ""
    pieces[i] = format("--%s\r\nContent-Disposition: form-data; name=%s%s\r\n%s\r\n%s\r\n",
      boundary, quote(part.name), filename, content_type, part.content)
  end
  pieces[#pieces + 1] = "--" .. boundary .. "--\r\n"
  return concat(pieces), "multipart/form-data; boundary=" .. boundary
end

--- The bytes of a request.
---@param options justhttp.request_options
---@return string
function M.build(options)
  if type(options) ~= "table" then
    error('request: give a table such as { path = "/" }, got a ' .. type(options), 2)
  end
  for key in pairs(options) do
    if not KNOWN[key] then
      error(format("request: unknown option %q; options are method, path, query, headers, host, "
        .. "body, json, form and multipart", tostring(key)), 2)
    end
  end
  local body, content_type = options.body, nil
  if options.json ~= nil then body, content_type = json.encode(options.json), "application/json" end
  if options.form then
    body, content_type = query.encode(options.form), "application/x-www-form-urlencoded"
  end
  if options.multipart then body, content_type = encode_parts(options.multipart) end
  local target = options.path or "/"
  if options.query then
    target = target .. (find(target, "?", 1, true) and "&" or "?") .. query.encode(options.query)
  end
  local method = upper(options.method or (body and "POST" or "GET"))
  local lines, given = { format("%s %s HTTP/1.1", method, target) }, {}
  for name, value in pairs(options.headers or given) do
    given[lower(name)] = true
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      lines[#lines + 1] = name .. ": " .. tostring(one)
    end
  end
  if not given.host then lines[#lines + 1] = "Host: " .. (options.host or "localhost") end
  if content_type and not given["content-type"] then
    lines[#lines + 1] = "Content-Type: " .. content_type
  end
  if body and not given["content-length"] and not given["transfer-encoding"] then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  return concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

-- Reads one head at `pos`. Returns status, reason, first values, all values, position after it.
local function parse_head(raw, pos)
  local stop = find(raw, "\r\n\r\n", pos, true)
  if not stop then return nil end
  local line_stop = find(raw, "\r\n", pos, true)
  local status, reason = match(sub(raw, pos, line_stop - 1), "^HTTP/1%.[01] (%d%d%d) ?(.*)$")
  if not status then return nil end
  local first, all = setmetatable({}, Headers), setmetatable({}, Headers)
  for name, value in gmatch(sub(raw, line_stop, stop + 1), "\r\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
    name = lower(name)
    if rawget(first, name) == nil then
      rawset(first, name, value)
      rawset(all, name, {})
    end
    local values = rawget(all, name)
    values[#values + 1] = value
  end
  return tonumber(status), reason, first, all, stop + 4
end

local function parse_chunks(raw, pos)
  local parts = {}
  while true do
    local _, stop, size = find(raw, "^(%x+)[^\r\n]*\r\n", pos)
    if not stop then return nil end
    local bytes = tonumber(size, 16)
    if bytes == 0 then return concat(parts) end
    if #raw < stop + bytes then return nil end
    parts[#parts + 1] = sub(raw, stop + 1, stop + bytes)
    pos = stop + bytes + 3
  end
end

--- Reads the first response in the bytes of a connection.
---@param raw string
---@param method string? of the request: a response to HEAD has no body
---@return justhttp.test_response? response
---@return string? err
function M.parse(raw, method)
  local pos, interim = 1, {}
  while true do
    local status, reason, headers, headers_all, body_pos = parse_head(raw, pos)
    if not status then
      if raw == "" then return nil, "the connection was closed without a response" end
      return nil, "no whole response head in: " .. sub(raw, pos, pos + 200)
    end
    if status >= 200 or status == 101 then
      local body
      if method == "HEAD" or status == 204 or status == 304 or status == 101 then
        body = ""
      elseif headers["transfer-encoding"] then
        body = parse_chunks(raw, body_pos)
      else
        local bytes = tonumber(headers["content-length"] or #raw - body_pos + 1)
        body = #raw >= body_pos + bytes - 1 and sub(raw, body_pos, body_pos + bytes - 1) or nil
      end
      if not body then return nil, "the response ended before its body did" end
      return setmetatable({
        status = status, reason = reason, headers = headers, headers_all = headers_all,
        body = body, interim = interim,
      }, Response)
    end
    interim[#interim + 1] = { status = status, headers = headers }
    pos = body_pos
  end
end

-- A connection in memory that answers `bytes`; waits until it is closed.
local function exchange(bytes)
  local ffi, door = require "ffi", require "justhttp.door"
  local scheduler = require "justhttp.scheduler"
  local C = door.C
  local id = scheduler.new_id()
  local conn = C.jh_memory_conn_open(door.generation, bytes, #bytes, id)
  if conn == nil then return nil, "out of memory" end
  scheduler.park(id)
  C.jh_memory_conn_output(conn, door.out)
  local raw = ffi.string(door.out.ptr, door.out.len)
  C.jh_memory_conn_close(conn)
  return raw
end

-- In a plain LuaJIT (an app author's busted) there is no server around: one without listeners is
-- made for the app, and its loop runs until the answer is there.
local function exchange_alone(app, bytes)
  local standalone = require "justhttp.standalone"
  return standalone.run(app, exchange, bytes)
end

--- Runs a request against the running app.
---@param app justhttp.app
---@param options justhttp.request_options
---@return justhttp.test_response? response
---@return string? err
function M.request(app, options)
  local bytes = M.build(options)
  if M.before_request then M.before_request(app) end
  local door = require "justhttp.door"
  local is_served = door.generation ~= nil and not require "justhttp.standalone".is_running()
  local raw, err
  if is_served then
    raw, err = exchange(bytes)
  else
    raw, err = exchange_alone(app, bytes)
  end
  if not raw then return nil, err end
  return M.parse(raw, match(bytes, "^%S+"))
end

return M
