-- keep_alive_spec.lua: a connection serves one request after the other until somebody wants it
-- closed, or nobody uses it any more.
local server = require "spec.support.server"

local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

describe("keep-alive", function()
  local s

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/", function() return "hello" end)
      app:get("/close", function(ctx) ctx:set("Connection", "close") return "bye" end)
      app:get("/wait", function() http.sleep(0.02) return "waited" end)
      app:post("/echo", function(ctx) return ctx.body end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  it("serves many requests on one connection", function()
    local c = s:connect()
    for _ = 1, 50 do
      local r = c:send(GET):response()
      assert.are.equal("hello", r.body)
      assert.is_nil(r.headers.connection)
    end
    c:close()
  end)

  it("is the same after a handler that waited", function()
    local c = s:connect()
    for _ = 1, 3 do
      assert.are.equal("waited", c:request({ path = "/wait" }).body)
      assert.are.equal("hello", c:request({}).body)
    end
    c:close()
  end)

  it("is the same after bodies of every kind of size", function()
    local c = s:connect()
    for _, size in ipairs { 1, 100, 16383, 16384, 16385, 20000, 300000 } do
      local body = ("x"):rep(size)
      assert.is_true(c:request({ method = "POST", path = "/echo", body = body }).body == body)
    end
    c:close()
  end)

  it("skips an empty line before a request", function()
    local c = s:connect():send("\r\n" .. GET)
    assert.are.equal("hello", c:response().body)
    assert.are.equal("hello", c:send("\r\n" .. GET):response().body)
    c:close()
  end)

  it("ends when the client asks for it", function()
    local c = s:connect():send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    local r = c:response()
    assert.are.equal("hello", r.body)
    assert.are.equal("close", r.headers.connection)
    c:expect_closed()
    assert.is_falsy(c.reset_by_peer)
    c:close()
  end)

  it("finds close among other connection options, in any case", function()
    local c = s:connect():send("GET / HTTP/1.1\r\nHost: a\r\nConnection: te, CLOSE\r\n\r\n")
    assert.are.equal("close", c:response().headers.connection)
    c:expect_closed()
    c:close()
  end)

  it("ends when the handler asks for it, without a reset", function()
    local c = s:connect():send("GET /close HTTP/1.1\r\nHost: a\r\n\r\n" .. GET)
    local r = c:response()
    assert.are.equal("bye", r.body)
    assert.are.equal("close", r.headers.connection)
    c:expect_closed()
    assert.is_falsy(c.reset_by_peer)
    c:close()
  end)

  it("ignores what follows a request that asked for the close", function()
    local c = s:connect()
    c:send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" .. GET:rep(3))
    assert.are.equal("hello", c:response().body)
    c:expect_closed()
    assert.is_falsy(c.reset_by_peer)
    c:close()
  end)

  describe("in HTTP/1.0", function()
    it("is not the default", function()
      local c = s:connect():send("GET / HTTP/1.0\r\n\r\n")
      local r = c:response()
      assert.are.equal("hello", r.body)
      assert.are.equal("1.1", r.version)
      assert.are.equal("close", r.headers.connection)
      c:expect_closed()
      c:close()
    end)

    it("can be asked for and is then confirmed", function()
      local c = s:connect()
      for _ = 1, 3 do
        local r = c:send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"):response()
        assert.are.equal("hello", r.body)
        assert.are.equal("keep-alive", r.headers.connection)
      end
      assert.are.equal("close", c:send("GET / HTTP/1.0\r\n\r\n"):response().headers.connection)
      c:expect_closed()
      c:close()
    end)
  end)
end)

describe("a connection's number of requests", function()
  it("is limited by max_requests_per_connection", function()
    local s = server.start { code = 'return function(ctx) return "hello" end',
      options = { max_requests_per_connection = 3 } }
    local c = s:connect():send(GET:rep(5))
    local responses = c:responses(3)
    assert.is_nil(responses[1].headers.connection)
    assert.is_nil(responses[2].headers.connection)
    assert.are.equal("close", responses[3].headers.connection)
    c:expect_closed()
    assert.is_falsy(c.reset_by_peer)
    c:close()
    c = s:connect()
    for _ = 1, 3 do assert.are.equal("hello", c:send(GET):response().body) end
    c:expect_closed()
    c:close()
    s:stop()
  end)
end)

describe("an idle connection", function()
  it("is closed silently after keepalive_timeout_ms", function()
    local s = server.start { code = 'return function(ctx) return "hello" end',
      options = { keepalive_timeout_ms = 100, header_timeout_ms = 30000 } }
    local c = s:connect():send(GET)
    assert.are.equal("hello", c:response().body)
    c:expect_closed()
    assert.is_falsy(c.reset_by_peer)
    c:close()
    s:stop()
  end)

  it("is closed silently when it never sends anything", function()
    local s = server.start { code = 'return function(ctx) return "hello" end',
      options = { header_timeout_ms = 100, defer_accept = false } }
    local c = s:connect()
    c:expect_closed()
    c:close()
    s:stop()
  end)

  it("may begin a request as often as it likes within the time", function()
    local s = server.start { code = 'return function(ctx) return "hello" end',
      options = { keepalive_timeout_ms = 60000, header_timeout_ms = 300 } }
    local c = s:connect()
    assert.are.equal("hello", c:send(GET):response().body)
    -- The deadline of heads does not run between requests.
    assert.is_true(c:is_quiet(0.45))
    assert.are.equal("hello", c:send(GET):response().body)
    c:close()
    s:stop()
  end)
end)
