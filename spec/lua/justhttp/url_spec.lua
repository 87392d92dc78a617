-- url.lua: URLs taken apart and put together, and what is none.
local url = require "justhttp.url"

local function parsed(text)
  local got = assert(url.parse(text))
  return { got.scheme, got.host, got.port, got.target, got.authority }
end

describe("url.parse", function()
  it("takes URLs apart", function()
    assert.are.same({ "http", "example.com", 80, "/", "example.com" }, parsed "http://Example.COM")
    assert.are.same({ "https", "a.b", 443, "/c?d=e", "a.b" }, parsed "HTTPS://a.b:443/c?d=e#f")
    assert.are.same({ "http", "a", 8080, "/?x", "a:8080" }, parsed "http://a:8080?x")
    assert.are.same({ "http", "::1", 81, "/", "[::1]:81" }, parsed "http://[::1]:81/")
    assert.are.same({ "http", "127.0.0.1", 80, "/a", "127.0.0.1" }, parsed "http://127.0.0.1:/a")
  end)

  it("knows user, password and fragment", function()
    local got = url.parse "http://me:p%40ss%3A+@host/x#frag"
    assert.are.same({ "me", "p@ss:+", "frag", "host" },
      { got.user, got.password, got.fragment, got.host })
    assert.are.equal("b", url.parse("http://a@x:y@b/").host)
  end)

  it("knows sockets", function()
    local got = url.parse "http+unix://%2Frun%2Fa%20b.sock/x?y"
    assert.are.same({ "unix:/run/a b.sock", "/x?y", "localhost" },
      { got.host, got.target, got.authority })
    assert.is_nil(url.parse "http+unix://relative/x")
  end)

  it("makes targets fit for a request line", function()
    assert.are.equal("/a%20b/%C3%A9?q=%22x%22", url.parse('http://h/a b/é?q="x"').target)
    assert.are.equal("/a%2Fb", url.parse("http://h/a%2Fb").target)
    assert.are.equal("/a/c", url.parse("http://h/a/./b/../c").target)
    assert.are.equal("/c/", url.parse("http://h/../../a/../c/.").target)
    assert.are.equal("/", url.parse("http://h/a/..").target)
    assert.are.equal("/.well-known/x..y", url.parse("http://h/.well-known/x..y").target)
  end)

  it("says what is wrong with others", function()
    local function why(text)
      local got, err = url.parse(text)
      assert.is_nil(got)
      return err
    end
    assert.truthy(why("/path"):find "no scheme")
    assert.truthy(why("example.com"):find "no scheme")
    assert.are.equal("no host", why "http:///x")
    assert.are.equal("bad port", why "http://a:99999/")
    assert.are.equal("bad port", why "http://a:x/")
    assert.are.equal("bad IPv6 address", why "http://[a]/")
    assert.are.equal("bad host", why "http://a b/")
    assert.are.equal("bad host", why "http://a:1:2/")
    assert.truthy(why("http://bücher.de/"):find "xn%-%-")
    assert.truthy(why("http://a/\r\nX: y"):find "control byte")
    assert.truthy(why("http://a/\0"):find "control byte")
  end)
end)

describe("url.resolve", function()
  -- RFC 3986 §5.4, as far as it is about http.
  it("is RFC 3986's", function()
    local base = url.parse "http://a/b/c/d;p?q"
    for reference, want in pairs {
      ["g"] = "http://a/b/c/g", ["./g"] = "http://a/b/c/g", ["g/"] = "http://a/b/c/g/",
      ["/g"] = "http://a/g", ["//g"] = "http://g/", ["?y"] = "http://a/b/c/d;p?y",
      ["g?y"] = "http://a/b/c/g?y", ["#s"] = "http://a/b/c/d;p?q#s", ["g#s"] = "http://a/b/c/g#s",
      [";x"] = "http://a/b/c/;x", [""] = "http://a/b/c/d;p?q", ["."] = "http://a/b/c/",
      ["./"] = "http://a/b/c/", [".."] = "http://a/b/", ["../g"] = "http://a/b/g",
      ["../.."] = "http://a/", ["../../../g"] = "http://a/g", ["/./g"] = "http://a/g",
      ["/../g"] = "http://a/g", ["g."] = "http://a/b/c/g.", ["..g"] = "http://a/b/c/..g",
      ["./../g"] = "http://a/b/g", ["g/./h"] = "http://a/b/c/g/h", ["g/../h"] = "http://a/b/c/h",
      ["http://other:81/x"] = "http://other:81/x",
    } do
      assert.are.equal(want, url.format(assert(url.resolve(base, reference))), reference)
    end
  end)

  it("keeps the socket", function()
    local base = url.parse "http+unix://%2Fs/a"
    assert.are.equal("http+unix://%2Fs/b", url.format(url.resolve(base, "/b")))
  end)
end)
