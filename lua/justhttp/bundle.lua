--- The files that the app was loaded from, by the paths that the app itself uses for them.
--
-- A bundle is a ZIP in memory that never changes (core/server/bundle.h): a snapshot of a directory,
-- or all of the app, as in an executable. The names of its entries are below the app's directory;
-- tracebacks, package.path and relative paths have that directory in front of them. What is not in
-- a snapshot is looked for on the disk, as any program does. Without a bundle (-e, plain LuaJIT)
-- nothing is found here.

local find, gsub, gmatch, sub, match = string.find, string.gsub, string.gmatch, string.sub,
  string.match
local format, concat = string.format, table.concat
local open, load_file, load_text = io.open, loadfile, load

local M = {
  --- Static files are in it, too: an executable or a .zip file.
  is_whole = false,
  --- What paths of files in it begin with, or nil.
  ---@type string?
  prefix = nil,
  --- Where packed modules of others are, below the app's directory.
  MODULES = "lua_modules",
}

-- Its place in package.loaders, behind package.preload and the embedded modules.
local STOCK_SEARCHER = 3

local door, info, prefix

--- Finds out what the app is loaded from; to be called once.
---@param path string of the app, as it was given
---@return string? directory that names begin with; nil without a bundle
---@return string? file that is the app
function M.open(path)
  door = package.loaded["justhttp.door"]
  if not door or not door.generation then return nil end
  local ffi = require "ffi"
  info = ffi.new "jh_bundle_info"
  if door.C.jh_bundle_describe(door.generation, info) ~= 0 then return nil end
  local main = ffi.string(info.main.ptr, info.main.len)
  M.is_whole = info.is_whole
  if path ~= "/" then path = match(path, "^(.-)/*$") end
  if not M.is_whole and main ~= "app.lua" or match(path, "[^/]*$") == main then
    local directory = match(path, "^(.*)/[^/]*$") or "."
    prefix = directory .. "/"
    M.prefix = prefix
    return directory, path
  end
  prefix = path .. "/"
  M.prefix = prefix
  return path, prefix .. main
end

--- The name of an entry for a path, whether there is such an entry or not.
---@param path string
---@return string? name nil for a path that is not below the app's directory
function M.name_of(path)
  if not prefix or type(path) ~= "string" then return nil end
  local name
  if sub(path, 1, #prefix) == prefix then
    name = sub(path, #prefix + 1)
  elseif prefix == "./" and sub(path, 1, 1) ~= "/" then
    name = path
  elseif path .. "/" == prefix then
    return ""
  else
    return nil
  end
  return (gsub(gsub(gsub(name, "/%./", "/"), "//+", "/"), "^%./", ""))
end

--- The bytes of a file of the bundle.
---@param path string
---@return string?
function M.text(path)
  local name = M.name_of(path)
  if not name then return nil end
  if door.C.jh_bundle_text(door.generation, name, #name, door.out) ~= 0 then return nil end
  return require "ffi".string(door.out.ptr, door.out.len)
end

--- The name of a directory in a bundle that static files are served from.
---@param path string
---@return string? name nil when the files are on the disk
function M.directory(path)
  if not M.is_whole then return nil end
  local name = M.name_of(path)
  if not name then return nil end
  name = gsub(name, "/+$", "")
  if not door.C.jh_bundle_has_directory(door.generation, name, #name) then return nil end
  return name
end

--- Makes Lua of text from a file, as loadfile does: a first line that begins with # is none of it.
---@param text string
---@param path string
---@return function?
---@return string? err
function M.load(text, path, ...)
  if sub(text, 1, 1) == "#" then text = gsub(text, "^[^\n]*", "", 1) end
  return load_text(text, "@" .. path, ...)
end

local function fail_to_load(name, path, err)
  error(format("error loading module '%s' from file '%s':\n\t%s", name, path, err), 0)
end

-- The searcher for package.path: as the stock one, but the bundle is asked before the disk.
local function search(name)
  if type(package.path) ~= "string" then error("'package.path' must be a string", 0) end
  local tried, tail = {}, gsub(gsub(name, "%.", "/"), "%%", "%%%%")
  for template in gmatch(package.path, "[^;]+") do
    local path = gsub(template, "%?", tail)
    local text = M.text(path)
    local handle = not text and open(path, "r")
    if text or handle then
      if handle then handle:close() end
      local chunk, err
      if text then chunk, err = M.load(text, path) else chunk, err = load_file(path) end
      return chunk or fail_to_load(name, path, err)
    end
    tried[#tried + 1] = "\n\tno file '" .. path .. "'"
  end
  return concat(tried)
end

--- Has `require`, `loadfile` and `dofile` of this VM find what is in the bundle.
function M.install()
  local loaders = package.loaders
  loaders[STOCK_SEARCHER] = search
  _G.loadfile = function(path, ...) -- luacheck: ignore 122
    local text = M.text(path)
    if text then return M.load(text, path, ...) end
    return load_file(path, ...)
  end
  _G.dofile = function(path) -- luacheck: ignore 122
    local chunk, err = loadfile(path)
    if not chunk then error(err, 0) end
    return chunk()
  end
end

--- The lines of a source file: those that run, or nil when there are none to be read.
---@param path string
---@return (fun(): string?)? iterator
function M.lines(path)
  local text = M.text(path)
  if text and sub(text, 1, 1) ~= "\27" then
    if not find(text, "\n$") then text = text .. "\n" end
    return gmatch(text, "([^\n]*)\n")
  end
  local handle = not text and open(path, "r")
  if not handle then return nil end
  local all = handle:read "*a"
  handle:close()
  if not all then return nil end
  if not find(all, "\n$") then all = all .. "\n" end
  return gmatch(all, "([^\n]*)\n")
end

return M
