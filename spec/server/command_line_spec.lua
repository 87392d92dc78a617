-- command_line_spec.lua: what the executable does with its arguments.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local app = 'return function(ctx) return "hi" end'

describe("command line", function()
  local s
  after_each(function()
    if s then s:stop() end
    s = nil
  end)

  -- Ends with code 2 and exactly this line.
  local function refuses(arguments, line)
    local result = server.run(arguments)
    assert.are.equal("justhttp: " .. line .. "\n", result.stderr)
    assert.are.equal(2, result.code)
    assert.are.equal("", result.stdout)
  end

  it("without a command shows what there is, and fails", function()
    local result = server.run {}
    assert.are.equal(2, result.code)
    assert.is_truthy(result.stderr:find("justhttp run", 1, true))
  end)

  it("shows help for itself and for every command", function()
    for _, arguments in ipairs { { "--help" }, { "-h" }, { "help" } } do
      local result = server.run(arguments)
      assert.are.equal(0, result.code)
      for _, word in ipairs { "run", "check", "routes", "version" } do
        assert.is_truthy(result.stdout:find("justhttp " .. word, 1, true))
      end
    end
    for _, word in ipairs { "run", "check", "routes", "options", "version", "help" } do
      local result = server.run { word, "--help" }
      assert.are.equal(0, result.code)
      assert.is_truthy(result.stdout:find("Usage: justhttp " .. word, 1, true))
    end
    for _, word in ipairs { "run", "check", "options", "help" } do
      assert.are.equal(server.run({ word, "--help" }).stdout, server.run({ "help", word }).stdout)
    end
    local help = server.run { "run", "app.lua", "--workers", "2", "-h" }.stdout
    assert.is_truthy(help:find("--max-body-bytes bytes", 1, true))
    for line in help:gmatch("[^\n]+") do assert.is_true(#line <= 100, line) end
  end)

  it("tells the version", function()
    for _, word in ipairs { "version", "--version", "-v" } do
      local result = server.run { word }
      assert.are.equal(0, result.code)
      assert.is_truthy(result.stdout:find("^justhttp %d+%.%d+%.%d+\n$"))
    end
  end)

  it("names the command or flag that was probably meant", function()
    refuses({ "rnu", "app.lua" }, "unknown command 'rnu'; did you mean `justhttp run`?")
    refuses({ "hello.lua" }, "unknown command 'hello.lua'; did you mean `justhttp run hello.lua`?")
    refuses({ "frobnicate" }, "unknown command 'frobnicate'; `justhttp --help` lists them")
    refuses({ "run", "x.lua", "--max-body-byte", "1" },
      "unknown option --max-body-byte; did you mean --max-body-bytes?")
    refuses({ "run", "x.lua", "-workers", "1" }, "unknown flag '-workers'; did you mean --workers?")
    refuses({ "run", "x.lua", "-p", "1" }, "unknown flag '-p'; `justhttp run --help` lists them")
    refuses({ "check", "x.lua", "-p", "1" },
      "unknown flag '-p'; `justhttp check --help` lists them")
    refuses({ "check", "x.lua", "--quux", "1" },
      "unknown option --quux; `justhttp check --help` lists them")
    refuses({ "help", "rnu" }, "unknown command 'rnu'; did you mean `justhttp run`?")
    refuses({ "help", "run", "check" }, "help does not take 'check'")
    refuses({ "run", "x.lua", "--workers", "many" },
      "--workers: 'many' is not valid; write a number or auto (default: auto)")
  end)

  it("says of a command that later versions will have that it is not there", function()
    for _, word in ipairs { "stop" } do
      refuses({ word, "app" }, ("the command '%s' is not in this version (0.1.0)"):format(word))
    end
  end)

  it("wants one app", function()
    refuses({ "run" }, "run needs an app: `justhttp run app.lua`, a directory, or -e CODE")
    refuses({ "check", "--dev" },
      "check needs an app: `justhttp check app.lua`, a directory, or -e CODE")
    refuses({ "run", "a.lua", "b.lua" }, "there is an app already ('a.lua'); what is 'b.lua'?")
    refuses({ "run", "a.lua", "-e", app }, "-e CODE is the app already; leave out 'a.lua'")
    refuses({ "run", "-e" }, "-e needs the app's code: -e 'return function(ctx) … end'")
    refuses({ "run", "nowhere.lua" },
      "cannot read the app 'nowhere.lua': No such file or directory")
    refuses({ "run", "spec/support" },
      "the directory 'spec/support' has no app.lua; an app directory needs one")
  end)

  it("serves a script, a directory, and code", function()
    local dir = server.app_dir { ["app.lua"] = app, ["other.lua"] = app }
    for _, arguments in ipairs { { dir .. "/other.lua" }, { dir }, { "-e", app } } do
      s = server.start { args = arguments }
      assert.are.equal("hi", s:get("/").body)
      s:stop()
    end
    sys.remove(dir)
  end)

  it("checks an app without listening", function()
    local good = server.run { "check", "-e", app }
    assert.are.equal(0, good.code)
    assert.is_nil(good.stdout:find("listening", 1, true))
    local bad = server.run { "check", "-e", "return function(" }
    assert.is_true(bad.code == 1 or bad.code == 2)
    assert.is_truthy(bad.stderr:find("near", 1, true))
  end)

  it("prints the routes of an app", function()
    local result = server.run { "routes", "-e", [[
local app = require("justhttp").app()
app:get("/users/:id", function() end)
app:post("/users", function() end)
return app]] }
    assert.are.equal(0, result.code)
    assert.is_truthy(result.stdout:find("GET%s+%S+%s+/users/:id"))
    assert.is_truthy(result.stdout:find("POST%s+%S+%s+/users"))
  end)

  it("reads config.lua of an app directory, and names file and line of a mistake", function()
    local dir = server.app_dir {
      ["app.lua"] = app,
      ["config.lua"] = "return {\n  workers = 2,\n  max_bdy_bytes = 1,\n}",
    }
    refuses({ "run", dir },
      dir .. "/config.lua:3: unknown option max_bdy_bytes; did you mean max_body_bytes?")
    sys.write_file(dir .. "/config.lua", "return { listen = 'here' }")
    refuses({ "run", dir }, dir .. "/config.lua:1: listen: 'here' has no port; write here:8080")
    sys.write_file(dir .. "/config.lua", "return { workers = 3 }")
    s = server.start { args = { dir }, workers = nil, options = { workers = 2 } }
    assert.are.equal(2, #s:workers())
    sys.remove(dir)
  end)

  it("reads the environment, which the command line beats", function()
    local result = server.run { "run", "-e", app, env = { JUSTHTTP_WORKERS = "none" } }
    assert.are.equal(2, result.code)
    assert.is_truthy(result.stderr:find("JUSTHTTP_WORKERS: 'none' is not valid", 1, true))
    s = server.start { code = app, workers = 1, env = { JUSTHTTP_WORKERS = "2" } }
    assert.are.equal(1, #s:workers())
  end)

  it("prints nothing but the listeners when stdout is no terminal", function()
    s = server.start { code = app, workers = 2 }
    assert.are.equal(("listening on http://127.0.0.1:%d\n"):format(s.port), s:stdout())
  end)
end)
