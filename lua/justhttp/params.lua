--- Makes the functions that read the path parameters of a route.
--
-- One for each route, written as text and compiled: LuaJIT makes a table with known keys at once,
-- and cannot follow a loop over names into the trace of a request.

local ffi = require "ffi"
local door = require "justhttp.door"

local C, out = door.C, door.out
local ffi_string, format, concat = ffi.string, string.format, table.concat

local function read(c, index)
  if C.jh_ctx_param(c, index, out) == 0 then
    local value = ffi_string(out.ptr, out.len)
    return value
  end
end

local M = {}

--- Names of ":id" and "*rest" in a pattern, in order.
---@param pattern string
---@return string[]
function M.names(pattern)
  local names = {}
  for segment in pattern:gmatch "[^/]+" do
    local name = segment:match "^[:*](.+)$"
    if name then names[#names + 1] = name end
  end
  return names
end

--- Makes the reader of a pattern: a function of the core's ctx that returns a fresh table.
---@param pattern string
---@return fun(c: ffi.cdata*): table<string, string>
function M.reader(pattern)
  local fields = {}
  for i, name in ipairs(M.names(pattern)) do
    fields[i] = format("[%q] = read(c, %d)", name, i - 1)
  end
  local text = "local read = ... return function(c) return { " .. concat(fields, ", ") .. " } end"
  return assert(loadstring(text, "=justhttp/params.lua"))(read)
end

return M
