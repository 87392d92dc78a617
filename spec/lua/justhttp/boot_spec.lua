-- The start and the end of a worker's Lua: loading the app, its hooks and timers.
local json = require "justhttp.json"
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

describe("a worker", function()
  it("loads an app whose body and start hooks wait, then serves", function()
    local s = server.start { code = [[
      local http = require "justhttp"
      http.sleep(0.005)
      local app, trail = http.app(), {}
      app:on_start(function() http.sleep(0.005) trail[#trail + 1] = "first" end)
      app:on_start(function()
        local task = http.spawn(function() http.sleep(0.001) return "second" end)
        trail[#trail + 1] = http.wait(task)
      end)
      app:get("/", function() return table.concat(trail, " ") end)
      return app ]] }
    assert.equal("first second", s:get("/").body)
    s:stop()
  end)

  it("runs stop hooks that wait, in order, before it ends", function()
    local s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:on_stop(function() http.sleep(0.01) print "stopped first" end)
      app:on_stop(function() print "stopped second" end)
      app:get("/", function() return "x" end)
      return app ]] }
    s:signal(require "spec.support.sys".SIGTERM)
    assert.equal(0, (s:wait(5)))
    assert.matches("stopped first\nstopped second\n", s:stdout())
    s:stop()
  end)

  it("logs a stop hook that fails, and ends all the same", function()
    local s = server.start { code = [[
      local app = require "justhttp".app()
      app:on_stop(function() error "cannot stop" end)
      app:get("/", function() return "x" end)
      return app ]] }
    s:signal(require "spec.support.sys".SIGTERM)
    assert.equal(0, (s:wait(5)))
    assert.matches("error in app:on_stop: .*cannot stop", s:stderr())
    s:stop()
  end)

  local failures = {
    ["does not compile"] = { "return function(", "app.lua:1:" },
    ["raises while it loads"] = { "\nerror 'broken app'", "app.lua:2: broken app" },
    ["returns no app"] = { "return 42", "app.lua" },
    ["has routes in each other's way"] = { [[
      local app = require "justhttp".app()
      app:get("/a/:b", print)
      app:get("/a/:c", print)
      return app ]], "app.lua:3.*app.lua:2" },
    ["is declared with a dot for a colon"] = {
      'local app = require "justhttp".app()\napp.get("/x", print)\nreturn app',
      "app.lua:2: app.get: call it with a colon: app:get" },
    ["calls a method that is not there"] = {
      'local app = require "justhttp".app()\napp:mout("/x", print)\nreturn app',
      "app.lua:2: .*'mout'.*; did you mean app:mount%?" },
    ["leaves a coroutine that is not its own"] = {
      "local x = 1\ncoroutine.yield(x)", "app.lua:2: coroutine.yield: there is no coroutine" },
    ["closes stderr and then raises"] = { "io.stderr:close() error 'unheard'", "" },
    ["raises in a start hook"] = { [[
      local app = require "justhttp".app()
      app:on_start(function() error "no database" end)
      return app ]], "error in app:on_start: .*app.lua:2: no database" },
    ["raises in a start hook that waited"] = { [[
      local http = require "justhttp"
      local app = http.app()
      app:on_start(function() http.sleep(0.001) error "no database" end)
      return app ]], "error in app:on_start: .*app.lua:3: no database" },
  }
  for what, case in pairs(failures) do
    it("does not serve an app that " .. what .. ", and says where", function()
      local s, message = server.try_start { code = case[1] }
      if s then s:stop { code = false } end
      assert.is_nil(s)
      assert.matches(case[2], message)
      assert.matches("exit code 1", message)
    end)
  end

  it("says on one line what was declared wrongly", function()
    local result = server.run { "check", "-e",
      'local app = require "justhttp".app()\napp:get("x", print)\nreturn app' }
    assert.equal('justhttp: -e:2: app:get: the path "x" must start with "/": write "/x"\n',
      result.stderr)
  end)

  it("runs timers from the start until they are cancelled", function()
    local s = server.start { code = [[
      local http = require "justhttp"
      local app, ticks, once = http.app(), 0, 0
      local timer = app:every(0.002, function() ticks = ticks + 1 end)
      app:after(0.002, function() http.sleep(0.001) once = once + 1 end)
      local never = app:after(0.002, function() once = once + 100 end)
      never:cancel()
      app:get("/", function() return { ticks = ticks, once = once } end)
      app:get("/cancel", function() timer:cancel() return tostring(ticks) end)
      app:get("/later", function()
        local count = 0
        local own = app:every(0.001, function() count = count + 1 end)
        while count < 3 do http.sleep(0.001) end
        own:cancel()
        local seen = count
        http.sleep(0.01)
        return tostring(count == seen)
      end)
      return app ]] }
    wait_for(function()
      local state = json.decode(s:get("/").body)
      return state.ticks >= 2 and state.once == 1
    end)
    local ticks = tonumber(s:get("/cancel").body)
    assert.equal("true", s:get("/later").body)
    assert.equal(ticks, json.decode(s:get("/").body).ticks)
    s:stop()
  end)

  it("answers with a bare function", function()
    local s = server.start { code = [[
      local http = require "justhttp"
      return function(ctx) http.sleep(0) return ctx.method .. " " .. ctx.path end ]] }
    assert.equal("POST /any/where", s:request({ method = "POST", path = "/any/where" }).body)
    s:stop()
  end)

  it("lets modules wait that handlers require, once for all who ask", function()
    local s = server.start { files = {
      ["app.lua"] = [[
        return function() return require("slow").name end ]],
      ["slow.lua"] = [[
        count = (count or 0) + 1
        require "justhttp".sleep(0.01)
        return { name = "slow " .. count } ]],
    } }
    local conns = {}
    for i = 1, 5 do conns[i] = s:connect():send "GET / HTTP/1.1\r\nHost: a\r\n\r\n" end
    for i = 1, 5 do
      assert.equal("slow 1", conns[i]:response().body)
      conns[i]:close()
    end
    s:stop()
  end)
end)
