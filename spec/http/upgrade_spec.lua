-- upgrade_spec.lua: a request to change the protocol is an ordinary request that says so.
local server = require "spec.support.server"

describe("an upgrade request", function()
  local s

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:any("/", function(ctx)
        return tostring(ctx.is_upgrade) .. " " .. (ctx.headers.upgrade or "-") .. " " .. ctx.body
      end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  local UPGRADE = "Upgrade: echo\r\nConnection: Upgrade\r\n"

  local function head(method, fields, version)
    return ("%s / HTTP/%s\r\nHost: a\r\n%s\r\n"):format(method, version or "1.1", fields)
  end

  it("is surfaced", function()
    local c = s:connect()
    assert.are.equal("true echo ", c:send(head("GET", UPGRADE)):response().body)
    assert.are.equal("false - ", c:send(head("GET", "")):response().body)
    assert.are.equal("false echo ", c:send(head("GET", "Upgrade: echo\r\n")):response().body)
    assert.are.equal("false - ", c:send(head("GET", "Connection: Upgrade\r\n")):response().body)
    c:close()
  end)

  it("is found among other connection options", function()
    local c = s:connect():send(head("GET", "Upgrade: echo\r\nConnection: keep-alive, upgrade\r\n"))
    assert.are.equal("true echo ", c:response().body)
    c:close()
  end)

  it("has its body framed as ever", function()
    local c = s:connect()
    c:send(head("POST", UPGRADE .. "Content-Length: 5\r\n") .. "hello" .. head("GET", ""))
    assert.are.equal("true echo hello", c:response().body)
    assert.are.equal("false - ", c:response().body)
    c:send(head("POST", UPGRADE .. "Transfer-Encoding: chunked\r\n") .. "5\r\nhello\r\n0\r\n\r\n" ..
      head("GET", ""))
    assert.are.equal("true echo hello", c:response().body)
    assert.are.equal("false - ", c:response().body)
    c:close()
  end)

  it("is none in HTTP/1.0", function()
    local c = s:connect():send(head("GET", UPGRADE, "1.0"))
    assert.are.equal("false echo ", c:response().body)
    c:close()
  end)
end)
