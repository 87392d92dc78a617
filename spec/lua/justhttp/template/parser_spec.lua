-- Cutting a template into parts.
local parser = require "justhttp.template.parser"

local function parse(text) return parser.parse(text, "t.html") end

local function failure(text)
  local ok, err = pcall(parse, text)
  assert.is_false(ok)
  return err
end

describe("template.parser", function()
  it("tells text, values, raw values, code and directives apart, with their lines", function()
    assert.same({
      { kind = "layout", text = "base", line = 1 },
      { kind = "text", text = "a\n", line = 2 },
      { kind = "value", text = " x ", line = 3 },
      { kind = "raw", text = " y ", line = 3 },
      { kind = "text", text = "\n\n", line = 3 },
      { kind = "code", text = " if z\nthen ", line = 5 },
      { kind = "block", text = "b c", line = 6 },
      { kind = "endblock", text = "", line = 6 },
      { kind = "fill", text = "f", line = 6 },
      { kind = "text", text = "text", line = 7 },
      { kind = "endfill", text = "", line = 7 },
      { kind = "text", text = "end", line = 8 },
    }, parse('<% layout "base" %>\na\n<%= x %><%- y %>\n\n<% if z\nthen %><% block(\'b c\') %>'
      .. '<% endblock %><% fill "f" %>\ntext<% endfill %>\nend'))
  end)

  it("takes a directive's word for Lua where Lua uses it as a name", function()
    for _, code in ipairs { " block = 1 ", " layout.x() ", " fill:y() ", " endblock = 2 " } do
      assert.equal("code", parse("<%" .. code .. "%>")[1].kind)
    end
  end)

  it("names the line of a tag it cannot read", function()
    assert.equal("t.html:3: '<%' without '%>'", failure "\n\na <% x")
    assert.equal("t.html:1: '<%' without '%>'", failure "<%# x")
    assert.equal("t.html:2: a tag without an expression", failure "\n<%= %>")
    assert.equal("t.html:2: a tag without an expression", failure "\n<%- -- note %>")
    for _, tag in ipairs {
      "block", "block 'a", "layout ''", 'fill "a" x', "fill(x)", "block [[a]]",
    } do
      assert.matches("^t.html:1: '%l+' takes one name in quotes", failure("<% " .. tag .. " %>"))
    end
    assert.matches("^t.html:1: 'endfill' stands alone", failure '<% endfill "a" %>')
  end)

  it("drops what a closing -%> says, and counts the lines", function()
    assert.same({
      { kind = "code", text = "x ", line = 1 },
      { kind = "text", text = "a\n", line = 2 },
      { kind = "value", text = " 1 - 2 ", line = 3 },
    }, parse("<%x -%> \t\r\na\n<%= 1 - 2 %>"))
  end)
end)

describe("template.parser.without_last_comment", function()
  it("removes only a comment that reaches the end", function()
    for code, wanted in pairs {
      ["a -- b"] = "a ",
      ["a --"] = "a ",
      ["a --[[ b ]] c"] = "a --[[ b ]] c",
      ["a --[[ b ]] c -- d"] = "a --[[ b ]] c ",
      ["a -- b\nc"] = "a -- b\nc",
      ["a -- b\nc -- d"] = "a -- b\nc ",
      ["'--'"] = "'--'",
      ["'\\'--' -- x"] = "'\\'--' ",
      ['"\'" --"'] = '"\'" ',
      ["[[--]] -- x"] = "[[--]] ",
      ["[==[ ]] -- ]==] --[ x"] = "[==[ ]] -- ]==] ",
      ["t[1] - -1"] = "t[1] - -1",
      ["--[[ open"] = "--[[ open",
    } do
      assert.equal(wanted, parser.without_last_comment(code))
    end
    assert.is_nil(parser.without_last_comment("'open --"))
  end)
end)
