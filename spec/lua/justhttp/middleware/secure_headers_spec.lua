-- Response fields that make browsers stricter.
local fake = require "spec.support.fake_ctx"
local secure_headers = require "justhttp.middleware.secure_headers"

local function sent(options, request, handler)
  local ctx = fake.new(request)
  fake.run(secure_headers(options), ctx, handler)
  return ctx.sent
end

describe("secure_headers", function()
  it("sets safe defaults, and HSTS over TLS only", function()
    local headers = sent()
    assert.equal("nosniff", headers["x-content-type-options"][1])
    assert.equal("SAMEORIGIN", headers["x-frame-options"][1])
    assert.equal("same-origin", headers["cross-origin-opener-policy"][1])
    assert.is_nil(headers["content-security-policy"])
    assert.is_nil(headers["strict-transport-security"])
    assert.matches("^max%-age=31536000",
      sent(nil, { scheme = "https" })["strict-transport-security"][1])
  end)

  it("takes other values, and false for none", function()
    local headers = sent { frame_options = "DENY", referrer_policy = false,
      content_security_policy = "default-src 'self'" }
    assert.equal("DENY", headers["x-frame-options"][1])
    assert.is_nil(headers["referrer-policy"])
    assert.equal("default-src 'self'", headers["content-security-policy"][1])
    assert.is_nil(sent({ transport_security = false }, { scheme = "https" })
      ["strict-transport-security"])
  end)

  it("lets the handler have the last word", function()
    local headers = sent(nil, nil, function(ctx) ctx:set("X-Frame-Options", "DENY") end)
    assert.same({ "DENY" }, headers["x-frame-options"])
  end)

  it("names wrong options", function()
    assert.error_matches(function() secure_headers { hsts = "x" } end, "unknown option \"hsts\"")
    assert.error_matches(function() secure_headers { frame_options = true } end,
      "must be a string, or false")
  end)
end)
