-- method_not_allowed_spec.lua: a path that has routes for other methods answers 405 and says which.
local server = require "spec.support.server"

describe("a method without a route", function()
  local s

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/thing", function() return "got" end)
      app:delete("/thing", function() return "gone" end)
      app:get("/users/:id", function(ctx) return ctx.params.id end)
      app:post("/post", function(ctx) return ctx.body end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  it("is answered 405 with Allow", function()
    local r = s:request { method = "PUT", path = "/thing" }
    assert.are.equal(405, r.status)
    for _, name in ipairs { "GET", "HEAD", "DELETE", "OPTIONS" } do
      assert.is_truthy((", " .. r.headers.allow .. ","):find(", " .. name .. ",", 1, true), name)
    end
    assert.is_nil(r.headers.allow:find("PUT", 1, true))
  end)

  it("is answered 405 on paths with parameters", function()
    local r = s:request { method = "POST", path = "/users/7" }
    assert.are.equal(405, r.status)
    assert.are.equal("GET, HEAD, OPTIONS", r.headers.allow)
  end)

  it("leaves the connection open, the body skipped", function()
    local c = s:connect()
    for _ = 1, 3 do
      assert.are.equal(405, c:request({ method = "PUT", path = "/thing",
        body = ("x"):rep(40000) }).status)
    end
    assert.are.equal("got", c:request({ path = "/thing" }).body)
    c:close()
  end)

  it("is 404 where no method has a route", function()
    assert.are.equal(404, s:request({ method = "PUT", path = "/missing" }).status)
  end)

  it("is answered 405 for HEAD when only POST is there", function()
    local r = s:request { method = "HEAD", path = "/post" }
    assert.are.equal(405, r.status)
    assert.are.equal("OPTIONS, POST", (r.headers.allow:gsub("POST, OPTIONS", "OPTIONS, POST")))
  end)
end)
