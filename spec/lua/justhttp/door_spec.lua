-- Lua's half of the door: the handles and what they can be asked.
local server = require "spec.support.server"
local worker = require "spec.support.worker"

describe("justhttp.door", function()
  local w, door

  setup(function()
    w = worker.new(function(app) app:get("/", function() return "x" end) end)
    door = w.modules.door
    w:get "/"
  end)
  teardown(function() w:close() end)

  it("knows version and texts of errors", function()
    assert.matches("^%d+%.%d+%.%d+$", door.version)
    assert.equal("string", type(door.strerror(door.C.JH_ELIMIT)))
    assert.not_equal(door.strerror(door.C.JH_ELIMIT), door.strerror(door.C.JH_ENOMEM))
  end)

  it("reads options as text, and what the worker was started with", function()
    assert.equal("text", door.option "log_format")
    assert.is_nil(door.option "no_such_option")
    assert.equal("", door.start_text(door.C.JH_START_COMMAND))
    assert.is_nil(door.start_text(door.C.JH_START_APP_PATH))
  end)

  it("adds routes, and says what is wrong with one", function()
    assert.is_true(door.add_route(900, "", "GET", "/door/:x", "a.lua:1"))
    local ok, err = door.add_route(901, "", "GET", "/door/:y", "a.lua:2")
    assert.is_nil(ok)
    assert.matches("a%.lua:2", err)
    assert.matches("a%.lua:1", err)
    ok, err = door.add_route(902, "", "FETCH-IT", "/x", "a.lua:3")
    assert.is_nil(ok)
    assert.matches("a%.lua:3: .*FETCH%-IT", err)
  end)

  it("has two clocks", function()
    assert.is_true(door.clock_ms() > 0)
    assert.is_true(math.abs(door.unix_ms() / 1000 - os.time()) < 5)
  end)

  it("logs a message of several lines line by line, and knows which levels are wanted", function()
    local s = server.start { options = { log_level = "warn" }, code = [[
      local door = require "justhttp.door"
      return function()
        door.log("warn", "one\ntwo\n\tthree")
        door.log("info", "never seen")
        return tostring(door.log_wants "info") .. tostring(door.log_wants "error")
      end ]] }
    assert.equal("falsetrue", s:get("/").body)
    require "spec.support.wait"(function() return s:stderr():find("three", 1, true) end)
    for _, line in ipairs { "one", "two", "  three" } do
      assert.matches("Z warn %[%d+%] " .. line .. "\n", s:stderr())
    end
    assert.is_nil(s:stderr():find("never seen", 1, true))
    s:stop()
  end)
end)
