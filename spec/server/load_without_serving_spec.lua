-- load_without_serving_spec.lua: `check` and `routes` end when the app is loaded, when it cannot be
-- loaded, and when a signal says so; never with 0 before the app was loaded.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local commands = { "check", "routes" }

-- Writes a line when its file begins to run, then does not come to its end.
local waiting = 'print "begun" require("justhttp").sleep(60) return function() end'
local looping = 'print "begun" while true do end'

describe("loading without serving", function()
  local function ends_by(signal, code)
    for _, command in ipairs(commands) do
      local s = server.launch { command, "-e", code }
      wait_for(function() return s:stdout() == "begun\n" end)
      s.expected_signal = signal
      s:signal(signal)
      local exit_code, killed_by = s:wait()
      assert.is_nil(exit_code)
      assert.are.equal(signal, killed_by)
      assert.are.equal("begun\n", s:stdout())
      s:stop()
    end
  end

  it("of an app that waits ends by SIGINT and SIGTERM, not with success", function()
    ends_by(sys.SIGINT, waiting)
    ends_by(sys.SIGTERM, waiting)
  end)

  it("of an app that loops ends by SIGINT and SIGTERM", function()
    ends_by(sys.SIGINT, looping)
    ends_by(sys.SIGTERM, looping)
  end)

  it("waits as long as the app does", function()
    local code = [[require("justhttp").sleep(0.02) return function() end]]
    local result = server.run { "check", "-e", code }
    assert.are.same({ 0, "ok: 1 route\n" }, { result.code, result.stdout })
  end)

  it("fails when the app waits for what cannot come", function()
    local result = server.run { "check", "-e", [[
local http = require "justhttp"
local one, other
one = http.spawn(function() return http.wait(other) end)
other = http.spawn(function() return http.wait(one) end)
http.wait(one)
return function() end]] }
    assert.are.equal(1, result.code)
    assert.are.equal("justhttp: the app waits while it loads, and nothing will end that\n",
      result.stderr)
  end)

  it("does not run start hooks", function()
    local result = server.run { "check", "-e", [[
local app = require("justhttp").app()
app:on_start(function() error "started" end)
return app]] }
    assert.are.same({ 0, "ok: 0 routes\n", "" }, { result.code, result.stdout, result.stderr })
  end)
end)
