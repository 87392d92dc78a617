-- The positions in a ctx's table.
local slots = require "justhttp.slots"

describe("slots", function()
  it("are the positions from 1 on, each once", function()
    local seen, count = {}, 0
    for name, position in pairs(slots) do
      assert.is_nil(seen[position], name)
      seen[position], count = name, count + 1
    end
    assert.equal(count, #seen)
  end)

  it("are all filled in a new ctx, which has no other fields", function()
    local ctx, count = require "justhttp.context".new("core", "route"), 0
    for _, position in pairs(slots) do assert.not_nil(rawget(ctx, position)) end
    for key in next, ctx do
      assert.equal("number", type(key))
      count = count + 1
    end
    local slot_count = 0
    for _ in pairs(slots) do slot_count = slot_count + 1 end
    assert.equal(slot_count, count)
  end)
end)
