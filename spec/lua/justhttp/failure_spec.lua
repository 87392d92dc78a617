-- Handlers that raise: the answer, the log, on_error.
local worker = require "spec.support.worker"

describe("a handler that raises", function()
  local w, http, handler, on_error

  setup(function()
    w = worker.new(function(app, h)
      http = h
      app:get("/", function(ctx) return handler(ctx) end)
      app:group("/own", function(group)
        group:on_error(function(ctx, err) return on_error(ctx, err) end)
        group:use(function(ctx, next)
          ctx:set("X-Middleware", "in")
          next()
        end)
        group:get("/x", function(ctx) return handler(ctx) end)
      end)
    end)
  end)
  teardown(function() w:close() end)

  before_each(function()
    for i = #w.log, 1, -1 do w.log[i] = nil end
  end)

  local function serve(fn, path)
    handler = fn
    return w:get(path or "/")
  end

  it("answers 500 with an id, and logs that id with request, message and calls", function()
    local function inner() error "on purpose" end
    local response = serve(function() inner() end, "/?q=1")
    assert.equal(500, response.status)
    local id = response.body:match "%x+%-%d+"
    assert.is_string(id)
    assert.equal(1, #w.log)
    assert.matches("^error error " .. id:gsub("%-", "%%-")
      .. " in GET /%?q=1: .*failure_spec%.lua:%d+: on purpose\nstack traceback:\n", w.log[1])
    assert.matches("in function 'inner'", w.log[1])
    assert.is_nil(response.body:find("on purpose", 1, true))
  end)

  it("gets another id every time", function()
    local ids = {}
    for _ = 1, 3 do ids[serve(function() error "x" end).body:match "%x+%-%d+"] = true end
    local count = 0
    for _ in pairs(ids) do count = count + 1 end
    assert.equal(3, count)
  end)

  it("is logged with the request id that middleware chose", function()
    serve(function(ctx)
      ctx.values.request_id = "req-7"
      error "x"
    end)
    assert.matches("%(request req%-7%)", w.log[1])
  end)

  it("may raise anything", function()
    for _, value in ipairs { 42, true, print, {}, setmetatable({}, { __tostring = function()
      return "as text"
    end }) } do
      assert.equal(500, serve(function() error(value) end).status)
    end
    assert.equal(500, serve(function() error() end).status)
    assert.equal(6, #w.log)
    assert.matches("42", w.log[1])
    assert.matches("as text", w.log[5])
  end)

  it("shows the calls of both sides of a wait, and of coroutines", function()
    serve(function()
      local function after_wait() error "behind a wait" end
      http.sleep(0)
      after_wait()
    end)
    assert.matches("in function 'after_wait'", w.log[1])
    serve(function()
      local function in_coroutine() error "in a coroutine" end
      coroutine.wrap(function() in_coroutine() end)()
    end)
    assert.matches("in function 'in_coroutine'.*raised again by.*failure_spec%.lua", w.log[2])
  end)

  it("does not disturb those that wait", function()
    local result
    w:run(function()
      local task = http.spawn(function()
        http.sleep(0.005)
        return "fine"
      end)
      result = task
    end)
    for _ = 1, 5 do serve(function() error "x" end) end
    assert.equal("fine", w:run(function() return http.wait(result) end))
  end)

  it("takes a stream that it had begun to make back", function()
    local response = serve(function(ctx)
      ctx:stream(function(stream) stream:write "never" end)
      error "x"
    end)
    assert.equal(500, response.status)
    assert.is_nil(response.body:find("never", 1, true))
  end)

  it("with a stack overflow is answered", function()
    local function deeper(n) return 1 + deeper(n + 1) end
    assert.equal(500, serve(function() return deeper(1) end).status)
    assert.matches("stack overflow", w.log[1])
  end)

  it("because of what the client did answers the client's status, without a log line", function()
    local response = serve(function()
      error(w.modules.context.status_error(413, "the request body is too large"))
    end)
    assert.equal(413, response.status)
    assert.equal("the request body is too large\n", response.body)
    assert.same({}, w.log)
  end)

  describe("below on_error", function()
    it("is answered by it, with headers that were set", function()
      local seen
      on_error = function(ctx, err)
        seen = err
        return 418, { failed = ctx.path }
      end
      local value = { code = 1 }
      local response = serve(function() error(value) end, "/own/x")
      assert.equal(418, response.status)
      assert.same({ failed = "/own/x" }, response:json())
      assert.equal(value, seen)
      assert.equal("in", response.headers["X-Middleware"])
      assert.equal(1, #w.log)
    end)

    it("is answered by what it sets on the ctx", function()
      on_error = function(ctx) ctx:html("<p>sorry", 503) end
      local response = serve(function() error "x" end, "/own/x")
      assert.equal(503, response.status)
      assert.equal("<p>sorry", response.body)
    end)

    it("is answered as usual when it makes no answer", function()
      on_error = function() end
      local response = serve(function() error "x" end, "/own/x")
      assert.equal(500, response.status)
      assert.matches("%x+%-%d+", response.body)
    end)

    it("may be answered by one that waits", function()
      on_error = function()
        http.sleep(0.002)
        return "waited"
      end
      local response = serve(function() error "x" end, "/own/x")
      assert.equal(500, response.status)
      assert.equal("waited", response.body)
    end)

    it("is answered as usual when that fails too, and both are logged with one id", function()
      on_error = function() error "on_error's own" end
      local response = serve(function() error "first" end, "/own/x")
      assert.equal(500, response.status)
      local id = response.body:match("%x+%-%d+"):gsub("%-", "%%-")
      assert.equal(2, #w.log)
      assert.matches("error " .. id .. " in GET /own/x: .*first", w.log[1])
      assert.matches("error " .. id .. ": on_error failed: .*on_error's own", w.log[2])
    end)

    it("is answered as usual when that returns nonsense", function()
      on_error = function() return true end
      assert.equal(500, serve(function() error "x" end, "/own/x").status)
      assert.matches(": on_error returned a boolean", w.log[2])
    end)

    it("is not asked about other errors than those below it", function()
      on_error = function() return "mine" end
      assert.is_nil(serve(function() error "x" end, "/").body:find("mine", 1, true))
    end)
  end)
end)
