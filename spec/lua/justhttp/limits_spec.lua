-- What a chain of middleware says about bodies, as the core is told when an app starts.
local limits = require "justhttp.limits"
local fake = require "spec.support.fake_ctx"

local function plain() return function(_, next) return next() end end

local function with(policy) return limits.declare(plain(), policy) end

describe("limits of a chain", function()
  it("are none where nothing declares any", function()
    local chain = { plain(), plain() }
    local resolved, policy = limits.resolve(chain)
    assert.equal(chain, resolved)
    assert.is_nil(policy)
  end)

  it("are those of the innermost, each for itself", function()
    local _, policy = limits.resolve {
      with { body_bytes = 10, body_timeout_ms = 5 }, plain(), with { body_bytes = 20 },
    }
    assert.same({ body_bytes = 20, body_timeout_ms = 5 }, policy)
  end)

  it("become one check, in the place of the innermost", function()
    local outer, inner = plain(), plain()
    local chain, _, places = limits.resolve({
      with { body_bytes = 1 }, outer, with { body_bytes = 2 }, inner,
    }, { "app.lua:1", "app.lua:2", "app.lua:3", "app.lua:4", "app.lua:5" })
    assert.same({ "app.lua:2", "app.lua:3", "app.lua:4", "app.lua:5" }, places)
    assert.equal(3, #chain)
    assert.equal(outer, chain[1])
    assert.equal(inner, chain[3])
    local ctx = fake.new { content_length = 3 }
    ctx:_limit_body(2)
    assert.is_false((fake.run(chain[2], ctx)))
    assert.equal(413, ctx.status)
    assert.is_true((fake.run(chain[2], fake.new { content_length = 2 })))
  end)

  it("need no check when there are only timeouts", function()
    local chain, policy = limits.resolve { with { body_timeout_ms = 5 } }
    assert.same({}, chain)
    assert.same({ body_timeout_ms = 5 }, policy)
  end)

  it("leave hooks that look at headers where they are", function()
    local hook = with { is_early = true }
    local chain, policy = limits.resolve { with { body_bytes = 2 }, hook }
    assert.equal(2, #chain)
    assert.equal(hook, chain[2])
    assert.same({ body_bytes = 2, is_early = true }, policy)
  end)

  it("are left to middleware that applies to some paths only", function()
    local guarded = limits.inherit(plain(), with { body_bytes = 2 })
    local chain, policy = limits.resolve { guarded }
    assert.same({ guarded }, chain)
    assert.same({ is_early = true }, policy)
    local _, none = limits.resolve { limits.inherit(plain(), plain()) }
    assert.is_nil(none)
  end)
end)
