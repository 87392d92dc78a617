--- Files as answers: the directories they are in, and `ctx:file` and `ctx:attachment`.
--
-- The core finds, checks and sends a file (core/net/file_answer.h); here a ctx gets it as its
-- ending, so that middleware still sees the status and may still change its mind. static.lua serves
-- whole directories by the same means.

local ffi = require "ffi"
local door = require "justhttp.door"
local bundle = require "justhttp.bundle"
local slots = require "justhttp.slots"

local C = door.C
local CORE, STATUS, BODY, ENDING = slots.CORE, slots.STATUS, slots.BODY, slots.ENDING
local type, error, tostring, tonumber = type, error, tostring, tonumber
local format, find, sub, match = string.format, string.find, string.sub, string.match

local info = ffi.new "jh_file_info"
local code_out = ffi.new "int[1]"

local ETAG, TRUSTED = tonumber(C.JH_FILE_ETAG_BIT), tonumber(C.JH_FILE_TRUSTED_BIT)
local DOTFILES = tonumber(C.JH_FILE_DOTFILES_BIT)

local M = { info = info }

--- The directory that relative paths start from: the app's.
---@return string
function M.base()
  return require "justhttp.loader".directory or "."
end

--- A path as the app wrote it, from the app's directory.
---@param path string
---@param base string? in place of the app's directory
---@return string
function M.resolve(path, base)
  if sub(path, 1, 1) == "/" then return path end
  base = base or M.base()
  return base == "." and path or base .. "/" .. path
end

