-- Values made safe for where they stand.
local json = require "justhttp.json"
local runtime = require "justhttp.template.runtime"

describe("template.runtime", function()
  it("escapes text, and keeps what needs nothing", function()
    assert.equal("&lt;&gt;&amp;&quot;&#39;", runtime.escape "<>&\"'")
    assert.equal(("a&lt;b "):rep(20), runtime.escape(("a<b "):rep(20)))
    assert.equal(5, runtime.escape(5))
    assert.equal("", runtime.escape(nil))
    assert.equal("", runtime.escape(json.null))
    assert.equal("true", runtime.escape(true))
    assert.equal("5LL", runtime.escape(5LL))
  end)

  it("refuses what has no text", function()
    for _, value in ipairs { {}, print, coroutine.create(print), newproxy() } do
      for _, name in ipairs { "escape", "raw", "url", "name", "srcdoc" } do
        assert.has_error(function() local _ = runtime[name](value) end)
      end
    end
  end)

  it("lets URLs through, escaped", function()
    for _, url in ipairs {
      "/a/b", "a/b:c", "?q=javascript:x", "#data:x", "https://a/?b=c", "mailto:a@b", "tel:1",
      "data:image/png;base64,AA==", "//host/x", "",
    } do
      assert.equal(url, runtime.url(url))
    end
    assert.equal("/?a=1&amp;b=2", runtime.url "/?a=1&b=2")
    assert.equal(7, runtime.url(7))
    assert.equal("", runtime.url(nil))
  end)

  it("refuses URLs that run scripts, however they are written", function()
    for _, url in ipairs {
      "javascript:alert(1)", "JavaScript:x", " javascript:x", "java\nscript:x", "\1javascript:x",
      "java\tscript\r:x", "vbscript:x", "data:text/html,<script>", "data:,x",
      "data:image/svg+xml,<svg onload=x>", "\0javascript:x",
    } do
      assert.equal(runtime.REFUSED_URL, runtime.url(url))
    end
  end)

  it("takes plain names inside a tag, and no name that means more", function()
    assert.equal("checked", runtime.name "checked")
    assert.equal("data-x_1", runtime.name "data-x_1")
    assert.equal("", runtime.name(nil))
    assert.equal(2, runtime.name(2))
    for _, name in ipairs {
      "a b", "a=b", "a>", "a\"", "onclick", "OnLoad", "href", "style", "srcdoc",
    } do
      assert.has_error(function() local _ = runtime.name(name) end)
    end
  end)

  it("escapes a page in an attribute twice", function()
    assert.equal("&amp;lt;", runtime.srcdoc "<")
  end)

  it("writes JSON that cannot end a script", function()
    assert.equal([["\u003c/script\u003e \u0026 \u0027 \u2028\u2029"]],
      runtime.json "</script> & ' \226\128\168\226\128\169")
    assert.equal("null", runtime.json(nil))
    assert.same({ a = { 1, 2 } }, json.decode(runtime.json { a = { 1, 2 } }))
  end)
end)
