-- Where in the page a value stands.
local Place = require "justhttp.template.place"

-- "@" stands for a value: returns the place of the last one.
local function where(text)
  local place, found = Place.new(), nil
  for literal, value in text:gmatch "([^@]*)(@?)" do
    place:read(literal)
    if value ~= "" then
      found = place:where()
      place:skip_value()
    end
  end
  return found
end

local function is_code(text)
  local place = Place.new()
  place:read(text)
  return place:is_code()
end

describe("template.place", function()
  it("finds text", function()
    for _, text in ipairs {
      "@", "a < b @", "<p>@", "<p>a</p>@", "<!-- <a href=\" --> @", "<!-- @ -->", "<br/>@",
      "<!doctype html>@", "<p title=\"@\">", "<p title='a @'>", "<p a = \"@", "<input checked a='@",
      "<title>@</title>", "<title><a @</title>", "<textarea><x @", "<style>@</style>",
      "<p title=\">\">@", "<p title='\"'>@", "<script>a</script>@", "<script>'<b>'</SCRIPT >@",
      "<input checked>@", "<p @>@", "<h@>@", "<a href=x>@", "<a href=x/>@", "<a href=\"/x/@\">",
      "<a href=\"@@\">", "<style>a</style><p>@", "<script src=\"a\"></script>@",
      "<a b=\"@\" c=\"@\">", "3 <4 @", "<a href=\"#\" @=\"@\">",
    } do
      assert.equal("text", where(text), text)
    end
  end)

  it("finds the beginning of URLs", function()
    for _, text in ipairs {
      '<a href="@">', "<img alt='' src=' @'>", "<A HREF=\"@\">", "<form\naction = '@'>",
      "<use xlink:href=\"@\"/>", "<button formaction=\"@\">",
    } do
      assert.equal("url", where(text), text)
    end
  end)

  it("finds names inside a tag", function()
    for _, text in ipairs {
      "<@>", "<h@>", "<p @>", "<p a @>", "<p a=\"b\" @>", "<p a=\"b\"@>", "<p data-@=\"\">", "</@>",
      "<p @ @>", "<p a= b @>",
    } do
      assert.equal("name", where(text), text)
    end
  end)

  it("finds values without quotes", function()
    for _, text in ipairs { "<p a=@>", "<p a= @>", "<p a=b@>", "<p a=@@>", "<a href=/x/@>" } do
      assert.equal("unquoted", where(text), text)
    end
  end)

  it("finds scripts", function()
    for _, text in ipairs {
      "<script>@", "<script type=\"module\">\nlet x = @;", "<SCRIPT>@", "<script>'<p>' + @",
      "<script>a</scripts>@", "<p><script>1</script><script>@",
    } do
      assert.equal("script", where(text), text)
    end
    for _, text in ipairs {
      '<p onclick="@">', "<p ONCLICK='a(@)'>", '<a href="javascript:a(@)">',
      '<a href=" JavaScript:@">',
    } do
      assert.equal("handler", where(text), text)
    end
    assert.equal("srcdoc", where '<iframe srcdoc="@">')
  end)

  it("knows strings and code in scripts", function()
    assert.is_true(is_code "<script>let a = ")
    assert.is_false(is_code "<script>let a = '")
    assert.is_true(is_code '<p onclick="go(')
    assert.is_false(is_code '<p onclick="go(\'')
    assert.is_false(is_code '<p onclick="go(&quot;')
    assert.is_false(is_code "<p onclick='go(&#39;a")
    assert.is_true(is_code '<a href="javascript:go(\'a\', ')
    assert.is_false(is_code '<a href="javascript:go(\'a')
  end)
end)
