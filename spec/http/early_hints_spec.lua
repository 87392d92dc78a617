-- early_hints_spec.lua: 103 goes out while the handler is still at work.
local server = require "spec.support.server"

describe("early hints", function()
  local s

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/", function(ctx)
        ctx:early_hints { "</app.css>; rel=preload; as=style", "</app.js>; rel=preload; as=script" }
        http.sleep(0.02)
        ctx:set("X-Final", "yes")
        return "page"
      end)
      app:get("/many", function(ctx)
        for i = 1, 3 do ctx:early_hints { "</" .. i .. ">" } end
        return "page"
      end)
      app:get("/quick", function() return "quick" end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  it("come before the response, without its headers", function()
    local c = s:connect():send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    local hints = c:response { interim = true }
    assert.are.equal(103, hints.status)
    assert.are.equal("</app.css>; rel=preload; as=style, </app.js>; rel=preload; as=script",
      hints.headers.link)
    assert.is_nil(hints.headers["content-length"])
    local r = c:response()
    assert.are.equal("page", r.body)
    assert.are.equal("yes", r.headers["x-final"])
    assert.is_nil(r.headers.link)
    c:close()
  end)

  it("may be several", function()
    local c = s:connect():send "GET /many HTTP/1.1\r\nHost: a\r\n\r\n"
    local r = c:response()
    assert.are.equal(3, #r.interim)
    assert.are.equal("</3>", r.interim[3].headers.link)
    assert.are.equal("page", r.body)
    c:close()
  end)

  it("keep their place in a pipeline", function()
    local c = s:connect():send(("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n" ..
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n"):rep(2))
    local r = c:responses(4)
    assert.are.same({ 0, 1, 0, 1 }, { #r[1].interim, #r[2].interim, #r[3].interim, #r[4].interim })
    assert.are.equal("page", r[4].body)
    c:close()
  end)

  it("are not for HTTP/1.0", function()
    local c = s:connect():send "GET / HTTP/1.0\r\n\r\n"
    assert.are.equal(200, c:response({ interim = true }).status)
    c:close()
  end)
end)
