-- What runs in the states of http.offload: decodes a job, calls its function, encodes the outcome.
--
-- These states have the standard libraries and the app's modules, and nothing of justhttp: no
-- events, no requests. A state serves many jobs, so the globals that a job sets are its own.

local buffer = require "string.buffer"

local decode, encode = buffer.decode, buffer.encode
local loadstring, setfenv, setmetatable, unpack = loadstring, setfenv, setmetatable, unpack
local xpcall, pcall, error, select, type, tostring = xpcall, pcall, error, select, type, tostring
local traceback, setupvalue = debug.traceback, debug.setupvalue

local REFUSED = "%s cannot be used in a function given to http.offload: it runs in a state of its "
  .. "own, without requests and events; give it what it needs and return what it makes"

table.insert(package.loaders, 2, function(name)
  if name == "justhttp" or name:sub(1, 9) == "justhttp." then
    error(REFUSED:format(name), 3)
  end
end)

-- Where the files of the app's bundle stand, as in lua/justhttp/bundle.lua.
local file_text = ...
local prefix

local search_disk = package.loaders[3]

package.loaders[3] = function(name)
  local tail = name:gsub("%.", "/"):gsub("%%", "%%%%")
  for template in package.path:gmatch "[^;]+" do
    local path = template:gsub("%?", tail)
    local is_below = prefix and path:sub(1, #prefix) == prefix
    local text = is_below and file_text(path:sub(#prefix + 1))
    if text then
      local chunk, err = loadstring(text, "@" .. path)
      if chunk then return chunk end
      error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, err), 0)
    end
  end
  return search_disk(name)
end

local function pack(...) return { n = select("#", ...), ... } end

local function with_traceback(err)
  if type(err) ~= "string" then
    local ok, text = pcall(tostring, err)
    err = ok and text or "(" .. type(err) .. ")"
  end
  local text = traceback(err, 2)
  -- What stands below the function is this file's.
  return text:match "^(.*)\n\t%[C%]: in function 'xpcall'" or text
end

-- "string.format"
local function find(path)
  local value = _G
  for part in path:gmatch "[^.]+" do
    if part ~= "_G" then value = value[part] end
  end
  return value
end

local function value_of(upvalue)
  if upvalue.path then return find(upvalue.path) end
  if upvalue.module then return require(upvalue.module) end
  return upvalue.value
end

local function make_function(job)
  local fn = loadstring(job.code)
  setfenv(fn, setmetatable({}, { __index = _G }))
  for i = 1, job.upvalue_count do
    if job.upvalues[i] then setupvalue(fn, i, value_of(job.upvalues[i])) end
  end
  return fn
end

return function(input)
  local job = decode(input)
  package.path, package.cpath, prefix = job.path, job.cpath, job.prefix
  local arguments = job.arguments
  local results = pack(xpcall(function()
    return make_function(job)(unpack(arguments, 1, arguments.n))
  end, with_traceback))
  if not results[1] then return encode { error = results[2] } end
  local ok, output = pcall(encode, { results = results })
  if ok then return output end
  return encode { unfit = true, error = output }
end
