--- What went wrong, kept whole: an error value, its message and the calls that led to it.
--
-- `capture` is the message handler of every xpcall around app code. It makes a fault, which may
-- travel further: raised again from another coroutine (a task that was waited for), the calls of
-- that coroutine are added, so the log shows one joined traceback. Log lines get all of it; the
-- dev page shows the app's own frames first and leaves those of justhttp out.

local find, match, format = string.find, string.match, string.format
local gmatch, gsub = string.gmatch, string.gsub
local concat = table.concat
local getmetatable, setmetatable, type = getmetatable, setmetatable, type
local raw_traceback, getinfo = debug.traceback, debug.getinfo
local bundle = require "justhttp.bundle"
local dump = require "justhttp.dump"
local explain = require "justhttp.explain"

local is_framework = explain.is_framework

local M = {}

---@class justhttp.fault
---@field value any what was raised
---@field message string it as text
---@field trace string the calls, as debug.traceback writes them, without its first line
local Fault = { __name = "justhttp.fault" }
Fault.__index = Fault
Fault.__tostring = function(fault) return fault.message end

local JOINT = "\t-- waited for by:\n"
local RAISED_AGAIN = "\t-- raised again by:\n"

--- Text of any error value.
---@param err any
---@return string
function M.message(err)
  if type(err) == "string" then return err end
  if type(err) == "table" then
    local meta = getmetatable(err)
    local has_text = type(meta) == "table" and meta.__tostring
    if not has_text and type(err.message) == "string" then return err.message end
    return dump(err)
  end
  return format("(error object is a %s value)", type(err))
end

--- True for what `capture` makes.
---@param value any
---@return boolean
function M.is_fault(value)
  return type(value) == "table" and getmetatable(value) == Fault
end

local function calls_of(trace)
  return (gsub(trace, "^.-stack traceback:\n", ""))
end

-- The calls of a coroutine that died. LuaJIT has forgotten the line of the innermost one, unless a
-- C function raised the error; the message says it.
local function calls_of_dead(thread, err)
  local calls = calls_of(raw_traceback(thread))
  local file, line = match(type(err) == "string" and err or "", "^(.-):(%d+): ")
  local source, rest = match(calls, "^\t([^\n]-)(: in .*)$")
  if not source or source ~= file then return calls end
  return format("\t%s:%s%s", source, line, rest)
end

-- The calls behind the error that `keep` saw last. One is enough: it is asked for by the next
-- capture up the same stack, and an error that came in between only costs the longer trace.
local kept_error, kept_calls

--- Message handler for xpcall where the error is raised again as it is (`require` does): remembers
-- the calls that the second raise would lose, for `capture` to put in front.
---@param err any
---@return any err
function M.keep(err)
  if type(err) == "string" then
    local calls = calls_of(raw_traceback("", 2))
    if err == kept_error then calls = kept_calls .. "\n" .. RAISED_AGAIN .. calls end
    kept_error, kept_calls = err, calls
  end
  return err
end

--- Remembers the calls of a coroutine that died with `err`, which is raised again as it is in the
-- coroutine that resumed it, for `capture` to put in front.
---@param thread thread
---@param err any
function M.note_inner(thread, err)
  if type(err) == "string" then kept_error, kept_calls = err, calls_of_dead(thread, err) end
end

-- Puts the calls kept for this error in front of those of the second raise.
local function join_kept(err, calls)
  if not kept_error or err ~= kept_error then return calls end
  calls = kept_calls .. "\n" .. RAISED_AGAIN .. calls
  kept_error, kept_calls = nil, nil
  return calls
end

--- Message handler for xpcall: turns an error into a fault, or adds the calls to one that came from
-- another coroutine.
---@param err any
---@return justhttp.fault
function M.capture(err)
  local calls = calls_of(raw_traceback("", 2))
  if M.is_fault(err) then
    err.trace = err.trace .. "\n" .. JOINT .. calls
    return err
  end
  calls = join_kept(err, calls)
  err = explain.error(err, nil)
  return setmetatable({ value = err, message = M.message(err), trace = calls }, Fault)
end

