--- The templates of an app: where their directory is, and when they are read again.
--
-- Stands behind `http.template` and `app:templates`; template.lua itself knows nothing of apps. A
-- relative directory starts at the app's, wherever the server was started; in development mode a
-- changed template is read again at the next request.

local bundle = require "justhttp.bundle"
local loader = require "justhttp.loader"
local template = require "justhttp.template"
local traceback = require "justhttp.traceback"

local find, match, sub, format = string.find, string.match, string.sub, string.format
local getinfo = debug.getinfo
local pairs, type = pairs, type

local M = {}

local function is_dev()
  local door = package.loaded["justhttp.door"]
  return door ~= nil and door.generation ~= nil and door.option "dev" == "true"
end

-- In a plain LuaJIT (a spec) the app's directory is that of the file that asks.
local function resolve(dir, level)
  if find(dir, "^/") then return dir end
  local base = loader.directory or match(sub(getinfo(level + 1, "S").source, 2), "^(.*)/[^/]*$")
  if not base or base == "." then return dir end
  return base .. "/" .. dir
end

-- What is in the bundle is what runs. In development a file on the disk may be newer.
local function reader(engine_reloads)
  if engine_reloads and not bundle.is_whole then return nil end
  return function(path)
    local text = bundle.text(path)
    if text then return text end
    return template.read_file(path)
  end
end

--- Makes an engine. `level` is that of the app's line, as for `error`.
---@param options string|justhttp.template_options|justhttp.template_engine|nil
---@param level integer
---@return justhttp.template_engine
function M.engine(options, level)
  if template.is_engine(options) then return options end
  if options == nil or type(options) == "string" then options = { dir = options } end
  if type(options) ~= "table" then return template.new(options) end
  local own = {}
  for name, value in pairs(options) do own[name] = value end
  if own.dir == nil then own.dir = "views" end
  if type(own.dir) == "string" then own.dir = resolve(own.dir, level + 1) end
  if own.reload == nil then own.reload = is_dev() end
  local has_own_read = own.read ~= nil
  own.read = own.read or reader(own.reload)
  local engine = template.new(own)
  local is_there = has_own_read or bundle.directory(own.dir) or loader.is_directory(own.dir)
  if not is_there then traceback.misuse(format("template: there is no directory %s", own.dir)) end
  return engine
end

return M
