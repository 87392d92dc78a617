-- Percentiles of durations.
local latency = require "justhttp.balancer.latency"

describe("a record of latencies", function()
  it("knows nothing at first", function()
    assert.is_nil(latency.new():percentile(95))
  end)

  it("tells percentiles to an eighth", function()
    local record = latency.new()
    for i = 1, 900 do record:add(i) end
    for _, percent in ipairs { 1, 50, 90, 95, 99, 100 } do
      local exact, told = percent * 9, record:percentile(percent)
      assert.is_true(told >= exact * 0.999 and told <= exact * 1.13, percent .. ": " .. told)
    end
  end)

  it("takes any duration", function()
    local record = latency.new()
    for _, ms in ipairs { 0, 0.0001, 0.1, 1e9, 1 / 0 } do record:add(ms) end
    assert.equal(5, record.count)
    assert.equal(0.1, record:percentile(20))
    assert.is_true(record:percentile(100) > 1e5)
  end)

  it("forgets by and by", function()
    local record = latency.new()
    for _ = 1, 1000 do record:add(1000) end
    for _ = 1, 10000 do record:add(1) end
    assert.is_true(record:percentile(99) < 1.2)
    assert.is_true(record.count <= 2000)
  end)
end)
