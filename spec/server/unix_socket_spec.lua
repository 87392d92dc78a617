-- unix_socket_spec.lua: listening on a unix socket, and the file that stands for it.
local ffi = require "ffi"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local app = 'return function(ctx) return "over unix" end'

local function mode_of(path)
  local pipe = io.popen("stat -c '%a %F' " .. sys.quote(path) .. " 2>/dev/null")
  local text = pipe:read("*l")
  pipe:close()
  return text
end

describe("unix socket", function()
  local dir, path, s

  before_each(function()
    dir = sys.temp_dir()
    path = dir .. "/app.sock"
  end)

  after_each(function()
    if s then s:stop() end
    s = nil
    sys.remove(dir)
  end)

  local function start(more)
    local how = { code = app, listen = "unix:" .. path }
    for key, value in pairs(more or {}) do how[key] = value end
    s = server.start(how)
    return s
  end

  it("serves, and its file goes away with the server", function()
    start()
    assert.are.equal("unix:" .. path, s.url)
    assert.are.equal("over unix", s:get("/").body)
    s:stop()
    assert.is_nil(mode_of(path))
  end)

  it("is shared by all workers", function()
    start { workers = 3 }
    for _ = 1, 10 do assert.are.equal("over unix", s:get("/").body) end
  end)

  it("stands beside TCP listeners", function()
    start { listen = { "unix:" .. path, "127.0.0.1:0" } }
    assert.are.equal("over unix", s:get("/").body)
    assert.are.equal(2, #s.urls)
  end)

  it("has the mode that was asked for, 0666 by default", function()
    start()
    assert.are.equal("666 socket", mode_of(path))
    s:stop()
    start { options = { unix_socket_mode = "0600" } }
    assert.are.equal("600 socket", mode_of(path))
  end)

  it("takes the place of a file that a killed server left", function()
    start()
    local workers = s:workers()
    s.expected_signal = sys.SIGKILL
    s:signal(sys.SIGKILL)
    s:wait()
    for _, pid in ipairs(workers) do
      wait_for(function() return ffi.C.kill(pid, 0) ~= 0 or
        sys.read_file(("/proc/%d/stat"):format(pid)):match("%) Z") end)
    end
    assert.are.equal("666 socket", mode_of(path))
    s:stop { code = false }
    start()
    assert.are.equal("over unix", s:get("/").body)
  end)

  it("leaves a server that is alive alone", function()
    start()
    local result = server.run { "run", "-e", app, "--listen", "unix:" .. path }
    assert.are.equal(1, result.code)
    assert.is_truthy(result.stderr:find("Address already in use", 1, true))
    assert.are.equal("over unix", s:get("/").body)
  end)

  it("does not replace a file that is no socket", function()
    sys.write_file(path, "precious")
    local result = server.run { "run", "-e", app, "--listen", "unix:" .. path }
    assert.are.equal(1, result.code)
    assert.are.equal(("justhttp: cannot listen on unix:%s: a file that is no socket is there\n")
      :format(path), result.stderr)
    assert.are.equal("precious", sys.read_file(path))
  end)

  it("does not remove the file of the server that took its place", function()
    start()
    assert(os.remove(path))
    local first = s
    start()
    first:stop()
    assert.are.equal("666 socket", mode_of(path))
    assert.are.equal("over unix", s:get("/").body)
  end)

  it("says when its directory is not there", function()
    local result = server.run { "run", "-e", app, "--listen", "unix:" .. dir .. "/no/app.sock" }
    assert.are.equal(1, result.code)
    assert.is_truthy(result.stderr:find("No such file or directory", 1, true))
  end)
end)
