-- binary_upgrade_spec.lua: a new supervisor takes the place of a running one, and no request is
-- lost; one that does not get to serve changes nothing.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"
local ffi = require "ffi"
local C = ffi.C

ffi.cdef "int bind(int fd, const void *address, unsigned int len);"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:get("/", function() return "first" end)
app:get("/slow", function() http.sleep(0.3) return "slow" end)
return app]]

-- Sends requests with several tasks until it is asked how it went.
local LOAD = [[
local http = require "justhttp"
local app, sent, failed, stops, tasks = http.app(), 0, {}, false, {}
local client = http.client()
app:on_start(function()
  for i = 1, 6 do
    tasks[i] = http.spawn(function()
      local headers = i % 2 == 0 and { Connection = "close" } or nil
      while not stops do
        local res, err = client:get(os.getenv "TARGET", { headers = headers })
        sent = sent + 1
        if not res or res.status ~= 200 then failed[#failed + 1] = err or res.status end
      end
    end)
  end
end)
app:get("/sent", function() return tostring(sent) end)
app:get("/end", function()
  stops = true
  for _, task in ipairs(tasks) do http.wait(task) end
  return table.concat(failed, "; ")
end)
return app]]

describe("binary upgrade", function()
  local dir, s, pids
  before_each(function()
    dir, pids = sys.temp_dir(), {}
    os.execute("chmod 700 " .. sys.quote(dir))
    os.execute("mkdir " .. sys.quote(dir .. "/app"))
    sys.write_file(dir .. "/app/app.lua", APP)
  end)

  local function has_ended(pid)
    local stat = sys.read_file(("/proc/%d/stat"):format(pid))
    return not stat or stat:match("%) (%a)") == "Z"
  end

  -- The servers that came after the first one are nobody's children.
  local function end_others()
    for _, pid in ipairs(pids) do
      C.kill(pid, sys.SIGTERM)
      wait_for(function() return has_ended(pid) end, 10, "the end of the new server")
    end
    pids = {}
  end

  after_each(function()
    end_others()
    if s then s:stop() end
    s = nil
    sys.remove(dir)
  end)

  local env

  local function start(more)
    local how = { app = dir .. "/app", workers = 2, options = { pid_file = dir .. "/pid" } }
    for key, value in pairs(more or {}) do
      if key == "options" then
        for name, option in pairs(value) do how.options[name] = option end
      else
        how[key] = value
      end
    end
    env = { XDG_RUNTIME_DIR = dir }
    for name, value in pairs(how.env or {}) do env[name] = value end
    how.env = env
    s = server.start(how)
    return s
  end

  local function pid_in_file() return tonumber(sys.read_file(dir .. "/pid") or "") end

  local function upgrade()
    local result = server.run { "upgrade", "--app", dir .. "/app", env = { XDG_RUNTIME_DIR = dir },
                                deadline = 30 }
    local pid = pid_in_file()
    if result.code == 0 then
      pids[#pids + 1] = pid
    end
    return result, pid
  end

  it("hands listeners, pid file and control socket over, and ends", function()
    start()
    local result, pid = upgrade()
    assert.are.equal(0, result.code, result.stderr)
    assert.are.equal(("upgraded: pid %d serves, pid %d finishes what it has begun\n")
      :format(pid, s.pid), result.stdout)
    assert.are.equal(0, (s:wait(10)))
    assert.are.equal("first", s:get("/").body)
    local status = server.run { "status", "--app", dir .. "/app", env = { XDG_RUNTIME_DIR = dir } }
    assert.is_truthy(status.stdout:find("pid " .. pid .. ", 2 of 2 workers serve", 1, true))
    end_others()
    assert.is_nil(sys.read_file(dir .. "/pid"))
  end)

  it("runs the executable that is there now, with the app that is there now", function()
    local first = dir .. "/server"
    os.execute(("cp %s %s"):format(sys.quote(server.executable), sys.quote(first)))
    s = server.launch { "run", dir .. "/app", "--listen", "unix:" .. dir .. "/s.sock", "--pid-file",
                        dir .. "/pid", "--workers", "1", program = first,
                        env = { XDG_RUNTIME_DIR = dir } }
    wait_for(function() return s:stdout():find("listening", 1, true) end, 10, "the first server")
    os.execute(("cp %s %s.new && mv %s.new %s"):format(sys.quote(first), sys.quote(first),
      sys.quote(first), sys.quote(first)))
    sys.write_file(dir .. "/app/app.lua", (APP:gsub('"first"', '"second"')))
    local result, pid = upgrade()
    assert.are.equal(0, result.code, result.stderr)
    local link = io.popen("readlink /proc/" .. pid .. "/exe")
    assert.are.equal(first .. "\n", link:read "*a")
    link:close()
    s:wait(10)
    local function get() return wire.get({ path = dir .. "/s.sock" }, "/").body end
    assert.are.equal("second", get())
    end_others()
    assert.has_error(get) -- the last one removes the socket's file
  end)

  it("loses no request under load, time after time", function()
    start()
    local load = server.start { code = LOAD, env = { TARGET = s.url .. "/" } }
    local old = s.pid
    for _ = 1, 4 do
      local before = tonumber(load:get("/sent").body)
      local result = upgrade()
      assert.are.equal(0, result.code, result.stderr)
      wait_for(function() return tonumber(load:get("/sent").body) > before + 20 end, 10,
        "requests after the upgrade")
      if old ~= s.pid then
        wait_for(function() return has_ended(old) end, 15, "the end of the old server")
        table.remove(pids, 1)
      end
      old = pids[#pids]
    end
    assert.are.equal("", load:get("/end").body)
    load:stop()
  end)

  it("lets the old server finish what it has begun", function()
    start()
    local conn = s:connect()
    conn:send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.are.equal(0, upgrade().code)
    local response = conn:response()
    assert.are.equal("slow", response.body)
    assert.are.equal(0, (s:wait(10)))
  end)

  it("follows SIGUSR2, too", function()
    start()
    s:signal(sys.SIGUSR2)
    assert.are.equal(0, (s:wait(20)))
    pids[1] = pid_in_file()
    assert.are_not.equal(s.pid, pids[1])
    assert.are.equal("first", s:get("/").body)
  end)

  it("changes nothing when the new server does not get to serve", function()
    start { options = { error_log = dir .. "/error" } }
    sys.write_file(dir .. "/app/app.lua", "error 'broken'")
    local result, pid = upgrade()
    assert.are.equal(1, result.code)
    assert.matches("the new server exited with code 1", result.stderr, 1, true)
    assert.is_truthy(sys.read_file(dir .. "/error"):find("upgrade failed: the new server", 1, true))
    assert.is_truthy(s:stderr():find("app.lua:1: broken", 1, true))
    assert.are.equal(s.pid, pid)
    assert.are.equal("first", s:get("/").body)
    sys.write_file(dir .. "/app/app.lua", APP)
    assert.are.equal(0, upgrade().code)
  end)

  it("takes other numbers of workers", function()
    sys.write_file(dir .. "/app/config.lua", "return { workers = 3 }")
    start { workers = false, args = {}, options = {} }
    for _, workers in ipairs { 1, 4, 2 } do
      sys.write_file(dir .. "/app/config.lua", ("return { workers = %d }"):format(workers))
      local result, pid = upgrade()
      assert.are.equal(0, result.code, result.stderr)
      if #pids > 1 then
        local old = table.remove(pids, 1)
        wait_for(function() return has_ended(old) end, 15, "the end of the old server")
      else
        s:wait(15)
      end
      for _ = 1, 30 do assert.are.equal("first", s:get("/").body) end
      assert.are.equal(pid, pids[1])
    end
  end)

  it("tells the service manager which process is the main one", function()
    local AF_UNIX, SOCK_DGRAM = 1, 2
    local fd = sys.check(C.socket(AF_UNIX, SOCK_DGRAM, 0), "socket")
    local address = ffi.new("struct spec_sockaddr_un", { family = AF_UNIX })
    ffi.copy(address.path, dir .. "/notify")
    sys.check(C.bind(fd, address, 2 + #dir + 7), "bind")
    local function messages_until(text)
      local buffer, all = ffi.new("char[4096]"), ""
      while not all:find(text, 1, true) do
        assert(sys.wait_readable(fd, sys.deadline(10)), "no notification; there was: " .. all)
        all = all .. ffi.string(buffer, sys.check(C.recv(fd, buffer, 4096, 0), "recv")) .. "\n"
      end
      return all
    end
    start { env = { NOTIFY_SOCKET = dir .. "/notify" } }
    messages_until "READY=1"
    local _, pid = upgrade()
    local told = messages_until("MAINPID=" .. pid .. "\n")
    s:wait(10)
    end_others()
    told = told .. messages_until "STOPPING=1"
    local _, stops = told:gsub("STOPPING=1", "")
    assert.are.equal(1, stops) -- that of the last one
    C.close(fd)
  end)

  it("lets clients resume their TLS sessions", function()
    start { options = { tls = "self" }, listen = "127.0.0.1:0" }
    local session = dir .. "/session"
    local function connect(flags)
      local pipe = io.popen(("printf 'GET / HTTP/1.0\\r\\n\\r\\n' "
        .. "| timeout 10 openssl s_client -ign_eof -connect 127.0.0.1:%d %s 2>&1")
        :format(s.port, flags))
      local text = pipe:read "*a"
      pipe:close()
      return text
    end
    connect("-tls1_2 -sess_out " .. session)
    assert.is_truthy(connect("-tls1_2 -sess_in " .. session):find("Reused", 1, true))
    assert.are.equal(0, upgrade().code)
    s:wait(10)
    assert.is_truthy(connect("-tls1_2 -sess_in " .. session):find("Reused", 1, true))
  end)
end)
