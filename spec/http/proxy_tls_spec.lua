-- proxy_tls_spec.lua: upstreams of http.proxy behind TLS: who is trusted, bodies and pipes.
local certificates = require "spec.support.certificates"
local proxying = require "spec.support.proxying"
local server = require "spec.support.server"

local get, post = proxying.get, proxying.post

local UPSTREAM = [[
local http = require "justhttp"
local app = http.app()
app:get("/hello", function(ctx) return "hello " .. ctx.headers.host end)
app:post("/echo", http.middleware.limits { body = "64m" }, function(ctx) return ctx.body end)
app:get("/chat", function(ctx)
  return ctx:upgrade("chat", function(conn)
    for _ = 1, 3 do conn:write("<" .. conn:read() .. ">") end
  end)
end)
return app
]]

describe("http.proxy to an https upstream", function()
  local x, back, ca

  setup(function()
    ca = certificates.authority "Spec CA"
    local own = ca:issue { names = { "127.0.0.1" } }
    back = server.start { code = UPSTREAM, listen = "https://127.0.0.1:0",
      options = { tls_cert = own.cert, tls_key = own.key } }
  end)
  teardown(function() back:stop() end)
  after_each(function() x:stop() end)

  local function start(more)
    x = proxying.server(("app:any('/p/*rest', big, http.proxy { upstream = UP[1], %s })")
      :format(more or ""), { back.url })
    return x:client { deadline = 20 }
  end

  it("passes requests and bodies", function()
    local c = start(("tls = { ca = %q }"):format(ca.cert))
    for _ = 1, 3 do
      c:send(get "/p/hello")
      assert.equal("hello 127.0.0.1:" .. back.url:match ":(%d+)$", c:response().body)
    end
    local body = ("0123456789abcdef"):rep(200000)
    c:send(post("/p/echo", body))
    assert.is_true(c:response().body == body)
    c:send(post("/p/echo", ("x"):rep(20000)))
    assert.equal(20000, #c:response().body)
    c:close()
  end)

  it("carries another protocol", function()
    local c = start(("tls = { ca = %q }"):format(ca.cert))
    c:send(get("/p/chat", "Connection: Upgrade\r\nUpgrade: chat\r\n"))
    assert.equal(101, c:response().status)
    for i = 1, 3 do
      c:send("hello " .. i)
      assert.equal("<hello " .. i .. ">", c:read(9))
    end
    c:expect_closed()
    c:close()
  end)

  it("answers 502 when the upstream is not to be trusted", function()
    local c = start()
    c:send(get "/p/hello")
    local r = c:response()
    assert.equal(502, r.status)
    assert.matches("no secure connection to the upstream", r.body)
    assert.matches("certificate", x:log())
    c:close()
  end)
end)
