-- trailers_spec.lua: trailer lines are collected in pieces and found by position.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "http/trailers.h"

describe("trailers", function()
  local pool, arena, trailers

  before_each(function()
    pool, arena, trailers = ffi.new "jh_pool", ffi.new "jh_arena", ffi.new "jh_trailers"
    C.jh_pool_init(pool, C.JH_ARENA_BLOCK_BYTES, 8)
    C.jh_arena_init(arena, pool)
  end)

  after_each(function()
    C.jh_alloc_fail_nth(0)
    C.jh_arena_reset(arena)
    C.jh_pool_deinit(pool)
  end)

  local function append(bytes) return C.jh_trailers_try_append(trailers, arena, bytes, #bytes) end

  local function fields()
    local list, name, value = {}, ffi.new "jh_str", ffi.new "jh_str"
    while C.jh_trailers_at(trailers, #list, name, value) == 0 do
      list[#list + 1] = { ffi.string(name.ptr, name.len), ffi.string(value.ptr, value.len) }
    end
    return list
  end

  it("are none at first", function()
    assert.are.same({}, fields())
    assert.are.equal(0, append "")
    assert.are.same({}, fields())
  end)

  it("are found in order, however they came", function()
    local lines = "Digest: sha-256=:abc:\r\nEmpty:\r\nX-Sum:\t 1 2 \t\r\nA:b:c\r\n"
    for cut = 1, #lines do
      trailers = ffi.new "jh_trailers"
      for at = 1, #lines, cut do assert.are.equal(0, append(lines:sub(at, at + cut - 1))) end
      assert.are.same({ { "Digest", "sha-256=:abc:" }, { "Empty", "" }, { "X-Sum", "1 2" },
        { "A", "b:c" } }, fields())
    end
  end)

  it("grow as far as they must", function()
    local want = {}
    for i = 1, 1500 do
      assert.are.equal(0, append(("N%d: %d\r\n"):format(i, i)))
      want[i] = { "N" .. i, tostring(i) }
    end
    assert.are.same(want, fields())
  end)

  it("keep what they have when memory is out", function()
    assert.are.equal(0, append "a: b\r\n")
    C.jh_alloc_fail_nth(1)
    assert.are.equal(C.JH_ENOMEM, append(("c: d\r\n"):rep(2000)))
    assert.are.same({ { "a", "b" } }, fields())
  end)
end)
