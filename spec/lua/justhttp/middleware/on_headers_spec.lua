-- A look at the headers before the body.
local limits = require "justhttp.limits"
local on_headers = require "justhttp.middleware.on_headers"
local fake = require "spec.support.fake_ctx"

describe("on_headers", function()
  it("has its routes start before the body", function()
    local _, policy = limits.resolve { on_headers(function() end) }
    assert.same({ is_early = true }, policy)
  end)

  it("lets a request go on that it says nothing about", function()
    assert.is_true((fake.run(on_headers(function() end), fake.new())))
  end)

  it("answers in place of the handler", function()
    local first, second = on_headers(function() return 403, "no" end)(fake.new(), error)
    assert.same({ 403, "no" }, { first, second })
    local ctx = fake.new()
    assert.is_false((fake.run(on_headers(function(it) it:error(403) end), ctx)))
    assert.equal(403, ctx.status)
  end)

  it("may set a limit that the body is above", function()
    local ctx = fake.new { content_length = 5 }
    assert.is_false((fake.run(on_headers(function(it) it:_limit_body(4) end), ctx)))
    assert.equal(413, ctx.status)
  end)

  it("refuses what is no function", function()
    assert.error_matches(function() on_headers(1) end, "on_headers: give a function")
  end)
end)
