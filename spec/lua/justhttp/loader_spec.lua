-- Loading apps: files, directories, text; and what is said when it fails.
local application = require "justhttp.app"
local loader = require "justhttp.loader"
local server = require "spec.support.server"
local sys = require "spec.support.sys"

describe("loader", function()
  local dir, path

  before_each(function() path = package.path end)

  after_each(function()
    package.path = path
    if dir then sys.remove(dir) end
    dir = nil
  end)

  local function write(files)
    dir = server.app_dir(files)
    return dir
  end

  local function failure(text)
    local app, err, trace = loader.load_path(write(text) .. "/app.lua")
    assert.is_nil(app)
    return (err:gsub(dir:gsub("%p", "%%%0") .. "/", "")), trace
  end

  it("loads a file and a directory, with or without a slash at its end", function()
    write 'return require "justhttp".app()'
    for _, name in ipairs { "/app.lua", "", "/", "//" } do
      assert.is_true(application.is_app(assert(loader.load_path(dir .. name))))
    end
  end)

  it("makes an app of a bare function", function()
    assert.equal("ANY", assert(loader.load_path(write "return function() end")):_routes()[1].method)
  end)

  it("loads text", function()
    local app = assert(loader.load_code "return function(ctx) return ctx.path end")
    assert.equal("-e:1", app:_routes()[1].where)
    local _, err = loader.load_code "return function("
    assert.matches("^%-e:1: ", err)
  end)

  it("lets an app require its own files", function()
    write {
      ["app.lua"] = 'return require "jh_spec_own.handlers"',
      ["jh_spec_own/handlers.lua"] = "return function() end",
    }
    assert(loader.load_path(dir))
    assert.is_function(package.loaded["jh_spec_own.handlers"])
    package.loaded["jh_spec_own.handlers"] = nil
  end)

  it("says what a script should return", function()
    assert.equal("app.lua: returns nothing; end it with return app (or a function(ctx))",
      (failure "local app = 1"))
    assert.matches("returns a number; return an app", (failure "return 5"))
    assert.matches("returns a table that holds an app; return the app itself",
      (failure 'return { app = require "justhttp".app() }'))
  end)

  it("names file and line of syntax errors and of errors while it runs", function()
    assert.matches("^app.lua:2: ", (failure "local x\nx ="))
    local err, trace = failure "local x\nerror 'boom'"
    assert.matches("^app.lua:2: boom", err)
    assert.matches("stack traceback", trace)
    err, trace = failure 'require "justhttp".app():get("x", print)'
    assert.matches("^app.lua:1: app:get: the path \"x\" must start", err)
    assert.is_nil(trace:find("\n", 1, true))
  end)

  it("says what is wrong with a path", function()
    local _, err = loader.load_path "no/such/app.lua"
    assert.equal("no/such/app.lua: No such file or directory; give a Lua file or a directory with "
      .. "an app.lua", err)
    _, err = loader.load_path(write { ["other.lua"] = "" })
    assert.matches("the directory has no app.lua; make one", err)
  end)
end)
