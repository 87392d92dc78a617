-- dial_spec.lua: which addresses are tried, in which order, how soon one after the other; over real
-- sockets of this machine. The resolver's answers are the spec's.
local ffi = require "ffi"
local core = require "spec.support.core"
local listener = require "spec.support.listener"
local sys = require "spec.support.sys"
require "spec.support.uv"
local C = core.load("justhttp.h", "net/dial.h", "net/loop.h", "server/generation.h")

jit.off(true, true)

describe("a dial", function()
  local generation, loop, anchors, result, why, on_done, look_up

  before_each(function()
    generation = C.jh_standalone_open()
    loop = C.jh_generation_loop(generation)
    anchors, result, why = {}, nil, nil
    on_done = ffi.cast("jh_dial_cb", function(dial, _, code)
      local out = ffi.new "char[256]"
      C.jh_dial_describe(dial, out, 256)
      result, why = code, ffi.string(out)
    end)
    look_up = ffi.cast("int (*)(jh_name *)", function(name)
      anchors.name = name
      return 0
    end)
    C.jh_loop_resolver(loop).look_up = look_up
  end)

  after_each(function()
    if result and result >= 0 then ffi.C.close(result) end
    C.jh_standalone_close(generation)
    on_done:free()
    look_up:free()
  end)

  local function str(text)
    anchors[#anchors + 1] = text
    local out = ffi.new "jh_str"
    out.ptr, out.len = text, #text
    return out
  end

  local function start(host, port, more)
    local target = ffi.new("jh_dial_target", more or {})
    target.host, target.port = str(host), port
    local dial, reason = ffi.new "jh_dial *[1]", ffi.new "char[256]"
    local code = C.jh_dial_start(loop, target, on_done, nil, dial, reason)
    if code ~= C.JH_EWAIT then result, why = code, ffi.string(reason) end
    return dial[0]
  end

  local function wait()
    local deadline = sys.deadline(5)
    while not result do
      assert(sys.now() < deadline, "it never ends")
      C.jh_standalone_turn(generation, true)
    end
    return result
  end

  -- The name a.test has these addresses.
  local function race(port, ...)
    result = nil
    local dial = start("a.test", port)
    if anchors.name then
      local count = select("#", ...)
      local list = ffi.new("jh_host_address[?]", count)
      for i = 1, count do C.jh_ip_parse(str((select(i, ...))), list[i - 1].ip) end
      local name = anchors.name
      anchors.name = nil
      C.jh_name_answer(name, 0, list, count)
    end
    return dial
  end

  it("tries every address, and says what each answered", function()
    local port = listener.closed_port()
    race(port, "127.0.0.1", "::1", "127.0.0.2")
    assert.are.equal(-111, wait())
    -- Families in turn, beginning with the system's choice; each from where its rotation stands.
    assert.is_truthy(why:find "127%.0%.0%.%d: connection refused, ::1: connection refused, "
      and why:find "127%.0%.0%.1: conn" and why:find "127%.0%.0%.2: conn", why)
  end)

  it("finds the address that listens, whichever it is", function()
    local l = listener.tcp "127.0.0.3"
    race(l.port, "127.0.0.1", "::1", "127.0.0.2", "127.0.0.3")
    assert.is_true(wait() >= 0)
    l:accept():close()
    l:close()
  end)

  it("spreads connections over the addresses", function()
    local a = listener.tcp "127.0.0.1"
    local b = listener.tcp("127.0.0.2", a.port)
    local counts = { 0, 0 }
    for _ = 1, 10 do
      race(a.port, "127.0.0.1", "127.0.0.2")
      ffi.C.close(wait())
      for i, l in ipairs { a, b } do
        if l:has_pending() then
          l:accept():close()
          counts[i] = counts[i] + 1
        end
      end
    end
    result = nil
    assert.are.same({ 5, 5 }, counts)
    a:close()
    b:close()
  end)

  it("does not wait long for an address that does not answer", function()
    local full = listener.tcp("127.0.0.1", 0, 0)
    local l = listener.tcp("127.0.0.2", full.port)
    for _ = 1, 4 do start("127.0.0.1", full.port) end
    for _ = 1, 10 do C.jh_standalone_turn(generation, false) end
    local started = sys.now()
    -- The rotation may begin with either; twice meets the dead one first at least once.
    for _ = 1, 2 do
      result = nil
      race(full.port, "127.0.0.1", "127.0.0.2")
      ffi.C.close(wait())
      l:accept():close()
    end
    result = nil
    local seconds = sys.now() - started
    assert.is_true(seconds >= 0.25 and seconds < 0.25 + 1 * sys.patience, seconds)
    full:close()
    l:close()
  end)

  it("connects from the address it is told", function()
    local l = listener.tcp()
    start("127.0.0.1", l.port, { ["local"] = str "127.0.0.9", keepalive_s = 5 })
    local fd = wait()
    assert.is_true(fd >= 0)
    local address = ffi.new "struct spec_sockaddr_in"
    ffi.C.getsockname(fd, address, ffi.new("unsigned int[1]", 16))
    assert.are.equal(9, address.addr[3])
    l:close()
  end)

  it("waits while a unix socket's queue is full", function()
    local dir = sys.temp_dir()
    local l = listener.unix(dir .. "/s", 0)
    local dials = {}
    for i = 1, 3 do
      dials[i] = start("unix:" .. dir .. "/s", 0)
      if result then
        ffi.C.close(result)
        result = nil
      end
    end
    assert.is_true(dials[3] ~= nil)
    for i = 1, 2 do if dials[i] ~= nil then C.jh_dial_stop(dials[i]) end end
    l:accept():close()
    assert.is_true(wait() >= 0)
    l:close()
    sys.remove(dir)
  end)

  it("fails a thousand times without meeting itself", function()
    local port = listener.closed_port()
    for _ = 1, 1000 do
      result = nil
      start("127.0.0.1", port)
      assert.are.equal(-111, wait())
    end
    result = nil
  end)

  it("can be stopped at any time", function()
    local l = listener.tcp()
    C.jh_dial_stop(start("a.test", l.port))
    assert.is_nil(result)
    local full = listener.tcp("127.0.0.1", 0, 0)
    for _ = 1, 4 do
      local dial = start("127.0.0.1", full.port)
      if dial ~= nil then C.jh_dial_stop(dial) end
    end
    result = nil
    l:close()
    full:close()
  end)
end)