--- Opens a directory to serve files from.
---@param path string
---@param flags integer
---@param index string? names with "/" between them
---@param cache_control string?
---@return ffi.cdata*? root
---@return string? err
function M.open_root(path, flags, index, cache_control)
  index, cache_control = index or "", cache_control or ""
  local options = ffi.new("jh_file_options", flags, index, #index, cache_control, #cache_control)
  local name = bundle.directory(path)
  local root
  if name then
    root = C.jh_bundle_root_open(door.generation, name, #name, options, code_out)
  else
    root = C.jh_file_root_open(door.generation, path, options, code_out)
  end
  if root ~= nil then return root end
  return nil, format("%s: %s", path, door.strerror(code_out[0]))
end

local roots = {} -- path -> root, for ctx:file

local function root_of(path, flags)
  local root = roots[path]
  if root then return root end
  local err
  root, err = M.open_root(path, flags)
  if not root then error("ctx:file: the root cannot be opened: " .. err, 3) end
  roots[path] = root
  return root
end

local KNOWN = { root = true, type = true, attachment = true, max_age = true, cache_control = true }

local function check_options(options)
  if type(options) ~= "table" then
    error("ctx:file: the options must be a table, got a " .. type(options), 3)
  end
  for key in pairs(options) do
    if not KNOWN[key] then
      error(format("ctx:file: unknown option %q; options are root, type, attachment, max_age and "
        .. "cache_control", tostring(key)), 3)
    end
  end
end

--- "public, max-age=60" for 60.
---@param seconds any
---@param call string
---@param level integer
function M.max_age(seconds, call, level)
  if type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds or seconds == math.huge then
    error(format("%s: max_age must be a number of seconds, got %s", call, tostring(seconds)),
      level + 1)
  end
  return format("public, max-age=%d", seconds)
end

-- What a path means: root and the path below it.
local function place(path, options)
  if options and options.root then
    local root = root_of(M.resolve(options.root), ETAG)
    return root, match(path, "^/*(.*)$")
  end
  if sub(path, 1, 1) == "/" then
    return root_of("/", ETAG + TRUSTED + DOTFILES), match(path, "^/+(.*)$")
  end
  return root_of(M.base(), ETAG), path
end

--- Tells what went wrong in the server itself.
---@param status integer
---@return integer
function M.log_failure(status)
  door.log("error", "cannot open a file: " .. door.strerror(status))
  return 503
end

---@class justhttp.file_options
---@field root string? directory that the path is below, whoever the path comes from
---@field type string? Content-Type, in place of what the name says
---@field attachment string|true|nil as by ctx:attachment; true for the file's own name
---@field max_age number? seconds it may be cached
---@field cache_control string? value of that field, in place of max_age

---@param context table
function M.install(context)
  local methods, alive = context.methods, context.alive

  -- Sends the file that was opened for this ctx.
  local function send_file(ctx)
    context.clean_up(ctx)
    local c = ctx[CORE]
    ctx[CORE] = false
    local code = C.jh_ctx_send_file(c, ctx[STATUS] or 200)
    if code == 0 then return end
    if code ~= C.JH_ECLOSED and code ~= C.JH_ESTALE then
      door.log("error", "cannot send a file: " .. door.strerror(code))
    end
    C.jh_ctx_release(c)
  end

  context.send_file = send_file

  --- Bytes of the file that is the answer, or nil when none is.
  function context.file_bytes(ctx)
    if ctx[ENDING] == send_file then return C.jh_ctx_file_bytes(alive(ctx)) end
  end

  --- Something else is the answer now.
  function context.drop_file(ctx)
    if ctx[ENDING] == send_file then ctx[ENDING] = context.send end
  end

  --- Answers what is no file: preconditions that failed, ranges that are not there, trouble.
  ---@param ctx justhttp.ctx
  ---@param status integer from jh_ctx_open_file
  function context.answer_no_file(ctx, status)
    if status == 416 then
      local range = format("bytes */%.0f", info.bytes)
      ctx:error(416)
      ctx:set("Content-Range", range)
    elseif status == 412 then
      ctx:error(412)
    elseif status ~= C.JH_ESTALE then
      ctx:error(M.log_failure(status))
    end
  end

  -- Before the file is looked at: a type of the handler's own decides about ranges.
  local function set_fields(ctx, path, options)
    if options.type then ctx:set("Content-Type", options.type) end
    if options.max_age then
      ctx:set("Cache-Control", M.max_age(options.max_age, "ctx:file", 3))
    elseif options.cache_control then
      ctx:set("Cache-Control", options.cache_control)
    end
    if options.attachment then
      ctx:attachment(options.attachment == true and path or options.attachment)
    end
  end

  --- Answers with a file: type, validators, ranges and HEAD are taken care of. A relative path
  -- starts at the app's directory and cannot leave it; with `root`, at that directory, which is the
  -- form for names that come from a client. An absolute path is opened as it is. When there is no
  -- such file the answer is 404, and nil with a message is returned.
  ---@param path string
  ---@param options justhttp.file_options?
  ---@return nil
  ---@return string? err
  function methods:file(path, options)
    local c = alive(self)
    if type(path) ~= "string" then
      error("ctx:file: the path must be a string, got a " .. type(path), 2)
    end
    if options ~= nil then check_options(options) end
    local ending = self[ENDING]
    if ending and ending ~= context.send and ending ~= send_file then
      error("ctx:file: this response has another ending already", 2)
    end
    local root, below = place(path, options)
    if options then set_fields(self, path, options) end
    local status = C.jh_ctx_open_file(c, root, below, #below, self[STATUS] or 200, info)
    if status == C.JH_ENOTFOUND or status == C.JH_FILE_IS_DIRECTORY then
      self:error(404)
      return nil, "not found: " .. path
    end
    if status < 200 or status == 412 or status == 416 then
      context.answer_no_file(self, status)
      return nil, status < 0 and door.strerror(status) or context.reason(status)
    end
    self[STATUS], self[BODY], self[ENDING] = status, false, send_file
    return nil
  end

  --- Has the browser save the answer instead of showing it, under that name.
  ---@param filename string? a path loses its directories
  function methods:attachment(filename)
    if filename ~= nil and type(filename) ~= "string" then
      error("ctx:attachment: the name must be a string, got a " .. type(filename), 2)
    end
    self:set("Content-Disposition", require "justhttp.attachment".disposition(filename))
  end
end

--- True for a directory.
---@param path string
---@return boolean
---@return string? err
function M.is_directory(path)
  if bundle.directory(path) then return true end
  if bundle.is_whole and bundle.name_of(path) then
    return false, "is not in the bundle; write an absolute path for what is on the disk"
  end
  local handle, err = io.open(path, "r")
  if not handle then return false, (match(err or "", ": ([^:]+)$") or "cannot be opened") end
  local _, _, code = handle:read(0)
  handle:close()
  if code == 21 then return true end -- EISDIR
  return false, "Not a directory"
end

--- A path as a target: percent-encoded, and never the "//host" that leads elsewhere.
---@param path string decoded
---@return string
function M.encode_path(path)
  path = path:gsub("[^%w%-._~!$&'()*+,;=:@/]", function(char)
    return format("%%%02X", char:byte())
  end)
  if find(path, "^//") then path = "/" .. path:gsub("^/+", "") end
  return path
end

return M
