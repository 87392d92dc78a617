--- The templates of an app: where their directory is, and when they are read again.
--
-- Stands behind `http.template` and `app:templates`; template.lua itself knows nothing of apps. A
-- relative directory starts at the app's, wherever the server was started; in development mode a
-- changed template is read again at the next request.

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
  local engine = template.new(own)
  if not own.read and not loader.is_directory(own.dir) then
    traceback.misuse(format("template: there is no directory %s", own.dir))
  end
  return engine
end

return M
