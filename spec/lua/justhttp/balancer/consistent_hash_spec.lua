-- Keys stay where they are, as far as possible.
local consistent_hash = require "justhttp.balancer.consistent_hash"
local upstream = require "justhttp.balancer.upstream"

local KEYS = 4000

local function list_of(count, weights)
  local list = {}
  for i = 1, count do
    list[i] = upstream.new({ url = "http://10.0.0." .. i .. ":80",
                             weight = weights and weights[i] or 1 }, 1)
  end
  return list
end

local function policy_of(list)
  local policy = consistent_hash.new()
  for _, one in ipairs(list) do policy:add(one) end
  return policy
end

local function places(policy, list)
  local places_of, counts = {}, {}
  for i = 1, KEYS do
    local one = policy:pick(list, 0, "key " .. i)
    places_of[i] = one.url
    counts[one.url] = (counts[one.url] or 0) + 1
  end
  return places_of, counts
end

local function without(list, gone)
  local rest = {}
  for _, one in ipairs(list) do
    if one ~= gone then rest[#rest + 1] = one end
  end
  return rest
end

describe("consistent hash", function()
  it("spreads keys over all", function()
    local list = list_of(10)
    local _, counts = places(policy_of(list), list)
    for _, one in ipairs(list) do
      assert.is_true(math.abs(counts[one.url] - KEYS / 10) < KEYS / 10 * 0.35, counts[one.url])
    end
  end)

  it("spreads them by weight", function()
    local list = list_of(3, { 1, 2, 5 })
    local _, counts = places(policy_of(list), list)
    for i, weight in ipairs { 1, 2, 5 } do
      local part = KEYS * weight / 8
      assert.is_true(math.abs(counts[list[i].url] - part) < part * 0.35)
    end
  end)

  it("moves only the keys of one that leaves, and spreads them", function()
    for count = 2, 12, 5 do
      local list = list_of(count)
      local policy = policy_of(list)
      local before = places(policy, list)
      for _, gone in ipairs(list) do
        local changed = policy_of(list)
        changed:remove(gone)
        local after, counts = places(changed, without(list, gone))
        for i = 1, KEYS do
          assert.is_true(after[i] ~= gone.url)
          if before[i] ~= gone.url then assert.equal(before[i], after[i]) end
        end
        for _, n in pairs(counts) do assert.is_true(n < KEYS / (count - 1) * 1.6) end
      end
    end
  end)

  it("moves keys only to one that comes, and about its part of them", function()
    for count = 1, 11, 5 do
      local list = list_of(count + 1)
      local few = without(list, list[count + 1])
      local policy = policy_of(few)
      local before = places(policy, few)
      policy:add(list[count + 1])
      local after = places(policy, list)
      local moved = 0
      for i = 1, KEYS do
        if before[i] ~= after[i] then
          moved = moved + 1
          assert.equal(list[count + 1].url, after[i])
        end
      end
      assert.is_true(math.abs(moved - KEYS / (count + 1)) < KEYS / (count + 1) * 0.35)
    end
  end)

  it("moves only the keys of one that is down, and back when it is up again", function()
    local list = list_of(5)
    local policy = policy_of(list)
    local before = places(policy, list)
    local during = places(policy, without(list, list[3]))
    for i = 1, KEYS do
      if before[i] ~= list[3].url then assert.equal(before[i], during[i]) end
    end
    assert.same(before, (places(policy, list)))
  end)

  it("does not depend on the order in which they came or left", function()
    local list = list_of(6)
    local one = policy_of(list)
    local other = consistent_hash.new()
    for _, i in ipairs { 6, 1, 3, 2, 5, 4 } do other:add(list[i]) end
    other:remove(list[3])
    other:add(list[3])
    assert.same((places(one, list)), (places(other, list)))
  end)

  it("breaks ties of places by URL", function()
    local before = consistent_hash.PLACES
    consistent_hash.PLACES = 20000
    local list = list_of(12)
    local one, other = consistent_hash.new(), consistent_hash.new()
    for i = 1, 12 do
      one:add(list[i])
      other:add(list[13 - i])
    end
    consistent_hash.PLACES = before
    local ties = 0
    for i = 2, #one._hashes do
      if one._hashes[i] == one._hashes[i - 1] then ties = ties + 1 end
      assert.is_true(one._hashes[i] >= one._hashes[i - 1])
      assert.equal(one._owners[i], other._owners[i])
    end
    assert.is_true(ties > 0)
  end)

  it("gives way when nobody is on the ring", function()
    local list = list_of(2)
    assert.equal(list[1], consistent_hash.new():pick(list, 0, "x"))
  end)
end)
