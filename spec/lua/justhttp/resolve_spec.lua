-- http.resolve: names to addresses in a task.
local worker = require "spec.support.worker"

describe("http.resolve", function()
  local w, http

  setup(function()
    w = worker.new(function(_, module) http = module end)
  end)
  teardown(function() w:close() end)

  it("finds what the system finds", function()
    w:run(function()
      local list = assert(http.resolve "localhost")
      local all = table.concat(list, " ")
      assert.is_truthy(all:find("127.0.0.1", 1, true) or all:find("::1", 1, true))
      assert.are.same(list, http.resolve "localhost")
      assert.are.same({ "192.0.2.7" }, http.resolve "192.0.2.7")
      assert.are.same({ "2001:db8::7" }, http.resolve "2001:db8::7")
    end)
  end)

  it("says why it finds nothing", function()
    w:run(function()
      assert.are.same({ nil, "look up : not a valid name" }, { http.resolve "" })
      local list, err = http.resolve("nowhere.invalid", 30)
      assert.is_nil(list)
      assert.is_truthy(err:find "^look up nowhere%.invalid: ", err)
    end)
  end)

  it("may be cancelled", function()
    w:run(function()
      local task = http.spawn(function() http.resolve "cancelled.invalid" end)
      http.sleep(0)
      task:cancel()
      http.sleep(0)
      assert.is_true(task:is_done())
    end)
  end)
end)
