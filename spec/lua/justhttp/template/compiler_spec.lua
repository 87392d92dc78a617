-- What does not compile, and where it says so.
local compiler = require "justhttp.template.compiler"

local function failure(text)
  local ok, err = pcall(compiler.compile, text, "views/t.html")
  assert.is_false(ok)
  return err
end

local function fails(text, line, message)
  local err = failure(text)
  assert.equal(("views/t.html:%d: "):format(line), err:match "^views/t.html:%d+: ", err)
  assert.is_truthy(err:find(message, 1, true), err)
end

describe("template.compiler", function()
  it("reports mistakes in Lua with the template's line, in its words", function()
    fails("\n<% if x %>a<% end %>", 2, "'then' expected near '%>'")
    fails("\n<% for i = 1, 2 do %>\n\n", 4, "'end' expected (to close 'for' at line 2)")
    fails("a\n<% end %>\nb", 2, "near 'end'")
    fails("a\n\n<%= b c %>", 3, "one expression expected, it ends near 'c'")
    fails("<%= a) evil(b %>", 1, "one expression expected")
    fails("<%=\n\n a + %>", 3, "unexpected symbol near '%>'")
    fails("<%= a, b %>", 1, "one expression expected")
    fails("<%= if %>", 1, "unexpected symbol near 'if'")
    fails("<% local s = 'abc %>\n", 1, "a string without its closing quote")
    fails("<% goto nowhere %>", 1, "undefined label 'nowhere'")
  end)

  it("does not let a tag close the generated function", function()
    fails("<% end local function x() %>", 1, "near 'end'")
    fails("<% end end %>", 1, "near 'end'")
  end)

  it("reports blocks and fills that do not match", function()
    fails('a\n<% block "x" %>', 2, 'block "x" has no endblock')
    fails("\n<% endblock %>", 2, "'endblock' without a block")
    fails('<% layout "l" %>\n<% fill "x" %>', 2, 'fill "x" has no endfill')
    fails('<% layout "l" %>\n<% endfill %>', 2, "'endfill' without a fill")
    fails('<% fill "x" %><% endfill %>', 1, "a fill without a layout")
    fails('<% layout "l" %><% fill "x" %>\n<% fill "y" %>', 2,
      'a fill inside the fill "x" of line 1')
    fails('<% layout "l" %><% fill "x" %><% endfill %>\n\n<% fill "x" %><% endfill %>', 3,
      'a second fill "x"')
    fails('<% layout "l" %><% fill "x" %>\n<% block "y" %><% endfill %>', 2,
      'block "y" has no endblock')
    fails('a\n<% layout "l" %>', 2, "'layout' comes first")
    fails('<%= 1 %><% layout "l" %>', 1, "'layout' comes first")
    fails('<% layout "l" %>\n<% layout "m" %>', 2, "a second layout; line 1 has one")
    fails('<% layout "l" %>\ntext<% fill "content" %>x<% endfill %>', 2,
      'the fill "content" already')
  end)

  it("takes a comment and white space before the layout", function()
    assert.equal("l", compiler.compile('<%# note %>\n <% layout "l" %>', "t").layout)
  end)

  it("refuses a fill that would ignore the if around it", function()
    fails('<% layout "l" %>\n<% if x then %>\n<% fill "a" %>b<% endfill %>\n<% end %>', 3,
      "a fill cannot stand inside")
    fails('<% layout "l" %>\na<% if x then %>b\n<% fill "a" %>b<% endfill %>\n<% end %>', 3,
      "a fill cannot stand inside")
    assert.is_table(compiler.compile(
      '<% layout "l" %>a<% if x then %>b<% end %>c<% fill "a" %>b<% endfill %>', "t"))
  end)

  it("refuses values where escaping would not help", function()
    fails("<p>\n<a href=<%= x %>>", 2,
      'a value in an attribute needs quotes around it: href="<%= … %>"')
    fails("<script>\nlet a = <%= x %>", 2, "a value in a script is written as JSON")
    fails("<script>\nlet a = '<%= json(x) %>'", 2, "outside of quotes")
    fails("<script>let a = <%= json(x) .. json(y) %>", 1, "is written as JSON")
    fails('<p onclick="go(<%= x %>)">', 1, "is written as JSON")
    fails('<p onclick="go(\'<%= json(x) %>\')">', 1, "outside of quotes")
    fails("<script><% block \"js\" %><% endblock %></script>", 1, "a block cannot stand here")
    fails("<p a=<% block \"js\" %><% endblock %>>", 1, "a block cannot stand here")
  end)

  it("takes raw values everywhere", function()
    assert.is_table(compiler.compile("<script>'<%- x %>'</script><a href=<%- x %> <%- x %>>", "t"))
  end)
end)
