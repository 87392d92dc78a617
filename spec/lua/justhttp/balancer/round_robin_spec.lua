-- Upstreams in turn.
local round_robin = require "justhttp.balancer.round_robin"
local upstream = require "justhttp.balancer.upstream"

describe("round robin", function()
  local a, b, c, policy

  before_each(function()
    a, b, c = upstream.new("http://a", 1), upstream.new("http://b", 1), upstream.new("http://c", 1)
    policy = round_robin.new()
  end)

  local function picks(list, count, now_ms)
    local names = {}
    for i = 1, count do names[i] = policy:pick(list, now_ms or 0).host end
    return table.concat(names)
  end

  it("takes one after the other", function()
    assert.equal("abcabca", picks({ a, b, c }, 7))
  end)

  it("goes on when the list changes", function()
    assert.equal("ab", picks({ a, b, c }, 2))
    assert.equal("aba", picks({ a, b }, 3))
    assert.equal("bca", picks({ a, b, c }, 3))
  end)

  it("passes over one that starts slowly in most of its turns", function()
    b:begin_slowly(0, 10000)
    local _, count = picks({ a, b, c }, 210, 0):gsub("b", "")
    assert.is_true(count >= 9 and count <= 11, count)
    _, count = picks({ a, b, c }, 100, 5000):gsub("b", "")
    assert.is_true(count >= 19 and count <= 21, count)
    _, count = picks({ a, b, c }, 99, 10000):gsub("b", "")
    assert.equal(33, count)
  end)

  it("takes one all the same when all start slowly", function()
    for _, one in ipairs { a, b, c } do one:begin_slowly(0, 10000) end
    local seen = {}
    for name in picks({ a, b, c }, 30):gmatch "." do seen[name] = (seen[name] or 0) + 1 end
    assert.same({ a = 10, b = 10, c = 10 }, seen)
  end)
end)
