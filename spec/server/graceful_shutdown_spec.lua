-- graceful_shutdown_spec.lua: asked to stop, the server finishes what runs and takes nothing new.
local server = require "spec.support.server"
local wire = require "spec.support.wire"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local app = [[
local http = require "justhttp"
local app = http.app()
app:get("/", function() return "quick" end)
app:get("/slow", function() http.sleep(0.3) return "slow" end)
app:get("/endless", function() http.sleep(60) return "never" end)
app:get("/stuck", function() while true do end end)
app:on_stop(function() io.stdout:write("on_stop ran\n") io.stdout:flush() end)
return app
]]

describe("shutdown", function()
  local s
  after_each(function()
    if s then s:stop { code = false } end
    s = nil
  end)

  local function request(path)
    return s:connect():send(("GET %s HTTP/1.1\r\nHost: a\r\n\r\n"):format(path))
  end

  for _, name in ipairs { "SIGTERM", "SIGINT", "SIGHUP" } do
    it("on " .. name .. " finishes the requests that run", function()
      s = server.start { code = app, workers = 2 }
      local slow = { request("/slow"), request("/slow"), request("/slow") }
      s:signal(sys[name])
      for _, c in ipairs(slow) do
        local response = c:response()
        assert.are.equal("slow", response.body)
        assert.are.equal("close", response.headers.connection)
        c:expect_closed()
        c:close()
      end
      assert.are.equal(0, (s:wait()))
    end)
  end

  it("takes no new connections", function()
    s = server.start { code = app }
    local slow = request("/slow")
    s:signal(sys.SIGTERM)
    wait_for(function() return not pcall(wire.connect, s) end, 2, "a refused connection")
    assert.are.equal("slow", slow:response().body)
    slow:close()
    assert.are.equal(0, (s:wait()))
  end)

  it("answers the connections that were made but not accepted yet", function()
    s = server.start { code = app }
    local worker = s:workers()[1]
    s:freeze(worker)
    local waiting = {}
    for i = 1, 20 do waiting[i] = request("/") end
    s:signal(sys.SIGTERM)
    wait_for(function() return s:has_pending(sys.SIGTERM, worker) end)
    s:signal(sys.SIGCONT, worker)
    for _, c in ipairs(waiting) do
      assert.are.equal("quick", c:response().body)
      c:close()
    end
    assert.are.equal(0, (s:wait()))
  end)

  it("closes idle connections at once", function()
    s = server.start { code = app }
    local idle = s:connect()
    idle:send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.are.equal("quick", idle:response().body)
    local slow = request("/slow")
    s:signal(sys.SIGTERM)
    idle:expect_closed()
    assert.are.equal("slow", slow:response().body)
  end)

  it("runs on_stop", function()
    s = server.start { code = app }
    s:signal(sys.SIGTERM)
    assert.are.equal(0, (s:wait()))
    assert.is_truthy(s:stdout():find("on_stop ran", 1, true))
  end)

  it("does not wait longer than shutdown_timeout_ms", function()
    s = server.start { code = app, options = { shutdown_timeout_ms = 200 } }
    local c = request("/endless")
    local started = sys.now()
    s:signal(sys.SIGTERM)
    assert.are.equal(0, (s:wait()))
    assert.is_true(sys.now() - started < 2 * sys.patience)
    c:expect_closed()
  end)

  it("kills a worker that does not come back from its handler", function()
    s = server.start { code = app, options = { shutdown_timeout_ms = 100 } }
    request("/stuck")
    s:signal(sys.SIGTERM)
    assert.are.equal(0, (s:wait()))
    assert.is_truthy(s:stderr():find("did not stop in time and is killed", 1, true))
  end)

  it("stops at once on a second signal", function()
    s = server.start { code = app }
    local c = request("/endless")
    s:signal(sys.SIGTERM)
    wait_for(function() return s:stderr():find("stopping", 1, true) end)
    wait_for(function()
      if s:is_running() then s:signal(sys.SIGINT) end
      return not s:is_running()
    end, 2, "the end of the server")
    c:expect_closed()
    assert.are.equal(0, (s:wait()))
  end)

  it("stops at once on SIGQUIT", function()
    s = server.start { code = app }
    local c = request("/endless")
    s:signal(sys.SIGQUIT)
    assert.are.equal(0, (s:wait(2)))
    c:expect_closed()
  end)

  it("stops although a worker is stuck, on a second signal", function()
    s = server.start { code = app, workers = 1 }
    request("/stuck")
    s:signal(sys.SIGTERM)
    wait_for(function() return s:stderr():find("stopping", 1, true) end)
    wait_for(function()
      if s:is_running() then s:signal(sys.SIGTERM) end
      return not s:is_running()
    end, 2, "the end of the server")
  end)

  it("takes the pid file away", function()
    local dir = sys.temp_dir()
    local path = dir .. "/pid"
    s = server.start { code = app, options = { pid_file = path } }
    assert.are.equal(s.pid, tonumber(sys.read_file(path)))
    s:signal(sys.SIGTERM)
    assert.are.equal(0, (s:wait()))
    assert.is_nil(sys.read_file(path))
    sys.remove(dir)
  end)
end)
