-- redirect.lua: what a request becomes when it is sent elsewhere.
local redirect = require "justhttp.redirect"
local url = require "justhttp.url"

local function follow(method, from, status, location, headers, body, first)
  local request = { method = method, url = url.parse(from), headers = headers or {}, body = body }
  local to, err = redirect.follow(request, status, location, url.parse(first or from))
  if not to then return nil, err end
  return to.method, url.format(to.url), to.headers, to.body
end

describe("redirect", function()
  it("changes methods as fasthttp does", function()
    for _, case in ipairs {
      { "POST", 301, "GET" }, { "POST", 302, "GET" }, { "POST", 303, "GET" },
      { "POST", 307, "POST" }, { "POST", 308, "POST" }, { "PUT", 301, "PUT" },
      { "PUT", 303, "GET" }, { "HEAD", 303, "HEAD" }, { "GET", 303, "GET" },
      { "DELETE", 302, "DELETE" },
    } do
      assert.are.equal(case[3], (follow(case[1], "http://a/", case[2], "/b")),
        case[1] .. " " .. case[2])
    end
  end)

  it("leaves the body behind with its fields", function()
    local fields = { { "Content-Type", "text/plain" }, { "X-A", "b" },
      { "Expect", "100-continue" } }
    local _, _, headers, body = follow("POST", "http://a/", 302, "/b", fields, "text")
    assert.are.same({ { "X-A", "b" } }, headers)
    assert.is_nil(body)
    _, _, headers, body = follow("POST", "http://a/", 307, "/b", fields, "text")
    assert.are.same(fields, headers)
    assert.are.equal("text", body)
  end)

  it("resolves Location and keeps the fragment", function()
    assert.are.equal("http://a/x/z#f", select(2, follow("GET", "http://a/x/y#f", 302, "z")))
    assert.are.equal("http://a/x/z#g", select(2, follow("GET", "http://a/x/y#f", 302, "z#g")))
  end)

  it("keeps credentials on the host that was asked first, and below it", function()
    local secret = { { "Authorization", "x" }, { "cookie", "y" }, { "A", "b" } }
    local function kept(from, to, first)
      return #select(3, follow("GET", from, 302, to, secret, nil, first)) == 3
    end
    assert.is_true(kept("http://a.b/", "/c"))
    assert.is_true(kept("http://a.b/", "http://x.a.b/"))
    assert.is_true(kept("http://a.b/", "https://a.b/"))
    assert.is_false(kept("http://a.b/", "http://b/"))
    assert.is_false(kept("http://a.b/", "http://xa.b/"))
    assert.is_false(kept("http://x.a.b/", "http://a.b/"))
    assert.is_false(kept("https://a.b/", "http://a.b/"))
    assert.is_false(kept("http://a.b:81/", "http://a.b:82/"))
    assert.is_true(kept("http://x.a.b/", "http://a.b/", "http://a.b/"))
  end)

  it("cannot be followed without somewhere to go", function()
    assert.are.equal("302 without a Location", select(2, follow("GET", "http://a/", 302, nil)))
    assert.are.equal("302 without a Location", select(2, follow("GET", "http://a/", 302, "")))
    assert.truthy(select(2, follow("GET", "http://a/", 302, "ftp://b/")):find "neither http")
    assert.truthy(select(2, follow("GET", "http://a/", 302, "http://[/")):find "bad Location")
  end)

  it("does not ask a function for a body again", function()
    local _, err = follow("POST", "http://a/", 307, "/b", {}, function() end)
    assert.truthy(err:find "from a function")
    assert.are.equal("GET", (follow("POST", "http://a/", 302, "/b", {}, function() end)))
  end)
end)
