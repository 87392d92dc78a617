-- memory_conn_spec.lua: a connection in memory is answered like any other and is given back,
-- whoever ends first: its owner, the exchange, or the worker.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local core = require "spec.support.core"
local sim = require "spec.support.sim"
local C = core.load("justhttp.h")

jit.off(true, true)

local GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

describe("a connection in memory", function()
  local function answer_at_once(world)
    function world.on_request(ctx) C.jh_ctx_respond(ctx, 200, C.JH_TYPE_TEXT, "hello", 5) end
  end

  local function open(world, bytes)
    local state = { is_done = false }
    local id = world:wait(function() state.is_done = true end)
    state.handle = C.jh_memory_conn_open(world.generation, bytes, #bytes, id)
    return state.handle ~= nil and state or nil
  end

  -- Its input comes by the loop, which has nothing else to do.
  local function settle(world, state)
    for _ = 1, 50 do
      world:turn()
      if state.is_done then return end
    end
  end

  local function output(state)
    local out = ffi.new "jh_str"
    assert.are.equal(0, C.jh_memory_conn_output(state.handle, out))
    return out.ptr ~= nil and ffi.string(out.ptr, out.len) or ""
  end

  it("gets its answers and then a wake", function()
    local world = sim.open()
    answer_at_once(world)
    local state = open(world, GET .. GET)
    assert.are.equal(1, C.jh_generation_connections(world.generation))
    settle(world, state)
    assert.is_true(state.is_done)
    local _, count = output(state):gsub("HTTP/1.1 200 OK\r\n.-\r\n\r\nhello", "")
    assert.are.equal(2, count)
    C.jh_memory_conn_close(state.handle)
    world:turn()
    assert.are.equal(0, C.jh_generation_connections(world.generation))
    world:close()
  end)

  it("ends without an answer when its input is none", function()
    local world = sim.open()
    local half = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na"
    for _, bytes in ipairs { "", "GET / HT", half } do
      local state = open(world, bytes)
      settle(world, state)
      assert.is_true(state.is_done)
      assert.are.equal("", output(state))
      C.jh_memory_conn_close(state.handle)
    end
    world:close()
  end)

  it("knows where it comes from", function()
    local world = sim.open()
    local out = ffi.new "jh_str"
    function world.on_request(ctx)
      assert.are.equal(0, C.jh_ctx_field(ctx, C.JH_FIELD_REMOTE, out))
      assert.are.equal("127.0.0.1", ffi.string(out.ptr, out.len))
      C.jh_ctx_respond(ctx, 204, 0, "", 0)
    end
    local state = open(world, GET)
    settle(world, state)
    C.jh_memory_conn_close(state.handle)
    world:close()
  end)

  it("may be closed at any moment", function()
    local function run(turns, is_closed, is_answered)
      local world = sim.open()
      local held
      function world.on_request(ctx) held = ctx end
      local state = open(world, GET)
      for _ = 1, turns do world:turn() end
      if held and is_answered then C.jh_ctx_respond(held, 200, 0, "x", 1) end
      if is_closed then C.jh_memory_conn_close(state.handle) end
      if turns % 2 == 0 then world:turn() end
      world:close()
    end
    for _, is_answered in ipairs { false, true } do
      for _, is_closed in ipairs { false, true } do
        for turns = 0, 4 do
          assert.is_true(alloc.is_balanced(function() run(turns, is_closed, is_answered) end))
        end
      end
    end
  end)

  it("is NULL, or ends, when memory is out", function()
    alloc.fail_each(function()
      local world = sim.open()
      answer_at_once(world)
      local on_request = world.on_request
      function world.on_request(ctx)
        on_request(ctx)
        C.jh_ctx_release(ctx)
      end
      local state = open(world, GET)
      if state then
        settle(world, state)
        C.jh_memory_conn_close(state.handle)
      end
      world:close()
    end)
  end)
end)
