-- Content-Type and Accept fields.
local media_type = require "justhttp.media_type"

describe("media_type.essence", function()
  it("is the type in lower case without parameters", function()
    assert.equal("text/html", media_type.essence("Text/HTML; charset=utf-8"))
    assert.equal("a/b", media_type.essence(" a/b "))
  end)

  it("is nil for what is no media type", function()
    for _, text in ipairs { "", "text", "text/", "/html", "a/b c", "a/b, c/d" } do
      assert.is_nil(media_type.essence(text))
    end
    assert.is_nil(media_type.essence(nil))
  end)
end)

describe("media_type.parse", function()
  it("reads parameters, quoted ones too", function()
    local essence, parameters = media_type.parse([[multipart/form-data; Boundary="a;\"b"; x=y ]])
    assert.equal("multipart/form-data", essence)
    assert.same({ boundary = 'a;"b', x = "y" }, parameters)
  end)

  it("lives with broken parameters", function()
    local _, parameters = media_type.parse([[a/b; ; =x; q="never ends; y=1]])
    assert.equal('"never ends', parameters.q)
    assert.equal("1", parameters.y)
  end)
end)

describe("media_type.is_json", function()
  it("knows application/json and the +json types", function()
    assert.is_true(media_type.is_json("application/json; charset=utf-8"))
    assert.is_true(media_type.is_json("application/problem+json"))
    assert.is_false(media_type.is_json("text/json-like"))
    assert.is_false(media_type.is_json(nil))
  end)
end)

describe("media_type.accept", function()
  local offers = { "text/plain", "application/json", "text/html" }

  it("takes the server's first offer when anything goes", function()
    assert.equal("text/plain", media_type.accept(nil, offers))
    assert.equal("text/plain", media_type.accept("", offers))
    assert.equal("text/plain", media_type.accept("*/*", offers))
  end)

  it("weighs quality", function()
    assert.equal("application/json", media_type.accept("text/*;q=0.5, application/json", offers))
    assert.equal("text/html",
      media_type.accept("text/html,application/xhtml+xml,*/*;q=0.8", offers))
  end)

  it("lets the more specific range speak for an offer", function()
    assert.equal("text/html", media_type.accept("text/*, text/plain;q=0.1", offers))
    assert.equal("application/json",
      media_type.accept("*/*, text/plain;q=0, text/html;q=0", offers))
  end)

  it("is nil when nothing is acceptable", function()
    assert.is_nil(media_type.accept("image/png", offers))
  end)
end)
