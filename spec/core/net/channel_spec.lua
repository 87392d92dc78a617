-- channel_spec.lua: what a hijacked connection does under every order of reads, writes and ends,
-- and that nothing of it is left, whoever ends first.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local core = require "spec.support.core"
local sim = require "spec.support.sim"
local C = core.load("justhttp.h")

jit.off(true, true)

ffi.cdef "void jh_loop_drain(struct jh_loop *loop);"

local GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

describe("a channel", function()
  local scratch = ffi.new("char[?]", 100000)

  -- A world with one connection whose first request is hijacked: world, connection, channel.
  local function hijacked(after, status)
    local world = sim.open()
    local channel
    function world.on_request(ctx)
      local code = ffi.new "int[1]"
      channel = C.jh_ctx_hijack(ctx, status or 0, C.JH_TYPE_TEXT, "hello", 5, code)
      assert.are.equal(0, code[0])
    end
    local c = world:connect():give(GET .. (after or ""))
    world:turn()
    assert.are.equal(0, C.jh_generation_in_flight(world.generation))
    return world, c, channel
  end

  local function read(channel, bytes, id)
    local count = tonumber(C.jh_channel_read(channel, scratch, bytes, id or 0))
    return count >= 0 and ffi.string(scratch, count) or count
  end

  local function finish(world, channel)
    C.jh_channel_close(channel)
    world:settle()
    world:close()
  end

  it("says once that the worker stops, when there is nothing to read, and reads on", function()
    local world, c, channel = hijacked "behind"
    local loop = C.jh_generation_loop(world.generation)
    C.jh_loop_drain(loop)
    assert.are.equal("behind", read(channel, 100))
    assert.are.equal(C.JH_ESTOPPING, read(channel, 100, 1))
    local codes = {}
    local function wake(code) codes[#codes + 1] = code end
    assert.are.equal(C.JH_EWAIT, read(channel, 100, world:wait(wake)))
    world:settle()
    assert.are.same({}, codes)
    C.jh_loop_drain(loop)
    world:settle()
    assert.are.same({ 0 }, codes)
    assert.are.equal(C.JH_ESTOPPING, read(channel, 100, 1))
    assert.are.equal(C.JH_EWAIT, read(channel, 100, world:wait(wake)))
    c:give "more"
    world:settle()
    assert.are.same({ 0, 0 }, codes)
    assert.are.equal("more", read(channel, 100))
    finish(world, channel)
  end)

  it("reads what came behind its request first", function()
    local world, c, channel = hijacked "behind"
    assert.are.equal("beh", read(channel, 3))
    assert.are.equal("ind", read(channel, 100))
    local codes = {}
    assert.are.equal(C.JH_EWAIT, read(channel, 100, world:wait(function(code)
      codes[#codes + 1] = code
    end)))
    assert.are.equal(C.JH_EBUSY, read(channel, 100, 99))
    c:give "more"
    world:settle()
    assert.are.same({ 0 }, codes)
    assert.are.equal("more", read(channel, 100))
    c:give_end()
    assert.are.equal("", read(channel, 100))
    assert.are.equal("", read(channel, 100))
    finish(world, channel)
  end)

  it("may answer first", function()
    local world, c, channel = hijacked("", 200)
    world:settle()
    assert.is_truthy(c.output:find("^HTTP/1.1 200 OK\r\n"))
    assert.is_truthy(c.output:find("\r\n\r\nhello$"))
    finish(world, channel)
  end)

  it("writes in order, and has writers wait for a peer that takes nothing", function()
    local world, c, channel = hijacked()
    c.room = 10
    local codes, want = {}, {}
    for i = 1, 100 do
      local piece = ("%04d"):format(i):rep(1000)
      local id = world:wait(function(code) codes[#codes + 1] = code end)
      local code = C.jh_channel_write(channel, piece, #piece, id)
      want[i] = piece
      if code == C.JH_EWAIT then
        assert.are.equal(C.JH_EBUSY, C.jh_channel_write(channel, "x", 1, 99))
        c.room = nil
        world:settle()
        c.room = 10
        assert.are.equal(0, table.remove(codes))
      else
        world.waits[id] = nil
        assert.are.equal(0, code)
      end
    end
    c.room = nil
    world:settle()
    assert.is_true(table.concat(want) == c.output)
    finish(world, channel)
  end)

  it("is not read while nobody wants it", function()
    local world, c, channel = hijacked()
    c:give("x", "y")
    world:settle()
    assert.are.equal(2, #c.input)
    assert.are.equal("x", read(channel, 100))
    finish(world, channel)
  end)

  it("ends its side after what is queued, and goes on reading", function()
    local world, c, channel = hijacked()
    c.room = 0
    C.jh_channel_write(channel, "last words", 10, 1)
    C.jh_channel_shutdown(channel)
    assert.are.equal(C.JH_ECLOSED, C.jh_channel_write(channel, "x", 1, 1))
    world:settle()
    assert.is_falsy(c.is_shut)
    c.room = nil
    world:settle()
    assert.is_true(c.is_shut)
    assert.are.equal("last words", c.output)
    c:give "reply"
    assert.are.equal("reply", read(channel, 100))
    finish(world, channel)
  end)

  it("writes what is queued when it is closed, and waits for its peer to leave", function()
    local world, c, channel = hijacked()
    c.room = 0
    C.jh_channel_write(channel, ("x"):rep(1000), 1000, 1)
    C.jh_channel_close(channel)
    world:settle()
    assert.is_falsy(c.is_closed)
    c.room = nil
    world:settle()
    assert.are.equal(1000, #c.output)
    assert.is_true(c.is_shut)
    c:give("ignored"):give_end()
    world:settle()
    assert.is_true(c.is_closed)
    world:close()
  end)

  it("wakes who waits when its peer breaks off", function()
    local world, c, channel = hijacked()
    local codes = {}
    local function note(code) codes[#codes + 1] = code end
    c.room = 0
    assert.are.equal(C.JH_EWAIT, read(channel, 10, world:wait(note)))
    local large = ("x"):rep(100000)
    assert.are.equal(C.JH_EWAIT, C.jh_channel_write(channel, large, #large, world:wait(note)))
    c:give(sim.ECONNRESET)
    c.write_error = sim.EPIPE
    world:settle()
    assert.are.equal(2, #codes)
    assert.is_true(c.is_closed)
    assert.are.equal(C.JH_ECLOSED, read(channel, 10))
    assert.are.equal(C.JH_ECLOSED, C.jh_channel_write(channel, "x", 1, 1))
    finish(world, channel)
  end)

  it("leaves nothing, whoever ends first and however", function()
    local function run(is_waiting, is_reset, is_closed, turns)
      local world, c, channel = hijacked "behind"
      if is_waiting then
        read(channel, 100)
        read(channel, 10, world:wait(function() end))
      end
      if is_reset then c:give(sim.ECONNRESET) else c:give "x" end
      for _ = 1, turns do world:turn() end
      if is_closed then C.jh_channel_close(channel) end
      if turns % 2 == 0 then world:turn() end
      world:close()
    end
    for bits = 0, 31 do
      assert.is_true(alloc.is_balanced(function()
        run(bits % 2 == 1, bits % 4 > 1, bits % 8 > 3, math.floor(bits / 8))
      end), "case " .. bits)
    end
  end)
end)
