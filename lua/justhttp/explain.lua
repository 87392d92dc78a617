--- Makes the message of an error say more, from what is still on the stack when it is captured.
--
-- Called by traceback.lua for every error it captures; so nothing of this costs anything while all
-- goes well. Two kinds are worth it: a value that JSON cannot hold, where the message of cjson
-- knows neither the place in the value nor who made it, and a method that is not there, where the
-- nearest name of the ctx or app at hand is offered.

local json = require "justhttp.json"
local nearest = require "justhttp.nearest"

local find, match, sub, format = string.find, string.match, string.sub, string.format
local getinfo, getlocal, getupvalue = debug.getinfo, debug.getlocal, debug.getupvalue
local getmetatable, type = getmetatable, type

local MOST_LEVELS = 40

local M = {}

--- True for a source of justhttp itself: embedded chunks are named "justhttp/…", in a checkout the
-- path tells.
---@param source string
function M.is_framework(source)
  return sub(source, 1, 9) == "justhttp/"
    or (find("/" .. source, "/lua/justhttp/", 1, true) ~= nil
      and not find(source, "spec/lua/justhttp/", 1, true))
end

-- Levels count from the function that raised: in `thread`, or in this coroutine above the function
-- here, three that lead to it, and the message handler. A tail call among these would shift them.
local ABOVE = 6

local function info_at(thread, level, what)
  if thread then return getinfo(thread, level, what) end
  local info = getinfo(level + ABOVE, what)
  return info
end

local function local_at(thread, level, index)
  if thread then return getlocal(thread, level, index) end
  local name, value = getlocal(level + ABOVE, index)
  return name, value
end

-- ---- values that JSON cannot hold ---------------------------------------------------------------

local describers = {} -- function that encodes for an app -> who made the value, from its arguments

--- Tells who makes the values that `fn` encodes: `describe` gets its first and fourth argument and
-- returns the text in front of the reason: "app.lua:3: the handler returned a table that is no
-- JSON".
---@param fn function
---@param describe fun(first: any, fourth: any): string
function M.describe(fn, describe)
  describers[fn] = describe
end

local function find_value(thread)
  for level = 0, MOST_LEVELS do
    local info = info_at(thread, level, "f")
    if not info then return nil end
    if info.func == json.encode_response then
      local _, value = local_at(thread, level, 1)
      return value, level
    end
  end
end

local function who_encodes(thread, from_level)
  for level = from_level, MOST_LEVELS do
    local info = info_at(thread, level, "fSl")
    if not info then return "" end
    local describe = describers[info.func]
    if describe then
      local _, first = local_at(thread, level, 1)
      local _, fourth = local_at(thread, level, 4)
      return describe(first, fourth) .. ": "
    end
    if info.what ~= "C" and not M.is_framework(info.short_src) then
      return format("%s:%d: this value is no JSON: ", info.short_src, info.currentline)
    end
  end
  return ""
end

local function json_error(err, thread)
  local value, level = find_value(thread)
  if not level then return err end
  local who = who_encodes(thread, level)
  return who .. json.failure(value, err)
end

-- ---- methods that are not there -----------------------------------------------------------------

local classes = {} -- metatable -> { label =, tables of methods … }

--- Names the methods of a class, for the nearest of them to be offered: `label` is "ctx", "app".
---@param meta table metatable of its objects
---@param label string
---@param ... table<string, any> tables with the methods
function M.class(meta, label, ...)
  classes[meta] = { label = label, ... }
end

-- Of the classes of what the function at hand knows, the nearest name.
local function suggestion(thread, word)
  local best, best_distance
  local function offer(value)
    local class = type(value) == "table" and classes[getmetatable(value)]
    for i = 1, class and #class or 0 do
      local name, distance = nearest(word, class[i])
      if name and (not best or distance < best_distance) then
        best, best_distance = class.label .. ":" .. name, distance
      end
    end
  end
  local index = 1
  while true do
    local name, value = local_at(thread, 0, index)
    if not name then break end
    offer(value)
    index = index + 1
  end
  local info = info_at(thread, 0, "f")
  index = 1
  while info do
    local name, value = getupvalue(info.func, index)
    if not name then break end
    offer(value)
    index = index + 1
  end
  return best
end

local function method_error(err, thread, word)
  local name = suggestion(thread, word)
  if not name then return err end
  return err .. "; did you mean " .. name .. "?"
end

-- -------------------------------------------------------------------------------------------------

--- The error with a better message, when there is one. `thread` is the coroutine that died; nil in
-- a message handler, which must call this itself.
---@param err any
---@param thread thread?
---@return any err
function M.error(err, thread)
  if type(err) ~= "string" then return err end
  if find(err, "Cannot serialise", 1, true) then
    err = json_error(err, thread)
    return err
  end
  local word = match(err, "attempt to call method '([^']+)' %(a nil value%)$")
  if word then err = method_error(err, thread, word) end
  return err
end

return M
