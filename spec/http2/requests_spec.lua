-- requests_spec.lua: what a handler sees of a request over HTTP/2, and what the client gets.
local http2 = require "spec.support.http2"
local server = require "spec.support.server"

describe("a request over HTTP/2", function()
  local s, c

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/seen", function(ctx)
        return { version = ctx.version, method = ctx.method, path = ctx.path, url = ctx.url,
          host = ctx.host, host_field = ctx.headers.host, scheme = ctx.scheme,
          query = ctx.query.q, cookie = ctx.headers.cookie, a = ctx.cookies.a, c = ctx.cookies.c,
          x = ctx.headers["X-Thing"], ip = ctx.ip }
      end)
      app:get("/users/:name", function(ctx) return ctx.params.name end)
      app:post("/echo", function(ctx) return ctx.body end)
      app:post("/length", function(ctx) return #ctx.body .. " " .. tostring(ctx.content_length) end)
      app:get("/empty", function(ctx) ctx.status = 204 end)
      app:get("/big", function() return ("0123456789"):rep(100000) end)
      app:get("/fields", function(ctx)
        ctx:set("X-Mixed-Case", "  padded ")
        ctx:set("Connection", "keep-alive")
        ctx:set("Keep-Alive", "timeout=5")
        ctx:set("Upgrade", "h2c")
        ctx:append("Set-Cookie", "a=1")
        ctx:append("Set-Cookie", "b=2")
        return "ok"
      end)
      app:get("/hijack", function(ctx) ctx:hijack(function() end) end)
      app:get("/fail", function() error "deliberate" end)
      return app
    ]] }
  end)
  teardown(function() s:stop() end)
  before_each(function() c = http2.connect(s) end)
  after_each(function() c:close() end)

  local function get(path, headers) return c:request { path = path, headers = headers } end

  it("has the parts it has over HTTP/1", function()
    local r = get("/seen?q=1", { { "cookie", "a=b" }, { "x-thing", "y" }, { "cookie", "c=d" } })
    assert.are.equal(200, r.status)
    local seen = require "cjson".decode(r.body)
    assert.are.same({ version = "HTTP/2", method = "GET", path = "/seen", url = "/seen?q=1",
      host = "localhost", host_field = "localhost", scheme = "http", query = "1",
      cookie = "a=b; c=d", a = "b", c = "d", x = "y", ip = "127.0.0.1" }, seen)
    assert.are.equal("application/json", r.headers["content-type"])
    assert.are.equal("justhttp", r.headers.server)
    assert.are.equal(tostring(#r.body), r.headers["content-length"])
    assert.is_truthy(r.headers.date)
  end)

  it("has one cookie field, however many there were, wherever the others are", function()
    local headers = {}
    for i = 1, 30 do headers[#headers + 1] = { "cookie", "c" .. i .. "=" .. ("v"):rep(100) } end
    headers[#headers + 1] = { "host", "localhost" }
    headers[#headers + 1] = { "x-thing", "behind" }
    headers[#headers + 1] = { "cookie", "a=last" }
    local seen = require "cjson".decode(get("/seen", headers).body)
    assert.are.equal("last", seen.a)
    assert.are.equal("behind", seen.x)
    assert.are.equal("localhost", seen.host_field)
    local _, count = seen.cookie:gsub("; ", "")
    assert.are.equal(30, count)
  end)

  it("is routed with params, and misses as ever", function()
    assert.are.equal("anna", get("/users/anna").body)
    assert.are.equal("a b", get("/users/a%20b").body)
    assert.are.equal(404, get("/nowhere").status)
    assert.are.equal(405, c:request { method = "DELETE", path = "/big" }.status)
  end)

  it("carries bodies of every size", function()
    for _, length in ipairs { 0, 1, 100, 16384, 16385, 70000, 300000, 900000 } do
      local body = ("abcdefghij"):rep(length / 10 + 1):sub(1, length)
      assert.are.equal(body, c:request { method = "POST", path = "/echo", body = body }.body)
      local r = c:request { method = "POST", path = "/echo", body = body,
        headers = { ["content-length"] = #body } }
      assert.is_true(body == r.body, "with a declared length of " .. length)
    end
  end)

  it("carries a body that comes in many frames", function()
    local id = c:open { method = "POST", path = "/length", ends = false }
    for _ = 1, 500 do c:data(id, "x", false) end
    c:data(id, "", true)
    assert.are.equal("500 nil", c:response(id).body)
  end)

  it("gets large answers, and none where there is none", function()
    assert.are.equal(1000000, #get("/big").body)
    local r = c:request { method = "HEAD", path = "/big" }
    assert.are.equal("1000000", r.headers["content-length"])
    assert.are.equal("", r.body)
    r = get "/empty"
    assert.are.equal(204, r.status)
    assert.is_nil(r.headers["content-length"])
  end)

  it("gets the fields that were set, in lower case and without those of HTTP/1", function()
    local r = get "/fields"
    assert.are.equal("padded", r.headers["x-mixed-case"])
    assert.are.equal("a=1, b=2", r.headers["set-cookie"])
    for _, name in ipairs { "connection", "keep-alive", "upgrade" } do
      assert.is_nil(r.headers[name], name)
    end
  end)

  it("cannot take the connection over, and is told why", function()
    assert.are.equal(500, get("/hijack").status)
    assert.is_truthy(s:stderr():find("ctx:hijack: this request came over HTTP/2", 1, true))
  end)

  it("fails alone", function()
    assert.are.equal(500, get("/fail").status)
    assert.are.equal("anna", get("/users/anna").body)
  end)

  it("shares its connection with others", function()
    local ids = {}
    for i = 1, 100 do ids[i] = c:open { path = "/users/" .. i } end
    for i = 100, 1, -1 do assert.are.equal(tostring(i), c:response(ids[i]).body) end
  end)
end)
