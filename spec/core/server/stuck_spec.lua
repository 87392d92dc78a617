-- stuck_spec.lua: when a worker counts as stuck, and what is said of it.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "server/stuck.h"

describe("stuck", function()
  it("is who has the same number of turns, look after look", function()
    local stuck = ffi.new "jh_stuck"
    assert.is_false(C.jh_stuck_look(stuck, 5, false))
    for _ = 2, C.JH_STUCK_LOOKS do assert.is_false(C.jh_stuck_look(stuck, 5, false)) end
    assert.is_true(C.jh_stuck_look(stuck, 5, false))
  end)

  it("is nobody who turned in between", function()
    local stuck = ffi.new "jh_stuck"
    for turn = 1, 3 do
      for _ = 1, C.JH_STUCK_LOOKS do assert.is_false(C.jh_stuck_look(stuck, turn, false)) end
    end
  end)

  it("is nobody who is halted, and the looks begin anew after that", function()
    local stuck = ffi.new "jh_stuck"
    for _ = 1, C.JH_STUCK_LOOKS * 3 do assert.is_false(C.jh_stuck_look(stuck, 5, true)) end
    for _ = 2, C.JH_STUCK_LOOKS do assert.is_false(C.jh_stuck_look(stuck, 5, false)) end
    assert.is_true(C.jh_stuck_look(stuck, 5, false))
  end)

  local function describe_note(fill)
    local beat, out = C.jh_heartbeat_new(), ffi.new "char[256]"
    fill(beat)
    local text = ffi.string(C.jh_stuck_describe(beat, out, 256))
    C.jh_heartbeat_free(beat)
    return text
  end

  it("is described as far as there is a note", function()
    assert.are.equal("at app.lua:3, serving GET /x", describe_note(function(beat)
      beat.serving, beat.place = "GET /x", "app.lua:3"
      beat.has_note, beat.has_place = true, true
    end))
    assert.are.equal("serving GET /x", describe_note(function(beat)
      beat.serving, beat.place, beat.has_note = "GET /x", "app.lu", true
    end))
    assert.are.equal("at app.lua:3", describe_note(function(beat)
      beat.place, beat.has_note, beat.has_place = "app.lua:3", true, true
    end))
    assert.are.equal("doing nobody knows what", describe_note(function() end))
  end)
end)
