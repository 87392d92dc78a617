-- worker_stuck_spec.lua: a worker that hangs in a call of C is ended and replaced; the log tells
-- what it was doing.
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

local APP = [[
local http = require "justhttp"
local ffi = require "ffi"
ffi.cdef "int getpid(void); unsigned sleep(unsigned seconds); int pause(void);"
local app = http.app()
app:use(http.middleware.request_id())
app:get("/", function() return tostring(ffi.C.getpid()) end)
app:get("/find", function() return tostring(("a"):rep(20000):find((".-"):rep(9) .. "b")) end)
app:get("/sleep", function()
  io.stderr:write "sleeping\n" ffi.C.sleep(1000)
  return "up"
end)
app:get("/later/:name", function()
  http.sleep(0.01)
  ffi.C.sleep(1000)
end)
app:get("/task", function()
  return http.wait(http.spawn(function()
    http.sleep(0)
    ffi.C.sleep(1000)
  end))
end)
app:get("/coroutine", function()
  coroutine.wrap(function()
    ffi.C.sleep(1000)
  end)()
end)
app:get("/block", function()
  for _ = 1, 4 do ffi.C.sleep(0) os.execute "sleep 0.1" end
  return "done"
end)
return app
]]

describe("a worker that is stuck", function()
  local s
  after_each(function()
    if s then s:stop() end
    s = nil
  end)

  local function start(options)
    s = server.start { files = { ["app.lua"] = APP }, options = options }
  end

  local function hang(path, place, serving)
    local old = s:workers()[1]
    s:connect():send("GET " .. path .. " HTTP/1.1\r\nHost: a\r\nX-Request-Id: id-1\r\n\r\n")
      :expect_closed(10)
    local line = wait_for(function() return s:stderr():match "[^\n]* was stuck [^\n]*" end)
    assert.is_truthy(line:find(("worker 0 (pid %d) was stuck for 700 ms and is ended, at ")
      :format(old), 1, true), line)
    assert.is_truthy(line:find("app%.lua:" .. place .. ", serving " .. serving .. "$"), line)
    assert.are_not.equal(tostring(old), s:get("/").body)
    assert.is_truthy(s:stderr():find("was killed by SIGKILL; starting another at once", 1, true))
  end

  for path, place in pairs { ["/find"] = 7, ["/sleep"] = 9, ["/coroutine"] = 24 } do
    it("is replaced: " .. path, function()
      start { cpu_budget_ms = 100, worker_timeout_ms = 700 }
      hang(path, place, "GET " .. path .. " %(request id%-1%)")
    end)
  end

  it("is known by its request after that waited, too", function()
    start { cpu_budget_ms = 100, worker_timeout_ms = 700 }
    hang("/later/x", 14, "GET /later/x %(request id%-1%)")
  end)

  it("is known by the request that its task works for", function()
    start { cpu_budget_ms = 100, worker_timeout_ms = 700 }
    hang("/task", 19, "GET /task %(request id%-1%)")
  end)

  it("leaves its connections that wait to the next one", function()
    start { cpu_budget_ms = 100, worker_timeout_ms = 700 }
    local old = s:workers()[1]
    s:connect():send "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n"
    wait_for(function() return s:stderr():find("sleeping", 1, true) end)
    local waiting = s:connect():send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    local pid = waiting:response().body
    assert.are_not.equal(tostring(old), pid)
    assert.are.equal(tostring(s:workers()[1]), pid)
  end)

  it("is none that only waits, or works in between", function()
    start { cpu_budget_ms = 100, worker_timeout_ms = 700 }
    local old = s:workers()[1]
    for _ = 1, 3 do assert.are.equal("done", s:get("/block").body) end
    assert.are.equal(old, s:workers()[1])
    assert.is_nil(s:stderr():find "stuck")
  end)

  it("is none that a signal has stopped", function()
    s = server.start {
      files = { ["app.lua"] = APP }, workers = 2,
      options = { cpu_budget_ms = 20, worker_timeout_ms = 100 },
    }
    -- What the other one does shows that the supervisor has looked often enough.
    local c = s:connect()
    local other = tonumber(c:request({ path = "/" }).body)
    local workers = s:workers()
    local halted = workers[1] == other and workers[2] or workers[1]
    s:freeze(halted)
    c:send("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n"):expect_closed(10)
    wait_for(function() return s:stderr():find(("(pid %d) was stuck"):format(other), 1, true) end)
    s:signal(18, halted)
    wait_for(function()
      local now = s:workers()
      return #now == 2 and (now[1] == halted or now[2] == halted)
    end)
    assert.is_nil(s:stderr():find(("(pid %d) was stuck"):format(halted), 1, true))
  end)

  it("is none while a timeout of 0 says so", function()
    start { worker_timeout_ms = 0 }
    assert.are.equal("done", s:get("/block").body)
  end)

  it("needs a timeout above the CPU budget", function()
    local failed, message = server.try_start {
      code = "return function() end", options = { cpu_budget_ms = 500, worker_timeout_ms = 500 },
    }
    assert.is_nil(failed)
    assert.is_truthy(message:find("worker-timeout-ms: must be above cpu_budget_ms (500)", 1, true))
  end)

  it("is still ended by SIGABRT of anybody else", function()
    start {}
    local old = s:workers()[1]
    s:signal(6, old)
    wait_for(function() return s:stderr():find "was killed by SIGABRT" end)
    wait_for(function() return s:workers()[1] and s:workers()[1] ~= old end)
  end)
end)
