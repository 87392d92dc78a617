--- What goes into an app in one file: for `justhttp bundle` (core/lua/bundler.c).
--
-- Every file of the app's directory is taken. Lua becomes bytecode that keeps names and lines, so
-- errors say as much as from source. Modules that the app requires by a literal name are looked
-- for in the app, in the executable and on package.path, where they are packed with what they
-- require in turn. A module in C cannot be packed; the error names it and what to do.

local find, gsub, gmatch, match, sub = string.find, string.gsub, string.gmatch, string.match,
  string.sub
local format, concat, sort = string.format, table.concat, table.sort

local M = {}

local MODULES = "lua_modules"

-- Part of LuaJIT.
local STANDARD = {
  string = true, table = true, math = true, io = true, os = true, debug = true, coroutine = true,
  package = true, bit = true, ffi = true, jit = true, _G = true, ["string.buffer"] = true,
  ["table.new"] = true, ["table.clear"] = true, ["table.clone"] = true, ["table.isarray"] = true,
  ["table.isempty"] = true, ["table.nkeys"] = true, ["thread.exdata"] = true,
}

-- What a browser gets smaller when it is compressed; other types are compressed already.
local COMPRESSIBLE = {
  css = true, csv = true, htm = true, html = true, ics = true, js = true, json = true, map = true,
  md = true, mjs = true, svg = true, txt = true, wasm = true, webmanifest = true, xhtml = true,
  xml = true, ttf = true, otf = true, eot = true, ico = true, bmp = true,
}

local SMALLEST, LARGEST = 256, 16 * 1024 * 1024

-- Text without comments and without strings of several lines; line comments go only where no string
-- can be open, so that "--" in one stays.
local function without_comments(text)
  text = gsub(text, "%-%-%[(=*)%[.-%]%1%]", " ")
  return (gsub("\n" .. text, "(\n[^\n\"'%[]-)%-%-[^\n]*", "%1"))
end

--- The modules that a Lua text requires by a literal name.
---@param text string
---@return table<string, boolean> names true when it must be there, false when that is tried (pcall)
function M.requires(text)
  local names = {}
  text = without_comments(text)
  for _, name, behind in gmatch(text, "%f[%w_]require%s*%(?%s*([\"'])([%w_./-]+)%1()") do
    if not find(text, "^%s*%.%.", behind) then names[name] = true end
  end
  for name in gmatch(text, "%f[%w_]require%s*%(?%s*%[%[([%w_./-]+)%]%]") do names[name] = true end
  for _, name in gmatch(text, "%f[%w_]require%s*,%s*([\"'])([%w_./-]+)%1") do
    if names[name] == nil then names[name] = false end
  end
  return names
end

local function read(path)
  local handle = io.open(path, "rb")
  local text = handle and handle:read "*a"
  if handle then handle:close() end
  return text
end

-- The file a module is in, by templates such as package.path.
local function search(templates, name)
  local tail = gsub(gsub(name, "%.", "/"), "%%", "%%%%")
  for template in gmatch(templates, "[^;]+") do
    local path = gsub(template, "%?", tail)
    local text = read(path)
    if text then return path, text end
  end
end

-- As `package.cpath` is searched: "a.b" may be in the library of "a", too.
local function search_library(name)
  return search(package.cpath, name) or search(package.cpath, match(name, "^[^.]+"))
end

local C_MODULE = "%s requires '%s', a module in C (%s), which cannot be packed; link it into "
  .. "justhttp (deps/deps.cmake), or give --external %s when it is installed where the app will run"

local packing = {}
packing.__index = packing

-- Compiles, or lets a text as it is; raises with file and line where it is no Lua.
function packing:lua(name, text, chunk_name)
  if sub(text, 1, 1) == "\27" then return text end
  local chunk, err = loadstring((gsub(text, "^#[^\n]*", "", 1)), "@" .. chunk_name)
  if not chunk then error(err, 0) end
  self.lua_count = self.lua_count + 1
  if self.job.keeps_source or name == "config.lua" then return text end
  return string.dump(chunk)
end

