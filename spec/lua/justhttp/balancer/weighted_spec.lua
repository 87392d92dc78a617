-- nginx's smooth weighted round robin.
local upstream = require "justhttp.balancer.upstream"
local weighted = require "justhttp.balancer.weighted"

local function list_of(weights)
  local list = {}
  for i, weight in ipairs(weights) do
    list[i] = upstream.new({ url = "http://" .. string.char(96 + i), weight = weight }, 1)
  end
  return list
end

local function picks(list, count, now_ms)
  local policy, names = weighted.new(), {}
  for i = 1, count do names[i] = policy:pick(list, now_ms or 0).host end
  return table.concat(names)
end

describe("smooth weighted", function()
  it("has the order of nginx's own example", function()
    assert.equal("aabacaa", picks(list_of { 5, 1, 1 }, 7))
    assert.equal("aabacaaaabacaa", picks(list_of { 5, 1, 1 }, 14))
  end)

  it("gives each its weight in every round, never far from its part in between", function()
    local random = 12345
    local function next_random(below)
      random = (random * 1103515245 + 12345) % 2147483648
      return random % below
    end
    for _ = 1, 50 do
      local weights, sum = {}, 0
      for i = 1, 2 + next_random(6) do
        weights[i] = 1 + next_random(9)
        sum = sum + weights[i]
      end
      local list, counts = list_of(weights), {}
      local order = picks(list, sum * 3)
      for i = 1, #order do
        local name = order:sub(i, i)
        counts[name] = (counts[name] or 0) + 1
        for j, weight in ipairs(weights) do
          local part = i * weight / sum
          assert.is_true(math.abs((counts[list[j].host] or 0) - part) < #weights)
        end
      end
      for j, weight in ipairs(weights) do assert.equal(3 * weight, counts[list[j].host]) end
    end
  end)

  it("is round robin with equal weights", function()
    assert.equal("abcabc", picks(list_of { 2, 2, 2 }, 6))
  end)

  it("gives a tenth of its weight to one at the beginning of a slow start", function()
    local list = list_of { 10, 10 }
    list[2]:begin_slowly(0, 10000)
    local _, count = picks(list, 110, 0):gsub("b", "")
    assert.equal(10, count)
  end)
end)
