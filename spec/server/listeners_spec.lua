-- listeners_spec.lua: where the server listens, and what it says when it cannot.
local server = require "spec.support.server"
local wire = require "spec.support.wire"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local pid_app = [[
local ffi = require "ffi"
ffi.cdef "int getpid(void);"
return function(ctx) return tostring(ffi.C.getpid()) end
]]

-- Sockets of this machine that listen on an IPv4 port.
local function listening_count(port)
  local wanted, count = (":%04X"):format(port), 0
  for local_address, state in sys.read_file("/proc/net/tcp"):gmatch("%d+: (%S+) %S+ (%x%x) ") do
    if state == "0A" and local_address:sub(-5) == wanted then count = count + 1 end
  end
  return count
end

describe("listeners", function()
  local s
  after_each(function()
    if s then s:stop() end
    s = nil
  end)

  it("are printed one by one, with the port that the kernel chose", function()
    s = server.start { code = pid_app, listen = { "127.0.0.1:0", "[::1]:0", "127.0.0.1:0" } }
    assert.are.equal(3, #s.urls)
    local seen = {}
    for _, url in ipairs(s.urls) do
      local host, port = url:match("^http://(.+):(%d+)$")
      assert.is_nil(seen[port])
      seen[port] = true
      local response = wire.get({ host = host:gsub("[%[%]]", ""), port = tonumber(port) }, "/")
      assert.are.equal(200, response.status)
    end
  end)

  it("take several addresses with commas between them", function()
    s = server.start { code = pid_app, listen = "127.0.0.1:0,[::1]:0" }
    wait_for(function() return select(2, s:stdout():gsub("listening on", "")) == 2 end)
  end)

  it("of IPv6 leave the same port of IPv4 free", function()
    s = server.start { code = pid_app, listen = "[::1]:0" }
    local other = server.start { code = pid_app, listen = "127.0.0.1:" .. s.port }
    assert.are.equal(s.port, other.port)
    other:stop()
  end)

  it("have a socket per worker, and every worker gets connections", function()
    s = server.start { code = pid_app, workers = 2 }
    assert.are.equal(2, listening_count(s.port))
    local pids, count = {}, 0
    wait_for(function()
      local pid = s:get("/").body
      if not pids[pid] then count = count + 1 end
      pids[pid] = true
      return count == 2
    end)
    for _, pid in ipairs(s:workers()) do assert.is_true(pids[tostring(pid)]) end
  end)

  it("share one socket when reuse_port is off", function()
    s = server.start { code = pid_app, workers = 2, args = { "--no-reuse-port" } }
    assert.are.equal(1, listening_count(s.port))
    assert.are.equal(200, s:get("/").status)
  end)

  it("do not share a port with another server, although SO_REUSEPORT would", function()
    s = server.start { code = pid_app }
    local result = server.run { "run", "-e", pid_app, "--listen", "127.0.0.1:" .. s.port }
    assert.are.equal(1, result.code)
    assert.are.equal("", result.stdout)
    assert.are.equal(("justhttp: cannot listen on http://127.0.0.1:%d: Address already in use; " ..
      "stop the server that has it, or let --listen 127.0.0.1:0 find a free port\n"):format(s.port),
      result.stderr)
    assert.are.equal(200, s:get("/").status)
  end)

  it("say when an address belongs to no interface", function()
    local result = server.run { "run", "-e", pid_app, "--listen", "192.0.2.1:0" }
    assert.are.equal(1, result.code)
    assert.is_truthy(result.stderr:find("no interface of this machine has that address", 1, true))
  end)

  it("serve before they are announced", function()
    s = server.start { workers = 2, code = [[
local http = require "justhttp"
http.sleep(0.05)
return function() return "late" end
]] }
    for _ = 1, 10 do assert.are.equal("late", s:get("/").body) end
  end)

  it("come from config.lua when nothing stronger names them", function()
    s = server.start { listen = false, files = {
      ["app.lua"] = pid_app,
      ["config.lua"] = 'return { listen = { "127.0.0.1:0", "[::1]:0" } }',
    } }
    wait_for(function() return select(2, s:stdout():gsub("listening on", "")) == 2 end)
  end)
end)
