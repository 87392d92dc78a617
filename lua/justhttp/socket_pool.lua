--- Pools of connections at rest, for http.socket.
--
-- A pool has a name ("host:port" when its user gives none) and belongs to this worker. The core
-- watches what rests here and closes it when its peer does or its time is over; such entries are
-- thrown out when somebody comes by. With a backlog a pool also bounds how many connections are
-- open at all, and makes others wait.

local ffi = require "ffi"
local door = require "justhttp.door"
local scheduler = require "justhttp.scheduler"

local C = door.C
local remove, tostring = table.remove, tostring

local SIZE = 30
local SWEEP_EVERY = 64 -- connections put to rest

local M = {}

---@class justhttp.socket_pool
---@field key string
---@field idle table[] { socket, reused, is_counted }; the one used last at the end
---@field size integer
---@field limit integer? most connections that may be open
---@field backlog integer? most tasks that may wait for one
---@field open integer connections that count for the limit
---@field waiting integer[] wait ids
---@field context ffi.cdata*? what its connections speak TLS with: alive as long as the pool is

local by_key = {}
local put_count = 0

local function key_of(host, port, options, context)
  local key = options and options.pool
  if not key then key = port == 0 and host or host .. ":" .. port end
  if not context then return key end
  return key .. "\0tls " .. tostring(ffi.cast("void *", context)) .. " "
    .. (options.server_name or "")
end

--- The pool for a connection.
---@return justhttp.socket_pool
function M.find(host, port, options, context)
  local key = key_of(host, port, options, context)
  local pool = by_key[key]
  if not pool then
    pool = { key = key, idle = {}, size = SIZE, open = 0, waiting = {}, context = context }
    by_key[key] = pool
  end
  if options then
    if options.pool_size then pool.size = options.pool_size end
    if options.backlog then pool.limit, pool.backlog = pool.size, options.backlog end
  end
  return pool
end

local function wake_next(pool)
  local id = remove(pool.waiting, 1)
  if id then C.jh_generation_post(door.generation, id) end
end

local function drop_when_unused(pool)
  if pool.idle[1] or pool.open > 0 or pool.waiting[1] then return end
  if by_key[pool.key] == pool then by_key[pool.key] = nil end
end

--- A connection that counted for the limit is gone.
function M.leave(pool)
  pool.open = pool.open - 1
  wake_next(pool)
  drop_when_unused(pool)
end

local function throw_out(pool, at)
  local entry = remove(pool.idle, at)
  C.jh_socket_close(ffi.gc(entry.socket, nil))
  if entry.is_counted then M.leave(pool) end
end

-- The connection that was used last and is still good.
local function take(pool)
  local idle = pool.idle
  for i = #idle, 1, -1 do
    local entry = idle[i]
    if C.jh_socket_is_resting(entry.socket) and C.jh_socket_resume(entry.socket) == 0 then
      remove(idle, i)
      return entry
    end
    throw_out(pool, i)
  end
end

-- Waits for a connection to be closed or put back. False when the time was over first.
local function wait(pool, ms)
  local id, timer = scheduler.new_id(), nil
  scheduler.prepare "socket:connect"
  pool.waiting[#pool.waiting + 1] = id
  if ms > 0 then timer = C.jh_timer_start(door.generation, id, ms) end
  local code = scheduler.suspend(id)
  if timer ~= nil then C.jh_timer_stop(timer, id) end
  local is_woken = true
  for i = 1, #pool.waiting do
    if pool.waiting[i] == id then
      remove(pool.waiting, i)
      is_woken = false
      break
    end
  end
  if code == 0 then return is_woken end
  -- The turn that was ours is the next one's.
  if is_woken then wake_next(pool) end
  scheduler.check_suspended(code, id, "socket:connect")
end

--- A connection out of the pool; or nothing, and the caller makes one, which counts when the pool
-- has a limit: `leave` is to be called when it is gone.
---@param pool justhttp.socket_pool
---@param ms number how long to wait at most, 0 for ever
---@return table? entry { socket, reused, is_counted }
---@return boolean? is_counted for a new one
---@return string? err
function M.acquire(pool, ms)
  while true do
    local entry = take(pool)
    if entry then return entry end
    if not pool.limit then return nil, false end
    if pool.open < pool.limit then
      pool.open = pool.open + 1
      return nil, true
    end
    if #pool.waiting >= pool.backlog then
      return nil, nil, "too many waiting connect operations"
    end
    if not wait(pool, ms) then return nil, nil, "timeout" end
  end
end

local function prune(pool)
  for i = #pool.idle, 1, -1 do
    if not C.jh_socket_is_resting(pool.idle[i].socket) then throw_out(pool, i) end
  end
  drop_when_unused(pool)
end

--- Takes a connection that the core has put to rest.
---@param pool justhttp.socket_pool
---@param entry table { socket, reused, is_counted }
---@param size integer? how many may rest here
function M.put(pool, entry, size)
  pool = by_key[pool.key] or pool
  by_key[pool.key] = pool
  if size then pool.size = size end
  put_count = put_count + 1
  if put_count % SWEEP_EVERY == 0 then
    for _, any in pairs(by_key) do prune(any) end
    by_key[pool.key] = pool
  end
  pool.idle[#pool.idle + 1] = entry
  if #pool.idle > pool.size then
    prune(pool)
    by_key[pool.key] = pool
    while #pool.idle > pool.size do throw_out(pool, 1) end
  end
  wake_next(pool)
  drop_when_unused(pool)
end

--- How many connections rest under a name, for specs and statistics.
---@param name string
---@return integer
function M.idle_count(name)
  local pool = by_key[name]
  if not pool then return 0 end
  prune(pool)
  return #pool.idle
end

return M
