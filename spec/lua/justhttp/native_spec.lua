-- lua/justhttp/native.lua over a program that is made up: what it declares becomes routes,
-- middleware and modules.
local entries, fake

local function load_native()
  package.loaded["justhttp.native"] = nil
  package.loaded["justhttp.native_core"] = fake
  return require "justhttp.native"
end

describe("what a program declared", function()
  before_each(function()
    entries = {}
    fake = {
      entry = function(index)
        local entry = entries[index + 1]
        if entry then return unpack(entry, 1, 3) end
      end,
      function_at = function(index) return function() return "function " .. index end end,
      fail_start = function(message) fake.message = message end,
    }
  end)
  after_each(function()
    package.loaded["justhttp.native"], package.loaded["justhttp.native_core"] = nil, nil
    package.preload["made_up"] = nil
    package.loaded["made_up"] = nil
  end)

  it("becomes modules with its functions", function()
    local function own() return "own" end
    entries = { { "function", "made_up.first" }, { "function", "made_up.second", own } }
    load_native().add_functions()
    local module = require "made_up"
    assert.equal("function 0", module.first())
    assert.equal(own, module.second)
  end)

  it("becomes routes, and middleware around all others", function()
    entries = {
      { "middleware", "/api" }, { "route", "/native", "GET" }, { "middleware" },
      { "route", "/any", "ANY" },
    }
    local app = require "justhttp.app".new()
    app:use(function(_, next) return next() end)
    load_native().mount(app)
    assert.equal(3, #app._middleware)
    assert.equal("/api", app._middleware[1].prefix)
    assert.is_nil(app._middleware[2].prefix)
    local list = app:_routes()
    assert.equal("GET /native C", ("%s %s %s"):format(list[1].method, list[1].pattern,
      list[1].where))
    assert.equal("ANY", list[2].method)
  end)

  it("is told why the app does not load", function()
    load_native().fail_start "app.lua:1: wrong"
    assert.equal("app.lua:1: wrong", fake.message)
  end)
end)
