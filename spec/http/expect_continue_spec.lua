-- expect_continue_spec.lua: 100 Continue is sent when a handler begins to read, and not when it
-- answers without reading.
local server = require "spec.support.server"

local function head(fields, version)
  return ("POST /%s HTTP/%s\r\nHost: a\r\n%s\r\n"):format("%s", version or "1.1", fields)
end

local EXPECT = "Expect: 100-continue\r\n"

describe("Expect: 100-continue", function()
  local s

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:post("/echo", function(ctx) return ctx.body end)
      app:post("/wait", function(ctx) http.sleep(0.01) return ctx.body end)
      app:post("/count", function(ctx)
        local count = 0
        for piece in function() return ctx:read(5000) end do count = count + #piece end
        return tostring(count)
      end)
      app:post("/refuse", function(ctx) return 403, "no" end)
      app:get("/after", function() return "after" end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  for _, path in ipairs { "echo", "wait" } do
    for _, size in ipairs { 1, 5000, 100000 } do
      it(("is answered when /%s reads a body of %d bytes"):format(path, size), function()
        local body = ("b"):rep(size)
        local c = s:connect()
        c:send(head(EXPECT .. "Content-Length: " .. size .. "\r\n"):format(path))
        local interim = c:response { interim = true }
        assert.are.equal("HTTP/1.1 100 Continue\r\n\r\n", interim.head)
        c:send(body)
        local r = c:response()
        assert.are.equal(200, r.status)
        assert.is_true(r.body == body)
        assert.is_nil(r.headers.connection)
        c:send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
        assert.are.equal("after", c:response().body)
        c:close()
      end)
    end
  end

  it("is answered once for a body read in pieces, chunked as well", function()
    local c = s:connect():send(head(EXPECT .. "Transfer-Encoding: chunked\r\n"):format "count")
    assert.are.equal(100, c:response({ interim = true }).status)
    for _ = 1, 10 do c:send("1388\r\n" .. ("c"):rep(5000) .. "\r\n") end
    c:send("0\r\n\r\n")
    local r = c:response()
    assert.are.equal("50000", r.body)
    assert.are.equal(0, #r.interim)
    c:close()
  end)

  it("is not answered 100 when the handler refuses without reading: it closes", function()
    for _, framing in ipairs { "Content-Length: 5\r\n", "Content-Length: 500000\r\n",
                               "Transfer-Encoding: chunked\r\n" } do
      local c = s:connect():send(head(EXPECT .. framing):format "refuse")
      local r = c:response { interim = true }
      assert.are.equal(403, r.status)
      -- Whether the body still comes is not known, so the next request could not be found.
      assert.are.equal("close", r.headers.connection)
      c:expect_closed()
      assert.is_falsy(c.reset_by_peer)
      c:close()
    end
  end)

  it("is not answered 100 when the body is above the limit", function()
    local c = s:connect():send(head(EXPECT .. "Content-Length: 99999999\r\n"):format "echo")
    assert.are.equal(413, c:response({ interim = true }).status)
    c:expect_closed()
    c:close()
  end)

  it("is not answered 100 when the body is there already", function()
    local c = s:connect():send(head(EXPECT .. "Content-Length: 5\r\n"):format "echo" .. "hello")
    assert.are.equal("hello", c:response({ interim = true }).body)
    c:close()
  end)

  it("means nothing without a body", function()
    local c = s:connect():send("GET /after HTTP/1.1\r\nHost: a\r\n" .. EXPECT .. "\r\n")
    assert.are.equal("after", c:response({ interim = true }).body)
    c:close()
  end)

  it("means nothing in HTTP/1.0", function()
    local c = s:connect():send(head(EXPECT .. "Content-Length: 5\r\n", "1.0"):format "echo")
    assert.is_true(c:is_quiet(0.05))
    c:send("hello")
    local r = c:response { interim = true }
    assert.are.equal(200, r.status)
    assert.are.equal("hello", r.body)
    c:close()
  end)

  it("comes behind the answers of earlier requests", function()
    local c = s:connect():send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n" ..
      head(EXPECT .. "Content-Length: 5\r\n"):format "echo")
    assert.are.equal("after", c:response({ interim = true }).body)
    assert.are.equal(100, c:response({ interim = true }).status)
    assert.are.equal("hello", c:send("hello"):response().body)
    c:close()
  end)
end)
