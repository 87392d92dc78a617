-- Connections per address, counted by several workers in one table.
local core = require "spec.support.core"
local C = core.load "net/ip_table.h"
local ffi = require "ffi"

describe("ip_table", function()
  local t

  before_each(function() t = ffi.gc(C.jh_ip_table_new(2, 600), C.jh_ip_table_free) end)

  it("admits up to the limit, over all workers", function()
    assert.equal(0, C.jh_ip_table_enter(t, 0, 7, 3))
    assert.equal(0, C.jh_ip_table_enter(t, 1, 7, 3))
    assert.equal(0, C.jh_ip_table_enter(t, 1, 7, 3))
    assert.equal(C.JH_ELIMIT, C.jh_ip_table_enter(t, 0, 7, 3))
    assert.equal(3, C.jh_ip_table_count(t, 7))
    assert.equal(0, C.jh_ip_table_enter(t, 0, 8, 3))
  end)

  it("admits again when a connection has left", function()
    C.jh_ip_table_enter(t, 0, 7, 1)
    C.jh_ip_table_leave(t, 0, 7)
    assert.equal(0, C.jh_ip_table_count(t, 7))
    assert.equal(0, C.jh_ip_table_enter(t, 1, 7, 1))
  end)

  it("forgets what a dead worker counted, and only that", function()
    for _ = 1, 5 do C.jh_ip_table_enter(t, 0, 7, 100) end
    C.jh_ip_table_enter(t, 1, 7, 100)
    C.jh_ip_table_clear(t, 0)
    assert.equal(1, C.jh_ip_table_count(t, 7))
  end)

  it("uses the places of addresses that left for new ones", function()
    for key = 1, 100000 do
      assert.equal(0, C.jh_ip_table_enter(t, 0, key, 1))
      assert.equal(1, C.jh_ip_table_count(t, key))
      C.jh_ip_table_leave(t, 0, key)
    end
    assert.equal(0, C.jh_ip_table_count(t, 5))
  end)

  it("counts as many addresses as a worker has connections", function()
    for key = 1, 600 do C.jh_ip_table_enter(t, 0, key, 1) end
    for key = 1, 600 do
      assert.equal(C.JH_ELIMIT, C.jh_ip_table_enter(t, 1, key, 1))
    end
  end)

  it("never counts below nothing", function()
    C.jh_ip_table_leave(t, 0, 7)
    assert.equal(0, C.jh_ip_table_count(t, 7))
  end)
end)
