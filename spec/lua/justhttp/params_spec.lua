-- Readers of path parameters, one per pattern.
local params = require "justhttp.params"
local worker = require "spec.support.worker"

describe("params", function()
  it("are named in the order of the pattern", function()
    assert.same({}, params.names "/")
    assert.same({}, params.names "")
    assert.same({ "id" }, params.names "/users/:id")
    assert.same({ "a", "b-c", "rest" }, params.names "/:a/x/:b-c/*rest")
  end)

  it("are read into a fresh table each time", function()
    local w = worker.new(function(app)
      app:get("/plain", function(ctx) return ctx.params end)
      app:get("/:end/:b_c/*rest", function(ctx)
        assert(ctx.params == ctx.params)
        return ctx.params
      end)
    end)
    for _ = 1, 200 do
      assert.same({ ["end"] = "1", b_c = "2", rest = "3/4" }, w:get("/1/2/3/4"):json())
    end
    assert.same({}, w:get("/plain"):json())
    w:close()
  end)

  it("may have names that are no Lua names", function()
    assert.is_function(params.reader '/:a"b/:c\\d/:%s/:end')
  end)
end)
