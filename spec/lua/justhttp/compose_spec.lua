-- The onion: order, results, next, and that LuaJIT sees no recursion in it.
local compose = require "justhttp.compose"
local context = require "justhttp.context"
local scheduler = require "justhttp.scheduler"

describe("compose", function()
  local apply, ctx, trail

  before_each(function()
    apply, ctx, trail = context.apply, {}, {}
    context.apply = function(given, first, second)
      assert.equal(ctx, given)
      ctx.first, ctx.second = first, second
    end
    scheduler.state.ctx = ctx
  end)

  after_each(function()
    context.apply = apply
    scheduler.state.ctx = nil
  end)

  local function note(name)
    return function(_, next)
      trail[#trail + 1] = name .. " in"
      next()
      trail[#trail + 1] = name .. " out"
    end
  end

  it("is the handler itself without middleware", function()
    local function handler() end
    assert.equal(handler, compose({}, handler))
  end)

  it("runs from the outside in and back, and the response is known on the way out", function()
    local seen
    compose({ note "a", function(c, next)
      next()
      seen = c.first
    end, note "b" }, function()
      trail[#trail + 1] = "handler"
      return 201, "body"
    end)(ctx)
    assert.same({ "a in", "b in", "handler", "b out", "a out" }, trail)
    assert.equal(201, ctx.first)
    assert.equal("body", ctx.second)
    assert.equal(201, seen)
  end)

  it("takes what a middleware returns, in place of what lies behind it", function()
    compose({ note "a", function() return 403, "no" end }, function() return "never" end)(ctx)
    assert.equal(403, ctx.first)
    assert.same({ "a in", "a out" }, trail)
  end)

  it("passes the ctx on when next is given one", function()
    local other, got = {}, nil
    context.apply = function() end
    compose({ function(_, next) next(other) end }, function(c) got = c end)(ctx)
    assert.equal(other, got)
  end)

  it("lets errors through", function()
    assert.error_matches(function()
      compose({ note "a" }, function() error "boom" end)(ctx)
    end, "boom")
  end)

  it("makes chains of any length", function()
    local list, count = {}, 0
    for i = 1, 75 do
      list[i] = function(_, next)
        count = count + 1
        return next()
      end
    end
    compose(list, function() return "end" end)(ctx)
    assert.equal(75, count)
    assert.equal("end", ctx.first)
  end)

  it("keeps upvalues and environments of closures of one function", function()
    local total = 0
    local function add(n)
      return function(_, next)
        total = total + n
        return next()
      end
    end
    local global = setfenv(function(_, next)
      marker = (marker or 0) + 1 -- luacheck: ignore
      return next()
    end, { _G = _G })
    compose({ add(1), add(10), add(100), global, global }, function() return "x" end)(ctx)
    assert.equal(111, total)
    assert.equal(2, getfenv(global).marker)
  end)

  it("takes C functions as middleware", function()
    local seen = {}
    local iterate = coroutine.wrap(function(...)
      seen[1] = select("#", ...)
    end)
    compose({ iterate }, function() end)(ctx)
    assert.equal(2, seen[1])
  end)

  it("gives every place in a chain a prototype of its own, so that it compiles", function()
    local function put(name)
      return function(c, next)
        c[name] = 1
        return next()
      end
    end
    context.apply = function(c, first) c.first = first end
    local run = compose({ put "a", put "b", put "c", put "d" }, function() return "x" end)
    require "spec.support.jit".assert_compiles(function(n)
      local count = 0
      for _ = 1, n do
        run(ctx)
        if ctx.first == "x" then count = count + 1 end
      end
      return count
    end)
  end)
end)
