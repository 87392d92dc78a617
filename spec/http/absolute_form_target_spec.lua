-- absolute_form_target_spec.lua: a target may name scheme and authority; those win over Host.
local server = require "spec.support.server"

describe("an absolute-form target", function()
  local s

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/where", function(ctx)
        return ("%s|%s|%s|%s"):format(ctx.host, ctx.path, ctx.query.q or "-", ctx.url)
      end)
      app:get("/", function(ctx) return "root of " .. ctx.host end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  local function get(target, host)
    local c = s:connect():send(("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"):format(target, host))
    local r = c:response()
    c:close()
    return r
  end

  it("is routed by its path; its authority is the host", function()
    assert.are.equal("b.example:81|/where|1|http://b.example:81/where?q=1",
      get("http://b.example:81/where?q=1", "a").body)
    assert.are.equal("b.example|/where|-|HTTP://b.example/where",
      get("HTTP://b.example/where", "b.example").body)
  end)

  it("may have no path", function()
    assert.are.equal("root of b", get("http://b", "b").body)
    assert.are.equal("root of b", get("http://b?q=1", "b").body)
  end)

  it("is normalised like any path", function()
    assert.are.equal("/where", get("http://b/x/../%77here", "b").body:match "|(.-)|")
  end)

  it("is refused when its authority is none", function()
    for _, target in ipairs { "http:///where", "http://a b/", "http://user@b/where", "ftp//b/" } do
      assert.are.equal(400, get(target, "b").status, target)
    end
  end)

  it("still needs a Host field in HTTP/1.1", function()
    local c = s:connect():send("GET http://b/where HTTP/1.1\r\n\r\n")
    assert.are.equal(400, c:response().status)
    c:close()
  end)
end)
