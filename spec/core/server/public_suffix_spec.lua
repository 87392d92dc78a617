-- Domains that everybody may register names below.
local core = require "spec.support.core"
local C = core.load("justhttp.h")

local function test(domain) return C.jh_public_suffix_test(domain, #domain) end

describe("public suffixes", function()
  it("are top-level domains, known ones and others, and single words", function()
    for _, domain in ipairs { "com", "uk", "localhost", "no-such-tld" } do
      assert.is_true(test(domain), domain)
    end
  end)

  it("are what registries and hosts give names out below", function()
    for _, domain in ipairs { "co.uk", "github.io", "kobe.jp", "x.kobe.jp", "xn--p1ai" } do
      assert.is_true(test(domain), domain)
    end
  end)

  it("are not names of somebody's own", function()
    for _, domain in ipairs { "example.com", "www.example.com", "example.co.uk", "me.github.io",
                              "city.kobe.jp", "127.0.0.1", "a.localhost" } do
      assert.is_false(test(domain), domain)
    end
  end)

  it("are also what is no domain at all", function()
    assert.is_true(test "")
    assert.is_true(test "a\0b")
    assert.is_true(test(("a"):rep(254)))
  end)
end)
