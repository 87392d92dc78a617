--- Files that clients upload: in memory while they are small, else in a temporary file of the core
-- (a spool), which has no name and is gone at the end of the request.
--
-- multipart.lua makes them. Every use asks `alive` first: the spool ends with its ctx.

local ffi = require "ffi"
local buffer = require "string.buffer"
local door = require "justhttp.door"
local context = require "justhttp.context"
local scheduler = require "justhttp.scheduler"

local C = door.C
local type, error, tostring, tonumber, setmetatable = type, error, tostring, tonumber, setmetatable
local find, sub, format = string.find, string.sub, string.format
local alive, status_error = context.alive, context.status_error

local PIECE_BYTES = 65536
local EFBIG, ENOSPC, EDQUOT, EMFILE, ENFILE = -27, -28, -122, -24, -23

local M = {}

---@class justhttp.file
---@field name string made safe to use as the name of a file
---@field raw_name string as it was sent
---@field field string name of the form's field
---@field type string? its Content-Type, as the client says
---@field size integer bytes
local File = { __name = "justhttp.file" }
File.__index = File

--- Makes a file of what was read: `bytes`, or a spool.
---@param ctx justhttp.ctx
---@param file table name, raw_name, field, type, size
---@param bytes string?
---@param spool ffi.cdata*? jh_spool *
---@return justhttp.file
function M.new(ctx, file, bytes, spool)
  file._ctx, file._bytes, file._spool, file._at = ctx, bytes, spool or false, 0
  return setmetatable(file, File)
end

-- ---- spools ------------------------------------------------------------------------------------

local function explain(path, code)
  return path .. ": " .. door.strerror(code)
end

--- Opens a spool, in the directory of `path` or where the server keeps uploads.
---@param ctx justhttp.ctx
---@param path string?
---@return ffi.cdata*? spool
---@return string? err
function M.open_spool(ctx, path)
  local code = ffi.new "int[1]"
  local spool = C.jh_spool_open(alive(ctx), path, code)
  if spool ~= nil then return spool end
  if path then return nil, explain(path, code[0]) end
  local place = door.option "upload_dir"
  door.log("error", format("cannot make a temporary file in %s: %s (option upload_dir)",
    place ~= "" and place or "TMPDIR or /tmp", door.strerror(code[0])))
  local is_busy = code[0] == EMFILE or code[0] == ENFILE
  return nil, is_busy and "too many open files" or "the upload cannot be stored"
end

--- Appends bytes to a spool; raises what answers 507 when there is no room for them.
---@param spool ffi.cdata*
---@param bytes ffi.cdata*|string
---@param len integer
function M.write(spool, bytes, len)
  local code = C.jh_spool_write(spool, bytes, len)
  if code == 0 then return end
  door.log("error", "cannot store an upload: " .. door.strerror(code))
  local is_full = code == ENOSPC or code == EDQUOT or code == EFBIG
  error(status_error(is_full and 507 or 500, "the upload cannot be stored"), 0)
end

--- Raises unless `path` can be one.
---@param call string
---@param path any
function M.check_path(call, path)
  if type(path) ~= "string" or path == "" or find(path, "\0", 1, true) then
    error(format("%s: the path must be a string without NUL, got %s", call, tostring(path)), 3)
  end
end

--- Gives a spool a name.
---@param ctx justhttp.ctx
---@param spool ffi.cdata*
---@param path string
---@param options { overwrite: boolean? }?
---@return true? ok
---@return string? err
function M.save_spool(ctx, spool, path, options)
  local overwrites = options ~= nil and options.overwrite == true
  while true do
    alive(ctx)
    local code = C.jh_spool_save(spool, path, overwrites)
    if code == 0 then return true end
    if code < 0 then return nil, explain(path, code) end
    scheduler.sleep(0) -- a long copy: others have their turn
  end
end

-- ---- reading -----------------------------------------------------------------------------------

local function check_open(file, call)
  alive(file._ctx)
  if not file._bytes and not file._spool then error(call .. ": the file is closed", 3) end
end

--- The next piece, at most `bytes`, nil at the end; without `bytes` all that is left.
---@param bytes integer?
---@return string?
function File:read(bytes)
  check_open(self, "file:read")
  if bytes ~= nil and (type(bytes) ~= "number" or bytes < 1) then
    error("file:read: give a number of bytes, got " .. tostring(bytes), 2)
  end
  local at = self._at
  local left = self.size - at
  if left == 0 then
    if bytes or self._is_ended then return nil end
    self._is_ended = true
    return ""
  end
  local wanted = (bytes and bytes < left) and bytes or left
  if not bytes then self._is_ended = true end
  self._at = at + wanted
  if self._bytes then
    if wanted == self.size then return self._bytes end
    return sub(self._bytes, at + 1, at + wanted)
  end
  local pieces = buffer.new(wanted)
  while wanted > 0 do
    local into = pieces:reserve(wanted)
    local count = tonumber(C.jh_spool_read(self._spool, at, into, wanted))
    if count <= 0 then
      error("file:read: " .. (count < 0 and door.strerror(count) or "the file was cut"), 2)
    end
    pieces:commit(count)
    at, wanted = at + count, wanted - count
  end
  return pieces:get()
end

--- Goes back to the beginning.
function File:rewind()
  self._at, self._is_ended = 0, false
end

--- Goes through the lines from where reading stands, without their line ends (LF or CR LF).
---@return fun(): string?
function File:lines()
  check_open(self, "file:lines")
  local rest, is_ended = "", false
  local from = 1
  return function()
    while true do
      local stop = find(rest, "\n", from, true)
      if stop then
        local line = sub(rest, from, stop - 1)
        from = stop + 1
        return sub(line, -1) == "\r" and sub(line, 1, -2) or line
      end
      if is_ended then
        if from > #rest then return nil end
        local line = sub(rest, from)
        from = #rest + 1
        return line
      end
      local piece = self:read(PIECE_BYTES)
      is_ended = piece == nil
      rest = sub(rest, from) .. (piece or "")
      from = 1
    end
  end
end

-- ---- keeping -----------------------------------------------------------------------------------

--- Makes it a file of this name, readable by owner and group (0640). It appears when it is
-- complete. Where the file system allows it nothing is copied. An existing file is an error, unless
-- `options.overwrite`.
---@param path string
---@param options { overwrite: boolean? }?
---@return true? ok
---@return string? err
function File:save(path, options)
  check_open(self, "file:save")
  M.check_path("file:save", path)
  if self._spool then return M.save_spool(self._ctx, self._spool, path, options) end
  local spool, err = M.open_spool(self._ctx, path)
  if not spool then return nil, err end
  M.write(spool, self._bytes, #self._bytes)
  local ok
  ok, err = M.save_spool(self._ctx, spool, path, options)
  alive(self._ctx)
  C.jh_spool_close(spool)
  return ok, err
end

--- Lets go of its memory or temporary file before the end of the request.
function File:close()
  if self._spool and self._ctx._c then C.jh_spool_close(self._spool) end
  self._spool, self._bytes = false, nil
end

return M
