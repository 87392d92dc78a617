-- The memory of a VM: blocks keep their content, are reused by size, and end with the heap.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local core = require "spec.support.core"
local C = core.load("lua/heap.h")

describe("heap", function()
  local heap

  before_each(function()
    heap = ffi.new "jh_heap"
    C.jh_heap_init(heap)
  end)
  after_each(function() C.jh_heap_deinit(heap) end)

  local function take(bytes) return C.jh_heap_resize(heap, nil, 0, bytes) end
  local function give(block, bytes)
    assert.is_true(C.jh_heap_resize(heap, block, bytes, 0) == nil)
  end

  it("gives blocks of all sizes that do not overlap", function()
    local blocks = {}
    for bytes = 1, 600 do
      local block = take(bytes)
      assert.is_true(block ~= nil)
      assert.equal(0, tonumber(ffi.cast("uintptr_t", block) % 16))
      ffi.fill(block, bytes, bytes % 251)
      blocks[bytes] = block
    end
    for bytes, block in ipairs(blocks) do
      local text = ffi.string(block, bytes)
      assert.equal(string.char(bytes % 251):rep(bytes), text)
      give(block, bytes)
    end
  end)

  it("gives a block back that has the size of the next one", function()
    for _, bytes in ipairs { 1, 16, 17, 160, 512 } do
      local block = take(bytes)
      give(block, bytes)
      assert.equal(block, take(bytes))
    end
  end)

  it("gives nothing for nothing, and takes NULL back", function()
    assert.is_true(take(0) == nil)
    give(nil, 0)
    give(nil, 100)
  end)

  it("keeps the content when a block changes its size", function()
    local sizes = { 10, 16, 17, 200, 40, 512, 513, 5000, 100000, 600, 512, 3 }
    local block, bytes = take(sizes[1]), sizes[1]
    ffi.copy(block, "0123456789", bytes)
    for _, new_bytes in ipairs(sizes) do
      block = C.jh_heap_resize(heap, block, bytes, new_bytes)
      assert.equal(("0123456789"):sub(1, new_bytes), ffi.string(block, math.min(new_bytes, 10)))
      bytes = new_bytes
    end
    give(block, bytes)
  end)

  it("allocates nothing while what is given back is enough", function()
    local function round()
      local blocks = {}
      for i = 1, 1000 do blocks[i] = take(i % 512 + 1) end
      for i = 1, 1000 do give(blocks[i], i % 512 + 1) end
    end
    round()
    local slabs = tonumber(heap.slab_count)
    assert.equal(0, alloc.count(function() for _ = 1, 10 do round() end end))
    assert.equal(slabs, tonumber(heap.slab_count))
  end)

  it("uses the rest of a slab before it is left behind", function()
    for _ = 1, 300 do take(496) end
    assert.is_true(heap.slab_count > 2)
    local rests = 0
    for class = 1, C.JH_HEAP_CLASS_COUNT - 1 do
      if heap.free[class] ~= nil then rests = rests + 1 end
    end
    assert.is_true(rests >= 1)
  end)

  it("is NULL when memory is out, and leaves the old block as it was", function()
    alloc.fail_each(function()
      C.jh_heap_deinit(heap)
      C.jh_heap_init(heap)
      local block, bytes = take(8), 8
      if block == nil then return end
      ffi.copy(block, "content", 8)
      for _, new_bytes in ipairs { 100, 1000, 100000 } do
        local moved = C.jh_heap_resize(heap, block, bytes, new_bytes)
        if moved ~= nil then block, bytes = moved, new_bytes end
        assert.equal("content", ffi.string(block))
      end
      give(block, bytes)
    end)
  end)

  it("leaves nothing behind", function()
    assert.is_true(alloc.is_balanced(function()
      local own = ffi.new "jh_heap"
      C.jh_heap_init(own)
      for i = 1, 3000 do C.jh_heap_resize(own, nil, 0, i % 512 + 1) end
      C.jh_heap_resize(own, C.jh_heap_resize(own, nil, 0, 10000), 10000, 0)
      C.jh_heap_deinit(own)
    end))
  end)
end)