--- The fault of a coroutine that died with `err`; its stack is still there to be read.
---@param thread thread
---@param err any
---@return justhttp.fault
function M.capture_thread(thread, err)
  local calls = calls_of_dead(thread, err)
  if M.is_fault(err) then
    if calls ~= "" then err.trace = err.trace .. "\n" .. JOINT .. calls end
    return err
  end
  calls = join_kept(err, calls)
  err = explain.error(err, thread)
  return setmetatable({ value = err, message = M.message(err), trace = calls }, Fault)
end

---@class justhttp.frame
---@field source string file name, or "[C]"
---@field line integer?
---@field what string "in function 'name'"
---@field is_app boolean neither C nor justhttp's own

--- The frames of a fault, innermost first.
---@param fault justhttp.fault
---@return justhttp.frame[]
function M.frames(fault)
  local frames = {}
  for text in gmatch(fault.trace, "[^\n]+") do
    local source, line, what = match(text, "^\t(.-):(%d+): (in .*)$")
    if not source then source, what = match(text, "^\t([^:]+): (in .*)$") end
    if not source then source, what = match(text, "^\t(%[C%]):? ?(.*)$") end
    if source then
      frames[#frames + 1] = {
        source = source, line = tonumber(line), what = what,
        is_app = source ~= "[C]" and not is_framework(source),
      }
    end
  end
  return frames
end

--- Raises a misuse at the line of the app that led here, however many of justhttp's own functions
-- lie between.
---@param message string
function M.misuse(message)
  local level = 2
  while true do
    local info = getinfo(level, "S")
    if not info then error(message, 2) end
    if info.what ~= "C" and not is_framework(info.short_src) then error(message, level) end
    level = level + 1
  end
end

--- Splits "app.lua:12: text" into file, line and text.
---@param message string
---@return string? file
---@return integer? line
---@return string text
function M.place(message)
  local file, line, text = match(message, "^(.-):(%d+): (.*)$")
  if not file or find(file, "\n", 1, true) then return nil, nil, message end
  return file, tonumber(line), text
end

-- The calls down to the outermost one of the app: what lies below is how justhttp came to call it.
local function without_tail(trace)
  local lines, last = {}, nil
  for line in gmatch(trace, "[^\n]+") do
    lines[#lines + 1] = line
    local source = match(line, "^\t(.-):%d+: in ")
    if source and not is_framework(source) then last = #lines end
  end
  return last and concat(lines, "\n", 1, last) or trace
end

--- The whole text for the log.
---@param fault justhttp.fault|any
---@return string
function M.full(fault)
  if not M.is_fault(fault) then return M.message(fault) end
  return fault.message .. "\nstack traceback:\n" .. without_tail(fault.trace)
end

--- The text for somebody who wrote the app just now: one line where a check of justhttp itself
-- raised and names the line of the app, else all of it.
---@param fault justhttp.fault|any
---@return string
function M.brief(fault)
  if not M.is_fault(fault) or type(fault.value) ~= "string" then return M.full(fault) end
  local file = M.place(fault.message)
  if not file or is_framework(file) then return M.full(fault) end
  for _, frame in ipairs(M.frames(fault)) do
    if frame.is_app then return M.full(fault) end
    if frame.source ~= "[C]" then return fault.message end
  end
  return fault.message
end

--- Where in the app it happened: the place in the message when that is the app's, else the
-- innermost frame of the app.
---@param fault justhttp.fault
---@return string? file
---@return integer? line
function M.app_place(fault)
  local file, line = M.place(fault.message)
  if file and not is_framework(file) then return file, line end
  for _, frame in ipairs(M.frames(fault)) do
    if frame.is_app then return frame.source, frame.line end
  end
  return nil, nil
end

--- The lines of a source file around one line. Reads the file: for the dev page only.
---@param file string
---@param line integer
---@param around integer? lines before and after, 5 when absent
---@return { line: integer, text: string, is_current: boolean }[]? nil when it cannot be read
function M.excerpt(file, line, around)
  around = around or 5
  local source = bundle.lines(file)
  if not source then return nil end
  local lines, number = {}, 0
  for text in source do
    number = number + 1
    if number > line + around then break end
    if number >= line - around then
      lines[#lines + 1] = { line = number, text = text, is_current = number == line }
    end
  end
  return #lines > 0 and lines or nil
end

return M
