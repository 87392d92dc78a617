-- Cookies: the request's field read, the response's field written.
local cookie = require "justhttp.cookie"

describe("cookie.parse", function()
  it("reads names and values, and trims around them", function()
    assert.same({ a = "1", b = "x y", c = "" }, cookie.parse("a=1;  b=x y ; c="))
  end)

  it("drops quotes around a value and decodes nothing", function()
    assert.same({ a = "q", b = "%20" }, cookie.parse('a="q"; b=%20'))
  end)

  it("lets the first of a repeated name count", function()
    assert.same({ a = "1" }, cookie.parse("a=1; a=2"))
  end)

  it("skips what has no name or no =", function()
    assert.same({ b = "2" }, cookie.parse("flag; =1; b=2; tail"))
    assert.same({}, cookie.parse(nil))
    assert.same({}, cookie.parse(""))
  end)

  it("keeps = inside a value", function()
    assert.same({ a = "b=c==" }, cookie.parse("a=b=c=="))
  end)

  it("takes time linear in the text", function()
    local before = os.clock()
    cookie.parse((";"):rep(100000) .. "=")
    cookie.parse("a=b" .. (" "):rep(100000) .. "c")
    cookie.parse((" "):rep(100000) .. "=" .. ("\t"):rep(100000))
    assert.is_true(os.clock() - before < 1)
  end)

  it("reads a bounded number", function()
    local count = 0
    for _ in pairs(cookie.parse(("n=1;"):rep(1000):gsub("n", function()
      count = count + 1
      return "n" .. count
    end))) do count = count - 1 end
    assert.equal(1000 - cookie.MAX_COOKIES, count)
  end)
end)

describe("cookie.serialise", function()
  it("writes a bare pair", function()
    assert.equal("a=b", cookie.serialise("a", "b"))
    assert.equal("n=5", cookie.serialise("n", 5))
  end)

  it("writes the attributes in fasthttp's order", function()
    assert.equal(
      "a=b; max-age=60; domain=x.org; path=/p; HttpOnly; secure; SameSite=Lax",
      cookie.serialise("a", "b", {
        same_site = "lax", secure = true, http_only = true, path = "/p", domain = "x.org",
        max_age = 60,
      }))
  end)

  it("lets max_age win over expires; negative is 0, zero is unset", function()
    assert.equal("a=b; max-age=5", cookie.serialise("a", "b", { max_age = 5, expires = 0 }))
    assert.equal("a=b; max-age=0", cookie.serialise("a", "b", { max_age = -1 }))
    assert.equal("a=b; expires=Thu, 01 Jan 1970 00:00:00 GMT",
      cookie.serialise("a", "b", { max_age = 0, expires = 0 }))
  end)

  it("implies what SameSite=None and Partitioned need", function()
    assert.equal("a=b; secure; SameSite=None", cookie.serialise("a", "b", { same_site = "none" }))
    assert.equal("a=b; path=/; secure; Partitioned",
      cookie.serialise("a", "b", { partitioned = true, path = "/x" }))
  end)

  it("writes SameSite alone for the browser's default", function()
    assert.equal("a=b; SameSite", cookie.serialise("a", "b", { same_site = "default" }))
  end)

  it("makes the browser drop a cookie without a value", function()
    assert.equal("a=; expires=Tue, 10 Nov 2009 23:00:00 GMT; path=/p",
      cookie.serialise("a", nil, { path = "/p", max_age = 60 }))
  end)

  it("raises for bytes that would break the header", function()
    for _, value in ipairs { "a\r\nSet-Cookie: x=y", "a;b", "a\0b", "\127" } do
      assert.error_matches(function() cookie.serialise("a", value) end, "would break the header")
      assert.error_matches(function() cookie.serialise("a", "b", { path = value }) end,
        "path contains")
      assert.error_matches(function() cookie.serialise("a", "b", { domain = value }) end,
        "domain contains")
    end
    for _, name in ipairs { "", "a b", "a=b", "a;b", "a\r\nb" } do
      assert.error_matches(function() cookie.serialise(name, "v") end, "no cookie name")
    end
  end)

  it("blames the line that set the cookie", function()
    local _, err = pcall(function() return (cookie.serialise("a", "b", { maxage = 1 })) end)
    assert.matches("cookie_spec.lua:%d+: cookie: unknown option", err)
  end)

  it("names wrong options", function()
    assert.error_matches(function() cookie.serialise("a", "b", { maxage = 1 }) end,
      "cookie: unknown option \"maxage\"")
    assert.error_matches(function() cookie.serialise("a", "b", { secure = 1 }) end,
      "secure must be a boolean")
    assert.error_matches(function() cookie.serialise("a", "b", { same_site = "no" }) end,
      "same_site is")
    assert.error_matches(function() cookie.serialise("a", {}) end, "must be a string")
    for _, number in ipairs { math.huge, -math.huge, 0 / 0, 1e15 } do
      assert.error_matches(function() cookie.serialise("a", "b", { expires = number }) end,
        "expires is out of range")
      assert.error_matches(function() cookie.serialise("a", "b", { max_age = number }) end,
        "max_age is out of range")
    end
  end)

  it("makes them secure over TLS, unless told otherwise", function()
    assert.equal("a=b; secure", cookie.serialise("a", "b", nil, true))
    assert.equal("a=b; path=/; secure", cookie.serialise("a", "b", { path = "/" }, true))
    assert.equal("a=b", cookie.serialise("a", "b", { secure = false }, true))
    assert.equal("a=b", cookie.serialise("a", "b", nil, false))
  end)
end)
