-- body_limits_spec.lua: bodies are bounded, by what they declare and by what they turn out to be.
local server = require "spec.support.server"

describe("max_body_bytes", function()
  local s

  setup(function()
    s = server.start { options = { max_body_bytes = 50000, log_level = "off" }, code = [[
      local http = require "justhttp"
      local app = http.app()
      app:post("/echo", function(ctx) return ctx.body end)
      app:post("/tiny", http.middleware.body_limit(10), function(ctx) return ctx.body end)
      app:post("/read", function(ctx)
        local count, piece, err = 0, nil, nil
        repeat
          piece, err = ctx:read(7000)
          count = count + #(piece or "")
        until not piece
        return count .. " " .. tostring(err)
      end)
      app:get("/", function() return "root" end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  local function chunk(size) return ("%x\r\n%s\r\n"):format(size, ("x"):rep(size)) end

  local function chunked(path, body)
    return "POST " .. path .. " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" .. body
  end

  -- The answer is read although the client may still be sending: no reset destroys it.
  local function refused(status, bytes)
    local c = s:connect()
    c:try_send(bytes)
    local r = c:response()
    assert.are.equal(status, r.status)
    assert.are.equal("close", r.headers.connection)
    c:expect_closed()
    c:close()
  end

  it("lets a body of that size through", function()
    local body = ("x"):rep(50000)
    assert.is_true(s:request({ method = "POST", path = "/echo", body = body }).body == body)
    local c = s:connect():send(chunked("/echo", chunk(49999) .. chunk(1) .. "0\r\n\r\n"))
    assert.is_true(c:response().body == body)
    c:close()
  end)

  it("refuses a declared length above it with the head", function()
    refused(413, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 50001\r\n\r\n")
    refused(413, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n")
    refused(413, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"
      .. ("x"):rep(60000))
  end)

  it("refuses a chunked body that grows above it", function()
    refused(413, chunked("/echo", chunk(25000) .. chunk(25001)))
    refused(413, chunked("/echo", chunk(1):rep(16000) .. chunk(34001)))
    refused(413, chunked("/echo", "c351\r\n"))
  end)

  it("tells a handler that reads in pieces", function()
    local c = s:connect()
    c:try_send(chunked("/read", chunk(30000) .. chunk(30000)))
    local count, err = c:response().body:match "^(%d+) (.*)$"
    assert.is_true(tonumber(count) <= 30000)
    assert.are.equal("the request body is too large", err)
    c:expect_closed()
    c:close()
  end)

  it("can be lowered for a route, for declared and for chunked bodies", function()
    local c = s:connect()
    assert.are.equal("0123456789", c:request({ method = "POST", path = "/tiny",
      body = "0123456789" }).body)
    local refusal = c:request { method = "POST", path = "/tiny", body = "0123456789a" }
    assert.are.equal(413, refusal.status)
    assert.are.equal("root", c:request({}).body)
    c:send(chunked("/tiny", chunk(11) .. "0\r\n\r\n"))
    assert.are.equal(413, c:response().status)
    c:close()
    c = s:connect()
    c:try_send(chunked("/tiny", chunk(20000) .. chunk(20000) .. "0\r\n\r\n"))
    assert.are.equal(413, c:response().status)
    c:close()
  end)
end)
