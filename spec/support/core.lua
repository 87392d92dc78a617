-- Loads C units into a spec: declares what a header of core/ offers, and returns the library.
--
--   local core = require "spec.support.core"
--   local C = core.load("base/arena.h")          -- path below core/; several may be given
--   local arena = ffi.new("jh_arena")
--   C.jh_arena_init(arena, pool)
--
-- A header takes part by holding its plain declarations between the marks
--   /* ==== cdef: begin ==== */ … /* ==== cdef: end ==== */    (core/justhttp.h: "door" for cdef)
-- Headers it includes with quotes come first. Nothing is declared twice. The library is
-- libjusthttp_spec.so of the build tree in $JUSTHTTP_BUILD (default build/release): every object of
-- core/ but main.c.
local ffi = require "ffi"
local sys = require "spec.support.sys"

local M = {}

M.build = os.getenv("JUSTHTTP_BUILD") or "build/release"
M.path = M.build .. "/libjusthttp_spec.so"

-- The same text is declared once. lua/justhttp/door.lua declares the door's text for itself when a
-- spec requires it; after or before core.load("justhttp.h") that must not be an error.
local declare = ffi.cdef
local declared = {}
function ffi.cdef(text, ...) -- luacheck: ignore 122
  if select("#", ...) > 0 then return declare(text, ...) end
  local key = text:match("^%s*(.-)%s*$")
  if declared[key] then return end
  declare(text)
  declared[key] = true
end

-- The text between a header's marks and the line it starts on, or nil when it has none.
function M.region(path)
  local text = assert(sys.read_file("core/" .. path), "core/" .. path .. ": no such header")
  for _, kind in ipairs { "cdef", "door" } do
    local _, from = text:find("/* ==== " .. kind .. ": begin ==== */", 1, true)
    local to = text:find("/* ==== " .. kind .. ": end ==== */", 1, true)
    if from then
      assert(to and to > from, ("core/%s: its '%s: end' mark is missing"):format(path, kind))
      local _, line = text:sub(1, from):gsub("\n", "")
      local region = text:sub(from + 1, to - 1)
      -- LuaJIT takes `inline void` but not `inline bool`; the library has the function either way.
      if kind == "cdef" then region = region:gsub("%f[%w_]inline%f[^%w_]", "") end
      return region, line + 1
    end
  end
end

local visited = {}

local function declare_header(path)
  if visited[path] then return end
  visited[path] = true
  local text = assert(sys.read_file("core/" .. path), "core/" .. path .. ": no such header")
  for include in text:gmatch('\n%s*#%s*include%s+"([^"]+)"') do declare_header(include) end
  local region, first_line = M.region(path)
  if not region then return end
  local ok, err = pcall(ffi.cdef, region)
  if not ok then
    local line = tonumber(err:match("at line (%d+)"))
    visited[path] = nil
    error(("core/%s:%d: LuaJIT does not take this declaration: %s"):format(path,
      first_line + (line or 1) - 1, err), 0)
  end
end

-- The library itself.
function M.library()
  if not M.loaded then
    local ok, library = pcall(ffi.load, sys.absolute(M.path))
    if not ok then
      error(M.path .. " is not there or does not load; `make test` builds it: " .. library, 0)
    end
    M.loaded = library
  end
  return M.loaded
end

-- Declares the headers and returns the library.
function M.load(...)
  for _, path in ipairs { ... } do declare_header(path) end
  return M.library()
end

return M
