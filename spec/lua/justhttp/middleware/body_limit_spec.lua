-- A body limit for some routes.
local body_limit = require "justhttp.middleware.body_limit"
local fake = require "spec.support.fake_ctx"

describe("body_limit", function()
  it("answers 413 to a longer declared body, before the handler", function()
    local ctx = fake.new { content_length = 11 }
    assert.is_false((fake.run(body_limit(10), ctx)))
    assert.equal(413, ctx.status)
  end)

  it("sets the limit for bodies that declare no length", function()
    local ctx = fake.new()
    assert.is_true((fake.run(body_limit(10), ctx)))
    assert.equal(10, ctx.body_limit)
  end)

  it("refuses what is no number of bytes", function()
    for _, bad in ipairs { -1, 1.5, "1k" } do
      assert.error_matches(function() body_limit(bad) end, "give the limit in bytes")
    end
  end)
end)
