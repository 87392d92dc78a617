-- https_spec.lua: TLS in the client: verification, names, what failures say.
local caller = require "spec.support.caller"
local certificates = require "spec.support.certificates"
local sys = require "spec.support.sys"
local tls = require "spec.support.tls"

describe("https", function()
  local c, ca, origin
  setup(function()
    c = caller.start()
    ca = certificates.authority "Client spec CA"
    origin = tls.s_server { ca:issue { names = { "localhost" } }, mode = "-www" }
  end)
  teardown(function()
    origin:stop { signal = sys.SIGKILL, code = false }
    c:stop()
  end)

  local function get(options, host, port)
    options.retries = 0
    return c:run([[
      local res, err, kind = http.client(a.options):get(a.url)
      return res and res.status, err, kind, res and #res.body ]],
      { options = options, url = ("https://%s:%d/"):format(host or "localhost",
        port or origin.port) })
  end

  it("is verified against an authority that is trusted", function()
    local status, err, _, bytes = get { tls = { ca = ca.cert } }
    assert.are.equal(200, status, err)
    assert.is_true(bytes > 100)
  end)

  it("fails when it is not", function()
    local status, err, kind = get {}
    assert.is_nil(status)
    assert.are.equal("tls", kind)
    assert.truthy(err:find("GET https://localhost", 1, true), err)
    assert.are.equal(200, (get { tls = { verify = false } }))
  end)

  it("fails for another name", function()
    local status, err, kind = get({ tls = { ca = ca.cert } }, "127.0.0.1")
    assert.is_nil(status)
    assert.are.equal("tls", kind)
    assert.truthy(err:find "127.0.0.1", err)
    assert.are.equal(200, (get({ tls = { ca = ca.cert, server_name = "localhost" } }, "127.0.0.1")))
  end)

  it("fails when the other side speaks no TLS", function()
    local status, err, kind = get({ timeout = 2 }, "127.0.0.1", c.server.port)
    assert.is_nil(status)
    assert.are.equal("tls", kind, err)
  end)

  it("says what is wrong with its options", function()
    local status, err, kind = get { tls = { ca = "/nowhere/at/all" } }
    assert.is_nil(status)
    assert.are.equal("invalid", kind)
    assert.truthy(err:find("/nowhere/at/all", 1, true), err)
  end)
end)
