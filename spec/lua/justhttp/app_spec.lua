-- Declaring an app: what its calls accept, remember and refuse.
local application = require "justhttp.app"

local function handler() end

local function new() return application.new() end

local function refuses(pattern, fn)
  local ok, err = pcall(fn)
  assert.is_false(ok)
  assert.matches("^[^\n]*app_spec.lua:%d+: ", err) -- the app's own line is blamed
  assert.matches(pattern, err)
end

describe("an app", function()
  it("remembers where each route was declared", function()
    local app = new()
    app:get("/a", handler)
    local line = debug.getinfo(1, "l").currentline - 1
    assert.matches("spec/lua/justhttp/app_spec.lua:" .. line .. "$", app:_routes()[1].where)
  end)

  it("has a call for every method, and any", function()
    local app = new()
    for _, name in ipairs { "get", "post", "put", "patch", "delete", "head", "options" } do
      app[name](app, "/" .. name, handler)
    end
    app:any("/any", handler)
    app:all("/all", handler)
    app:route("propfind", "/x", handler)
    app:route({ "GET", "POST" }, "/y", handler)
    local methods = {}
    for i, route in ipairs(app:_routes()) do methods[i] = route.method end
    assert.same({ "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY", "ANY",
      "PROPFIND", "GET", "POST" }, methods)
  end)

  it("answers everything when made of a function", function()
    local routes = application.from_function(handler):_routes()
    assert.equal(1, #routes)
    assert.equal("ANY", routes[1].method)
    assert.equal("/*path", routes[1].pattern)
    assert.equal(handler, routes[1].handler)
  end)

  it("chains its calls", function()
    local app = new()
    assert.equal(app, app:get("/", handler):use(handler):on_error(handler):not_found(handler))
  end)

  it("takes no routes after the start", function()
    local app = new()
    local group = app:group("/g")
    app:_routes()
    refuses("app:get: the app has started", function() app:get("/late", handler) end)
    refuses("app:post: the app has started", function() group:post("/late", handler) end)
    refuses("app:use: the app has started", function() app:use(handler) end)
  end)
end)

describe("a mistake in a declaration", function()
  it("is blamed on its line, with the fix", function()
    local app = new()
    refuses('path "users" must start with "/": write "/users"', function()
      app:get("users", handler)
    end)
    refuses("the path must be a string", function() app:get(nil, handler) end)
    refuses('app:get%("/x"%): the handler is missing', function() app:get("/x") end)
    refuses("the handler must be a function, got nil %(is its name spelt right", function()
      app:get("/x", nil)
    end)
    refuses("the middleware must be a function, got a string", function()
      app:get("/x", "mw", handler)
    end)
    refuses("to use an app inside another write app:mount", function() app:get("/x", new()) end)
    refuses('"G T" is no method', function() app:route("G T", "/x", handler) end)
    refuses("the method is missing", function() app:route({}, "/x", handler) end)
    refuses("the middleware is missing", function() app:use() end)
    refuses("the middleware is missing", function() app:use("/x") end)
    refuses('"x" is no path prefix', function() app:use("x", handler) end)
    refuses("the prefix must be a path", function() app:group("api") end)
    refuses("second argument must be a function", function() app:group("/api", 5) end)
    refuses("cannot have a %*rest", function() app:group("/*all") end)
    refuses('"a b" is no host', function() app:host("a b") end)
    refuses("give an app or a function", function() app:mount("/x", {}) end)
    refuses("would contain itself", function() app:mount("/x", app) end)
    refuses("the argument must be a function", function() app:on_error() end)
    refuses("must be a positive number", function() app:every(0, handler) end)
    refuses("must be a positive number", function() app:after(-1, handler) end)
    refuses("second argument must be a function", function() app:every(1) end)
  end)

  it("says of a call with a dot that it wants a colon", function()
    local app = new()
    for _, name in ipairs {
      "get", "post", "put", "patch", "delete", "head", "options", "any", "use", "group", "host",
      "mount", "static", "templates", "on_error", "not_found", "on_start", "on_stop", "every",
      "after", "request",
    } do
      local ok, err = pcall(function() app[name]("/x", handler) end)
      assert.is_false(ok)
      assert.matches("^spec/lua/justhttp/app_spec.lua:%d+: app%." .. name
        .. ": call it with a colon: app:" .. name .. "%(…%)$", err)
    end
    local _, err = pcall(function() app.route("GET", "/x", handler) end)
    assert.matches("app.route: call it with a colon: app:route", err)
    _, err = pcall(function() app:group("/g").get("/x", handler) end)
    assert.matches("call it with a colon", err)
  end)

  it("finds a loop of mounts through groups", function()
    local a, b = new(), new()
    a:group("/g"):mount("/b", b)
    refuses("would contain itself", function() b:mount("/a", a) end)
  end)
end)

describe("timers", function()
  local function fake_scheduler()
    local scheduler = { started = {} }
    for _, kind in ipairs { "every", "after" } do
      scheduler[kind] = function(seconds, fn)
        local handle = { kind = kind, seconds = seconds, fn = fn }
        function handle.cancel() handle.is_cancelled = true end
        scheduler.started[#scheduler.started + 1] = handle
        return handle
      end
    end
    return scheduler
  end

  it("start with the app, those of mounted apps too", function()
    local app, inner = new(), new()
    app:every(5, handler)
    inner:after(1, handler)
    app:mount("/i", inner)
    local scheduler = fake_scheduler()
    app:_start_timers(scheduler)
    assert.equal(2, #scheduler.started)
    assert.equal("every", scheduler.started[1].kind)
    assert.equal(5, scheduler.started[1].seconds)
    assert.equal("after", scheduler.started[2].kind)
  end)

  it("start at once in a running app", function()
    local app = new()
    local scheduler = fake_scheduler()
    app:_start_timers(scheduler)
    app:after(2, handler)
    assert.equal(1, #scheduler.started)
  end)

  it("never start when cancelled before, and stop when cancelled after", function()
    local app = new()
    local early, late = app:every(1, handler), app:every(2, handler)
    early:cancel()
    local scheduler = fake_scheduler()
    app:_start_timers(scheduler)
    assert.equal(1, #scheduler.started)
    late:cancel()
    late:cancel()
    assert.is_true(scheduler.started[1].is_cancelled)
  end)

  it("are forgotten when they fired or were cancelled", function()
    local app = new()
    local scheduler = fake_scheduler()
    app:_start_timers(scheduler)
    for _ = 1, 3 do app:after(1, handler) end
    app:every(1, handler):cancel()
    for _, handle in ipairs(scheduler.started) do
      if handle.kind == "after" then handle.fn() end
    end
    assert.equal(0, #app._timers)
  end)

  it("stop all together", function()
    local app = new()
    app:every(1, handler)
    app:every(2, handler)
    local scheduler = fake_scheduler()
    app:_start_timers(scheduler)
    app:_stop_timers()
    assert.is_true(scheduler.started[1].is_cancelled and scheduler.started[2].is_cancelled)
  end)
end)

describe("hooks", function()
  it("are listed with those of mounted apps, in order", function()
    local app, inner = new(), new()
    local function a() end
    local function b() end
    app:on_start(a):on_stop(b)
    inner:on_start(b)
    app:group("/g"):mount("/i", inner)
    assert.same({ a, b }, app:_hooks "start")
    assert.same({ b }, app:_hooks "stop")
  end)
end)
