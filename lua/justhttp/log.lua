--- The log for apps: `http.log.info("user %s signed in", name)`.
--
-- Text is formatted as string.format does; a table as the last argument is fields, written behind
-- the text as name=value. A call below the log level returns before it formats anything. A wrong
-- format never raises: logging must not be what breaks a handler.
--
-- Where lines go is set once by the worker with `configure`; without one (a plain LuaJIT running a
-- spec) they go to stderr. Escaping of control bytes and the form of the line are the core's.

local dump = require "justhttp.dump"

local find, format, gsub = string.find, string.format, string.gsub
local concat, sort = table.concat, table.sort
local select, type, tostring, pcall = select, type, tostring, pcall

---@class justhttp.log
local M = {}

local function write_stderr(level, text)
  io.stderr:write(level, " ", text, "\n")
end

local sink = {
  write = write_stderr,
  wants = function(level) return level ~= "debug" end,
}

--- Sets where lines go: `write(level, text)` with a level's name, `wants(level)` tells whether
-- lines of it are kept. Called by the worker.
---@param to { write: fun(level: string, text: string), wants: fun(level: string): boolean }
function M.configure(to)
  sink.write, sink.wants = to.write, to.wants
end

local function field_value(value)
  if type(value) == "table" then return dump(value) end
  local text = tostring(value)
  if type(value) == "string" and (text == "" or find(text, '[%s"=]')) then
    return '"' .. gsub(gsub(text, '[\\"]', "\\%0"), "\n", "\\n") .. '"'
  end
  return text
end

local function fields_text(fields)
  local names, parts = {}, {}
  for name in pairs(fields) do names[#names + 1] = tostring(name) end
  sort(names)
  for i, name in ipairs(names) do parts[i] = name .. "=" .. field_value(fields[name]) end
  return concat(parts, " ")
end

local function is_fields(value)
  if type(value) ~= "table" then return false end
  local meta = getmetatable(value)
  return type(meta) ~= "table" or meta.__tostring == nil
end

--- The text of a line: the message formatted, then its fields. For the functions below and specs.
---@param bound table? fields of every line of a logger
---@param message any
---@return string
function M._text(bound, message, ...)
  local count = select("#", ...)
  local text = tostring(message)
  local fields
  if count > 0 then
    fields = select(count, ...)
    if is_fields(fields) then count = count - 1 else fields = nil end
    if count > 0 then
      local ok, formatted = pcall(format, text, ...)
      if ok then
        text = formatted
      else
        for i = 1, count do text = text .. " " .. tostring((select(i, ...))) end
      end
    end
  end
  if bound and next(bound) ~= nil then
    local both = {}
    for name, value in pairs(bound) do both[name] = value end
    for name, value in pairs(fields or both) do both[name] = value end
    fields = both
  end
  if fields and next(fields) ~= nil then text = text .. " " .. fields_text(fields) end
  return text
end

---@class justhttp.logger
local Logger = { __name = "justhttp.logger" }
Logger.__index = Logger

local function log(logger, level, message, ...)
  if not sink.wants(level) then return end
  sink.write(level, M._text(logger and logger._fields, message, ...))
end

--- For details that help while developing.
---@param message string a format of string.format when arguments follow
---@param ... any arguments; a table at the end is fields
function M.debug(message, ...) log(nil, "debug", message, ...) end

--- For what happens in normal operation.
---@param message string
---@param ... any
function M.info(message, ...) log(nil, "info", message, ...) end

--- For what deserves a look.
---@param message string
---@param ... any
function M.warn(message, ...) log(nil, "warn", message, ...) end

--- For what failed.
---@param message string
---@param ... any
function M.error(message, ...) log(nil, "error", message, ...) end

--- A logger whose lines all carry some fields: `local log = http.log.with{ job = "import" }`,
-- then `log:info("done")`.
---@param fields table
---@return justhttp.logger
function M.with(fields)
  if type(fields) ~= "table" then
    error("log.with: give a table of fields, got " .. type(fields), 2)
  end
  return setmetatable({ _fields = fields }, Logger)
end

---@param message string
---@param ... any
function Logger:debug(message, ...) log(self, "debug", message, ...) end

---@param message string
---@param ... any
function Logger:info(message, ...) log(self, "info", message, ...) end

---@param message string
---@param ... any
function Logger:warn(message, ...) log(self, "warn", message, ...) end

---@param message string
---@param ... any
function Logger:error(message, ...) log(self, "error", message, ...) end

return M
