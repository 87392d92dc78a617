-- pool_spec.lua: a pool hands out again what was given back, and keeps no more than it may.
local ffi = require "ffi"
local core = require "spec.support.core"
local asan = require "spec.support.asan"
local C = core.load "base/pool.h"

describe("pool", function()
  local pool

  before_each(function()
    pool = ffi.new("jh_pool")
    C.jh_pool_init(pool, 64, 2)
  end)

  after_each(function()
    C.jh_alloc_fail_nth(0)
    C.jh_pool_deinit(pool)
  end)

  it("allocates nothing before the first acquire", function()
    local before = C.jh_alloc_count()
    C.jh_pool_init(pool, 64, 2)
    assert.are.equal(before, C.jh_alloc_count())
  end)

  it("hands out the last released object first, without allocating", function()
    local a, b = C.jh_pool_try_acquire(pool), C.jh_pool_try_acquire(pool)
    C.jh_pool_release(pool, a)
    C.jh_pool_release(pool, b)
    local before = C.jh_alloc_count()
    assert.are.equal(b, C.jh_pool_try_acquire(pool))
    assert.are.equal(a, C.jh_pool_try_acquire(pool))
    assert.are.equal(before, C.jh_alloc_count())
    C.jh_pool_release(pool, a)
    C.jh_pool_release(pool, b)
  end)

  it("tells what is in use and what is free, and frees beyond max_free", function()
    local objects = {}
    for i = 1, 3 do objects[i] = C.jh_pool_try_acquire(pool) end
    assert.are.equal(3, tonumber(pool.in_use))
    assert.are.equal(0, tonumber(pool.free_count))
    for i = 1, 3 do C.jh_pool_release(pool, objects[i]) end
    assert.are.equal(0, tonumber(pool.in_use))
    assert.are.equal(2, tonumber(pool.free_count))
  end)

  it("keeps nothing when max_free is 0", function()
    C.jh_pool_init(pool, 64, 0)
    C.jh_pool_release(pool, C.jh_pool_try_acquire(pool))
    assert.are.equal(0, tonumber(pool.free_count))
    assert.is_true(pool.free_list == nil)
  end)

  it("answers NULL and stays whole when memory is out", function()
    C.jh_alloc_fail_nth(1)
    assert.is_true(C.jh_pool_try_acquire(pool) == nil)
    assert.are.equal(0, tonumber(pool.in_use))
    local object = C.jh_pool_try_acquire(pool)
    assert.is_true(object ~= nil)
    C.jh_pool_release(pool, object)
  end)

  it("poisons free objects under AddressSanitizer", function()
    local is_poisoned = asan.is_poisoned
    if not is_poisoned then return pending("needs the asan preset") end
    local object = C.jh_pool_try_acquire(pool)
    assert.is_false(is_poisoned(object))
    C.jh_pool_release(pool, object)
    assert.is_true(is_poisoned(object))
    assert.are.equal(object, C.jh_pool_try_acquire(pool))
    assert.is_false(is_poisoned(object))
    C.jh_pool_release(pool, object)
  end)
end)
