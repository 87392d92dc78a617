-- The jar of cookies: what is let in, what is sent, what is dropped.
local cookie_jar = require "justhttp.cookie_jar"

describe("a cookie jar", function()
  local jar, now

  local function new_jar(options)
    options = options or {}
    options.clock = function() return now end
    return cookie_jar.new(options)
  end

  before_each(function()
    now = 1000000
    jar = new_jar()
  end)

  local function accepts(url, field)
    local count, err = jar:receive(url, field)
    assert.equal(1, count, field .. ": " .. tostring(err))
  end

  local function refuses(url, field, why)
    local count, err = jar:receive(url, field)
    assert.equal(0, count, field)
    assert.matches(why, err, 1, true)
  end

  it("is empty at first", function()
    assert.is_nil(jar:field "http://example.com/")
    assert.same({}, jar:all())
  end)

  it("sends a cookie back to its host only", function()
    accepts("http://www.example.com/", "a=1")
    assert.equal("a=1", jar:field "http://www.example.com/x")
    assert.equal("a=1", jar:field "http://WWW.example.com:8080/x")
    assert.is_nil(jar:field "http://example.com/")
    assert.is_nil(jar:field "http://a.www.example.com/")
  end)

  it("sends a cookie with a domain to every host of it", function()
    accepts("http://www.example.com/", "a=1; Domain=example.com")
    assert.equal("a=1", jar:field "http://example.com/")
    assert.equal("a=1", jar:field "http://a.b.example.com/")
    assert.is_nil(jar:field "http://badexample.com/")
  end)

  it("refuses a domain that is not the host's", function()
    refuses("http://www.example.com/", "a=1; Domain=example.org", "does not contain the host")
    refuses("http://example.com/", "a=1; Domain=www.example.com", "does not contain the host")
    refuses("http://127.0.0.1/", "a=1; Domain=0.0.1", "does not contain the host")
    refuses("http://a.example/", "a=1; Domain=\195\164.example", "not in ASCII")
  end)

  it("refuses public suffixes, unless the host is one itself", function()
    refuses("http://www.example.com/", "a=1; Domain=com", "public suffix")
    refuses("http://www.example.co.uk/", "a=1; Domain=co.uk", "public suffix")
    refuses("http://me.github.io/", "a=1; Domain=github.io", "public suffix")
    accepts("http://github.io/", "a=1; Domain=github.io")
    assert.equal("a=1", jar:field "http://github.io/")
    assert.is_nil(jar:field "http://me.github.io/")
    accepts("http://localhost/", "b=1; Domain=localhost")
    assert.equal("b=1", jar:field "http://localhost/")
  end)

  it("asks whom it is told to about public suffixes", function()
    jar = new_jar { public_suffixes = false }
    accepts("http://www.example.com/", "a=1; Domain=com")
    jar = new_jar { public_suffixes = function(domain) return domain == "example.com" end }
    refuses("http://www.example.com/", "a=1; Domain=example.com", "public suffix")
  end)

  it("sends a cookie below its path", function()
    accepts("http://a.org/dir/page", "a=1")
    accepts("http://a.org/dir/page", "b=2; Path=/")
    accepts("http://a.org/dir/page", "c=3; Path=/other")
    assert.equal("a=1; b=2", jar:field "http://a.org/dir/x?y")
    assert.equal("a=1; b=2", jar:field "http://a.org/dir")
    assert.equal("b=2", jar:field "http://a.org/direct")
    assert.equal("c=3; b=2", jar:field "http://a.org/other/x")
  end)

  it("sends longer paths first, then older cookies", function()
    accepts("http://a.org/", "new=1; Path=/a/b")
    accepts("http://a.org/", "z=1; Path=/a")
    accepts("http://a.org/", "y=1; Path=/a")
    accepts("http://a.org/", "long=1; Path=/a/b/c")
    assert.equal("long=1; new=1; z=1; y=1", jar:field "http://a.org/a/b/c/d")
  end)

  it("keeps the age of a cookie that is set again", function()
    accepts("http://a.org/", "a=1")
    now = now + 10
    accepts("http://a.org/", "b=1")
    accepts("http://a.org/", "a=2")
    assert.equal("a=2; b=1", jar:field "http://a.org/")
    local _, cookie = jar:get("http://a.org/", "a")
    assert.equal(1000000, cookie.created)
  end)

  it("sends Secure cookies over TLS only, and takes them from there only", function()
    accepts("https://a.org/", "s=1; Secure")
    accepts("https://a.org/", "p=1")
    assert.equal("s=1; p=1", jar:field "https://a.org/")
    assert.equal("p=1", jar:field "http://a.org/")
    refuses("http://a.org/", "x=1; Secure", "in the clear")
  end)

  it("lets nothing in the clear shadow a Secure cookie", function()
    accepts("https://a.org/login/x", "id=1; Secure; Domain=a.org")
    refuses("http://a.org/", "id=2; Path=/login", "shadow")
    refuses("http://www.a.org/", "id=2; Path=/login/deep", "shadow")
    accepts("http://a.org/", "id=2; Path=/")
    accepts("http://b.org/", "id=2; Path=/login")
    accepts("https://a.org/", "id=3; Path=/login")
  end)

  it("holds the prefixes to their word", function()
    refuses("https://a.org/", "__Secure-a=1", "needs Secure")
    accepts("https://a.org/", "__Secure-a=1; Secure")
    refuses("https://a.org/", "__Host-a=1; Secure", "Path=/")
    refuses("https://a.org/", "__Host-a=1; Path=/", "Secure")
    refuses("https://a.org/", "__Host-a=1; Secure; Path=/; Domain=a.org", "no Domain")
    refuses("https://a.org/", "__hOsT-a=1; Secure; Path=/x", "Path=/")
    accepts("https://a.org/x", "__Host-a=1; Secure; Path=/")
  end)

  it("lets Max-Age win over Expires", function()
    accepts("http://a.org/", "a=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    assert.equal(now + 10, (select(2, jar:get("http://a.org/", "a"))).expires)
    accepts("http://a.org/", "b=1; Max-Age=99999999999999999999")
    assert.equal(253402300799, (select(2, jar:get("http://a.org/", "b"))).expires)
  end)

  it("drops cookies when their time has come", function()
    accepts("http://a.org/", "a=1; Max-Age=10")
    accepts("http://a.org/", "b=1")
    now = now + 9
    assert.equal("a=1; b=1", jar:field "http://a.org/")
    now = now + 1
    assert.equal("b=1", jar:field "http://a.org/")
    assert.equal(1, #jar:all())
  end)

  it("takes a cookie that has expired already as an order to drop it", function()
    accepts("http://a.org/", "a=1")
    accepts("http://a.org/", "a=; Max-Age=0")
    assert.is_nil(jar:field "http://a.org/")
    accepts("http://a.org/", "b=1")
    accepts("http://a.org/", "b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    assert.same({}, jar:all())
  end)

  it("takes several fields at once and says what was wrong with one", function()
    local count, err = jar:receive("http://a.org/", { "a=1", "b=1; Domain=b.org", "c=1", "" })
    assert.equal(2, count)
    assert.equal("Set-Cookie: it has no '='", err)
    assert.equal("a=1; c=1", jar:field "http://a.org/")
  end)

  describe("that is full", function()
    it("drops what was not used for longest, of a domain", function()
      jar = new_jar { max_per_domain = 3 }
      for _, name in ipairs { "a", "b", "c" } do accepts("http://a.org/" .. name .. "/",
        name .. "=1") end
      assert.equal("a=1", jar:field "http://a.org/a/")
      accepts("http://a.org/", "d=1; Path=/")
      accepts("http://b.org/", "e=1")
      local names = {}
      for cookie in jar:each() do names[#names + 1] = cookie.name end
      assert.same({ "a", "c", "d", "e" }, names)
    end)

    it("drops what has expired first, and what is Secure last", function()
      jar = new_jar { max_per_domain = 2 }
      accepts("https://a.org/", "s=1; Secure")
      accepts("https://a.org/", "p=1")
      accepts("https://a.org/", "q=1; Max-Age=5")
      assert.equal("s=1; q=1", jar:field "https://a.org/")
      now = now + 5
      accepts("https://a.org/", "r=1")
      assert.equal("s=1; r=1", jar:field "https://a.org/")
    end)

    it("drops what was not used for longest, of all", function()
      jar = new_jar { max_cookies = 100 }
      for i = 1, 150 do accepts("http://h" .. i .. ".org/", "a=" .. i) end
      assert.equal(100, #jar:all())
      assert.is_nil(jar:field "http://h50.org/")
      assert.equal("a=51", jar:field "http://h51.org/")
      assert.equal("a=150", jar:field "http://h150.org/")
    end)
  end)

  describe("by hand", function()
    it("gets what would be sent", function()
      accepts("http://a.org/", "a=1; Path=/")
      accepts("http://a.org/", "a=2; Path=/x; HttpOnly; SameSite=Strict")
      assert.equal("1", (jar:get("http://a.org/", "a")))
      local value, cookie = jar:get("http://a.org/x/y", "a")
      assert.equal("2", value)
      assert.is_true(cookie.http_only and cookie.host_only)
      assert.equal("strict", cookie.same_site)
      assert.is_nil(jar:get("http://a.org/", "b"))
      assert.equal("1", (jar:get "a"))
      assert.is_nil(jar:get "b")
    end)

    it("sets by the same rules", function()
      assert.is_true(jar:set("http://a.org/", "a", 1, { path = "/", max_age = 5 }))
      assert.is_true(jar:set("http://www.a.org/x/y", "b", "2", { domain = ".A.org" }))
      assert.equal("a=1", jar:field "http://a.org/")
      assert.equal("b=2; a=1", jar:field "http://a.org/x")
      local ok, err = jar:set("http://a.org/", "c", "3", { domain = "b.org" })
      assert.is_nil(ok)
      assert.matches("does not contain", err)
    end)

    it("removes one, clears a domain, clears all", function()
      accepts("http://a.org/", "a=1")
      accepts("http://a.org/", "b=1")
      accepts("http://www.a.org/", "c=1")
      accepts("http://b.org/", "d=1")
      assert.is_true(jar:remove("http://a.org/", "a"))
      assert.is_false(jar:remove("http://a.org/", "a"))
      jar:clear "A.org"
      assert.equal(1, #jar:all())
      jar:clear()
      assert.same({}, jar:all())
      accepts("http://b.org/", "d=1")
    end)

    it("ends the session: what has no expiry goes", function()
      accepts("http://a.org/", "a=1")
      accepts("http://a.org/", "b=1; Max-Age=5")
      jar:end_session()
      assert.equal("b=1", jar:field "http://a.org/")
    end)

    it("says what is wrong with a call", function()
      for text, fn in pairs {
        ["cookie_jar:field: give a URL"] = function() jar:field "/x" end,
        ["cookie_jar:receive: give a URL"] = function() jar:receive(nil, "a=b") end,
        ['cookie_jar:set: "a=" cannot be the name'] = function() jar:set("http://a/", "a=", "") end,
        ["cannot be the value"] = function() jar:set("http://a/", "a", "b;c") end,
        ["maxage is no option"] = function() jar:set("http://a/", "a", "b", { maxage = 1 }) end,
        ["max_cookies must be a whole number"] = function()
          cookie_jar.new { max_cookies = 0 }
        end,
        ['unknown option "max"'] = function() cookie_jar.new { max = 1 } end,
      } do
        local ok, err = pcall(fn)
        assert.is_false(ok)
        assert.matches(text, err, 1, true)
        assert.matches("cookie_jar_spec%.lua:%d+: ", err)
      end
    end)
  end)
end)
