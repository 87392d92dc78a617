-- unix_socket_spec.lua: HTTP over a unix socket is the same HTTP. (The socket's file has its spec
-- in spec/server.)
local server = require "spec.support.server"
local sys = require "spec.support.sys"

describe("HTTP over a unix socket", function()
  local dir, s

  setup(function()
    dir = sys.temp_dir()
    s = server.start { listen = "unix:" .. dir .. "/s", code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/who", function(ctx) return tostring(ctx.ip) .. " " .. tostring(ctx.port) end)
      app:post("/echo", function(ctx) return ctx.body end)
      app:get("/wait", function() http.sleep(0.01) return "waited" end)
      return app ]] }
  end)
  teardown(function()
    s:stop()
    sys.remove(dir)
  end)

  it("knows no address of its peer", function()
    assert.are.equal("unix: 0", s:get("/who").body)
  end)

  it("keeps connections alive, pipelines and carries bodies", function()
    local c = s:connect()
    local get = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"
    c:send(get .. get)
    for _, r in ipairs(c:responses(2)) do assert.are.equal("waited", r.body) end
    for _, size in ipairs { 1, 20000, 500000 } do
      local body = ("u"):rep(size)
      assert.is_true(c:request({ method = "POST", path = "/echo", body = body }).body == body)
    end
    c:half_close():expect_closed()
    c:close()
  end)
end)
