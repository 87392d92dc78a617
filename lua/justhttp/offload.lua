--- http.offload: runs a function on another thread, in a Lua state of its own.
--
-- For what computes long or blocks: the worker serves others meanwhile. The function's code, the
-- plain data it closes over and its arguments are copied there, its results are copied back.

local ffi = require "ffi"
local buffer = require "string.buffer"
local bundle = require "justhttp.bundle"
local door = require "justhttp.door"
local scheduler = require "justhttp.scheduler"

local C = door.C
local type, error, tostring, select, pairs = type, error, tostring, select, pairs
local pcall = pcall
local format, find, dump = string.format, string.find, string.dump
local getinfo, getupvalue = debug.getinfo, debug.getupvalue
local unpack, rawequal = unpack, rawequal

local DEEPEST = 90 -- string.buffer goes no deeper than 100

local M = {}

-- Standard functions and libraries, and how they are called where the function runs.
local names = {}
for _, library in ipairs { "string", "table", "math", "bit", "os", "io", "coroutine", "debug",
                           "jit" } do
  names[_G[library]] = library
  for name, value in pairs(_G[library]) do
    if type(value) == "function" then names[value] = library .. "." .. name end
  end
end
for _, name in ipairs { "assert", "error", "getmetatable", "ipairs", "loadstring", "next", "pairs",
                        "pcall", "print", "rawequal", "rawget", "rawset", "require", "select",
                        "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall" } do
  names[_G[name]] = name
end
names[_G] = "_G"

-- The name of a module that was required, so that it is required there as well.
local function module_name(value)
  for name, module in pairs(package.loaded) do
    if rawequal(module, value) then return name end
  end
end

local PLAIN = { ["nil"] = true, boolean = true, number = true, string = true }

-- What in a value cannot be copied: its place and its kind, or nil.
local function find_unfit(value, place, depth, above)
  local kind = type(value)
  if PLAIN[kind] then return nil end
  if kind ~= "table" then return not pcall(buffer.encode, value) and place or nil, "a " .. kind end
  if above[value] then return place, "a table that holds itself" end
  if depth > DEEPEST then return place, "nested too deeply" end
  above[value] = true
  for key, member in pairs(value) do
    local where = format("%s[%s]", place, type(key) == "string" and format("%q", key)
      or tostring(key))
    local unfit, what = find_unfit(key, "a key of " .. place, depth + 1, above)
    if not unfit then unfit, what = find_unfit(member, where, depth + 1, above) end
    if unfit then return unfit, what end
  end
  above[value] = nil
end

local function refuse(place, what, level)
  error(format("offload: %s is %s; only nil, booleans, numbers, strings and tables of them can be "
    .. "copied", place, what), level + 1)
end

local function check(value, place, level)
  local unfit, what = find_unfit(value, place, 1, {})
  if unfit then refuse(unfit, what, level + 1) end
end

-- The upvalues in order: { value = }, { path = } or { module = }; false for nil.
local function upvalues_of(fn, level)
  local list, count = {}, getinfo(fn, "u").nups
  for i = 1, count do
    local name, value = getupvalue(fn, i)
    local kind = type(value)
    if kind == "nil" then
      list[i] = false
    elseif PLAIN[kind] then
      list[i] = { value = value }
    elseif names[value] then
      list[i] = { path = names[value] }
    else
      local module = kind == "table" and module_name(value)
      if module and find(module, "^justhttp%f[.%z]") then
        refuse("the upvalue " .. name, "a part of justhttp", level + 1)
      end
      list[i] = module and { module = module } or { value = value }
    end
  end
  return list, count
end

-- The job as it travels; what cannot is looked for only when encoding has failed.
local function encode_job(fn, level, ...)
  local arguments = { n = select("#", ...), ... }
  local upvalues, upvalue_count = upvalues_of(fn, level + 1)
  local ok, encoded = pcall(buffer.encode, {
    code = dump(fn), upvalues = upvalues, upvalue_count = upvalue_count,
    arguments = arguments, path = package.path, cpath = package.cpath,
    prefix = bundle.prefix,
  })
  if ok then return encoded end
  for i = 1, upvalue_count do
    local name = getupvalue(fn, i)
    if upvalues[i] then check(upvalues[i].value, "the upvalue " .. name, level + 1) end
  end
  for i = 1, arguments.n do check(arguments[i], "argument " .. i, level + 1) end
  error("offload: " .. tostring(encoded), level + 1)
end

local function outcome(job)
  local code = C.jh_offload_result(job, door.out)
  local output = door.out.ptr ~= nil and ffi.string(door.out.ptr, door.out.len) or ""
  C.jh_offload_close(ffi.gc(job, nil))
  if code ~= 0 then
    error("offload: " .. (code == C.JH_EINVAL and output or door.strerror(code)), 3)
  end
  local decoded = buffer.decode(output)
  if decoded.unfit then
    error("offload: the function returned what cannot be copied: " .. decoded.error, 3)
  end
  if decoded.error then error(decoded.error, 0) end
  local results = decoded.results
  return unpack(results, 2, results.n)
end

--- Runs `fn(…)` on another thread, in a Lua state of its own, and returns what it returns. Only the
-- task that calls waits. Arguments, results and the values it closes over are copied: nil,
-- booleans, numbers, strings, and tables of them; library functions and required modules are found
-- again by their names. An error in it is raised here, with its traceback. Nothing of justhttp can
-- be used in it. Three run at a time in a worker; others wait for their turn. A task that is
-- cancelled does not wait any more; the function runs to its end.
---@param fn function
---@param ... any
---@return any ...
function M.offload(fn, ...)
  if type(fn) ~= "function" then error("offload: give a function, got a " .. type(fn), 2) end
  if getinfo(fn, "S").what == "C" then error("offload: give a Lua function; this is C's", 2) end
  local input = encode_job(fn, 2, ...)
  scheduler.prepare "offload"
  local id = scheduler.new_id()
  local job = C.jh_offload_open(door.generation, input, #input, id)
  if job == nil then error("offload: out of memory", 2) end
  ffi.gc(job, C.jh_offload_close)
  local code = scheduler.suspend(id)
  if code ~= 0 then
    C.jh_offload_close(ffi.gc(job, nil))
    scheduler.check_suspended(code, id, "offload")
  end
  return outcome(job)
end

return M
