-- From the tree of an app to flat lists: which pattern, which middleware.
local application = require "justhttp.app"

local function handler() end

-- Middleware that leaves its name in ctx.trail.
local function named(name)
  return function(ctx, next)
    ctx.trail[#ctx.trail + 1] = name
    return next()
  end
end

-- The trail of a request that is served by this middleware list.
local function trail(list, path, host, last)
  local ctx = { path = path, host = host or "localhost", trail = {} }
  function ctx:error(status) self.status = status end
  local i = 0
  local function next()
    i = i + 1
    if list[i] then return list[i](ctx, next) end
    if last then last(ctx) end
  end
  next()
  return table.concat(ctx.trail, " "), ctx
end

local function patterns(app)
  local found = {}
  for i, route in ipairs(app:_routes()) do found[i] = route.pattern end
  return found
end

describe("patterns", function()
  it("join groups and mounts", function()
    local app, inner = application.new(), application.new()
    app:get("/", handler)
    app:group("/api", function(api)
      api:get("/", handler)
      api:get("", handler)
      api:get("/users/:id", handler)
      api:group("/v2/"):get("/x", handler)
    end)
    inner:get("/", handler)
    inner:group("/deep"):get("/y", handler)
    app:mount("/inner", inner)
    app:group("/g/:id"):mount("/m", inner)
    assert.same({ "/", "/api", "/api", "/api/users/:id", "/api/v2/x", "/inner", "/inner/deep/y",
      "/g/:id/m", "/g/:id/m/deep/y" }, patterns(app))
  end)

  it("mount a function on a prefix and everything below it", function()
    local app = application.new()
    app:mount("/files", handler)
    assert.same({ "/files", "/files/*rest" }, patterns(app))
    local root = application.new()
    root:mount("/", handler)
    assert.same({ "/*rest" }, patterns(root))
  end)

  it("carry their host", function()
    local app = application.new()
    app:get("/", handler)
    app:host("API.example.com", function(api)
      api:get("/", handler)
      api:group("/g"):get("/x", handler)
    end)
    local hosts = {}
    for i, route in ipairs(app:_routes()) do hosts[i] = route.host end
    assert.same({ "", "api.example.com", "api.example.com" }, hosts)
  end)
end)

describe("middleware of a route", function()
  it("is that of the app, its groups and its own, outermost first", function()
    local app = application.new()
    app:use(named "app1", named "app2")
    app:group("/g", function(g)
      g:use(named "group")
      g:get("/x", named "own", handler)
    end)
    assert.equal("app1 app2 group own", (trail(app:_routes()[1].middleware, "/g/x")))
  end)

  it("wraps routes declared above it too", function()
    local app = application.new()
    app:get("/", handler)
    app:use(named "late")
    assert.equal("late", (trail(app:_routes()[1].middleware, "/")))
  end)

  it("keeps that of a mounted app", function()
    local app, inner = application.new(), application.new()
    app:use(named "outer")
    inner:use(named "inner")
    inner:get("/x", handler)
    app:mount("/m", inner)
    assert.equal("outer inner", (trail(app:_routes()[1].middleware, "/m/x")))
  end)

  it("covers a path prefix by whole segments", function()
    local app = application.new()
    app:use("/admin", named "auth")
    local paths = { "/admin", "/admin/", "/admin/x", "/admin/:id", "/administrator", "/" }
    for _, path in ipairs(paths) do app:get(path, handler) end
    local found = {}
    for i, route in ipairs(app:_routes()) do found[i] = #route.middleware end
    assert.same({ 1, 1, 1, 1, 0, 0 }, found)
  end)

  it("looks at the path where the pattern does not tell", function()
    local app = application.new()
    app:use("/admin/users", named "auth")
    app:get("/:area/users", handler)
    app:get("/*rest", handler)
    for _, route in ipairs(app:_routes()) do
      assert.equal("auth", (trail(route.middleware, "/admin/users")))
      assert.equal("", (trail(route.middleware, "/public/users")))
    end
  end)

  it("covers a prefix with parameters", function()
    local app = application.new()
    app:use("/users/:id", named "load")
    app:get("/users/:user/posts", handler)
    app:get("/users", handler)
    local routes = app:_routes()
    assert.equal(1, #routes[1].middleware)
    assert.equal(0, #routes[2].middleware)
  end)
end)

describe("a request without a route", function()
  local function fallback(build)
    local app = application.new()
    build(app)
    return app:_fallback()
  end

  it("passes the middleware of the scopes its path lies in", function()
    local list = fallback(function(app)
      app:use(named "app")
      app:use("/admin", named "admin")
      app:group("/api", function(api)
        api:use(named "api")
        api:group("/users/:id"):use(named "user")
      end)
    end).middleware
    assert.equal("app", (trail(list, "/nothing")))
    assert.equal("app admin", (trail(list, "/admin/nothing")))
    assert.equal("app", (trail(list, "/apix")))
    assert.equal("app api", (trail(list, "/api")))
    assert.equal("app api user", (trail(list, "/api/users/7/x")))
    assert.equal("app api", (trail(list, "/api/users")))
  end)

  it("passes the middleware of its host", function()
    local list = fallback(function(app)
      app:host("a.org"):use(named "a")
      app:host("*.b.org"):use(named "b")
    end).middleware
    assert.equal("a", (trail(list, "/", "A.org:8080")))
    assert.equal("b", (trail(list, "/", "x.y.b.org")))
    assert.equal("", (trail(list, "/", "b.org")))
  end)

  it("is answered by the innermost not_found", function()
    local function marks(name)
      return function(ctx) ctx.trail[#ctx.trail + 1] = name end
    end
    local not_found = fallback(function(app)
      app:not_found(marks "app")
      app:group("/api"):not_found(marks "api")
    end).not_found
    assert.equal("api", (trail({}, "/api/x", nil, not_found)))
    assert.equal("app", (trail({}, "/x", nil, not_found)))
  end)

  it("has no not_found unless one was set", function()
    assert.is_nil(fallback(function() end).not_found)
    local only_api = fallback(function(app) app:group("/api"):not_found(handler) end).not_found
    local _, ctx = trail({}, "/x", nil, only_api)
    assert.equal(404, ctx.status)
  end)
end)

describe("the places of a chain", function()
  it("are the lines that declared each middleware and, last, the handler", function()
    local app = application.new()
    local first = debug.getinfo(1, "l").currentline
    app:use(named "a")
    app:use("/users", named "b")
    app:on_headers(handler)
    app:get("/users/:id", named "c", handler)
    app:get("/other", handler)
    app:get("/:any", handler)
    app:not_found(handler)
    local function at(...)
      local places = {}
      for i = 1, select("#", ...) do
        places[i] = "spec/lua/justhttp/routes_spec.lua:" .. first + select(i, ...)
      end
      return places
    end
    local routes = app:_routes()
    assert.same(at(1, 2, 3, 4, 4), routes[1].places)
    assert.same(at(1, 3, 5), routes[2].places)
    assert.same(at(1, 2, 3, 6), routes[3].places)
    for i = 1, 3 do assert.equal(#routes[i].middleware + 1, #routes[i].places) end
    assert.same(at(1, 2, 3, 7), app:_fallback().places)
  end)
end)

describe("on_error", function()
  it("of the innermost scope goes with the route", function()
    local app = application.new()
    local function outer() end
    local function inner() end
    app:on_error(outer)
    app:get("/", handler)
    app:group("/g", function(g)
      g:on_error(inner)
      g:get("/x", handler)
    end)
    local routes = app:_routes()
    assert.equal(outer, routes[1].on_error)
    assert.equal(inner, routes[2].on_error)
    assert.equal(outer, app:_fallback().on_error)
  end)
end)
