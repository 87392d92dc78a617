-- A worker whose thread pool is busy: it serves, and it ends when it is told to.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:get("/forever", function()
  print "begins"
  http.offload(function() while true do end end)
end)
app:get("/sum/:n", function(ctx)
  return http.offload(function(n)
    local sum = 0
    for i = 1, n do sum = sum + i end
    return tostring(sum)
  end, tonumber(ctx.params.n))
end)
app:get("/fault", function() http.offload(function() error "offloaded fault" end) end)
return app
]]

describe("a worker that offloads", function()
  it("serves meanwhile, and ends although a job does not", function()
    local s = server.start { code = APP, options = { shutdown_timeout_ms = 200 } }
    local c = s:connect()
    c:send "GET /forever HTTP/1.1\r\nHost: a\r\n\r\n"
    wait_for(function() return s:stdout():find("begins", 1, true) end)
    assert.are.equal("5050", s:get("/sum/100").body)
    assert.are.equal(500, s:get("/fault").status)
    assert.is_truthy(s:stderr():find("offloaded fault", 1, true))
    local started = sys.now()
    s:signal(sys.SIGTERM)
    s:wait(5)
    assert.is_true(sys.now() - started < 3 * sys.patience)
    c:close()
  end)
end)
