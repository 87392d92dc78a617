--- Multipart forms of requests: their parts as they come in, or all of them collected.
--
-- The core takes the body apart (jh_form); here its parts become objects. Content is read in slices
-- of the core's buffer: it becomes a Lua string where somebody wants one, and goes to a file
-- without becoming one.
--
-- A form ends with its ctx, so every call of the core asks `alive` first.

local ffi = require "ffi"
local buffer = require "string.buffer"
local door = require "justhttp.door"
local context = require "justhttp.context"
local scheduler = require "justhttp.scheduler"
local size = require "justhttp.size"
local upload = require "justhttp.upload"

local C = door.C
local ffi_string, ffi_new = ffi.string, ffi.new
local setmetatable, rawset, type, error, tostring = setmetatable, rawset, type, error, tostring
local lower, format = string.lower, string.format
local alive, status_error = context.alive, context.status_error
local new_id, park = scheduler.new_id, scheduler.park
local EWAIT = tonumber(C.JH_EWAIT)

local NO_LIMIT = 2 ^ 53
local SLICE_BYTES = 262144

---@class justhttp.form_options sizes are numbers or text such as "64k"
---@field parts integer? most parts, 1000
---@field files integer? most files, 100
---@field header integer|string|nil of one part, "4k" at most
---@field field integer|string|nil of one field, "1m"
---@field file integer|string|nil of one file; the body's limit when absent
---@field total integer|string|nil of all content; the body's limit when absent
---@field memory integer|string|nil fields and small files together, "4m"; further files go to disk
---@field spool_above integer|string|nil files above it go to disk, "256k"

local DEFAULTS = {
  parts = 1000, files = 100, header = 4096, field = 1048576, file = NO_LIMIT, total = NO_LIMIT,
  memory = 4194304, spool_above = 262144,
}

local function read_options(options, call)
  if options == nil then return DEFAULTS end
  if type(options) ~= "table" then
    error(format("%s: give a table of limits, got a %s", call, type(options)), 4)
  end
  local read = setmetatable({}, { __index = DEFAULTS })
  for name, value in pairs(options) do
    if DEFAULTS[name] == nil then
      error(format("%s: unknown option %q", call, tostring(name)), 4)
    end
    read[name] = size.check(call .. ": " .. name, value, 4)
  end
  return read
end

---@class justhttp.multipart_form
---@field _c ffi.cdata* jh_form *
---@field _ctx justhttp.ctx
---@field _part justhttp.part? the one that can be read
---@field _out ffi.cdata* jh_str, for slices

