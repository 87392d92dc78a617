-- heartbeat_spec.lua: what a worker leaves in its page is there for whoever shares it.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "server/heartbeat.h"

describe("heartbeat", function()
  local beat
  before_each(function() beat = C.jh_heartbeat_new() end)
  after_each(function() C.jh_heartbeat_free(beat) end)

  it("begins with nothing", function()
    assert.are.equal(0, tonumber(beat.turn_count))
    assert.are.equal(0, tonumber(beat.event_count))
    assert.is_true(C.jh_heartbeat_find_counts(beat, 1) == nil)
    assert.are.equal("", ffi.string(beat.serving))
  end)

  it("keeps the counts of each generation apart", function()
    local first, second = C.jh_heartbeat_counts_of(beat, 1), C.jh_heartbeat_counts_of(beat, 2)
    first.request_count, second.request_count, second.error_count = 5, 7, 2
    assert.are.equal(5, tonumber(C.jh_heartbeat_find_counts(beat, 1).request_count))
    assert.are.equal(7, tonumber(C.jh_heartbeat_find_counts(beat, 2).request_count))
    assert.are.equal(2, tonumber(C.jh_heartbeat_find_counts(beat, 2).error_count))
    assert.is_true(C.jh_heartbeat_counts_of(beat, 1) == first)
  end)

  it("forgets the oldest generation for a new one", function()
    for number = 1, C.JH_HEARTBEAT_GENERATIONS do
      C.jh_heartbeat_counts_of(beat, number).request_count = number
    end
    local fresh = C.jh_heartbeat_counts_of(beat, C.JH_HEARTBEAT_GENERATIONS + 1)
    assert.are.equal(0, tonumber(fresh.request_count))
    assert.is_true(C.jh_heartbeat_find_counts(beat, 1) == nil)
    assert.are.equal(2, tonumber(C.jh_heartbeat_find_counts(beat, 2).request_count))
  end)

  it("is cleared for the next worker", function()
    C.jh_heartbeat_counts_of(beat, 3).error_count = 1
    beat.turn_count = 9
    C.jh_heartbeat_clear(beat)
    assert.are.equal(0, tonumber(beat.turn_count))
    assert.is_true(C.jh_heartbeat_find_counts(beat, 3) == nil)
  end)
end)
