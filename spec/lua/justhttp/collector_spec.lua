-- collector.lua: how much garbage may gather.
local collector = require "justhttp.collector"

describe("collector", function()
  local MIB = 1024 * 1024

  it("lets a fixed amount gather in a small heap", function()
    for _, live in ipairs { 1, 2, 4, 8 } do
      local threshold = live * MIB * collector.pause(live * MIB) / 100
      assert.is_true(math.abs(threshold - live * MIB - collector.ALLOWANCE_BYTES) < 0.1 * MIB)
    end
  end)

  it("keeps Lua's own rule for a large one", function()
    assert.equal(200, collector.pause(16 * MIB))
    assert.equal(200, collector.pause(1000 * MIB))
  end)

  it("sets the pause again after every collection", function()
    local allowance, before = collector.ALLOWANCE_BYTES, collectgarbage("setpause", 200)
    collector.ALLOWANCE_BYTES = 2048 * MIB -- much, because the heap of a spec run is not small
    collector.start()
    collectgarbage()
    collectgarbage()
    local small = collectgarbage("setpause", 200)
    local ballast = {}
    for i = 1, 400000 do ballast[i] = { i } end
    collectgarbage()
    collectgarbage()
    collector.ALLOWANCE_BYTES = allowance
    local large = collectgarbage("setpause", before)
    assert.is_true(small > 200, "pause " .. small)
    assert.is_true(large < small, ("pause %d with a small heap, %d with a large one"):format(small,
      large))
    assert.equal(400000, #ballast)
  end)
end)
