-- control_socket_spec.lua: commands find the running server of an app and ask it.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local app = 'return function() return "hi" end'

describe("the control socket", function()
  local s, runtime
  before_each(function()
    runtime = sys.temp_dir()
    os.execute("chmod 700 " .. sys.quote(runtime))
  end)
  after_each(function()
    if s then s:stop() end
    s = nil
    sys.remove(runtime)
  end)

  local function start(more)
    local how = { files = { ["app.lua"] = app }, env = { XDG_RUNTIME_DIR = runtime } }
    for key, value in pairs(more or {}) do how[key] = value end
    s = server.start(how)
    return s
  end

  local function run(command)
    command.env = { XDG_RUNTIME_DIR = runtime }
    return server.run(command)
  end

  it("is found from the directory of the app", function()
    start()
    local r = run { "status", cwd = s.dir .. "/app" }
    assert.are.equal("", r.stderr)
    assert.are.equal(0, r.code)
    assert.matches("1 of 1 workers serve", r.stdout)
    assert.matches("worker 0: serves, pid " .. s:workers()[1], r.stdout, 1, true)
    assert.matches("worker 0", run { "status", "--app", s.dir .. "/app" }.stdout)
    assert.matches("worker 0", run { "status", "--app", s.dir .. "/app/app.lua" }.stdout)
  end)

  it("belongs to its user alone, and is gone with the server", function()
    start()
    local list = io.popen("stat -c '%a %n' " .. sys.quote(runtime) .. "/justhttp/*")
    local text = list:read "*a"
    list:close()
    assert.matches("^600 ", text)
    s:stop()
    s = nil
    assert.are_not.equal(0, run { "status", "--app", runtime }.code)
    local left = io.popen("ls " .. sys.quote(runtime .. "/justhttp"))
    assert.are.equal("", left:read "*a")
    left:close()
  end)

  it("can have a place of its own", function()
    local place = runtime .. "/here.sock"
    start { options = { control = place } }
    assert.matches("worker 0", run { "status", "--control", place }.stdout)
  end)

  it("stays with the server that has it", function()
    start()
    local first = s
    local second = server.start { app = first.dir .. "/app", env = { XDG_RUNTIME_DIR = runtime } }
    assert.matches("another server has the control socket", second:stderr())
    assert.matches(tostring(first:workers()[1]),
      run { "status", "--app", first.dir .. "/app" }.stdout, 1, true)
    second:stop()
    assert.are.equal(0, run { "status", "--app", first.dir .. "/app" }.code)
  end)

  it("is taken over from a server that was killed", function()
    start { options = { control = runtime .. "/c.sock" } }
    local first = s
    first.expected_signal = sys.SIGKILL
    first:signal(sys.SIGKILL)
    first:wait(5)
    s = server.start { app = first.dir .. "/app", options = { control = runtime .. "/c.sock" } }
    assert.are.equal(0, run { "status", "--control", runtime .. "/c.sock" }.code)
    first:stop()
  end)

  it("says what is wrong", function()
    local r = run { "status", cwd = runtime }
    assert.are.equal(1, r.code)
    assert.matches("run this in the app's directory", r.stderr, 1, true)
    assert.are.equal(2, run({ "status", "--what" }).code)
    assert.are.equal(2, run({ "reload", "--guard", "soon" }).code)
    start { options = { control = "off" } }
    assert.are.equal(1, run({ "status", "--app", s.dir .. "/app" }).code)
  end)
end)
