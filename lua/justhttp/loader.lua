--- Loads an app: a file, a directory with an app.lua, or text from the command line.
--
-- Called once per worker and generation, in a task (the app's body may wait). The directory of the
-- app is put in front of package.path, so that it can require its own files. What comes out is
-- always an app; every failure is one message that names file, line and the fix, and with it the
-- traceback when the app's own code failed.

local app = require "justhttp.app"
local bundle = require "justhttp.bundle"
local traceback = require "justhttp.traceback"

local format, gsub, match, sub = string.format, string.gsub, string.match, string.sub

local M = {
  --- The directory of the app that was loaded; relative paths of its files start there.
  ---@type string?
  directory = nil,
}

--- True for a directory: opening one works, reading from it does not.
---@param path string
---@return boolean
function M.is_directory(path)
  local handle = io.open(path, "r")
  if not handle then return false end
  local _, _, code = handle:read(0)
  handle:close()
  return code == 21 -- EISDIR
end

--- The file an app path stands for, and the directory its modules are in.
---@param path string
---@return string? file
---@return string directory_or_err
function M.resolve(path)
  if path ~= "/" then path = match(path, "^(.-)/*$") end
  if M.is_directory(path) then
    local file = path .. "/app.lua"
    local handle = io.open(file, "r")
    if not handle then
      return nil, path .. ": the directory has no app.lua; make one that ends with return app"
    end
    handle:close()
    return file, path
  end
  local handle, err = io.open(path, "r")
  if not handle then
    local reason = match(err or "", ": ([^:]+)$") or "cannot be opened"
    return nil, format("%s: %s; give a Lua file or a directory with an app.lua", path, reason)
  end
  handle:close()
  return path, match(path, "^(.*)/[^/]*$") or "."
end

local function add_package_path(directory)
  local own = directory .. "/?.lua;" .. directory .. "/?/init.lua;"
  if bundle.is_whole then own = own .. gsub(own, "/%?", "/" .. bundle.MODULES .. "/?") end
  if sub(package.path, 1, #own) ~= own then package.path = own .. package.path end
end

--- Makes a directory the one of the app, without loading it: specs require it themselves.
---@param directory string
function M.use_directory(directory)
  M.directory = directory
  add_package_path(directory)
end

-- What a chunk returned, as an app.
local function to_app(name, value)
  if app.is_app(value) then return value end
  if type(value) == "function" then return app.from_function(value) end
  if value == nil then
    return nil, format("%s: returns nothing; end it with return app (or a function(ctx))", name)
  end
  if type(value) == "table" and type(value.app) == "table" and app.is_app(value.app) then
    return nil, format("%s: returns a table that holds an app; return the app itself", name)
  end
  return nil, format("%s: returns a %s; return an app made by http.app(), or a function(ctx)", name,
    type(value))
end

local function run(name, chunk)
  local ok, value = xpcall(chunk, traceback.capture)
  if not ok then return nil, value.message, traceback.brief(value) end
  return to_app(name, value)
end

-- Where an app that is not in a bundle begins: in a plain LuaJIT.
local function load_from_disk(path)
  local file, directory = M.resolve(path)
  if not file then return nil, directory end
  return file, directory, loadfile(file)
end

local function load_from_bundle(file, directory)
  bundle.install()
  local text = bundle.text(file)
  if not text then return file, directory, nil, file .. ": is not in the bundle" end
  return file, directory, bundle.load(text, file)
end

--- Loads an app from its bundle, or from a file or directory.
---@param path string
---@return justhttp.app?
---@return string? err one line
---@return string? trace the same with the traceback, when code ran
function M.load_path(path)
  local directory, file = bundle.open(path)
  local chunk, syntax_error
  if directory then
    file, directory, chunk, syntax_error = load_from_bundle(file, directory)
  else
    file, directory, chunk, syntax_error = load_from_disk(path)
    if not file then return nil, directory end
  end
  M.directory = directory
  add_package_path(directory)
  if not chunk then return nil, syntax_error end
  return run(file, chunk)
end

--- Loads an app from text: `-e 'return function(ctx) return "hi" end'`.
---@param code string
---@return justhttp.app?
---@return string? err
---@return string? trace
function M.load_code(code)
  M.directory = "."
  add_package_path(".")
  local chunk, syntax_error = loadstring(code, "=-e")
  if not chunk then return nil, syntax_error end
  return run("-e", chunk)
end

return M
