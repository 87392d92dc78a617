-- proxy_body_spec.lua: bodies through a proxy, both ways, however they are framed.
local proxying = require "spec.support.proxying"

local get, post, ok = proxying.get, proxying.post, proxying.ok

local function random_text(bytes)
  local pieces = {}
  for i = 1, bytes / 16 do pieces[i] = ("%016x"):format(i * 2654435761) end
  return table.concat(pieces)
end

describe("a body through http.proxy", function()
  local x
  before_each(function() x = proxying.start() end)
  after_each(function() x:stop() end)

  describe("to the upstream", function()
    it("keeps its length", function()
      for _, bytes in ipairs { 1, 100, 10000, 100000, 1000000 } do
        local body = random_text(bytes + 16):sub(1, bytes)
        local c, up = x:begin(post("/p/a", body))
        assert.matches("\r\nContent%-Length: " .. bytes .. "\r\n", up:read_until "\r\n\r\n")
        assert.is_true(up:read(bytes) == body)
        up:send(ok "done")
        assert.equal("done", c:response().body)
        c:close()
        up:close()
      end
    end)

    it("stays chunked when it is long, with its trailers", function()
      local c = x:client()
      c:send("POST /p/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n")
      local function send_chunks(count)
        for i = 1, count do
          c:send(("3000\r\n%s\r\n"):format(("%012d"):format(i):rep(0x3000 / 12)))
        end
      end
      send_chunks(20)
      local up = x:accept() -- before the end is there
      local head_seen = up:read_until "\r\n\r\n"
      send_chunks(20)
      c:send "0\r\nX-T: yes\r\n\r\n"
      assert.matches("\r\nTransfer%-Encoding: chunked\r\n", head_seen)
      assert.matches("\r\nTrailer: X%-T\r\n", head_seen)
      local total, trailer = 0
      while true do
        local size = tonumber(up:read_until("\r\n"):sub(1, -3), 16)
        if size == 0 then
          trailer = up:read_until "\r\n\r\n"
          break
        end
        total = total + #up:read(size)
        up:read(2)
      end
      assert.equal(40 * 0x3000, total)
      assert.equal("X-T: yes\r\n\r\n", trailer)
      up:send(ok "done")
      assert.equal("done", c:response().body)
    end)

    it("keeps its trailers when it is short", function()
      local c, up = x:begin("POST /p/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        .. "5\r\nhello\r\n0\r\nX-T: yes\r\n\r\n")
      assert.matches("\r\nTransfer%-Encoding: chunked\r\n", up:read_until "\r\n\r\n")
      assert.equal("5\r\nhello\r\n0\r\nX-T: yes\r\n\r\n", up:read_until "yes\r\n\r\n")
      up:send(ok "done")
      assert.equal("done", c:response().body)
    end)

    it("is asked for when the upstream says 100 Continue", function()
      local c, up = x:begin("POST /p/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
        .. "Expect: 100-continue\r\n\r\n")
      assert.matches("\r\nExpect: 100%-continue\r\n", up:read_until "\r\n\r\n")
      assert.equal("", c:read_available(0.05))
      up:send "HTTP/1.1 100 Continue\r\n\r\n"
      assert.matches("^HTTP/1.1 100 ", c:read_until "\r\n\r\n")
      c:send "hello"
      assert.equal("hello", up:read(5))
      up:send(ok "done")
      assert.equal("done", c:response().body)
    end)

    it("is not asked for when the upstream answers instead", function()
      local c, up = x:begin("POST /p/a HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n"
        .. "Expect: 100-continue\r\n\r\n")
      up:read_until "\r\n\r\n"
      up:send "HTTP/1.1 401 Who\r\nContent-Length: 2\r\n\r\nno"
      local r = c:response()
      assert.equal(401, r.status)
      assert.equal(0, #r.interim)
      assert.is_true(c:is_closed(5))
    end)

    it("is asked for after a second of an upstream's silence", function()
      local c, up = x:begin("POST /p/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
        .. "Expect: 100-continue\r\n\r\n")
      assert.matches("^HTTP/1.1 100 ", c:read_until "\r\n\r\n")
      c:send "hello"
      up:read_until "\r\n\r\n"
      assert.equal("hello", up:read(5))
      up:send(ok "done")
      assert.equal("done", c:response().body)
    end)

    it("need not be read to its end by the upstream", function()
      local c, up = x:begin("POST /p/a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"
        .. ("x"):rep(100000))
      up:read_until "\r\n\r\n"
      up:send "HTTP/1.1 413 Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!"
      local r = c:response()
      assert.equal(413, r.status)
      assert.equal("no!", r.body)
    end)
  end)

  describe("to the client", function()
    local function answer(bytes, request)
      local c, up = x:begin(request or get "/p/a")
      up:read_until "\r\n\r\n"
      up:send(bytes)
      return c, up
    end

    it("keeps its length", function()
      for _, bytes in ipairs { 0, 1, 8000, 12288, 12289, 16000, 16384, 17000, 65536, 1000000 } do
        local body = random_text(bytes + 16):sub(1, bytes)
        local c, up = answer(ok(body, "X-A: b\r\n"))
        local r = c:response()
        assert.equal(tostring(bytes), r.headers["content-length"])
        assert.equal("b", r.headers["x-a"])
        assert.is_true(r.body == body)
        c:send(get "/p/b") -- both connections are good for another one
        up:read_until "\r\n\r\n"
        up:send(ok "next")
        assert.equal("next", c:response().body)
        c:close()
        up:close()
      end
    end)

    it("stays chunked, with its trailers", function()
      local c, up = answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
        .. "5;x=y\r\nhello\r\n")
      assert.matches("\r\nTransfer%-Encoding: chunked\r\n", c:read_until "\r\n\r\n")
      assert.equal("5\r\nhello\r\n", c:read_until "hello\r\n") -- at once, not when there is more
      up:send "6\r\n world\r\n0\r\nX-T: yes\r\n\r\n"
      assert.equal("6\r\n world\r\n0\r\nX-T: yes\r\n\r\n", c:read_until "yes\r\n\r\n")
      c:send(get "/p/b")
      up:read_until "\r\n\r\n"
      up:send(ok "next")
      assert.equal("next", c:response().body)
    end)

    it("is chunked when the upstream ends it by closing", function()
      local c, up = answer "HTTP/1.1 200 OK\r\n\r\nhello"
      up:close()
      local r = c:response()
      assert.equal("chunked", r.headers["transfer-encoding"])
      assert.equal("hello", r.body)
    end)

    it("ends with the connection for HTTP/1.0", function()
      local c, up = answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        .. "5\r\nhello\r\n0\r\n\r\n", "GET /p/a HTTP/1.0\r\n\r\n")
      local r = c:response()
      assert.is_nil(r.headers["transfer-encoding"])
      assert.is_true(r.until_close)
      assert.equal("hello", r.body)
      c:close()
      up:close()
      c = answer(ok "hello", "GET /p/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      r = c:response()
      assert.equal("keep-alive", r.headers.connection)
      assert.equal("hello", r.body)
    end)

    it("is not there for HEAD, 204 and 304", function()
      local c, up = answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HEAD /p/a HTTP/1.1\r\nHost: a\r\n\r\n")
      assert.equal("5", c:response({ method = "HEAD" }).headers["content-length"])
      c:send "HEAD /p/a HTTP/1.1\r\nHost: a\r\n\r\n"
      up:read_until "\r\n\r\n"
      up:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      assert.equal(200, c:response({ method = "HEAD" }).status)
      for _, status in ipairs { 204, 304 } do
        c:send(get "/p/a")
        up:read_until "\r\n\r\n"
        up:send(("HTTP/1.1 %d Odd\r\nETag: x\r\n\r\n"):format(status))
        local r = c:response()
        assert.equal(status, r.status)
        assert.equal("Odd", r.reason)
        assert.equal("x", r.headers.etag)
        assert.is_nil(r.headers["content-length"])
      end
      c:send(get "/p/a")
      up:read_until "\r\n\r\n"
      up:send(ok "next")
      assert.equal("next", c:response().body)
    end)

    it("comes behind interim responses", function()
      local c, up = answer "HTTP/1.1 103 Early\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n"
      local early = c:response { interim = true }
      assert.equal(103, early.status)
      assert.equal("</a>", early.headers.link)
      assert.is_nil(early.headers.x)
      up:send(ok "done")
      assert.equal("done", c:response().body)
    end)

    it("comes byte by byte, if it must", function()
      local c, up = x:begin(get "/p/a")
      up:read_until "\r\n\r\n"
      up:send_slowly(ok "hello", { pause = 0.001 })
      assert.equal("hello", c:response().body)
    end)
  end)
end)