function packing:find_in_app(name)
  local tail = gsub(name, "%.", "/")
  return self.has[tail .. ".lua"] or self.has[tail .. "/init.lua"]
end

function packing:pack_module(name, path, text)
  local tail = gsub(name, "%.", "/")
  local own = match(path, "/init%.lua$") and tail .. "/init.lua" or tail .. ".lua"
  local entry = MODULES .. "/" .. own
  if self.has[entry] then return end
  self.has[entry] = true
  self.module_count = self.module_count + 1
  self.job.add(entry, self:lua(entry, text, self.job.name .. "/" .. entry), self.modified_s)
  self:follow(text, path)
end

function packing:note(...)
  self.notes[#self.notes + 1] = format(...)
end

-- Sees to it that a module is there when the app runs.
function packing:need(name, is_needed, where)
  if self.seen[name] == "needed" or self.seen[name] and not is_needed then return end
  self.seen[name] = is_needed and "needed" or "tried"
  if STANDARD[name] or find(name, "^jit%.") or self.job.built_in[name] then return end
  if self.is_external[name] or self:find_in_app(name) then return end
  local path, text = search(package.path, name)
  if path then return self:pack_module(name, path, text) end
  path = search_library(name)
  if path and is_needed then error(format(C_MODULE, where, name, path, name), 0) end
  if path then
    self:note("%s tries the C module '%s', which is not packed", where, name)
  elseif is_needed then
    self:note("%s requires '%s', which was not found", where, name)
  end
end

function packing:follow(text, where)
  if sub(text, 1, 1) == "\27" then return end
  local names, sorted = M.requires(text), {}
  for name in pairs(names) do sorted[#sorted + 1] = name end
  sort(sorted)
  for _, name in ipairs(sorted) do
    self:need(name, names[name], where)
  end
end

function packing:add_lua(name)
  local text, modified_s = self.job.text(name)
  self.modified_s = modified_s
  self.job.add(name, self:lua(name, text, self.job.name .. "/" .. name), modified_s)
  self:follow(text, self.job.name .. "/" .. name)
end

function packing:add_other(name)
  self.job.copy(name)
  local extension = match(name, "%.(%w+)$")
  local bytes = self.job.size(name)
  if not extension or not COMPRESSIBLE[extension:lower()] then return end
  if bytes < SMALLEST or bytes > LARGEST or find(name, "^views/") then return end
  local is_smaller = false
  for _, ending in ipairs { ".br", ".gz" } do
    if not self.has[name .. ending] then
      is_smaller = self.job.compress(name, ending) or is_smaller
    end
  end
  if is_smaller then self.compressed_count = self.compressed_count + 1 end
end

local function count(number, what)
  return format("%d %s%s", number, what, number == 1 and "" or "s")
end

--- Fills the archive; raises a line that says what is wrong.
---@param job table see push_job in bundler.c
---@return string told lines worth telling
function M.run(job)
  local self = setmetatable({
    job = job, has = {}, seen = {}, is_external = {}, notes = {},
    lua_count = 0, module_count = 0, compressed_count = 0, modified_s = 0,
  }, packing)
  for _, name in ipairs(job.files) do self.has[name] = true end
  for _, name in ipairs(job.externals) do self.is_external[name] = true end
  for _, name in ipairs(job.files) do
    local is_lua = find(name, "%.lua$") or name == job.main
    if is_lua then self:add_lua(name) else self:add_other(name) end
  end
  for _, name in ipairs(job.modules) do
    local is_there = STANDARD[name] or job.built_in[name] or self:find_in_app(name)
    if not is_there and not search(package.path, name) and not search_library(name) then
      error(format("--module %s: there is no such module on package.path (LUA_PATH)", name), 0)
    end
    self:need(name, true, "--module")
  end
  local told = {
    format("%s (%d of Lua%s), %s packed, %s compressed", count(#job.files, "file"),
      self.lua_count - self.module_count, job.keeps_source and "" or " as bytecode",
      count(self.module_count, "module"), count(self.compressed_count, "file")),
  }
  for _, note in ipairs(self.notes) do told[#told + 1] = "note: " .. note end
  return concat(told, "\n")
end

return M
