-- fasthttp's rules: the fewest pending, penalties included; then the smallest total.
local least_pending = require "justhttp.balancer.least_pending"
local upstream = require "justhttp.balancer.upstream"

describe("least pending", function()
  local a, b, c, policy

  before_each(function()
    a, b, c = upstream.new("http://a", 1), upstream.new("http://b", 1), upstream.new("http://c", 1)
    policy = least_pending.new()
  end)

  local function pick(now_ms) return policy:pick({ a, b, c }, now_ms or 0) end

  it("takes the one with the fewest requests", function()
    a.pending, b.pending, c.pending = 3, 1, 2
    assert.equal(b, pick())
  end)

  it("takes the smallest total among equals, then the first", function()
    assert.equal(a, pick())
    a.total, b.total, c.total = 5, 4, 3
    assert.equal(c, pick())
    a.total, b.total, c.total = 5, 5, 5
    assert.equal(a, pick())
  end)

  it("counts a failure as a pending request for three seconds", function()
    a:note_failure(0)
    assert.equal(b, pick(2999))
    b.total, c.total = 1, 1
    assert.equal(b, pick(2999))
    assert.equal(a, pick(3000))
  end)

  it("spreads requests that are done at once evenly", function()
    for _ = 1, 300 do pick():note_success(0) end
    assert.same({ 100, 100, 100 }, { a.total, b.total, c.total })
  end)

  it("divides the load by the weights", function()
    a.weight = 3
    for _ = 1, 50 do
      local one = pick()
      one.pending = one.pending + 1
    end
    assert.same({ 30, 10, 10 }, { a.pending, b.pending, c.pending })
  end)

  it("gives little to one that starts slowly", function()
    a:begin_slowly(0, 10000)
    for _ = 1, 210 do pick(1000):note_success(1000) end
    assert.is_true(a.total <= 11, a.total)
  end)
end)
