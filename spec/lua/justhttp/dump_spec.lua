-- Values as one bounded line.
local dump = require "justhttp.dump"

describe("dump", function()
  it("writes lists, names and other keys in order", function()
    assert.equal("{ code = 7 }", dump { code = 7 })
    assert.equal('{ 1, "two", a = true, b = { 3 }, ["c d"] = 4 }',
      dump { 1, "two", b = { 3 }, a = true, ["c d"] = 4 })
    assert.equal("{ [3] = 1, [true] = 2 }", dump { [3] = 1, [true] = 2 })
    assert.equal("{}", dump {})
    assert.equal("nil", dump(nil))
  end)

  it("is one line", function()
    assert.equal([["a\nb\"c\r"]], (dump 'a\nb"c\r':gsub("\\13", "\\r")))
    assert.is_nil(dump({ ("a\n"):rep(30) }):find("\n", 1, true))
  end)

  it("is bounded", function()
    local deep = { { { { {} } } } }
    assert.equal("{ { { {…} } } }", dump(deep))
    local long = {}
    for i = 1, 100 do long[i] = i end
    assert.matches("16, … 84 more }$", dump(long))
    assert.matches("^\"x+…\"$", dump(("x"):rep(1000)))
    local wide = {}
    for i = 1, 16 do wide[("k%02d"):format(i)] = ("y"):rep(100) end
    assert.is_true(#dump(wide) < 420)
    local circle = {}
    circle.me = circle
    assert.equal("{ me = (itself) }", dump(circle))
  end)

  it("lets objects speak for themselves, and survives those that fail to", function()
    assert.equal("me", dump(setmetatable({}, { __tostring = function() return "me" end })))
    assert.equal("{ (table) }",
      dump { setmetatable({}, { __tostring = function() error "no" end }) })
    assert.equal("(table)", dump(setmetatable({}, { __tostring = function() return {} end })))
  end)
end)
