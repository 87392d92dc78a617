-- The request id: kept when harmless, made when not.
local fake = require "spec.support.fake_ctx"
local request_id = require "justhttp.middleware.request_id"

local function id_of(headers, options)
  local ctx = fake.new { headers = headers }
  assert.is_true((fake.run(request_id(options), ctx)))
  local header = (options and options.header or "X-Request-Id"):lower()
  assert.equal(ctx.values.request_id, ctx.sent[header][1])
  return ctx.values.request_id
end

describe("request_id", function()
  it("makes ids that differ and are safe in a header", function()
    local first, second = id_of(), id_of()
    assert.not_equal(first, second)
    assert.matches("^%x+%-%d+$", first)
  end)

  it("keeps a harmless id of the client", function()
    assert.equal("abc-1.2:3_4", id_of { ["x-request-id"] = "abc-1.2:3_4" })
    assert.equal(("x"):rep(128), id_of { ["x-request-id"] = ("x"):rep(128) })
  end)

  it("replaces every other", function()
    for _, bad in ipairs { "", "a b", "a\"b", "a/b", "é", ("x"):rep(129) } do
      assert.not_equal(bad, id_of { ["x-request-id"] = bad })
    end
  end)

  it("can be told its header, its maker, and not to trust", function()
    assert.equal("t1", id_of({ ["x-trace"] = "t1" }, { header = "X-Trace" }))
    assert.equal("made", id_of(nil, { generate = function() return "made" end }))
    assert.not_equal("abc", id_of({ ["x-request-id"] = "abc" }, { trust = false }))
  end)
end)
