-- A connection without a socket whose every read and write the spec decides, in the spec's own
-- process: no timing, no kernel, every interleaving at will.
--
--   local sim = require "spec.support.sim"
--   local world = sim.open()                   -- a worker without listeners
--   function world.on_request(ctx, route) … end
--   local c = world:connect()
--   c:give("GET / HTTP/1.1\r\n…")              -- bytes that can be read; each call is one read(2)
--   c:give_end()  c:give_error(sim.ECONNRESET) -- the peer's end, a failing read
--   c.room = 100                               -- bytes the peer takes; nil: everything
--   world:settle()                             -- lets everything happen that can
--   c.output  c.is_closed  c.is_shut           -- what came of it
--   world:close()                              -- debug builds check that nothing is still in use
--
-- The wake for an id of world:wait(fn) calls fn(error). LuaJIT does not compile calls that call
-- back, so its compiler is off for this module and should be for the specs that use it.
local ffi = require "ffi"
local core = require "spec.support.core"
require "spec.support.uv"
local C = core.load("justhttp.h", "net/transport.h", "net/conn.h", "server/generation.h")

jit.off(true, true)

local M = { EAGAIN = -11, ECONNRESET = -104, EPIPE = -32, READABLE = 1, WRITABLE = 2 }

local conns = {} -- address -> simulated connection

local function key_of(conn) return tonumber(ffi.cast("uintptr_t", conn)) end

local function on_read(conn, out, bytes)
  local self = conns[key_of(conn)]
  local piece = table.remove(self.input, 1)
  if piece == nil then return M.EAGAIN end
  if type(piece) == "number" then
    if piece == 0 then table.insert(self.input, 1, 0) end
    return piece
  end
  local count = math.min(#piece, tonumber(bytes))
  ffi.copy(out, piece, count)
  if count < #piece then table.insert(self.input, 1, piece:sub(count + 1)) end
  return count
end

local function on_write(conn, parts, count)
  local self = conns[key_of(conn)]
  if self.write_error then return self.write_error end
  local pieces = {}
  for i = 0, count - 1 do pieces[#pieces + 1] = ffi.string(parts[i].base, parts[i].len) end
  local bytes = table.concat(pieces)
  self.write_count = self.write_count + 1
  if self.room then
    if self.room == 0 then return M.EAGAIN end
    bytes = bytes:sub(1, self.room)
    self.room = self.room - #bytes
  end
  self.outputs[#self.outputs + 1] = bytes
  return #bytes
end

local function on_poll(conn, events)
  conns[key_of(conn)].events = events
  return 0
end

local function on_shutdown(conn) conns[key_of(conn)].is_shut = true end

local function on_close(conn)
  local self = conns[key_of(conn)]
  self.is_closed, self.conn = true, nil
  conns[key_of(conn)] = nil
  return false
end

local transport = ffi.new("jh_transport", {
  scheme = ffi.cast("const char *", "http"), read = on_read, write = on_write, poll = on_poll,
  sendfile = C.jh_transport_copy_file, shutdown_write = on_shutdown, close = on_close,
})

local World = {}
World.__index = World
local Conn = {}

function Conn.__index(self, name)
  if name == "output" then return table.concat(self.outputs) end
  return Conn[name]
end

function M.open()
  local generation = C.jh_standalone_open()
  return setmetatable({ generation = generation, conns = {}, waits = {}, last_id = 0,
    event = ffi.new "jh_event" }, World)
end

-- nil when memory is out.
function World:connect()
  local conn = C.jh_conn_new(C.jh_generation_loop(self.generation), transport, nil, -1)
  if conn == nil then return nil end
  local c = setmetatable({ world = self, conn = conn, input = {}, outputs = {}, events = 0,
    write_count = 0 }, Conn)
  conns[key_of(conn)] = c
  self.conns[#self.conns + 1] = c
  C.jh_conn_poll(conn, M.READABLE)
  return c
end

function Conn:give(...)
  for _, piece in ipairs { ... } do self.input[#self.input + 1] = piece end
  return self
end

function Conn:give_end() return self:give(0) end
function Conn:give_error(code) return self:give(code) end

local function wants(self, event) return self.conn and math.floor(self.events / event) % 2 == 1 end

-- One event of the loop, if there is one: true then.
function Conn:turn()
  local is_moved = false
  if wants(self, M.WRITABLE) and (self.room ~= 0 or self.write_error) then
    C.jh_conn_flush(self.conn)
    is_moved = true
  end
  if wants(self, M.READABLE) and #self.input > 0 then
    C.jh_conn_on_readable(self.conn)
    is_moved = true
  end
  return is_moved
end

-- An id for a call that may answer JH_EWAIT; fn(error) is called when it wakes.
function World:wait(fn)
  self.last_id = self.last_id + 1
  self.waits[self.last_id] = fn
  return self.last_id
end

-- Pulls what is ready, as the dispatcher would. True when there was something.
function World:drain()
  local is_moved = false
  while true do
    local kind = C.jh_generation_next(self.generation, self.event)
    if kind == C.JH_EVENT_NONE then return is_moved end
    is_moved = true
    local id = self.event.id
    if kind >= C.JH_EVENT_REQUEST then
      local ctx = C.jh_generation_ctx(self.generation, id)
      self.on_request(ctx, self.event.route)
    elseif kind == C.JH_EVENT_WAKE then
      local fn = self.waits[id]
      self.waits[id] = nil
      if fn then fn(self.event.error) end
    elseif kind == C.JH_EVENT_ABORT and self.on_abort then
      self.on_abort(C.jh_generation_ctx(self.generation, id))
    end
  end
end

-- A turn of the worker: what the loop reports, Lua, the end of the turn. False when nothing moved.
function World:turn()
  local is_moved = false
  for _, c in ipairs(self.conns) do is_moved = c:turn() or is_moved end
  is_moved = self:drain() or is_moved
  C.jh_standalone_turn(self.generation, false)
  return is_moved
end

function World:settle()
  for _ = 1, 100000 do
    if not self:turn() then return end
  end
  error "it never settles"
end

function World:close()
  C.jh_standalone_close(self.generation)
end

return M
