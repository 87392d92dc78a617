-- arena_spec.lua: an arena allocates from pooled blocks and gives everything back at once.
local ffi = require "ffi"
local core = require "spec.support.core"
local asan = require "spec.support.asan"
local C = core.load "base/arena.h"

local function address(pointer) return tonumber(ffi.cast("uintptr_t", pointer)) end

describe("arena", function()
  local pool, arena

  before_each(function()
    pool, arena = ffi.new("jh_pool"), ffi.new("jh_arena")
    C.jh_pool_init(pool, C.JH_ARENA_BLOCK_BYTES, 8)
    C.jh_arena_init(arena, pool)
  end)

  after_each(function()
    C.jh_alloc_fail_nth(0)
    C.jh_arena_reset(arena)
    C.jh_pool_deinit(pool)
  end)

  it("holds no block until first use, and none after a reset", function()
    assert.are.equal(0, tonumber(pool.in_use))
    assert.is_true(C.jh_arena_try_alloc(arena, 1) ~= nil)
    assert.are.equal(1, tonumber(pool.in_use))
    C.jh_arena_reset(arena)
    assert.are.equal(0, tonumber(pool.in_use))
    assert.are.equal(1, tonumber(pool.free_count))
    assert.is_true(C.jh_arena_try_alloc(arena, 1) ~= nil)
    assert.are.equal(1, tonumber(pool.in_use))
  end)

  it("aligns every allocation to 8 and overlaps none", function()
    local last_end = 0
    for _, bytes in ipairs { 1, 7, 8, 9, 0, 24, 13 } do
      local at = address(C.jh_arena_try_alloc(arena, bytes))
      assert.are.equal(0, at % 8)
      assert.is_true(at >= last_end)
      last_end = at + bytes
    end
    assert.are.equal(1, tonumber(pool.in_use))
  end)

  it("fills a block to its last byte before it takes another", function()
    local room = C.JH_ARENA_BLOCK_BYTES - ffi.sizeof("jh_arena_block")
    local first = C.jh_arena_try_alloc(arena, room)
    ffi.fill(first, room, 0x61)
    assert.are.equal(1, tonumber(pool.in_use))
    local second = C.jh_arena_try_alloc(arena, 1)
    ffi.fill(second, 1, 0x62)
    assert.are.equal(2, tonumber(pool.in_use))
    assert.are.equal(("a"):rep(room), ffi.string(first, room))
  end)

  it("gives what no block can hold an allocation of its own", function()
    local small = C.jh_arena_try_dup(arena, "small", 5)
    local before = C.jh_alloc_count()
    local large = C.jh_arena_try_alloc(arena, 100000)
    ffi.fill(large, 100000, 0x61)
    assert.are.equal(1, tonumber(C.jh_alloc_count() - before))
    assert.are.equal(0, address(large) % 8)
    assert.are.equal("small", ffi.string(small))
    local after = address(C.jh_arena_try_alloc(arena, 8))
    assert.are.equal(address(small) + 8, after) -- the block is still the one in use
  end)

  it("never allocates when warm", function()
    local function use()
      for _ = 1, 40 do assert(C.jh_arena_try_alloc(arena, 500) ~= nil) end
      C.jh_arena_reset(arena)
    end
    use()
    local before = C.jh_alloc_count()
    use()
    assert.are.equal(before, C.jh_alloc_count())
  end)

  it("copies bytes and puts a NUL behind them", function()
    local copy = C.jh_arena_try_dup(arena, "a\0bc", 4)
    assert.are.equal("a\0bc\0", ffi.string(copy, 5))
    assert.are.equal("", ffi.string(C.jh_arena_try_dup(arena, nil, 0)))
  end)

  it("answers NULL when memory is out, and goes on when it is back", function()
    C.jh_alloc_fail_nth(1)
    assert.is_true(C.jh_arena_try_alloc(arena, 8) == nil)
    assert.is_true(C.jh_arena_try_alloc(arena, 8) ~= nil)
    C.jh_alloc_fail_nth(1)
    assert.is_true(C.jh_arena_try_alloc(arena, 100000) == nil)
    C.jh_alloc_fail_nth(1)
    assert.is_true(C.jh_arena_try_dup(arena, ("x"):rep(5000), 5000) == nil)
    assert.is_true(C.jh_arena_try_alloc(arena, 8) ~= nil)
  end)

  it("answers NULL for sizes that overflow", function()
    assert.is_true(C.jh_arena_try_alloc(arena, -1ULL) == nil)
    assert.is_true(C.jh_arena_try_alloc(arena, -1ULL - 7) == nil)
  end)

  it("poisons what is not handed out under AddressSanitizer", function()
    local is_poisoned = asan.is_poisoned
    if not is_poisoned then return pending("needs the asan preset") end
    local memory = ffi.cast("char *", C.jh_arena_try_alloc(arena, 5))
    assert.is_false(is_poisoned(memory + 4))
    assert.is_true(is_poisoned(memory + 5))
    C.jh_arena_reset(arena)
    assert.is_true(is_poisoned(memory))
  end)
end)
