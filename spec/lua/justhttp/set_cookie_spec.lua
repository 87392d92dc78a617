-- The Set-Cookie field of a response, read.
local set_cookie = require "justhttp.set_cookie"

local function parse(text)
  return assert(set_cookie.parse(text))
end

describe("set_cookie.parse", function()
  it("reads a bare pair", function()
    assert.same({ name = "id", value = "7", secure = false, http_only = false,
                  partitioned = false }, parse "id=7")
  end)

  it("trims names and values, and keeps quotes and further equals signs", function()
    local cookie = parse " \tid =\t\"a=b\" c ; path=/"
    assert.equal("id", cookie.name)
    assert.equal('"a=b" c', cookie.value)
  end)

  it("reads every attribute, in any case", function()
    assert.same({
      name = "a", value = "b", expires = 784111777, max_age = 60, domain = "example.com",
      path = "/p", secure = true, http_only = true, same_site = "lax", partitioned = true,
    }, parse("a=b; EXPIRES=Sun, 06 Nov 1994 08:49:37 GMT; max-AGE=60;Domain=.Example.COM ;path=/p;"
      .. "Secure;HttpOnly=yes;SameSite=LAX;Partitioned"))
  end)

  it("refuses what is no cookie", function()
    for text, why in pairs {
      [""] = "no '='", ["; path=/"] = "no '='", ["flag"] = "no '='", ["=x"] = "no name",
      [" \t=x"] = "no name", ["a=b\r\nc"] = "control", ["a\0=b"] = "control",
      ["a=\127"] = "control",
      ["a=" .. ("x"):rep(4096)] = "too long",
    } do
      local cookie, err = set_cookie.parse(text)
      assert.is_nil(cookie)
      assert.matches(why, err)
    end
    assert.equal(4095, #parse("a=" .. ("x"):rep(4095)).value)
    assert.equal("b\tc", parse("a=b\tc").value)
  end)

  it("ignores attributes it does not know and those without sense", function()
    local cookie = parse("a=b; x=y; ;=; Max-Age=1x; max-age=+5; max-age; Expires=never; Domain=; "
      .. "Domain=.; SameSite=maybe")
    assert.is_nil(cookie.max_age or cookie.expires or cookie.domain or cookie.same_site)
    assert.is_nil(parse("a=b; domain=" .. ("x"):rep(1025)).domain)
    assert.equal(-5, parse("a=b; max-age=-5").max_age)
  end)

  it("lets the last of a repeated attribute count", function()
    local cookie = parse "a=b; max-age=1; max-age=2; path=/x; path=/y; domain=a.org; domain=b.org"
    assert.equal(2, cookie.max_age)
    assert.equal("/y", cookie.path)
    assert.equal("b.org", cookie.domain)
    assert.is_nil(parse("a=b; path=/x; path=y").path)
  end)

  it("takes time linear in the text", function()
    local before = os.clock()
    set_cookie.parse("a=b" .. (";"):rep(200000))
    set_cookie.parse("a" .. (" "):rep(100000) .. "=" .. ("\t"):rep(100000) .. ";x")
    set_cookie.parse("a=b; expires=" .. ("1 "):rep(100000))
    assert.is_true(os.clock() - before < 1)
  end)
end)
