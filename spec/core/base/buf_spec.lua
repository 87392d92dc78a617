-- buf_spec.lua: buffers come from a pool, keep their content when they grow, and know their room.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "base/buf.h"

local function append(buf, text)
  ffi.copy(buf.data + buf["end"], text, #text)
  buf["end"] = buf["end"] + #text
end

local function content(buf) return ffi.string(buf.data + buf.start, C.jh_buf_len(buf)) end

describe("buf", function()
  local pool

  before_each(function()
    pool = ffi.new("jh_buf_pool")
    C.jh_buf_pool_init(pool, 4)
  end)

  after_each(function()
    C.jh_alloc_fail_nth(0)
    C.jh_buf_pool_deinit(pool)
  end)

  it("is 16 KiB in all and empty when acquired, used before or not", function()
    for _ = 1, 2 do
      local buf = C.jh_buf_try_acquire(pool)
      assert.are.equal(16384, ffi.sizeof("jh_buf") + buf.capacity)
      assert.are.equal(0, C.jh_buf_len(buf))
      assert.are.equal(buf.capacity, C.jh_buf_space(buf))
      assert.is_true(buf.next == nil)
      append(buf, "left over")
      buf.next = buf
      C.jh_buf_release(pool, buf)
    end
    assert.are.equal(1, tonumber(pool.pool.free_count))
  end)

  it("is about 1 KiB where a small one is asked for, from a pool of its own", function()
    local buf = C.jh_buf_try_acquire_small(pool)
    assert.are.equal(1088, ffi.sizeof("jh_buf") + buf.capacity)
    append(buf, "kept")
    C.jh_buf_release(pool, buf)
    assert.are.equal(1, tonumber(pool.small.free_count))
    assert.are.equal(0, tonumber(pool.pool.free_count))
  end)

  it("grows from small to 16 KiB, and then beyond", function()
    local buf = C.jh_buf_try_acquire_small(pool)
    append(buf, "kept")
    buf = C.jh_buf_try_grow(pool, buf, 2000)
    assert.are.equal(16384, ffi.sizeof("jh_buf") + buf.capacity)
    assert.are.equal("kept", content(buf))
    buf = C.jh_buf_try_grow(pool, buf, 20000)
    assert.are.equal(20000, buf.capacity)
    assert.are.equal("kept", content(buf))
    C.jh_buf_release(pool, buf)
    assert.are.equal(1, tonumber(pool.small.free_count))
    assert.are.equal(1, tonumber(pool.pool.free_count))
  end)

  it("counts content from start to end and space from end on", function()
    local buf = C.jh_buf_try_acquire(pool)
    append(buf, "hello world")
    buf.start = 6
    assert.are.equal("world", content(buf))
    assert.are.equal(buf.capacity - 11, C.jh_buf_space(buf))
    C.jh_buf_release(pool, buf)
  end)

  it("moves overlapping content to the front", function()
    local buf = C.jh_buf_try_acquire(pool)
    local text = ("0123456789"):rep(1000)
    append(buf, "x" .. text)
    buf.start = 1
    C.jh_buf_compact(buf)
    assert.are.equal(0, buf.start)
    assert.are.equal(text, content(buf))
    buf.start = buf["end"]
    C.jh_buf_compact(buf)
    assert.are.equal(buf.capacity, C.jh_buf_space(buf))
    C.jh_buf_release(pool, buf)
  end)

  it("grows with the same content at the same place", function()
    local buf = C.jh_buf_try_acquire(pool)
    append(buf, "skipped,kept")
    buf.start = 8
    local grown = C.jh_buf_try_grow(pool, buf, 40000)
    assert.are.equal(40000, grown.capacity)
    assert.are.equal(8, grown.start)
    assert.are.equal("kept", content(grown))
    assert.are.equal(0, tonumber(pool.pool.in_use)) -- the old one went back
    append(grown, ("x"):rep(C.jh_buf_space(grown)))
    local larger = C.jh_buf_try_grow(pool, grown, 80000)
    assert.are.equal("kept" .. ("x"):rep(40000 - 12), content(larger))
    C.jh_buf_release(pool, larger)
    assert.are.equal(1, tonumber(pool.pool.free_count)) -- grown ones are freed
  end)

  it("stays itself when it is large enough", function()
    local buf = C.jh_buf_try_acquire(pool)
    assert.are.equal(buf, C.jh_buf_try_grow(pool, buf, buf.capacity))
    C.jh_buf_release(pool, buf)
  end)

  it("is as before when it cannot grow", function()
    local buf = C.jh_buf_try_acquire(pool)
    append(buf, "kept")
    C.jh_alloc_fail_nth(1)
    assert.is_true(C.jh_buf_try_grow(pool, buf, 40000) == nil)
    assert.is_true(C.jh_buf_try_grow(pool, buf, 2 ^ 32) == nil)
    assert.are.equal("kept", content(buf))
    C.jh_buf_release(pool, buf)
  end)

  it("answers NULL when memory is out", function()
    C.jh_alloc_fail_nth(1)
    assert.is_true(C.jh_buf_try_acquire(pool) == nil)
  end)
end)