local function open(ctx, options, call)
  options = read_options(options, call)
  if context.kept(ctx, "_form_is_open") then
    error(call .. ": the parts of this request were asked for before", 3)
  end
  local limits = ffi_new("jh_form_limits", {
    max_field_bytes = options.field, max_file_bytes = options.file,
    max_total_bytes = options.total, max_part_count = options.parts,
    max_file_count = options.files, max_header_bytes = options.header,
  })
  local code = ffi_new "int[1]"
  local body = context.kept(ctx, "_request_body")
  local c = C.jh_form_open(alive(ctx), limits, body, body and #body or 0, code)
  if c == nil then
    if code[0] == C.JH_EUNSUPPORTED then
      error(status_error(415, "the body is not multipart/form-data"), 0)
    elseif code[0] == C.JH_EINVAL then
      error(status_error(400, "multipart/form-data without a valid boundary"), 0)
    elseif code[0] == C.JH_EBUSY then
      error(call .. ": the body was read in part already", 3)
    end
    error(status_error(503, door.strerror(code[0])), 0)
  end
  rawset(ctx, "_form_is_open", true)
  -- The body stays anchored as long as the core reads it.
  return { _c = c, _ctx = ctx, _body = body, _part = nil, _out = ffi_new "jh_str" }, options
end

local function fail(form, code)
  local reason = C.jh_form_reason(form._c)
  if reason == nil then
    error(status_error(context.body_status(code), context.body_error(code)), 0)
  end
  error(status_error(code == C.JH_ELIMIT and 413 or 400, ffi_string(reason)), 0)
end

-- What the core answered, waiting as long as it takes; raises what failed.
local function next_part(form)
  while true do
    alive(form._ctx)
    local id = new_id()
    local result = C.jh_form_next(form._c, id)
    if result >= 0 then return result == 1 end
    if result ~= EWAIT then fail(form, result) end
    local code = park(id)
    if code ~= 0 then fail(form, code) end
  end
end

-- The next slice of the part, into form._out. Its length, 0 at the end of the part.
local function read_slice(form, bytes)
  while true do
    alive(form._ctx)
    local id = new_id()
    local count = tonumber(C.jh_form_read(form._c, bytes, form._out, id))
    if count >= 0 then return count end
    if count ~= EWAIT then fail(form, count) end
    local code = park(id)
    if code ~= 0 then fail(form, code) end
  end
end

-- ---- parts -------------------------------------------------------------------------------------

---@class justhttp.part
---@field name string of its field
---@field filename string? made safe to use as the name of a file; only a file has one
---@field raw_filename string? as it was sent
---@field type string? its Content-Type
---@field headers table<string, string> all of its headers, by name in any case
local Part = { __name = "justhttp.part" }

local Headers = { __name = "justhttp.headers" }
Headers.__index = function(headers, name)
  return type(name) == "string" and rawget(headers, lower(name)) or nil
end

local function read_headers(form)
  local name, value = ffi_new "jh_str", ffi_new "jh_str"
  local headers, index = setmetatable({}, Headers), 0
  while C.jh_form_header_at(form._c, index, name, value) == 0 do
    local key = lower(ffi_string(name.ptr, name.len))
    if not rawget(headers, key) then rawset(headers, key, ffi_string(value.ptr, value.len)) end
    index = index + 1
  end
  return headers
end

local methods = {}

function Part.__index(part, key)
  if key == "headers" then
    if part._form._part ~= part then return nil end
    alive(part._form._ctx)
    local headers = read_headers(part._form)
    rawset(part, "headers", headers)
    return headers
  end
  return methods[key]
end

local function text_of(form, which)
  local out = form._out
  if C.jh_form_text_of(form._c, which, out) ~= 0 then return nil end
  return ffi_string(out.ptr, out.len)
end

local function new_part(form)
  local part = setmetatable({
    _form = form, name = text_of(form, C.JH_FORM_NAME),
    filename = text_of(form, C.JH_FORM_FILENAME),
    raw_filename = text_of(form, C.JH_FORM_RAW_FILENAME), type = text_of(form, C.JH_FORM_TYPE),
  }, Part)
  form._part = part
  return part
end

local function form_of(part, call)
  local form = part._form
  if form._part ~= part then
    error(call .. ": this part is over; read a part before going on to the next", 3)
  end
  return form
end

-- Everything that is left of the part as one string.
local function read_rest(form)
  local out = form._out
  local count = read_slice(form, SLICE_BYTES)
  if count == 0 then return "" end
  local first = ffi_string(out.ptr, count)
  count = read_slice(form, SLICE_BYTES)
  if count == 0 then return first end
  local pieces = buffer.new()
  pieces:put(first)
  repeat
    pieces:putcdata(out.ptr, count)
    count = read_slice(form, SLICE_BYTES)
  until count == 0
  return pieces:get()
end

--- The next piece of the content, at most `bytes`, nil at its end; without `bytes` all that is
-- left.
---@param bytes integer?
---@return string?
function methods:read(bytes)
  local form = form_of(self, "part:read")
  if self._is_ended then return nil end
  if bytes == nil then
    self._is_ended = true
    return read_rest(form)
  end
  if type(bytes) ~= "number" or bytes < 1 then
    error("part:read: give a number of bytes, got " .. tostring(bytes), 2)
  end
  local count = read_slice(form, bytes)
  if count > 0 then return ffi_string(form._out.ptr, count) end
  self._is_ended = true
  return nil
end

-- What is left of the part goes into a spool. Its length.
local function write_rest(form, spool, written)
  while true do
    local count = read_slice(form, SLICE_BYTES)
    if count == 0 then return written end
    upload.write(spool, form._out.ptr, count)
    written = written + count
  end
end

--- Writes what is left of the content to a file, which appears under its name when it is complete.
-- An existing file is an error, unless `options.overwrite`.
---@param path string
---@param options { overwrite: boolean? }?
---@return integer? bytes
---@return string? err
function methods:save(path, options)
  local form = form_of(self, "part:save")
  upload.check_path("part:save", path)
  local spool, err = upload.open_spool(form._ctx, path)
  if not spool then return nil, err end
  self._is_ended = true
  local written = write_rest(form, spool, 0)
  local ok
  ok, err = upload.save_spool(form._ctx, spool, path, options)
  alive(form._ctx)
  C.jh_spool_close(spool)
  if not ok then return nil, err end
  return written
end

local M = {}

--- Iterates over the parts of a request; see `ctx:parts`.
---@param ctx justhttp.ctx
---@param options justhttp.form_options?
---@return fun(): justhttp.part?
function M.parts(ctx, options)
  local form = open(ctx, options, "ctx:parts")
  return function()
    form._part = nil
    if next_part(form) then return new_part(form) end
    return nil
  end
end

-- ---- collecting --------------------------------------------------------------------------------

local function add(lists, name, value)
  local list = lists[name]
  if list then
    list[#list + 1] = value
  else
    lists[name] = { value }
  end
end

-- Fields and small files share the memory that a request may take.
local function take_memory(form, bytes)
  form._memory_left = form._memory_left - bytes
  return form._memory_left >= 0
end

local function collect_field(form)
  local value = read_rest(form)
  if not take_memory(form, #value) then
    error(status_error(413, "the fields of the form are too large"), 0)
  end
  return value
end

-- The content of a file: a string while it is small, then a spool and its size.
local function collect_file(form, spool_above)
  local out, pieces, bytes = form._out, buffer.new(), 0
  while true do
    local count = read_slice(form, SLICE_BYTES)
    if count == 0 then break end
    bytes = bytes + count
    if bytes > spool_above or bytes > form._memory_left then
      local spool, err = upload.open_spool(form._ctx, nil)
      if not spool then error(status_error(503, err), 0) end
      local ptr, len = pieces:ref()
      upload.write(spool, ptr, len)
      upload.write(spool, out.ptr, count)
      return nil, spool, write_rest(form, spool, bytes)
    end
    pieces:putcdata(out.ptr, count)
  end
  take_memory(form, bytes)
  return pieces:get()
end

--- Reads all parts of a request: fields into strings, files into memory or temporary files.
---@param ctx justhttp.ctx
---@param options justhttp.form_options?
---@return { fields: table<string, string>, all: table<string, string[]>,
--- files: table<string, justhttp.file[]> }
function M.collect(ctx, options)
  local form, limits = open(ctx, options, "ctx:form")
  local fields, all, files = {}, {}, {}
  form._memory_left = limits.memory
  while next_part(form) do
    local name = text_of(form, C.JH_FORM_NAME)
    local filename = text_of(form, C.JH_FORM_FILENAME)
    if filename then
      local file = {
        name = filename, raw_name = text_of(form, C.JH_FORM_RAW_FILENAME), field = name,
        type = text_of(form, C.JH_FORM_TYPE),
      }
      local bytes, spool, spooled = collect_file(form, limits.spool_above)
      file.size = bytes and #bytes or spooled
      -- A file field that nothing was chosen for comes without name and content.
      if file.raw_name ~= "" or file.size > 0 then
        add(files, name, upload.new(ctx, file, bytes, spool))
      end
    else
      local value = collect_field(form)
      if fields[name] == nil then fields[name] = value end
      add(all, name, value)
    end
  end
  alive(ctx)
  C.jh_form_close(form._c)
  local result = { fields = fields, all = all, files = files }
  rawset(ctx, "_form", result)
  return result
end

return M
