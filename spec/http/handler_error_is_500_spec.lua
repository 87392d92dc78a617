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
