--- `require` for apps: as the stock one, but module bodies may wait.
--
-- The stock require is a C function, and a coroutine cannot yield across it; so a module that
-- connects to something while it loads could not be required in a handler. This one does the same
-- steps in Lua: package.loaded, then each of package.loaders, then the body.
--
-- While a body waits, other tasks run and may require the same module. They wait for the first one
-- instead of running the body twice. Where waiting would never end (modules that require each
-- other) the usual loop error is raised. Unlike the stock require of Lua 5.1, a body that failed
-- leaves no mark behind: the next require runs it again and shows the real error.

local traceback = require "justhttp.traceback"

local type, tostring, error, xpcall = type, tostring, error, xpcall
local concat = table.concat

local M = {}

-- Modules whose body runs now: name -> { owner = task, waiting = { wait ids } }.
local loading = {}

-- Which module a task waits for: task -> name.
local waits_for = {}

---@class justhttp.require_waiting
---@field current fun(): any the task that runs, nil outside of tasks
---@field new_id fun(): integer
---@field park fun(id: integer) suspends the task until the id is posted
---@field post fun(id: integer)

---@type justhttp.require_waiting?
local waiting

--- Tells how tasks wait for each other; without it (plain LuaJIT) none does.
---@param with justhttp.require_waiting?
function M.configure(with)
  waiting = with
end

--- Replaces the global `require` of this VM. For the worker, before it loads the app.
function M.install()
  local door, scheduler = require "justhttp.door", require "justhttp.scheduler"
  M.configure {
    current = function() return scheduler.state.root end,
    new_id = scheduler.new_id,
    park = scheduler.park,
    post = function(id) door.C.jh_generation_post(door.generation, id) end,
  }
  _G.require = M.require -- luacheck: ignore 122
end

local function find_loader(name)
  local tried = {}
  local loaders = package.loaders
  if type(loaders) ~= "table" then error("'package.loaders' must be a table", 3) end
  for i = 1, #loaders do
    local loader = loaders[i](name)
    if type(loader) == "function" then return loader end
    if type(loader) == "string" then tried[#tried + 1] = loader end
  end
  error("module '" .. name .. "' not found:" .. concat(tried), 3)
end

-- Would task `me` wait for itself, directly or through what others wait for?
local function is_loop(name, me)
  local record = loading[name]
  while record do
    if record.owner == me then return true end
    name = waits_for[record.owner]
    record = name and loading[name]
  end
  return false
end

local function wait_for(name, me)
  local record = loading[name]
  local id = waiting.new_id()
  record.waiting[#record.waiting + 1] = id
  waits_for[me] = name
  waiting.park(id)
  waits_for[me] = nil
end

local function finish(name, record)
  loading[name] = nil
  for i = 1, #record.waiting do waiting.post(record.waiting[i]) end
end

local function run_body(name, loader, me)
  local record = { owner = me, waiting = {} }
  loading[name] = record
  local ok, result = xpcall(loader, traceback.keep, name)
  if ok then
    if result ~= nil then
      package.loaded[name] = result
    elseif package.loaded[name] == nil then
      package.loaded[name] = true
    end
  end
  finish(name, record)
  if not ok then error(result, 0) end
  return package.loaded[name]
end

--- Returns a module, running its body the first time it is asked for.
---@param name string
---@return any
function M.require(name)
  if type(name) ~= "string" then
    if type(name) ~= "number" then
      error("bad argument #1 to 'require' (string expected, got "
        .. (name == nil and "no value" or type(name)) .. ")", 2)
    end
    name = tostring(name)
  end
  local loaded = package.loaded[name]
  if loaded and not loading[name] then return loaded end
  local me = waiting and waiting.current() or "main"
  while loading[name] do
    if is_loop(name, me) then
      if loaded then return loaded end
      error("loop or previous error loading module '" .. name .. "'", 2)
    end
    if me == "main" then
      error("module '" .. name .. "' is being loaded by a task and cannot be waited for here", 2)
    end
    wait_for(name, me)
    loaded = package.loaded[name]
  end
  loaded = package.loaded[name]
  if loaded then return loaded end
  local loader = find_loader(name)
  return (run_body(name, loader, me))
end

return M
