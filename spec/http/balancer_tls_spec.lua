-- Upstreams behind TLS: who is trusted, whom a certificate must name, for each upstream.
local caller = require "spec.support.caller"
local certificates = require "spec.support.certificates"
local server = require "spec.support.server"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:any("/*rest", function(ctx) return ctx.headers.host end)
return app
]]

describe("a balancer over TLS", function()
  local c, named, addressed, ca

  setup(function()
    ca = certificates.authority "Spec CA"
    local function start(names)
      local own = ca:issue { names = names }
      return server.start { code = APP, listen = "https://127.0.0.1:0",
                            options = { tls_cert = own.cert, tls_key = own.key } }
    end
    c = caller.start()
    named, addressed = start { "localhost" }, start { "127.0.0.1" }
  end)
  teardown(function()
    c:stop()
    named:stop()
    addressed:stop()
  end)

  local function run(code)
    return c:run(code, { named = named.url, addressed = addressed.url, ca = ca.cert,
                         name = (named.url:gsub("127.0.0.1", "localhost")) })
  end

  it("trusts whom it is told to trust", function()
    local status, kind, err = run [[
      local lb = http.balancer { upstreams = { a.addressed }, tls = { ca = a.ca } }
      local status = lb:get("/x").status
      lb = http.balancer { upstreams = { a.addressed } }
      local _, err, kind = lb:get "/x"
      return status, kind, err ]]
    assert.equal(200, status)
    assert.equal("tls", kind)
    assert.matches(addressed.url .. "/x", err, 1, true)
  end)

  it("takes more about TLS from an upstream", function()
    local host, kind = run [[
      local lb = http.balancer { tls = { ca = a.ca }, upstreams = {
        { url = a.named, tls = { server_name = "localhost" } } } }
      local host = assert(lb:get "/x").body
      lb = http.balancer { tls = { ca = a.ca }, upstreams = { a.named } }
      local _, _, kind = lb:get "/x"
      return host, kind ]]
    assert.equal(named.url:match "//(.*)", host)
    assert.equal("tls", kind)
  end)

  it("goes on at another when a certificate is wrong, a POST too", function()
    local upstream = run [[
      local lb = http.balancer { upstreams = { a.named, a.addressed }, tls = { ca = a.ca },
                                 policy = "round_robin" }
      return assert(lb:post("/x", "body")).upstream ]]
    assert.equal(addressed.url, upstream)
  end)

  it("verifies the name whose addresses are its upstreams", function()
    local host, upstream = run [[
      local lb = http.balancer { upstreams = { a.name }, resolve = true, tls = { ca = a.ca } }
      local res = assert(lb:get "/x")
      return res.body, res.upstream ]]
    assert.matches("^localhost:", host)
    assert.matches("^https://127%.0%.0%.1:", upstream)
  end)

  it("checks health over TLS", function()
    local healthy = run [[
      local lb = http.balancer { tls = { ca = a.ca }, check = { interval = 0.005, fall = 1 },
        upstreams = { a.addressed, a.named } }
      local rows
      repeat
        http.sleep(0.005)
        rows = lb:status().upstreams
      until not rows[2].is_healthy
      lb:close()
      return rows[1].is_healthy ]]
    assert.is_true(healthy)
  end)
end)
