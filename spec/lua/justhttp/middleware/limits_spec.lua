-- Limits of bodies for some routes, where they run as middleware.
local limits = require "justhttp.limits"
local make = require "justhttp.middleware.limits"
local fake = require "spec.support.fake_ctx"

describe("limits", function()
  it("are declared, for the core", function()
    local _, policy = limits.resolve { make { body = "2g", body_timeout = 0.5 } }
    assert.same({ body_bytes = 2 ^ 31, body_timeout_ms = 500 }, policy)
  end)

  it("answer 413 to a longer declared body, before the handler", function()
    local ctx = fake.new { content_length = 11 }
    assert.is_false((fake.run(make { body = 10 }, ctx)))
    assert.equal(413, ctx.status)
  end)

  it("are set for bodies that declare no length", function()
    local ctx = fake.new()
    assert.is_true((fake.run(make { body = 10, body_timeout = 2 }, ctx)))
    assert.equal(10, ctx.body_limit)
    assert.equal(2000, ctx.body_time_ms)
  end)

  it("refuse what is no limit", function()
    assert.error_matches(function() make {} end, "limits: give a table such as")
    assert.error_matches(function() make(10) end, "limits: give a table such as")
    assert.error_matches(function() make { bodi = 1 } end, 'unknown option "bodi"')
    assert.error_matches(function() make { body = "1kb" } end,
      "limits: body: give a number of bytes")
    for _, seconds in ipairs { -1, "1", 1e9, 0 / 0 } do
      assert.error_matches(function() make { body_timeout = seconds } end,
        "body_timeout: give seconds")
    end
  end)
end)
