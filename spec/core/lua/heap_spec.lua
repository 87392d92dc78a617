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

  it("uses blocks again, in the order of their addresses", function()
    local function key(block) return tonumber(ffi.cast("uintptr_t", block)) end
    for _, bytes in ipairs { 1, 17, 160, 512 } do
      local blocks, seen = {}, {}
      for i = 1, 6000 do
        blocks[i] = take(bytes)
        seen[key(blocks[i])] = true
      end
      for i = 6000, 1, -1 do give(blocks[i], bytes) end
      local slabs = tonumber(heap.slab_count)
      local again, back, last = 0, 0, 0
      for i = 1, 6000 do
        blocks[i] = take(bytes)
        local now = key(blocks[i])
        if seen[now] then again = again + 1 end
        if now < last then back = back + 1 end
        last = now
      end
      assert.is_true(again > 3000, again)
      assert.is_true(back <= tonumber(heap.slab_count), back)
      assert.is_true(tonumber(heap.slab_count) <= slabs + 6000 * bytes / 65536 + 2)
      for i = 1, 6000 do give(blocks[i], bytes) end
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
    for _ = 1, 20 do round() end
    local slabs = tonumber(heap.slab_count)
    assert.equal(0, alloc.count(function() for _ = 1, 10 do round() end end))
    assert.equal(slabs, tonumber(heap.slab_count))
  end)

  it("stays as large as it must be, whatever is taken and given back", function()
    local blocks, sizes, held = {}, {}, 0
    local random = 12345
    local function next_random(limit)
      random = (random * 1103515245 + 12345) % 2147483648
      return math.floor(random / 65536) % limit + 1
    end
    local most = 0
    for _ = 1, 200000 do
      local at = next_random(3000)
      if blocks[at] then
        assert.equal(at % 256, blocks[at][0])
        give(blocks[at], sizes[at])
        held, blocks[at] = held - sizes[at], nil
      else
        sizes[at] = next_random(512)
        blocks[at] = ffi.cast("uint8_t *", take(sizes[at]))
        ffi.fill(blocks[at], sizes[at], at % 256)
        held = held + sizes[at]
      end
      most = math.max(most, held)
    end
    -- 32 classes have a slab each that may be almost empty.
    assert.is_true(tonumber(heap.slab_count) * 65536 < most * 2 + 40 * 65536)
    for at, block in pairs(blocks) do give(block, sizes[at]) end
    assert.is_true(heap.slab_count <= 32)
  end)

  it("lets another size have slabs that are empty", function()
    local blocks = {}
    for i = 1, 20000 do blocks[i] = take(64) end
    local slabs = tonumber(heap.slab_count)
    for i = 1, 20000 do give(blocks[i], 64) end
    assert.equal(0, alloc.count(function()
      for _ = 1, 10000 do take(128) end
    end))
    assert.is_true(heap.slab_count <= slabs + 2)
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
