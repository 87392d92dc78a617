-- Which requests a cookie belongs to.
local cookie_match = require "justhttp.cookie_match"

describe("cookie_match", function()
  it("matches a host with itself and the domains above it", function()
    local matches = cookie_match.domain_matches
    assert.is_true(matches("example.com", "example.com"))
    assert.is_true(matches("www.example.com", "example.com"))
    assert.is_true(matches("a.b.example.com", "example.com"))
    assert.is_false(matches("example.com", "www.example.com"))
    assert.is_false(matches("badexample.com", "example.com"))
    assert.is_false(matches("example.com.evil.org", "example.com"))
    assert.is_false(matches("com", "example.com"))
  end)

  it("knows no domains above an address", function()
    assert.is_true(cookie_match.domain_matches("127.0.0.1", "127.0.0.1"))
    assert.is_false(cookie_match.domain_matches("127.0.0.1", "0.0.1"))
    assert.is_false(cookie_match.domain_matches("::ffff:1.2.3.4", "3.4"))
  end)

  it("matches a path with itself and the directories above it", function()
    local matches = cookie_match.path_matches
    assert.is_true(matches("/", "/"))
    assert.is_true(matches("/a", "/"))
    assert.is_true(matches("/a", "/a"))
    assert.is_true(matches("/a/b", "/a"))
    assert.is_true(matches("/a/b", "/a/"))
    assert.is_false(matches("/ab", "/a"))
    assert.is_false(matches("/a", "/a/"))
    assert.is_false(matches("/", "/a"))
  end)

  it("gives the directory of a path", function()
    for path, want in pairs { ["/"] = "/", ["/a"] = "/", ["/a/"] = "/a", ["/a/b"] = "/a",
                              ["/a/b/"] = "/a/b", [""] = "/", ["a/b"] = "/" } do
      assert.equal(want, cookie_match.default_path(path), path)
    end
  end)

  it("takes scheme, host and path out of a URL", function()
    assert.same({ scheme = "https", host = "example.com", path = "/a/b", is_secure = true },
      cookie_match.place_of "HTTPS://user:pw@Example.COM.:8443/a/b?c=/d#e")
    assert.same({ scheme = "http", host = "::1", path = "/", is_secure = false },
      cookie_match.place_of "http://[::1]:80?x")
    assert.is_true(cookie_match.place_of("wss://a/").is_secure)
    for _, text in ipairs { "", "/a", "example.com/", "http://", "http:///a", "http://:80/" } do
      assert.is_nil(cookie_match.place_of(text), text)
    end
  end)
end)
