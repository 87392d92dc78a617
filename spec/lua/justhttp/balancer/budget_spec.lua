-- The budget for retries.
local budget = require "justhttp.balancer.budget"

describe("a retry budget", function()
  it("has its reserve at once", function()
    local b = budget.new(0.2, 3)
    assert.same({ true, true, true, false }, { b:withdraw(), b:withdraw(), b:withdraw(),
                                               b:withdraw() })
  end)

  it("earns a part of a retry with every request", function()
    local b = budget.new(0.2, 10)
    while b:withdraw() do end
    for _ = 1, 5 do
      assert.is_false(b:withdraw())
      b:deposit()
    end
    assert.is_true(b:withdraw())
    assert.is_false(b:withdraw())
  end)

  it("does not save up more than its reserve", function()
    local b = budget.new(0.5, 2)
    for _ = 1, 1000 do b:deposit() end
    assert.is_true(b:withdraw() and b:withdraw())
    assert.is_false(b:withdraw())
  end)

  it("never allows more than its part of the requests and its reserve", function()
    local b = budget.new(0.2, 10)
    for requests = 1, 5000 do
      b:deposit()
      b:withdraw()
      assert.is_true(b.spent <= 10 + 0.2 * requests + 1e-6)
    end
    assert.is_true(b.spent >= 1000)
    assert.equal(5000, b.spent + b.refused)
  end)
end)
