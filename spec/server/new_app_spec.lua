-- new_app_spec.lua: `justhttp new` makes an app that runs, whose spec passes and that editors
-- understand, and overwrites nothing.
local json = require "justhttp.json"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

describe("justhttp new", function()
  local place, dir
  before_each(function()
    place = sys.temp_dir()
    dir = place .. "/shop"
  end)
  after_each(function() sys.remove(place) end)

  local function make() return server.run { "new", dir } end

  it("makes an app that serves its page, JSON and files", function()
    local made = make()
    assert.are.equal(0, made.code, made.stderr)
    assert.is_truthy(made.stdout:find("justhttp run " .. dir, 1, true))
    local s = server.start { app = dir }
    assert.is_truthy(s:get("/?name=Ada").body:find("Hello, Ada!", 1, true))
    assert.is_truthy(s:get("/").body:find("<title>shop</title>", 1, true))
    assert.are.same({ hello = "Ada" }, json.decode(s:get("/hello/Ada").body))
    assert.are.equal(200, s:get("/assets/style.css").status)
    s:stop()
  end)

  it("makes a spec that passes at once", function()
    make()
    local result = server.run { "test", dir }
    assert.are.equal(0, result.code, result.stdout .. result.stderr)
    assert.is_truthy(result.stdout:find("4 successes / 0 failures / 0 errors", 1, true))
  end)

  it("points editors at stubs that are there", function()
    make()
    local settings = assert(json.decode(sys.read_file(dir .. "/.luarc.json")))
    local stubs = dir .. "/" .. settings["workspace.library"][1]
    assert.are.equal(sys.read_file "lua/justhttp/types.lua",
      sys.read_file(stubs .. "/justhttp/types.lua"))
    assert.is_truthy(sys.read_file(stubs .. "/justhttp/middleware/init.lua")
      or sys.read_file(stubs .. "/justhttp/init.lua"))
  end)

  it("overwrites nothing", function()
    os.execute("mkdir " .. sys.quote(dir))
    sys.write_file(dir .. "/mine", "mine")
    local result = make()
    assert.are.equal(2, result.code)
    assert.are.equal(("justhttp: '%s' is there already and is not empty; nothing was written\n")
      :format(dir), result.stderr)
    assert.is_nil(sys.read_file(dir .. "/app.lua"))
    assert.are.equal("mine", sys.read_file(dir .. "/mine"))
  end)

  it("says what is in the way", function()
    local result = server.run { "new", place .. "/a/b" }
    assert.are.equal(2, result.code)
    assert.is_truthy(result.stderr:find("a/b: No such file or directory", 1, true), result.stderr)
    result = server.run { "new" }
    assert.are.equal(2, result.code)
    assert.is_truthy(result.stderr:find("new needs a name", 1, true))
  end)
end)

describe("justhttp stubs", function()
  it("writes them anew", function()
    local dir = sys.temp_dir()
    assert.are.equal(0, server.run({ "stubs", dir }).code)
    local path = dir .. "/.justhttp/stubs/justhttp/init.lua"
    sys.write_file(path, "-- old")
    assert.are.equal(0, server.run({ "stubs", dir }).code)
    assert.are.equal(sys.read_file "lua/justhttp/init.lua", sys.read_file(path))
    sys.remove(dir)
  end)
end)
