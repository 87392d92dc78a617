-- Reading and writing urlencoded text.
local query = require "justhttp.query"

describe("query.parse", function()
  it("decodes percent signs and plus", function()
    assert.same({ q = "a b/c", ["x y"] = "1" }, (query.parse("q=a+b%2Fc&x%20y=1")))
  end)

  it("keeps a bad percent sign as it is", function()
    assert.same({ a = "100%", b = "%zz", c = "%4" }, (query.parse("a=100%&b=%zz&c=%4")))
  end)

  it("shows the first of repeated values", function()
    assert.same({ a = "1" }, (query.parse("a=1&a=2")))
  end)

  it("gives fields without = the value \"\"", function()
    assert.same({ a = "", b = "", [""] = "v" }, (query.parse("a&b=&=v")))
  end)

  it("skips empty fields, and is empty for nothing", function()
    assert.same({ a = "1" }, (query.parse("&&a=1&")))
    assert.same({}, (query.parse("")))
    assert.same({}, (query.parse(nil)))
  end)

  it("keeps = inside a value", function()
    assert.same({ a = "b=c" }, (query.parse("a=b=c")))
  end)

  it("stops at the limit and says so", function()
    local fields, truncated = query.parse("a=1&b=2&c=3", 2)
    assert.same({ a = "1", b = "2" }, fields)
    assert.matches("more than 2 fields", truncated)
  end)

  it("takes time linear in the text", function()
    local before = os.clock()
    local _, truncated = query.parse(("a&"):rep(500000) .. "x", 1e9)
    assert.is_nil(truncated)
    assert.is_true(os.clock() - before < 2)
  end)
end)

describe("query.parse_all", function()
  it("keeps every value in order", function()
    assert.same({ tag = { "b", "a" }, q = { "x" } }, (query.parse_all("tag=b&q=x&tag=a")))
  end)
end)

describe("query.encode", function()
  it("sorts names and repeats lists", function()
    assert.equal("a=1&t=x&t=y%20z&u=true", query.encode { u = true, t = { "x", "y z" }, a = 1 })
  end)

  it("is undone by parse", function()
    local every = {}
    for i = 0, 255 do every[#every + 1] = string.char(i) end
    local fields = { [table.concat(every)] = table.concat(every) }
    assert.same(fields, (query.parse(query.encode(fields))))
  end)

  it("raises for a value that has no text", function()
    assert.error_matches(function() query.encode { a = print } end, "value of \"a\" is a function")
    assert.error_matches(function() query.encode "x" end, "give a table")
    assert.error_matches(function() query.encode { "x" } end, "names are strings")
  end)
end)
