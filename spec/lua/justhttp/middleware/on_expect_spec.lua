-- Decisions about clients that wait for 100 Continue.
local on_expect = require "justhttp.middleware.on_expect"
local fake = require "spec.support.fake_ctx"

local function run(fn, request)
  local ctx = fake.new(request or { expects_continue = true })
  local was_called = false
  local first, second = on_expect(fn)(ctx, function() was_called = true end)
  return was_called, ctx, first, second
end

describe("on_expect", function()
  it("is not asked when the client does not wait", function()
    assert.is_true((run(error, {})))
  end)

  it("lets the client wait until the body is read, or tells it to go on", function()
    local was_called, ctx = run(function() end)
    assert.is_true(was_called)
    assert.is_nil(ctx.has_continued)
    was_called, ctx = run(function() return 100 end)
    assert.is_true(was_called)
    assert.is_true(ctx.has_continued)
  end)

  it("answers in place of the handler", function()
    local was_called, ctx = run(function() return false end)
    assert.same({ false, 417 }, { was_called, ctx.status })
    was_called, ctx = run(function() return 403 end)
    assert.same({ false, 403 }, { was_called, ctx.status })
    was_called, ctx = run(function(it) it:error(401) end)
    assert.same({ false, 401 }, { was_called, ctx.status })
    local first, second
    was_called, ctx, first, second = run(function() return 409, { why = "x" } end)
    assert.same({ false, 200, 409, { why = "x" } }, { was_called, ctx.status, first, second })
  end)

  it("refuses what is no function", function()
    assert.error_matches(function() on_expect() end, "on_expect: give a function")
  end)
end)
