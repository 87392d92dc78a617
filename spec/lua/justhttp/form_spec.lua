-- Urlencoded bodies.
local form = require "justhttp.form"

local urlencoded = "application/x-www-form-urlencoded"

describe("form.parse", function()
  it("reads fields, and every value beside them", function()
    local fields, err, all = form.parse("a=1&b=x+y&a=2", urlencoded .. "; charset=utf-8")
    assert.is_nil(err)
    assert.same({ a = "1", b = "x y" }, fields)
    assert.same({ a = { "1", "2" }, b = { "x y" } }, all)
  end)

  it("is an error for a body of another type", function()
    local fields, err = form.parse("{}", "application/json")
    assert.is_nil(fields)
    assert.matches("the body is application/json, not", err)
    assert.matches("no declared type", select(2, form.parse("a=1", nil)))
  end)

  it("is an error for too many fields, not a shorter form", function()
    local fields, err = form.parse("a=1&b=2", urlencoded, 1)
    assert.is_nil(fields)
    assert.matches("more than 1 fields", err)
  end)
end)
