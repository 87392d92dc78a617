-- Referer under every policy.
local referrer = require "justhttp.referrer"

local PAGE = "https://me:pw@a.org/dir/page?q=1#part"
local FULL, ORIGIN = "https://a.org/dir/page?q=1", "https://a.org/"

describe("referrer.of", function()
  it("follows each policy: same origin, other origin, from TLS to none", function()
    for policy, want in pairs {
      ["no-referrer"] = { false, false, false },
      ["no-referrer-when-downgrade"] = { FULL, FULL, false },
      ["same-origin"] = { FULL, false, false },
      ["origin"] = { ORIGIN, ORIGIN, ORIGIN },
      ["strict-origin"] = { ORIGIN, ORIGIN, false },
      ["origin-when-cross-origin"] = { FULL, ORIGIN, ORIGIN },
      ["strict-origin-when-cross-origin"] = { FULL, ORIGIN, false },
      ["unsafe-url"] = { FULL, FULL, FULL },
    } do
      assert.is_true(referrer.is_policy(policy))
      for i, to in ipairs { "https://A.org:443/x", "https://b.org/x", "http://a.org/x" } do
        assert.equal(want[i] or nil, referrer.of(policy, PAGE, to), policy .. " to " .. to)
      end
    end
    assert.is_false(referrer.is_policy "strict")
  end)

  it("takes another port or host for another origin", function()
    for _, to in ipairs { "http://a.org:81/", "http://www.a.org/", "https://a.org/" } do
      assert.equal("http://a.org/", referrer.of(referrer.DEFAULT, "http://a.org:80/x", to))
    end
    assert.equal("http://a.org/x", referrer.of(referrer.DEFAULT, "http://a.org:80/x",
      "http://a.org/y"))
  end)

  it("names a page without a path by its root", function()
    assert.equal("http://a.org/", referrer.of("unsafe-url", "http://a.org", "http://a.org/x"))
    assert.equal("http://a.org/?q", referrer.of("unsafe-url", "http://a.org?q", "http://a.org/x"))
  end)

  it("tells nothing of what is no page of the web", function()
    for _, url in ipairs { "http+unix://%2Fx/", "ftp://a/", "", "a" } do
      assert.is_nil(referrer.of("unsafe-url", url, "http://a.org/"))
      assert.is_nil(referrer.of("unsafe-url", "http://a.org/", url))
    end
  end)

  it("tells the origin only of a very long URL", function()
    assert.equal(ORIGIN, referrer.of("unsafe-url", "https://a.org/" .. ("x"):rep(4096),
      "https://a.org/"))
  end)
end)

describe("referrer.parse", function()
  it("takes the last policy it knows", function()
    assert.equal("origin", referrer.parse "no-referrer, Origin, brand-new")
    assert.is_nil(referrer.parse "never")
    assert.is_nil(referrer.parse(nil))
  end)
end)
