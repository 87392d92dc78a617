-- budget_spec.lua: the error of the CPU budget is known from others.
local budget = require "justhttp.budget"

describe("is_exceeded", function()
  it("knows what the core raises", function()
    assert.is_true(budget.is_exceeded("app.lua:12: cpu budget of 1000 ms exceeded"))
    assert.is_true(budget.is_exceeded('[string "x"]:1: cpu budget of 5 ms exceeded'))
  end)

  it("takes nothing else for it", function()
    for _, value in ipairs { "cpu budget of 5 ms exceeded", "app.lua:12: no", 12, {}, false } do
      assert.is_false(budget.is_exceeded(value))
    end
    assert.is_false(budget.is_exceeded(nil))
  end)
end)
