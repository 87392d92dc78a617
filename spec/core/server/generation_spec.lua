-- generation_spec.lua: the ready queue as Lua sees it: events in order, each once, none for what is
-- gone.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local core = require "spec.support.core"
local sim = require "spec.support.sim"
local C = core.load("justhttp.h")

jit.off(true, true)

describe("the ready queue", function()
  local world, event

  before_each(function() world, event = sim.open(), ffi.new "jh_event" end)
  after_each(function() world:close() end)

  local function next_kind() return C.jh_generation_next(world.generation, event) end

  it("is empty at first", function()
    assert.are.equal(C.JH_EVENT_NONE, next_kind())
  end)

  it("gives posts back in order", function()
    for id = 1, 500 do assert.are.equal(0, C.jh_generation_post(world.generation, id)) end
    for id = 1, 500 do
      assert.are.equal(C.JH_EVENT_WAKE, next_kind())
      assert.are.equal(id, event.id)
      assert.are.equal(0, event.error)
    end
    assert.are.equal(C.JH_EVENT_NONE, next_kind())
    assert.are.equal(0, alloc.count(function()
      for id = 1, 200 do C.jh_generation_post(world.generation, id) end
      for _ = 1, 200 do next_kind() end
    end))
  end)

  it("mixes posts and requests in the order they came", function()
    C.jh_generation_post(world.generation, 1)
    local c = world:connect():give "GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
    c:turn()
    C.jh_generation_post(world.generation, 3)
    assert.are.equal(C.JH_EVENT_WAKE, next_kind())
    assert.are.equal(1, event.id)
    assert.are.equal(C.JH_EVENT_REQUEST + C.JH_ROUTE_MISS, next_kind())
    local ctx = C.jh_generation_ctx(world.generation, event.id)
    assert.are.equal(C.JH_EVENT_WAKE, next_kind())
    assert.are.equal(3, event.id)
    assert.are.equal(1, C.jh_generation_in_flight(world.generation))
    assert.are.equal(0, C.jh_ctx_respond(ctx, 200, 0, "", 0))
    assert.are.equal(0, C.jh_generation_in_flight(world.generation))
  end)

  it("knows routes by their ids", function()
    local text = ffi.new "char[100]"
    local function add(id, pattern)
      return C.jh_route_add(world.generation, C.JH_ROUTE_FIRST + id, "", 0, "GET", 3, pattern,
        #pattern, "here:1", 6, text, 100)
    end
    assert.are.equal(0, add(0, "/a"))
    assert.are.equal(0, add(1, "/b/:c"))
    assert.are.equal(C.JH_EEXIST, add(2, "/a"))
    assert.is_truthy(ffi.string(text):find("here:1", 1, true))
    local c = world:connect()
    local function kind_of(line)
      local kind
      function world.on_request(ctx, route)
        kind = route
        C.jh_ctx_respond(ctx, 200, 0, "", 0)
      end
      c:give(line .. " HTTP/1.1\r\nHost: a\r\n\r\n")
      world:settle()
      return kind
    end
    assert.are.equal(C.JH_ROUTE_FIRST, kind_of "GET /a")
    assert.are.equal(C.JH_ROUTE_FIRST + 1, kind_of "HEAD /b/x")
    assert.are.equal(C.JH_ROUTE_MISS, kind_of "GET /c")
    assert.are.equal(C.JH_ROUTE_MISS_METHOD, kind_of "PUT /a")
    assert.are.equal(C.JH_ROUTE_MISS_OPTIONS, kind_of "OPTIONS /a")
    assert.are.equal(C.JH_ROUTE_MISS_OPTIONS, kind_of "OPTIONS *")
  end)

  it("drops a request whose client left before it was pulled", function()
    local c = world:connect():give("GET / HTTP/1.1\r\nHost: a\r\n\r\n", sim.ECONNRESET)
    c:turn()
    c:turn()
    assert.is_true(c.is_closed)
    assert.are.equal(1, C.jh_generation_in_flight(world.generation))
    assert.are.equal(C.JH_EVENT_NONE, next_kind())
    assert.are.equal(0, C.jh_generation_in_flight(world.generation))
  end)

  it("tells of a client that left while its handler works, unless it is answered first", function()
    for _, is_answered in ipairs { false, true } do
      local c = world:connect():give("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      c:turn()
      assert.are.equal(C.JH_EVENT_REQUEST, next_kind())
      local ctx = C.jh_generation_ctx(world.generation, event.id)
      c:give(sim.ECONNRESET)
      c:turn()
      C.jh_standalone_turn(world.generation, false)
      c:turn()
      if is_answered then
        assert.are.equal(C.JH_ECLOSED, C.jh_ctx_respond(ctx, 200, 0, "", 0))
      else
        assert.are.equal(C.JH_EVENT_ABORT, next_kind())
        assert.is_true(C.jh_generation_ctx(world.generation, event.id) == ctx)
        C.jh_ctx_release(ctx)
      end
      assert.are.equal(C.JH_EVENT_NONE, next_kind())
    end
    assert.are.equal(0, C.jh_generation_in_flight(world.generation))
  end)

  it("says so when memory is out", function()
    alloc.fail_each(function()
      local code = C.jh_generation_post(world.generation, 1)
      assert(code == 0 or code == C.JH_ENOMEM)
      next_kind()
    end)
  end)

  it("has no ctx in a slot that was never used", function()
    assert.is_true(C.jh_generation_ctx(world.generation, 12345) == nil)
  end)
end)
