-- Penalties: three seconds each, at most 300.
local penalty = require "justhttp.balancer.penalty"

describe("penalties", function()
  it("count for three seconds each", function()
    local list = penalty.new()
    list:add(0)
    list:add(1000)
    assert.equal(2, list:count(2999))
    assert.equal(1, list:count(3000))
    assert.equal(1, list:count(3999))
    assert.equal(0, list:count(4000))
    list:add(5000)
    assert.equal(1, list:count(5000))
  end)

  it("are at most 300", function()
    local list = penalty.new()
    for _ = 1, 300 do assert.is_true(list:add(0)) end
    assert.is_false(list:add(10))
    assert.equal(300, list:count(10))
    assert.is_true(list:add(3000))
    assert.equal(1, list:count(3000))
  end)

  it("can be forgotten", function()
    local list = penalty.new()
    list:add(0)
    list:clear()
    assert.equal(0, list:count(0))
  end)

  it("keep no memory of the past", function()
    local list = penalty.new()
    for i = 1, 10000 do
      list:add(i * 3000)
      assert.equal(1, list:count(i * 3000))
    end
    local entries = 0
    for key in pairs(list) do
      if type(key) == "number" then entries = entries + 1 end
    end
    assert.equal(1, entries)
  end)
end)
