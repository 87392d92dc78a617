-- Active checks: what counts as good, and when an upstream changes sides. Checks over sockets are
-- in spec/http/balancer_health_spec.lua.
local worker = require "spec.support.worker"

describe("health checks", function()
  local w, health

  setup(function()
    w = worker.new(function(app) app:get("/", function() end) end)
    health = w.modules["balancer.health"]
  end)
  teardown(function() w:close() end)

  -- The sides after each answer, "+" for healthy, of answers such as "ggb".
  local function sides(answers, is_healthy, rise, fall)
    local state, text = { rises = 0, falls = 0 }, ""
    for answer in answers:gmatch "." do
      local verdict = health.judge(state, is_healthy, answer == "g", rise, fall)
      if verdict ~= nil then is_healthy = verdict end
      text = text .. (is_healthy and "+" or "-")
    end
    return text
  end

  it("take so many bad answers in a row to make it unhealthy, and good ones back", function()
    assert.equal("++---+++", sides("bbbggggb", true, 3, 3))
    assert.equal("+++++-", sides("bbgbbb", true, 2, 3))
    assert.equal("----+", sides("gbbgg", false, 2, 3))
    assert.equal("-+-+", sides("bgbg", true, 1, 1))
  end)

  it("tell nothing while nothing changes", function()
    local state = { rises = 0, falls = 0 }
    assert.is_nil(health.judge(state, true, true, 2, 3))
    assert.is_nil(health.judge(state, true, false, 2, 3))
  end)

  it("expect 200 to 399, a status, one of several, or what a function says", function()
    local function expects(wanted, status)
      return health.is_expected({ status = wanted }, { status = status })
    end
    assert.is_true(expects(nil, 200) and expects(nil, 302))
    assert.is_false(expects(nil, 404) or expects(nil, 503))
    assert.is_true(expects(204, 204))
    assert.is_false(expects(204, 200))
    assert.is_true(expects({ 200, 404 }, 404))
    assert.is_false(expects({ 200, 404 }, 500))
    assert.is_true(expects(function(response) return response.status == 418 end, 418))
    assert.is_false(expects(function() return nil end, 200))
  end)
end)
