-- slow_body_timeout_spec.lua: a body that stops coming is answered 408, whether it is gathered
-- before its handler runs or read by it.
local http2 = require "spec.support.http2"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

describe("a slow body", function()
  local s

  setup(function()
    local options = { body_timeout_ms = 200, min_body_bytes_per_s = 20000, log_level = "off" }
    s = server.start { options = options, code = [[
      local http = require "justhttp"
      local app = http.app()
      app:post("/whole", function(ctx) return ctx.body end)
      app:post("/read", function(ctx)
        local pieces, piece, err = {}, nil, nil
        repeat
          piece, err = ctx:read()
          pieces[#pieces + 1] = piece
        until not piece
        return #table.concat(pieces) .. " " .. tostring(err)
      end)
      local limits = http.middleware.limits
      app:post("/patient", limits { body_timeout = 60 }, function(ctx) return ctx.body end)
      app:post("/forever", limits { body_timeout = 0 }, function(ctx) return ctx.body end)
      app:post("/late", function(ctx) http.sleep(0.4) return #ctx.body .. "" end)
      app:post("/ignore", function(ctx) return "ignored" end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  local function head(path, framing)
    return ("POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n"):format(path, framing)
  end

  local cases = {
    small = { head("/whole", "Content-Length: 100"), "abc" },
    large = { head("/whole", "Content-Length: 100000"), ("x"):rep(50000) },
    chunked = { head("/whole", "Transfer-Encoding: chunked"), "5\r\nab" },
    ["large chunked"] = { head("/whole", "Transfer-Encoding: chunked"),
      "c350\r\n" .. ("x"):rep(30000) },
  }
  for name, case in pairs(cases) do
    it("is answered 408: " .. name, function()
      for _, body in ipairs { "", case[2] } do
        local c = s:connect():send(case[1] .. body)
        local r = c:response()
        assert.are.equal(408, r.status)
        assert.are.equal("close", r.headers.connection)
        c:expect_closed()
        c:close()
      end
    end)
  end

  it("is told to a handler that reads in pieces", function()
    local c = s:connect():send(head("/read", "Content-Length: 100000") .. ("x"):rep(20000))
    assert.are.equal("20000 the request body took too long", c:response().body)
    c:expect_closed()
    c:close()
  end)

  it("may be slow as long as it moves", function()
    for _, path in ipairs { "/whole", "/read" } do
      local c = s:connect():send(head(path, "Content-Length: 20000"))
      c:send_slowly(("y"):rep(20000), { bytes = 5000, pause = 0.1 })
      assert.are.equal(200, c:response().status)
      c:close()
    end
  end)

  it("that trickles in is answered 408, before min_body_bytes_per_s is off by much", function()
    for _, case in ipairs { { "/whole", "Content-Length: 100" },
      { "/whole", "Content-Length: 100000" }, { "/whole", "Transfer-Encoding: chunked" } } do
      local c, started = s:connect():send(head(unpack(case))), sys.now()
      while not c:is_closed(0.02) and c.buffer == "" do
        assert(sys.now() < started + 5 * sys.patience, "the body is waited for for ever")
        c:try_send(case[2]:find "chunked" and "1\r\nx\r\n" or "x")
      end
      assert.are.equal(408, c:response().status)
      assert.is_true(sys.now() - started > 0.2)
      c:close()
    end
  end)

  it("that trickles in is told to a handler that reads in pieces", function()
    local c = s:connect():send(head("/read", "Content-Length: 100000") .. ("x"):rep(50))
    while not c:is_closed(0.02) and c.buffer == "" do c:try_send "x" end
    assert.matches("^%d+ the request body took too long$", c:response().body)
    c:close()
  end)

  it("that trickles in over HTTP/2 is treated as over HTTP/1", function()
    for _, begin in ipairs { "", ("x"):rep(20000) } do
      local c = http2.connect(s)
      local id = c:open { method = "POST", path = "/read", ends = false }
      if begin ~= "" then c:data(id, begin, false) end
      local stream, started = c:stream(id), sys.now()
      while not stream.status do
        assert(sys.now() < started + 5 * sys.patience, "the body is waited for for ever")
        c:data(id, "x", false)
        sys.sleep(0.02)
        c:ping()
      end
      local r = c:response(id)
      if begin == "" then
        assert.are.equal(408, r.status)
      else
        assert.matches("^%d+ the request body took too long$", r.body)
      end
      c:close()
    end
  end)

  it("may trickle in where its route has more time", function()
    for _, path in ipairs { "/patient", "/forever" } do
      local c = s:connect():send(head(path, "Content-Length: 20"))
      c:send_slowly(("y"):rep(20), { bytes = 1, pause = 0.03 })
      assert.are.equal(("y"):rep(20), c:response().body)
      c:close()
    end
  end)

  it("is not slow when it is the handler that takes its time", function()
    local c = s:connect():send(head("/late", "Content-Length: 100000") .. ("x"):rep(100000))
    assert.are.equal("100000", c:response().body)
    c:close()
  end)

  it("that nobody wants is waited for no longer", function()
    local c = s:connect():send(head("/ignore", "Content-Length: 100000") .. ("x"):rep(50000))
    assert.are.equal("ignored", c:response().body)
    c:expect_closed()
    c:close()
  end)
end)
