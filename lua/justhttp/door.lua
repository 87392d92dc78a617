--- Lua's half of the door: core/justhttp.h as FFI declarations, and the handles behind them.
--
-- The only module that may call ffi.cdef or ffi.load. The text of the cdef is the header's own,
-- asked from the core, so the two cannot disagree; the ABI number is compared all the same, for a
-- library and Lua files of different versions. Inside the server the functions are found in the
-- executable; a plain LuaJIT (specs) names the library in JUSTHTTP_LIBRARY.
--
-- Callers cache `C`, not its functions (LuaJIT compiles calls through the namespace).

local ffi = require "ffi"

local ABI_VERSION = 1

ffi.cdef "const char *jh_door_text(void);"

local library = os.getenv "JUSTHTTP_LIBRARY"
local is_inside = pcall(function() return ffi.C.jh_door_text end)
local inside = package.loaded["justhttp.door_functions"]
if not is_inside and not inside and not library then
  error("justhttp: run this with `justhttp run`, or set JUSTHTTP_LIBRARY to libjusthttp_spec.so")
end

-- A program that holds the core itself may not have its symbols where the FFI looks for them: then
-- the functions are fields of a structure, made of the same declarations.
local function open_inside(text)
  ffi.cdef(text)
  ffi.cdef "typedef struct { const char *name; void (*address)(void); } jh_door_function;"
  local declared, fields, addresses = {}, {}, {}
  for statement in text:gsub("/%*.-%*/", ""):gsub("%b{}", ""):gmatch "[^;]+" do
    local result, name, arguments = statement:match "^%s*(.-)(jh_[%w_]+)(%b())%s*$"
    if name then declared[name] = { result, arguments } end
  end
  local entry = ffi.cast("const jh_door_function *", inside.functions)
  while entry.name ~= nil do
    local name = ffi.string(entry.name)
    fields[#fields + 1] = declared[name][1] .. "(*" .. name .. ")" .. declared[name][2] .. ";"
    addresses[#addresses + 1] = entry.address
    entry = entry + 1
  end
  ffi.cdef("typedef struct { " .. table.concat(fields, " ") .. " } jh_door_functions;")
  local functions = ffi.new "jh_door_functions"
  local places = ffi.cast("void (**)(void)", functions)
  for i = 1, #addresses do places[i - 1] = addresses[i] end
  ffi.metatype("jh_door_functions", { __index = function(_, name) return ffi.C[name] end })
  return functions
end

local C, declarations
if not is_inside and inside then
  declarations = inside.text
  C = open_inside(declarations)
else
  C = is_inside and ffi.C or ffi.load(library)
  declarations = ffi.string(C.jh_door_text())
  ffi.cdef(declarations)
end

-- The compiler gives up a trace in which a function is asked for that nobody has called yet.
local function look_up(name) return C[name] end
for name in declarations:gmatch "(jh_[%w_]+)%(" do pcall(look_up, name) end

if C.jh_abi_version() ~= ABI_VERSION then
  error(string.format("justhttp: the Lua side speaks door version %d, the core %d; build both anew",
    ABI_VERSION, C.jh_abi_version()))
end

local M = {
  C = C,
  version = ffi.string(C.jh_version()),
  --- One slice that any call may fill; read it before the next call.
  out = ffi.new "jh_str",
  --- The generation this VM serves; set once by `attach`.
  generation = nil,
}

local LEVELS = {
  debug = C.JH_LOG_DEBUG, info = C.JH_LOG_INFO, warn = C.JH_LOG_WARN, error = C.JH_LOG_ERROR,
}

--- Sets the generation: the light userdata that vm.c passes, or a cdata of jh_standalone_open().
---@param generation any
function M.attach(generation)
  M.generation = ffi.cast("jh_generation *", generation)
end

--- Text of a result code.
---@param code integer
---@return string
function M.strerror(code)
  return ffi.string(C.jh_strerror(code))
end

--- What the worker was started with: `which` is one of C.JH_START_*.
---@param which integer
---@return string?
function M.start_text(which)
  local text = C.jh_generation_start_text(M.generation, which)
  if text ~= nil then return ffi.string(text) end
end

--- The arguments that `justhttp test` passes on.
---@return string[]
function M.start_arguments()
  local arguments = {}
  while true do
    local text = C.jh_generation_start_argument(M.generation, #arguments)
    if text == nil then return arguments end
    arguments[#arguments + 1] = ffi.string(text)
  end
end

--- The value of an option as text, nil when there is none of that name.
---@param name string
---@return string?
function M.option(name)
  local buffer = ffi.new("char[4096]")
  local len = C.jh_option_get(M.generation, name, buffer, 4096)
  if len >= 0 then return ffi.string(buffer, len) end
end

--- Adds a route; raises nothing.
---@param id integer
---@param host string "" for any
---@param method string "" for any
---@param pattern string
---@param where string "app.lua:12"
---@return true? ok
---@return string? err
function M.add_route(id, host, method, pattern, where)
  local text = ffi.new("char[512]")
  local code = C.jh_route_add(M.generation, id, host, #host, method, #method, pattern, #pattern,
    where, #where, text, 512)
  if code == 0 then return true end
  return nil, ffi.string(text)
end

--- Tells the core what a route says about bodies.
---@param id integer
---@param policy justhttp.body_policy
function M.limit_route(id, policy)
  local code = C.jh_route_limit(M.generation, id, policy.body_bytes or -1,
    policy.body_timeout_ms or -1, policy.is_early or false)
  if code ~= 0 then error(M.strerror(code)) end
end

local has_text_lines

--- Writes a message to the error log. In the text format a message of several lines (a traceback)
-- becomes several log lines, each with its own time and level, so that people can read it. What %q
-- made of the end of a line stays on its line.
---@param level "debug"|"info"|"warn"|"error"
---@param text string
function M.log(level, text)
  if text:find("\n", 1, true) then text = text:gsub("\\\n", "\\n") end
  if not text:find("\n", 1, true) then
    return C.jh_log_text(M.generation, LEVELS[level], text, #text)
  end
  if has_text_lines == nil then has_text_lines = M.option "log_format" == "text" end
  if not has_text_lines then return C.jh_log_text(M.generation, LEVELS[level], text, #text) end
  for line in text:gmatch "[^\n]+" do
    line = line:gsub("\t", "  ")
    C.jh_log_text(M.generation, LEVELS[level], line, #line)
  end
end

--- True when lines of this level are written.
---@param level string
---@return boolean
function M.log_wants(level)
  return C.jh_log_wants(M.generation, LEVELS[level])
end

--- Appends a line to the access log; buffered, one write per turn of the loop.
---@param line string
function M.access_log(line)
  C.jh_access_log(M.generation, line, #line)
end

--- Milliseconds of a clock that only goes forward, read once per loop turn.
---@return number
function M.clock_ms()
  return C.jh_now_ms(M.generation)
end

--- The same clock at this moment, with fractions.
---@return number
function M.precise_ms()
  return C.jh_precise_ms()
end

--- Milliseconds since 1970.
---@return number
function M.unix_ms()
  return C.jh_unix_ms(M.generation)
end

ffi.cdef "int isatty(int descriptor);"

--- True when standard output is a terminal.
---@return boolean
function M.is_terminal()
  return ffi.C.isatty(1) == 1
end

return M
