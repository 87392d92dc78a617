-- handler_error_is_500_spec.lua: a handler that raises answers 500 with an id that the log has too;
-- nothing of what it had set as a body leaks, and the connection lives on.
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

describe("a handler that raises", function()
  local s

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/error", function(ctx)
        ctx:set("X-Kept", "yes")
        ctx:set("Cache-Control", "public")
        ctx:text("secret half of a page", 201)
        error "on purpose"
      end)
      app:get("/late", function(ctx) http.sleep(0.01) error "late" end)
      app:get("/index", function(ctx) return nothing.at_all end)
      app:get("/table", function(ctx) error { code = 7 } end)
      app:get("/nil", function(ctx) error() end)
      app:get("/coroutine", function(ctx)
        return coroutine.wrap(function() http.sleep(0.001) error "in a coroutine" end)()
      end)
      app:get("/return", function(ctx) return true end)
      app:get("/status", function(ctx) return 99 end)
      app:get("/json", function(ctx) return { list = { print } } end)
      app:get("/dot", function(ctx) ctx.text("x") end)
      app:get("/method", function(ctx) ctx:sett("A", "b") end)
      app:get("/lines", function(ctx) ctx:set("A", "b\nc") end)
      app:get("/yield", function(ctx) coroutine.yield() end)
      app:group("/logged", function(group)
        group:use(http.middleware.logger)
        group:get("/x", function() return "x" end)
      end)
      app:group("/inside", function(group)
        group:use(function(ctx, next) next() end)
        group:get("/return", function(ctx) return true end)
        group:get("/index", function(ctx) return ctx.values.nothing.at_all end)
      end)
      app:get("/defer", function(ctx) ctx:defer(function() error "deferred" end) return "fine" end)
      app:post("/body", function(ctx) error "before the body is read" end)
      app:get("/", function() return "here" end)
      return app ]] }
  end)
  teardown(function() s:stop() end)

  it("is answered 500 with an id that is in the log", function()
    local r = s:get "/error"
    assert.are.equal(500, r.status)
    local id = r.body:match "%x+%-%d+"
    assert.is_truthy(id, r.body)
    wait_for(function() return s:stderr():find("error " .. id .. " in GET /error", 1, true) end)
    assert.is_truthy(s:stderr():find("on purpose", 1, true))
    assert.is_nil(r.body:find("on purpose", 1, true))
  end)

  it("loses its body, keeps headers that are not about it", function()
    local r = s:get "/error"
    assert.is_nil(r.body:find("secret", 1, true))
    assert.are.equal("yes", r.headers["x-kept"])
    assert.is_nil(r.headers["cache-control"])
  end)

  -- The line of app.lua that has `text`.
  local function line_with(text)
    local number = 0
    for line in (s.code_text .. "\n"):gmatch "(.-)\n" do
      number = number + 1
      if line:find(text, 1, true) then return number end
    end
  end

  it("is named in the log by the line that declared it, where it returned what is no answer",
    function()
      local returned = {
        ["/return"] = { 'app:get("/return"', "the handler returned a boolean; return a string" },
        ["/status"] = { 'app:get("/status"', "the handler returned the status 99; a status is" },
        ["/json"] = { 'app:get("/json"',
          "the handler returned a table that is no JSON: at list[1]: a function has no JSON form" },
        ["/inside/return"] = { 'group:get("/return"', "the handler returned a boolean" },
        ["/logged/x"] = { "group:use(http.middleware.logger)",
          "a middleware returned a function (to make a middleware call it first" },
      }
      for path, expected in pairs(returned) do
        s:get(path)
        local text = ("in GET %s: %s:%d: %s"):format(path, s.app, line_with(expected[1]),
          expected[2])
        wait_for(function() return s:stderr():find(text, 1, true) end, 2, text)
      end
    end)

  it("is told about misuse of ctx by the line that did it", function()
    local misused = {
      ["/dot"] = { 'app:get("/dot"', "this method of ctx was called with a dot" },
      ["/method"] = { 'app:get("/method"',
        "attempt to call method 'sett' (a nil value); did you mean ctx:set?" },
      ["/lines"] = { 'app:get("/lines"', [[ctx:set: "A": "b\nc" cannot be sent]] },
      ["/yield"] = { 'app:get("/yield"', "coroutine.yield: there is no coroutine of yours" },
    }
    for path, expected in pairs(misused) do
      assert.are.equal(500, s:get(path).status)
      local text = ("in GET %s: %s:%d: %s"):format(path, s.app, line_with(expected[1]),
        expected[2])
      wait_for(function() return s:stderr():find(text, 1, true) end, 2, text)
    end
  end)

  it("has frames that read well, with their lines", function()
    s:get "/inside/index"
    local line = line_with 'group:get("/index"'
    local text = ("%s:%d: in function 'handler'"):format(s.app, line)
    wait_for(function() return s:stderr():find(text, 1, true) end, 2, text)
    assert.is_truthy(s:stderr():find(("%s:%d: in function 'middleware'"):format(s.app,
      line_with "group:use(function(ctx, next)"), 1, true))
  end)

  it("may raise any table, which the log shows", function()
    s:get "/table"
    wait_for(function() return s:stderr():find("in GET /table: { code = 7 }", 1, true) end)
  end)

  local paths = { "/late", "/index", "/table", "/nil", "/coroutine", "/return", "/status" }
  for _, path in ipairs(paths) do
    it("is answered 500 on a connection that lives on: " .. path, function()
      local c = s:connect()
      for _ = 1, 3 do
        assert.are.equal(500, c:request({ path = path }).status)
        assert.are.equal("here", c:request({}).body)
      end
      c:close()
    end)
  end

  it("in a deferred function does not spoil the answer", function()
    assert.are.equal("fine", s:get("/defer").body)
  end)

  it("leaves an unread body out of the next request", function()
    local c = s:connect()
    for _, size in ipairs { 10, 40000 } do
      local failure = c:request { method = "POST", path = "/body", body = ("x"):rep(size) }
      assert.are.equal(500, failure.status)
      assert.are.equal("here", c:request({}).body)
    end
    c:close()
  end)
end)
