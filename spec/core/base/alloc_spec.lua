-- alloc_spec.lua: the allocator seam counts what is allocated and fails when a spec says so.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "base/alloc.h"

describe("alloc", function()
  after_each(function() C.jh_alloc_fail_nth(0) end)

  it("counts every call that allocates", function()
    local before = C.jh_alloc_count()
    local a, b, c = C.jh_alloc(8), C.jh_try_alloc(8), C.jh_try_calloc(2, 8)
    b = C.jh_try_realloc(b, 16)
    assert.are.equal(4, tonumber(C.jh_alloc_count() - before))
    C.jh_free(a)
    C.jh_free(b)
    C.jh_free(c)
    assert.are.equal(4, tonumber(C.jh_alloc_count() - before))
  end)

  it("zeroes what calloc gives", function()
    local memory = C.jh_try_calloc(4, 16)
    assert.are.equal(("\0"):rep(64), ffi.string(memory, 64))
    C.jh_free(memory)
  end)

  it("fails the nth allocation, once", function()
    C.jh_alloc_fail_nth(2)
    local first, second, third = C.jh_try_alloc(8), C.jh_try_alloc(8), C.jh_try_alloc(8)
    assert.is_true(first ~= nil)
    assert.is_true(second == nil)
    assert.is_true(third ~= nil)
    C.jh_free(first)
    C.jh_free(third)
  end)

  it("leaves the old memory when realloc fails", function()
    local memory = C.jh_try_alloc(4)
    ffi.copy(memory, "abc")
    C.jh_alloc_fail_nth(1)
    assert.is_true(C.jh_try_realloc(memory, 4096) == nil)
    assert.are.equal("abc", ffi.string(memory))
    C.jh_free(memory)
  end)

  it("takes NULL to free", function() C.jh_free(nil) end)
end)
