-- worker_crash_recovery_spec.lua: a worker that dies is replaced, and its socket stays.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local app = [[
local http = require "justhttp"
local ffi = require "ffi"
ffi.cdef "int getpid(void); int raise(int signal);"
local app = http.app()
app:get("/", function() return tostring(ffi.C.getpid()) end)
app:get("/exit", function() os.exit(7) end)
app:get("/abort", function() ffi.C.raise(9) end)
return app
]]

describe("a worker that dies", function()
  local s
  after_each(function()
    if s then s:stop() end
    s = nil
  end)

  local function replaced(old)
    return wait_for(function()
      local pid = s:workers()[1]
      return pid and pid ~= old and pid
    end, 5, "a new worker")
  end

  it("is back at once on the same port", function()
    s = server.start { code = app }
    local old = s:workers()[1]
    s:signal(sys.SIGKILL, old)
    local new = replaced(old)
    assert.are.equal(tostring(new), s:get("/").body)
    wait_for(function()
      return s:stderr():find(("worker 0 (pid %d) was killed by SIGKILL; starting another at once")
        :format(old), 1, true)
    end)
  end)

  it("leaves the connections that wait in its socket to the next one", function()
    s = server.start { code = app }
    local old = s:workers()[1]
    s:freeze(old)
    local c = s:connect()
    c:send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    s:signal(sys.SIGKILL, old)
    local new = replaced(old)
    assert.are.equal(tostring(new), c:response().body)
  end)

  it("takes nobody with it", function()
    s = server.start { code = app, workers = 2 }
    local before = s:workers()
    s:signal(sys.SIGKILL, before[1])
    wait_for(function()
      local now = s:workers()
      return #now == 2 and now[1] ~= before[1] and now[2] ~= before[1]
    end, 5, "a new worker")
    local now = s:workers()
    assert.is_true(now[1] == before[2] or now[2] == before[2])
  end)

  it("is replaced whatever way it ended", function()
    s = server.start { code = app }
    local old = s:workers()[1]
    s:connect():send("GET /exit HTTP/1.1\r\nHost: a\r\n\r\n"):expect_closed()
    local new = replaced(old)
    wait_for(function()
      return s:stderr():find("exited with code 7; starting another at once", 1, true)
    end)
    s:connect():send("GET /abort HTTP/1.1\r\nHost: a\r\n\r\n"):expect_closed()
    replaced(new)
    assert.are.equal(200, s:get("/").status)
  end)

  it("again and again is replaced ever more slowly", function()
    s = server.start { code = app }
    local last
    for _ = 1, 4 do
      last = replaced(last)
      s:signal(sys.SIGKILL, last)
    end
    wait_for(function() return s:stderr():find("in 400 ms (4 failures in a row)", 1, true) end)
    replaced(last)
    assert.are.equal(200, s:get("/").status)
  end)

  it("because its supervisor died does not stay behind", function()
    s = server.start { code = app, workers = 2 }
    local workers = s:workers()
    s.expected_signal = sys.SIGKILL
    s:signal(sys.SIGKILL)
    s:wait()
    for _, pid in ipairs(workers) do
      wait_for(function()
        local stat = sys.read_file(("/proc/%d/stat"):format(pid))
        return stat == nil or stat:match("%) Z")
      end, 2, "the end of a worker")
    end
  end)

  it("before it ever served stops the start, with one error for all workers", function()
    local result = server.run { "run", "-e", "error('no good')", "--workers", "3", "--listen",
                                "127.0.0.1:0" }
    assert.is_true(result.code == 1 or result.code == 2)
    assert.are.equal("", result.stdout)
    assert.are.equal(1, select(2, result.stderr:gsub("no good", "")))
  end)
end)
