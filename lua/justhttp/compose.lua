--- The onion: a handler and the middleware around it, made into one function when the app starts.
--
-- The function is written as text and compiled, one for each chain, so a request creates no closure
-- and LuaJIT sees straight calls: closures of one prototype that call each other look like
-- recursion to it, and it gives up inlining them. For the same reason a middleware that stands in a
-- chain more than once (or two closures of one function) gets a prototype of its own for each
-- place.
--
-- `next` finds its ctx by itself (the one whose code runs), so middleware may call it from a task
-- of its own.

local context = require "justhttp.context"
local scheduler = require "justhttp.scheduler"

local concat, format = table.concat, string.format

-- A function that does the same with the same upvalues but has its own prototype.
local function own_prototype(fn)
  local ok, code = pcall(string.dump, fn)
  local twin = ok and loadstring(code)
  if not twin then return fn end -- a C function
  local index = 1
  while debug.getupvalue(fn, index) do
    debug.upvaluejoin(twin, index, fn, index)
    index = index + 1
  end
  return setfenv(twin, getfenv(fn))
end

-- What tells prototypes apart: two closures of one function have the same place and bytecode.
local function prototype_of(fn)
  local info = debug.getinfo(fn, "S")
  return format("%s:%d:%d", info.source, info.linedefined, info.lastlinedefined)
end

local function distinct(functions)
  local seen, list = {}, {}
  for i = 1, #functions do
    local fn = functions[i]
    local prototype = prototype_of(fn)
    list[i] = seen[prototype] and own_prototype(fn) or fn
    seen[prototype] = true
  end
  return list
end

-- The names are what a traceback shows; each is declared anew for every layer. The number at the
-- end of `apply` tells who returned the value, should it be wrong.
local CENTER = [[
local handler = fn_%d
local function run(ctx)
  local first, second = handler(ctx)
  if first ~= nil then apply(ctx, first, second, %d) end
end
]]

local LAYER = [[
local inner, middleware = run, fn_%d
local function next(ctx) inner(ctx or state.ctx) end
local function run(ctx)
  local first, second = middleware(ctx, next)
  if first ~= nil then apply(ctx, first, second, %d) end
end
]]

-- Lua has 200 locals and 60 upvalues per function; longer chains are made of several.
local MOST_LAYERS = 20

-- `from` is the place of the first function in its whole chain.
local function compile(functions, from)
  local count = #functions
  local names = {}
  for i = 1, count do names[i] = "fn_" .. i end
  local parts = { format("local apply, state, %s = ...\n", concat(names, ", ")) }
  parts[#parts + 1] = format(CENTER, count, from + count - 1)
  for i = count - 1, 1, -1 do parts[#parts + 1] = format(LAYER, i, from + i - 1) end
  parts[#parts + 1] = "return run"
  local chunk = assert(loadstring(concat(parts), "@justhttp/compose.lua"))
  return chunk(context.apply, scheduler.state, unpack(functions))
end

--- Composes a route. Without middleware that is the handler itself.
---@param middleware justhttp.middleware[] outermost first
---@param handler justhttp.handler
---@return justhttp.handler
return function(middleware, handler)
  if #middleware == 0 then return handler end
  local functions = {}
  for i = 1, #middleware do functions[i] = middleware[i] end
  functions[#functions + 1] = handler
  functions = distinct(functions)
  while #functions > MOST_LAYERS do
    local tail, from = {}, #functions - MOST_LAYERS + 1
    for i = from, #functions do tail[#tail + 1] = functions[i] end
    for _ = 1, MOST_LAYERS do functions[#functions] = nil end
    functions[#functions + 1] = compile(tail, from)
  end
  return compile(functions, 1)
end
