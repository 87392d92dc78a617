-- Cross-origin resource sharing.
local cors = require "justhttp.middleware.cors"
local fake = require "spec.support.fake_ctx"

local function simple(options, origin)
  local ctx = fake.new { headers = { origin = origin } }
  local called = fake.run(cors(options), ctx)
  assert.is_true(called)
  return ctx.sent
end

local function preflight(options, origin, asked_headers)
  local ctx = fake.new {
    method = "OPTIONS",
    headers = {
      origin = origin, ["access-control-request-method"] = "PUT",
      ["access-control-request-headers"] = asked_headers,
    },
  }
  local called = fake.run(cors(options), ctx)
  assert.is_false(called)
  assert.equal(204, ctx.status)
  return ctx.sent
end

local site = "https://site.org"

describe("cors on a request", function()
  it("allows every origin by default, the same for all", function()
    local sent = simple(nil, site)
    assert.same({ "*" }, sent["access-control-allow-origin"])
    assert.is_nil(sent.vary)
  end)

  it("names an allowed origin, and varies with it", function()
    for _, origins in ipairs { { "https://a.org", site }, site,
      function(origin) return origin == site end } do
      local sent = simple({ origins = origins, credentials = true }, site)
      assert.same({ site }, sent["access-control-allow-origin"])
      assert.same({ "true" }, sent["access-control-allow-credentials"])
      assert.same({ "Origin" }, sent.vary)
    end
  end)

  it("tells other origins nothing, but caches that it varies", function()
    for _, origin in ipairs { "https://evil.org", "https://site.org.evil.org", "http://site.org",
      "null" } do
      local sent = simple({ origins = { site } }, origin)
      assert.is_nil(sent["access-control-allow-origin"])
      assert.is_nil(sent["access-control-allow-credentials"])
      assert.same({ "Origin" }, sent.vary)
    end
    assert.same({ "Origin" }, simple({ origins = { site } }, nil).vary)
  end)

  it("exposes response fields", function()
    assert.same({ "X-A, X-B" },
      simple({ expose = { "X-A", "X-B" } }, site)["access-control-expose-headers"])
  end)
end)

describe("cors on a preflight request", function()
  it("answers 204 with methods, and the fields that were asked for", function()
    local sent = preflight(nil, site, "X-A, X-B")
    assert.same({ "*" }, sent["access-control-allow-origin"])
    assert.same({ "GET, HEAD, PUT, PATCH, POST, DELETE" }, sent["access-control-allow-methods"])
    assert.same({ "X-A, X-B" }, sent["access-control-allow-headers"])
    assert.same({ "Access-Control-Request-Headers" }, sent.vary)
  end)

  it("answers as configured", function()
    local sent = preflight({ origins = { site }, methods = { "GET" }, headers = { "X-C" },
      max_age = 600, credentials = true }, site, "X-A")
    assert.same({ "GET" }, sent["access-control-allow-methods"])
    assert.same({ "X-C" }, sent["access-control-allow-headers"])
    assert.same({ "600" }, sent["access-control-max-age"])
    assert.same({ "true" }, sent["access-control-allow-credentials"])
    assert.same({ "Origin" }, sent.vary)
  end)

  it("allows nothing to other origins", function()
    local sent = preflight({ origins = { site } }, "https://evil.org")
    assert.is_nil(sent["access-control-allow-origin"])
    assert.is_nil(sent["access-control-allow-methods"])
  end)

  it("leaves a plain OPTIONS to the handler", function()
    local ctx = fake.new { method = "OPTIONS", headers = { origin = site } }
    assert.is_true((fake.run(cors(), ctx)))
  end)
end)

describe("cors options", function()
  it("cannot join credentials with every origin", function()
    assert.error_matches(function() cors { credentials = true } end, "credentials need a list")
    assert.error_matches(function() cors { origins = { "*" }, credentials = true } end,
      "credentials need a list")
  end)

  it("are checked", function()
    assert.error_matches(function() cors { origin = "*" } end, "unknown option \"origin\"")
    assert.error_matches(function() cors { origins = { "site.org" } } end, "is no origin")
    assert.error_matches(function() cors { origins = { "https://site.org/" } } end, "is no origin")
    assert.error_matches(function() cors { headers = { "X A" } } end, "no name of a field")
    assert.error_matches(function() cors { methods = 5 } end, "must be a list of names")
  end)
end)
