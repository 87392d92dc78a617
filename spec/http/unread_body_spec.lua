-- unread_body_spec.lua: what a handler leaves of a body is thrown away or closes the connection; it
-- never becomes the next request.
local server = require "spec.support.server"

describe("an unread body", function()
  local s

  setup(function()
    s = server.start { options = { max_body_bytes = "8m", log_level = "off" }, code = [[
      local http = require "justhttp"
      local app = http.app()
      app:post("/ignore", function(ctx) return "ignored" end)
      app:post("/wait", function(ctx) http.sleep(0.02) return "waited" end)
      app:post("/some", function(ctx) return "read " .. #ctx:read(1000) end)
      app:post("/most", function(ctx)
        local left = ctx.content_length or 100000
        while left > 0 do left = left - #ctx:read(left) end
        return "read most"
      end)
      app:post("/fail", function(ctx) error "on purpose" end)
      app:get("/evil", function(ctx) return "smuggled" end)
      app:get("/good", function(ctx) return "good" end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  local GOOD = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n"
  local EVIL = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"

  local function evil_body(size) return EVIL:rep(math.ceil(size / #EVIL)):sub(1, size) end

  local function post(path, body)
    return ("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(path, #body, body)
  end

  local function chunked(path, body)
    local chunks = {}
    for at = 1, #body, 3000 do
      local piece = body:sub(at, at + 2999)
      chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
    end
    return ("POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "%s0\r\n\r\n"):format(path, table.concat(chunks))
  end

  for _, path in ipairs { "/ignore", "/wait", "/some", "/most", "/fail", "/missing", "/evil" } do
    it("of a moderate size is skipped: " .. path, function()
      for _, size in ipairs { 1000, 16384, 16385, 40000, 200000 } do
        local c = s:connect():send(post(path, evil_body(size)) .. GOOD)
        assert.is_not.equal("smuggled", c:response().body)
        assert.are.equal("good", c:response().body)
        c:send(GOOD)
        assert.are.equal("good", c:response().body)
        c:close()
      end
    end)

    it("in chunks is skipped or ends the connection: " .. path, function()
      for _, size in ipairs { 1000, 16384, 40000, 100000 } do
        local c = s:connect()
        c:try_send(chunked(path, evil_body(size)) .. GOOD)
        local r = c:response()
        assert.is_not.equal("smuggled", r.body)
        if r.headers.connection == "close" then
          c:expect_closed()
        else
          assert.are.equal("good", c:response().body)
        end
        c:close()
      end
    end)
  end

  it("in chunks that was read to its last byte leaves the connection open", function()
    local c = s:connect():send(chunked("/most", evil_body(100000)) .. GOOD)
    local r = c:response()
    assert.are.equal("read most", r.body)
    assert.is_nil(r.headers.connection)
    assert.are.equal("good", c:response().body)
    c:close()
  end)

  it("of a great size ends the connection, the answer comes through", function()
    for _, path in ipairs { "/ignore", "/wait", "/some" } do
      local c = s:connect()
      c:send("POST " .. path .. " HTTP/1.1\r\nHost: a\r\nContent-Length: 6000000\r\n\r\n")
      c:try_send(evil_body(1000000))
      local r = c:response()
      assert.are.equal(200, r.status)
      assert.are.equal("close", r.headers.connection)
      c:expect_closed()
      c:close()
    end
  end)

  it("may arrive long after the answer", function()
    local c = s:connect():send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n")
    assert.are.equal("ignored", c:response().body)
    c:send_slowly(evil_body(50000), { bytes = 9999, pause = 0.005 })
    assert.are.equal("good", c:send(GOOD):response().body)
    c:close()
  end)
end)
