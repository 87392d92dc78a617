-- slow_body_timeout_spec.lua: a body that stops coming is answered 408, whether it is gathered
-- before its handler runs or read by it.
local server = require "spec.support.server"

describe("a slow body", function()
  local s

  setup(function()
    s = server.start { options = { body_timeout_ms = 200, log_level = "off" }, code = [[
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
      local c = s:connect():send(head(path, "Content-Length: 20"))
      c:send_slowly(("y"):rep(20), { bytes = 5, pause = 0.1 })
      assert.are.equal(200, c:response().status)
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
