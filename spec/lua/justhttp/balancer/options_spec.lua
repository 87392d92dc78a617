-- What a balancer can be told.
local options_of = require "justhttp.balancer.options"

local function check(options)
  options.upstreams = options.upstreams or {}
  return options_of.check(options, 1)
end

describe("the options of a balancer", function()
  it("have defaults", function()
    local options, of_client = check {}
    assert.equal("justhttp.least_pending", getmetatable(options.policy).__name)
    assert.same({ failures = 5, ms = 10000, max_ms = 300000, max_fraction = 0.5 },
      options.ejection)
    assert.equal(3, options.retry.attempts)
    assert.is_nil(options.check or options.hedge or options.slow_start or options.resolve)
    assert.is_true(options.is_good({}))
    assert.is_false(options.is_good(nil))
    assert.same({ proxy = false }, of_client)
  end)

  it("leave what is the client's to the client", function()
    local _, of_client = check { timeout = 5, policy = "round_robin", proxy = "http://p" }
    assert.same({ timeout = 5, proxy = "http://p" }, of_client)
  end)

  it("fill in what a check does not say", function()
    local options = check { check = { path = "/up", fall = 1 } }
    assert.equal("/up", options.check.path)
    assert.equal(1, options.check.fall)
    assert.equal(2, options.check.rise)
    assert.equal(5, options.check.interval)
    assert.equal(5, check({ check = true }).check.interval)
    assert.is_nil(check({ check = false }).check)
  end)

  it("take a hedge as seconds or as a percentile", function()
    assert.equal(0.05, check({ hedge = 0.05 }).hedge.after)
    local hedge = check({ hedge = { percentile = 99 } }).hedge
    assert.is_nil(hedge.after)
    assert.equal(99, hedge.percentile)
    assert.equal(95, check({ hedge = true }).hedge.percentile)
  end)

  it("take false for none", function()
    local options = check { eject = false, retry = false, hedge = false, resolve = false }
    assert.is_nil(options.ejection or options.hedge or options.resolve)
    assert.is_false(options.retry)
    assert.equal(30, check({ resolve = true }).resolve)
  end)

  it("take a policy of one's own", function()
    local own = { pick = function(_, list) return list[1] end }
    assert.equal(own, check({ policy = own }).policy)
  end)

  it("are named when they are wrong", function()
    for text, given in pairs {
      ["give options such as"] = 5, ["upstreams = {"] = { upstreams = "http://a" },
      ["policy must be"] = { policy = "random" }, ["eject has no option"] = { eject = { x = 1 } },
      ["eject.seconds must be a number"] = { eject = { seconds = "1" } },
      ["eject.failures must be at least 1"] = { eject = { failures = 0 } },
      ["check has no option \"url\""] = { check = { url = "/" } },
      ["check must be a table of options, got a string"] = { check = "/" },
      ["check.interval must be seconds"] = { check = { interval = 0 } },
      ["hedge has no option"] = { hedge = { x = 1 } },
      ["hedge.after must be seconds"] = { hedge = 0 },
      ["hedge.percentile must be"] = { hedge = { percentile = 101 } },
      ["slow_start must be seconds"] = { slow_start = -1 },
      ["resolve must be seconds"] = { resolve = "x" },
      ["is_good must be a function"] = { is_good = true },
      ["key must be a function"] = { key = "x" }, ["host must be a string"] = { host = 1 },
      ["retry.attempts must be"] = { retry = { attempts = 0 } },
    } do
      if type(given) == "table" then given.upstreams = given.upstreams or {} end
      local ok, err = pcall(options_of.check, given, 1)
      assert.is_false(ok, text)
      assert.matches(text, err, 1, true)
    end
  end)
end)
