-- clock_spec.lua: clocks go forward, and times are written as HTTP and logs want them.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "base/clock.h"

--- The Date header of a Unix time, made anew.
local function date_of(unix_s)
  local date = ffi.new("jh_date")
  C.jh_date_update(date, unix_s)
  assert.are.equal(C.JH_DATE_LEN, #ffi.string(date.text))
  return ffi.string(date.text)
end

local function utc_of(unix_ms)
  local out = ffi.new("char[25]")
  C.jh_clock_write_utc(out, unix_ms)
  return ffi.string(out)
end

local LAST_SECOND_OF_9999 = 253402300799

describe("clock", function()
  it("never goes back", function()
    local last = C.jh_clock_monotonic_ms()
    for _ = 1, 1000 do
      local now = C.jh_clock_monotonic_ms()
      assert.is_true(now >= last)
      last = now
    end
  end)

  it("counts the same time in nanoseconds", function()
    local before_ms = tonumber(C.jh_clock_monotonic_ms())
    local ns = tonumber(C.jh_clock_monotonic_ns())
    assert.is_true(ns / 1e6 >= before_ms and ns / 1e6 < tonumber(C.jh_clock_monotonic_ms()) + 1)
    assert.is_true(tonumber(C.jh_clock_monotonic_ns()) > ns)
  end)

  it("knows the Unix time in milliseconds", function()
    local before = os.time()
    local now_ms = tonumber(C.jh_clock_unix_ms())
    assert.is_true(now_ms >= before * 1000 and now_ms < (os.time() + 1) * 1000)
  end)

  it("writes HTTP dates", function()
    assert.are.equal("Sun, 06 Nov 1994 08:49:37 GMT", date_of(784111777))
    assert.are.equal("Thu, 01 Jan 1970 00:00:00 GMT", date_of(0))
    assert.are.equal("Thu, 29 Feb 2024 23:59:59 GMT", date_of(1709251199))
    assert.are.equal("Sat, 31 Dec 2016 23:59:59 GMT", date_of(1483228799))
    assert.are.equal("Tue, 19 Jan 2038 03:14:08 GMT", date_of(2 ^ 31))
  end)

  it("writes the same dates as date(1) for every month and day of the week", function()
    for i = 0, 50 do
      local unix_s = 1700000000 + i * 86400 * 29
      assert.are.equal(os.date("!%a, %d %b %Y %H:%M:%S GMT", unix_s), date_of(unix_s))
    end
  end)

  it("follows the second it is told, forwards and backwards", function()
    local date = ffi.new("jh_date")
    for _, unix_s in ipairs { 784111777, 784111778, 784111777, 784111777 } do
      C.jh_date_update(date, unix_s)
      assert.are.equal(date_of(unix_s), ffi.string(date.text))
    end
  end)

  it("takes times outside 1970 to 9999 for the nearest inside", function()
    assert.are.equal(date_of(0), date_of(-1))
    assert.are.equal("Fri, 31 Dec 9999 23:59:59 GMT", date_of(LAST_SECOND_OF_9999 + 1))
    assert.are.equal("9999-12-31T23:59:59.999Z", utc_of(2 ^ 62))
    assert.are.equal("1970-01-01T00:00:00.000Z", utc_of(-5))
  end)

  it("writes UTC with milliseconds", function()
    assert.are.equal("1994-11-06T08:49:37.042Z", utc_of(784111777042))
  end)
end)
