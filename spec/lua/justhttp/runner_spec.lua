-- What handles one event of a route: its ctx, its handler, and then the next event.
local make_runner = require "justhttp.runner"
local context = require "justhttp.context"
local scheduler = require "justhttp.scheduler"
local slots = require "justhttp.slots"

describe("a runner", function()
  local event, trail, loop

  before_each(function()
    trail = {}
    event = { id = 7 }
    loop = {
      event = event, ctxs = { [7] = "core ctx 7" }, live = {},
      ctx_at = function(slot) return "new core ctx " .. slot end,
      take = function()
        trail[#trail + 1] = "take"
        return "taken"
      end,
    }
    stub(context, "finish")
  end)
  after_each(function() context.finish:revert() end)

  it("gives the handler a ctx of its slot, finishes it, and takes the next event", function()
    local got
    local route = { handler = function(ctx)
      got = ctx
      trail[#trail + 1] = "handler"
      assert.equal(ctx, scheduler.state.ctx)
      assert.equal(ctx, loop.live[7])
      return 201, "body"
    end }
    assert.equal("taken", make_runner(loop, route)())
    assert.same({ "handler", "take" }, trail)
    assert.equal("core ctx 7", got[slots.CORE])
    assert.equal(route, got[slots.ROUTE])
    assert.stub(context.finish).was_called_with(got, 201, "body")
    assert.is_nil(scheduler.state.ctx)
  end)

  it("does the same when it is split for the compiler's sake", function()
    local route = { handler = function(ctx) return "body", ctx[slots.CORE] end }
    assert.equal("taken", make_runner(loop, route, true)())
    assert.stub(context.finish).was_called_with(loop.live[7], "body", "core ctx 7")
  end)

  it("asks for the core's ctx of a slot it does not know", function()
    event.id = 8
    make_runner(loop, { handler = function(ctx)
      assert.equal("new core ctx 8", ctx[slots.CORE])
    end })()
  end)

  it("is a function of its own for every route, for the compiler's sake", function()
    local jit_util = require "jit.util"
    local function start_of(runner) return jit_util.funcinfo(runner).proto end
    local handler = function() end
    local a, b = make_runner(loop, { handler = handler }), make_runner(loop, { handler = handler })
    assert.are_not.equal(start_of(a), start_of(b))
  end)
end)
