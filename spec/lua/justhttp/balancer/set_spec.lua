-- A set of upstreams: who is up, who is next, who is out for a while.
local set = require "justhttp.balancer.set"
local round_robin = require "justhttp.balancer.round_robin"
local consistent_hash = require "justhttp.balancer.consistent_hash"

describe("a set of upstreams", function()
  local now_ms, one

  local function new_set(options, count)
    options = options or {}
    options.policy = options.policy or round_robin.new()
    options.clock_ms = function() return now_ms end
    one = set.new(options)
    for i = 1, count or 3 do one:add("http://" .. string.char(96 + i), 1, true) end
    return one
  end

  -- Takes and gives back; the names of who it was.
  local function picks(count, outcome)
    local names = {}
    for i = 1, count do
      local upstream = one:acquire()
      names[i] = upstream and upstream.host or "-"
      if upstream then one:release(upstream, outcome) end
    end
    return table.concat(names)
  end

  before_each(function()
    now_ms = 0
    new_set()
  end)

  it("counts what is pending", function()
    local a = one:acquire()
    assert.equal(1, a.pending)
    one:release(a, true)
    assert.equal(0, a.pending)
    assert.equal(1, a.total)
    a = one:acquire()
    one:release(a, nil)
    assert.equal(0, a.pending + a.total + a.failures)
  end)

  it("passes over those that were tried", function()
    local a, b, c = unpack(one.list)
    assert.equal(c, one:acquire(nil, { [a] = true, [b] = true }))
    assert.is_nil(one:acquire(nil, { [a] = true, [b] = true, [c] = true }))
    assert.is_nil(new_set(nil, 0):acquire())
  end)

  it("adds and removes at run time", function()
    assert.equal("abc", picks(3, true))
    local d = one:add("http://d", 1)
    one:remove(one.list[1])
    local seen = {}
    for name in picks(6, true):gmatch "." do seen[name] = (seen[name] or 0) + 1 end
    assert.same({ b = 2, c = 2, d = 2 }, seen)
    local held = one:acquire()
    one:remove(held)
    one:release(held, false)
    assert.is_true(held.is_removed)
    assert.is_false(picks(6, true):find(held.host) ~= nil)
    assert.equal("http://d:80", d.url)
  end)

  it("tells the policy who comes and goes", function()
    local policy = consistent_hash.new()
    new_set({ policy = policy }, 3)
    local upstream = one:acquire("some key")
    assert.equal(upstream, one:acquire("some key"))
    one:remove(upstream)
    assert.is_true(one:acquire("some key") ~= upstream)
    assert.equal(320, #policy._hashes)
  end)

  describe("with health checks", function()
    it("gives requests to healthy ones only, and to nobody when there is none", function()
      one:set_health(one.list[2], false)
      assert.equal("acac", picks(4, true))
      one:set_health(one.list[1], false)
      one:set_health(one.list[3], false)
      assert.is_nil(one:acquire())
      one:set_health(one.list[2], true)
      assert.equal("bb", picks(2, true))
    end)

    it("forgets failures of one that is healthy again", function()
      new_set { ejection = { failures = 1, ms = 1000, max_ms = 5000, max_fraction = 0.5 } }
      local a = one:acquire()
      one:release(a, false)
      one:set_health(a, false)
      one:set_health(a, true)
      assert.equal(0, a:penalty(now_ms))
      assert.is_true(a:is_up(now_ms))
      assert.matches("a", picks(3, true))
    end)
  end)

  describe("with ejection", function()
    local rules = { failures = 2, ms = 1000, max_ms = 5000, max_fraction = 0.5 }

    before_each(function() new_set({ ejection = rules }, 4) end)

    local function fail(upstream, times)
      for _ = 1, times do
        upstream.pending = upstream.pending + 1
        one:release(upstream, false, "it is broken")
      end
    end

    it("takes one out after so many failures, and back after a time", function()
      fail(one.list[2], 2)
      assert.equal("acdacd", picks(6, true))
      now_ms = 999
      assert.is_nil(picks(4, true):find "b")
      now_ms = 1000
      assert.is_true(one.list[2]:is_up(now_ms))
      fail(one.list[2], 1)
      now_ms = 2999
      assert.is_nil(picks(4, true):find "b")
      now_ms = 3000
      assert.truthy(picks(4, true):find "b")
    end)

    it("takes out at most a part of all", function()
      for i = 1, 4 do fail(one.list[i], 5) end
      local up = 0
      for _, row in ipairs(one:status()) do
        if not row.is_ejected then up = up + 1 end
      end
      assert.equal(2, up)
      new_set({ ejection = rules }, 1)
      fail(one.list[1], 10)
      assert.equal("a", picks(1, true))
    end)

    it("uses ejected ones when checks call all others unhealthy", function()
      fail(one.list[1], 2)
      for i = 2, 4 do one:set_health(one.list[i], false) end
      assert.equal("aa", picks(2, true))
      one:set_health(one.list[4], true)
      assert.equal("dd", picks(2, true))
    end)

    it("lets it come back slowly", function()
      new_set({ ejection = rules, slow_start_ms = 10000 }, 2)
      fail(one.list[1], 2)
      now_ms = 1000
      local _, count = picks(220, true):gsub("a", "")
      assert.is_true(count >= 18 and count <= 22, count)
      assert.equal(0.1, one:status()[1].pace)
    end)
  end)

  it("starts slowly whoever comes later, or is healthy again", function()
    new_set({ slow_start_ms = 1000 }, 2)
    assert.equal(1, one:status()[1].pace)
    one:add("http://z", 1)
    assert.equal(0.1, one:status()[3].pace)
    one:set_health(one.list[1], false)
    now_ms = 500
    one:set_health(one.list[1], true)
    assert.equal(0.1, one:status()[1].pace)
    assert.equal(0.5, one:status()[3].pace)
  end)

  for _, policy in ipairs { "least_pending", "round_robin", "weighted", "consistent_hash" } do
    it("keeps its word in any order of events: " .. policy, function()
      local state = 4711
      local function random(below)
        state = (state * 1103515245 + 12345) % 2147483648
        return math.floor(state / 65536) % below + 1
      end
      new_set({
        policy = require("justhttp.balancer." .. policy).new(), slow_start_ms = 50,
        ejection = { failures = 2, ms = 20, max_ms = 100, max_fraction = 0.5 },
      }, 4)
      local held, pending, last = {}, {}, 4
      local events = {
        function() -- a request begins
          local tried = random(4) == 1 and held[1] and { [held[1]] = true } or nil
          local upstream = one:acquire("key " .. random(50), tried)
          local anybody = false
          for _, other in ipairs(one.list) do
            anybody = anybody or (other.is_healthy and not (tried and tried[other]))
          end
          if not upstream then
            -- Those that are up were tried, or nobody is well.
            for _, other in ipairs(one.list) do
              assert.is_true(not other:is_up(now_ms) or (tried and tried[other]) or false)
            end
            return
          end
          assert.is_true(anybody and upstream.is_healthy and not upstream.is_removed)
          assert.is_true(not (tried and tried[upstream]))
          held[#held + 1] = upstream
          pending[upstream] = (pending[upstream] or 0) + 1
        end,
        function() -- one ends
          if not held[1] then return end
          local upstream = table.remove(held, random(#held))
          pending[upstream] = pending[upstream] - 1
          local outcome = random(3)
          if outcome == 3 then one:release(upstream, nil)
          else one:release(upstream, outcome == 1, "why") end
        end,
        function() -- somebody comes
          if #one.list > 8 then return end
          last = last + 1
          one:add({ url = "http://h" .. last, weight = random(3) }, 1)
        end,
        function() if one.list[3] then one:remove(one.list[random(#one.list)]) end end,
        function() one:set_health(one.list[random(#one.list)], random(3) > 1) end,
        function() now_ms = now_ms + random(30) end,
      }
      for _ = 1, 20000 do
        local event = random(20)
        events[event <= 8 and 1 or event <= 16 and 2 or event - 14]()
      end
      for _, upstream in ipairs(one.list) do
        assert.equal(pending[upstream] or 0, upstream.pending)
      end
      for _, upstream in ipairs(held) do one:release(upstream, true) end
      for _, upstream in ipairs(one.list) do assert.equal(0, upstream.pending) end
    end)
  end

  it("tells what it knows", function()
    new_set({ ejection = { failures = 1, ms = 4000, max_ms = 4000, max_fraction = 1 } }, 2)
    one:release(one:acquire(), true)
    one:release(one:acquire(), false, "connection refused")
    now_ms = 1000
    assert.same({
      { url = "http://a:80", weight = 1, pending = 0, total = 1, failures = 0, penalty = 0,
        is_up = true, is_healthy = true, is_ejected = false, ejected_for = 0, pace = 1 },
      { url = "http://b:80", weight = 1, pending = 0, total = 0, failures = 1, penalty = 1,
        is_up = false, is_healthy = true, is_ejected = true, ejected_for = 3, pace = 1,
        last_error = "connection refused" },
    }, one:status())
  end)
end)
