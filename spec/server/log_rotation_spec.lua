-- log_rotation_spec.lua: SIGUSR1 has supervisor and workers go on in new log files, and no line is
-- lost meanwhile.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:use(http.middleware.logger())
app:get("/log", function() http.log.error "from a handler" return "logged" end)
app:get("/:n", function(ctx) return ctx.params.n end)
return app]]

describe("log files", function()
  local s, dir
  before_each(function() dir = sys.temp_dir() end)
  after_each(function()
    if s then s:stop() end
    s = nil
    sys.remove(dir)
  end)

  local function start(more)
    local how = { code = APP, workers = 2,
                  options = { access_log = dir .. "/access", error_log = dir .. "/error" } }
    for key, value in pairs(more or {}) do how[key] = value end
    s = server.start(how)
  end

  local function lines(name)
    local _, count = (sys.read_file(dir .. "/" .. name) or ""):gsub("\n", "\n")
    return count
  end

  local function rotate(suffix)
    assert(os.rename(dir .. "/access", dir .. "/access." .. suffix))
    assert(os.rename(dir .. "/error", dir .. "/error." .. suffix))
    s:signal(sys.SIGUSR1)
  end

  local function has_both()
    return sys.read_file(dir .. "/access") and sys.read_file(dir .. "/error")
  end

  it("go on under their names after SIGUSR1", function()
    start { workers = 1 }
    s:get "/1"
    rotate "1"
    wait_for(has_both, 5, "new log files")
    wait_for(function()
      s:get "/2"
      return (sys.read_file(dir .. "/access") or ""):find("/2", 1, true)
    end, 5, "a line in the new access log")
    s:get "/log"
    wait_for(function() return (sys.read_file(dir .. "/error") or ""):find "from a handler" end, 5)
    assert.is_truthy(sys.read_file(dir .. "/access.1"):find("/1", 1, true))
  end)

  it("lose no line while they are rotated under load", function()
    start()
    local sent = 0
    for round = 1, 8 do
      for _ = 1, 40 do
        assert.are.equal(200, s:get("/x").status)
        sent = sent + 1
      end
      rotate(tostring(round))
      for _ = 1, 10 do
        assert.are.equal(200, s:get("/x").status)
        sent = sent + 1
      end
      wait_for(has_both, 5, "new log files")
    end
    s:stop()
    s = nil
    local written = lines "access"
    for round = 1, 8 do written = written + lines("access." .. round) end
    assert.are.equal(sent, written)
  end)

  it("stay what they are when they cannot be opened again", function()
    start { workers = 1 }
    os.rename(dir .. "/access", dir .. "/access.1")
    os.execute("mkdir " .. sys.quote(dir .. "/access"))
    s:signal(sys.SIGUSR1)
    wait_for(function()
      return sys.read_file(dir .. "/error"):find("cannot write the log", 1, true)
    end, 5, "a word about it")
    wait_for(function()
      s:get "/on"
      return sys.read_file(dir .. "/access.1"):find("/on", 1, true)
    end, 5)
  end)
end)
