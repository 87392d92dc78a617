-- Escaping for HTML.
local html = require "justhttp.html"

describe("html.escape", function()
  it("escapes everything that could end text or an attribute", function()
    assert.equal("&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;",
      html.escape [[<b a="1" c='2'>&amp;]])
  end)

  it("returns one value, a string, for anything", function()
    assert.equal(1, select("#", html.escape("<<")))
    assert.equal("nil", html.escape(nil))
    assert.equal("12", html.escape(12))
  end)
end)
