-- body_pace_spec.lua: which bodies come too slowly in all.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "http/body_pace.h"

describe("the pace of a body", function()
  local pace, now

  before_each(function() pace, now = ffi.new "jh_body_pace", 5 end)

  local function receive(bytes, after_ms)
    C.jh_body_pace_wait(pace, now)
    now = now + (after_ms or 0)
    C.jh_body_pace_receive(pace, now, bytes)
  end

  local function is_slow(timeout_ms, rate) return C.jh_body_pace_is_slow(pace, timeout_ms, rate) end

  it("has the timeout for its beginning", function()
    receive(1, 1000)
    assert.is_false(is_slow(1000, 500))
    receive(1, 5)
    assert.is_true(is_slow(1000, 500))
  end)

  it("has a second more for each second's worth of bytes", function()
    receive(1250, 3500)
    assert.is_false(is_slow(1000, 500))
    receive(0, 1)
    assert.is_true(is_slow(1000, 500))
    receive(50, 0)
    assert.is_false(is_slow(1000, 500))
  end)

  it("does not count the time in which nobody waits", function()
    for _ = 1, 100 do
      receive(1, 10)
      now = now + 100000
    end
    assert.is_false(is_slow(1000, 500))
  end)

  it("counts a wait once, however often it is asked for", function()
    C.jh_body_pace_wait(pace, 5)
    C.jh_body_pace_wait(pace, 1000)
    C.jh_body_pace_receive(pace, 2005, 1)
    C.jh_body_pace_receive(pace, 90000, 1)
    assert.are.equal(2000, tonumber(pace.waited_ms))
    assert.are.equal(2, tonumber(pace.received_bytes))
  end)

  it("may be anything where one of the limits is off", function()
    receive(1, 1e9)
    assert.is_false(is_slow(0, 500))
    assert.is_false(is_slow(1000, 0))
    assert.is_true(is_slow(1000, 1))
  end)

  it("is measured for the longest bodies", function()
    receive(2 ^ 53, 2 ^ 40)
    assert.is_false(is_slow(1000, 1))
    assert.is_true(is_slow(1000, 4294967295))
  end)
end)
