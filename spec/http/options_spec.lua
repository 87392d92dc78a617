-- options_spec.lua: OPTIONS is answered for every path that has routes, and for the server itself.
local server = require "spec.support.server"

describe("OPTIONS", function()
  local s

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:use(function(ctx, next) ctx:set("X-Middleware", "ran") return next() end)
      app:get("/thing", function() return "got" end)
      app:post("/thing", function() return "posted" end)
      app:options("/own", function(ctx) ctx:set("Allow", "GET, OPTIONS") return "mine" end)
      app:any("/any", function(ctx) return ctx.method end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  local function sorted(list)
    local names = {}
    for name in list:gmatch "[^, ]+" do names[#names + 1] = name end
    table.sort(names)
    return table.concat(names, " ")
  end

  it("lists the methods of a path, with HEAD where there is GET", function()
    local r = s:request { method = "OPTIONS", path = "/thing" }
    assert.are.equal(204, r.status)
    assert.are.equal("GET HEAD OPTIONS POST", sorted(r.headers.allow))
    assert.is_nil(r.headers["content-length"])
  end)

  it("goes through middleware", function()
    local response = s:request { method = "OPTIONS", path = "/thing" }
    assert.are.equal("ran", response.headers["x-middleware"])
  end)

  it("is left to a handler of the app", function()
    local r = s:request { method = "OPTIONS", path = "/own" }
    assert.are.equal("mine", r.body)
    assert.are.equal("OPTIONS", s:request({ method = "OPTIONS", path = "/any" }).body)
  end)

  it("is 404 where nothing is", function()
    assert.are.equal(404, s:request({ method = "OPTIONS", path = "/missing" }).status)
  end)

  it("* is about the server", function()
    local c = s:connect()
    c:send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nGET /thing HTTP/1.1\r\nHost: a\r\n\r\n")
    local r = c:response()
    assert.are.equal(204, r.status)
    assert.is_truthy(r.headers.allow:find("OPTIONS", 1, true))
    assert.are.equal("got", c:response().body)
    c:close()
  end)
end)
