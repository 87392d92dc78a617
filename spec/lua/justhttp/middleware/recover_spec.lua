-- Catching errors inside the onion.
local fake = require "spec.support.fake_ctx"
local recover = require "justhttp.middleware.recover"

describe("recover", function()
  it("changes nothing when all is well", function()
    local ctx = fake.new()
    local called, err = fake.run(recover(), ctx)
    assert.is_true(called)
    assert.is_nil(err)
    assert.equal(200, ctx.status)
  end)

  it("hands an error with its calls to the server's answer and goes on", function()
    local ctx, went_on = fake.new(), false
    local inner = recover()
    local function outer(c, next)
      inner(c, next)
      went_on = c.status == 500
    end
    local _, err = fake.run(outer, ctx, function() error "boom" end)
    assert.is_nil(err)
    assert.is_true(went_on)
    assert.matches("recover_spec.lua:%d+: boom", ctx.fault.message)
    assert.matches("recover_spec.lua", ctx.fault.trace)
  end)

  it("lets a handler of its own answer, with the value that was raised", function()
    local ctx, value, got = fake.new(), {}, nil
    fake.run(recover { handler = function(c, err)
      got = err
      c.status = 418
    end }, ctx, function() error(value) end)
    assert.equal(value, got)
    assert.equal(418, ctx.status)
  end)

  it("refuses a handler that is none", function()
    assert.error_matches(function() recover { handler = 5 } end, "handler must be a function")
  end)
end)
