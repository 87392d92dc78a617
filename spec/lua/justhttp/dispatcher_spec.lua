-- The loop of a worker: routes and misses, middleware around them, dispatchers and their pool.
local worker = require "spec.support.worker"

describe("the dispatcher", function()
  local w, http, handler, middleware, trail

  local function note(name)
    return function(_, next)
      trail[#trail + 1] = name .. " in"
      next()
      trail[#trail + 1] = name .. " out"
    end
  end

  setup(function()
    w = worker.new(function(app, h)
      http = h
      app:use(note "app")
      app:get("/", function(ctx) return handler(ctx) end)
      app:get("/mw", note "route", function(ctx, next) return middleware(ctx, next) end,
        function(ctx) return handler(ctx) end)
      app:group("/group", function(group)
        group:use(note "group")
        group:get("/:id", function(ctx) return handler(ctx) end)
        group:not_found(function(ctx) return 404, "nothing in the group at " .. ctx.path end)
      end)
    end)
  end)
  teardown(function() w:close() end)

  before_each(function()
    trail = {}
    for i = #w.log, 1, -1 do w.log[i] = nil end
  end)

  local function serve(fn, path)
    handler = fn
    return w:get(path or "/")
  end

  -- Serves so many requests at once; fn(i) runs as the task that makes the nth.
  local function at_once(count, path)
    return w:run(function()
      local tasks, bodies = {}, {}
      for i = 1, count do
        tasks[i] = http.spawn(function() return w.app:request { path = path }.body end)
      end
      for i = 1, count do bodies[i] = http.wait(tasks[i]) end
      return bodies
    end)
  end

  describe("runs middleware", function()
    it("from the app's inwards, and back", function()
      assert.equal("7", serve(function(ctx)
        trail[#trail + 1] = "handler"
        return ctx.params.id
      end, "/group/7").body)
      assert.same({ "app in", "group in", "handler", "group out", "app out" }, trail)
    end)

    it("of the route behind that of the app", function()
      middleware = function(_, next) next() end
      serve(function() trail[#trail + 1] = "handler" end, "/mw")
      assert.same({ "app in", "route in", "handler", "route out", "app out" }, trail)
    end)

    it("that calls next behind a wait", function()
      middleware = function(_, next)
        http.sleep(0.002)
        next()
      end
      assert.equal("x", serve(function() return "x" end, "/mw").body)
    end)

    it("that calls next from a task", function()
      middleware = function(_, next) http.wait(http.spawn(next)) end
      assert.equal("from the task", serve(function(ctx)
        http.sleep(0.001)
        return ctx.path == "/mw" and "from the task"
      end, "/mw").body)
    end)

    it("that calls next twice: the handler runs twice, the last answer counts", function()
      local count = 0
      middleware = function(_, next)
        next()
        next()
      end
      assert.equal("2", serve(function()
        count = count + 1
        return tostring(count)
      end, "/mw").body)
    end)

    it("that does not call next: the handler does not run", function()
      middleware = function() return 403, "no" end
      local response = serve(function() error "never" end, "/mw")
      assert.equal(403, response.status)
      assert.equal("no", response.body)
    end)

    it("that changes the response on the way out", function()
      middleware = function(ctx, next)
        next()
        ctx:set("X-Bytes", ctx.response_bytes)
        ctx.status = 202
      end
      local response = serve(function() return "12345" end, "/mw")
      assert.equal(202, response.status)
      assert.equal("5", response.headers["X-Bytes"])
    end)

    it("that catches what the handler raised", function()
      middleware = function(_, next)
        local ok, err = pcall(next)
        if not ok then return 500, "caught " .. tostring(err):match "[^:]*$" end
      end
      assert.equal("caught  on purpose", serve(function()
        http.sleep(0)
        error "on purpose"
      end, "/mw").body)
      assert.same({}, w.log)
    end)
  end)

  describe("answers a miss", function()
    it("with 404, inside of the app's middleware", function()
      local response = w:get "/nowhere"
      assert.equal(404, response.status)
      assert.equal("Not Found\n", response.body)
      assert.same({ "app in", "app out" }, trail)
    end)

    it("with 405 and Allow", function()
      local response = w:request { method = "POST", path = "/" }
      assert.equal(405, response.status)
      assert.equal("GET, HEAD, OPTIONS", response.headers.Allow)
      assert.same({ "app in", "app out" }, trail)
    end)

    it("of OPTIONS with Allow", function()
      local response = w:request { method = "OPTIONS", path = "/" }
      assert.equal(204, response.status)
      assert.equal("GET, HEAD, OPTIONS", response.headers.Allow)
      assert.equal(204, w:request({ method = "OPTIONS", path = "*" }).status)
    end)

    it("below a scope with its not_found, inside of its middleware", function()
      local response = w:get "/group/a/b"
      assert.equal(404, response.status)
      assert.equal("nothing in the group at /group/a/b", response.body)
      assert.same({ "app in", "group in", "group out", "app out" }, trail)
    end)
  end)

  it("answers HEAD by the handler of GET", function()
    handler = function(ctx) return ctx.method end
    local response = w:request { method = "HEAD", path = "/" }
    assert.equal(200, response.status)
    assert.equal("4", response.headers["Content-Length"])
    assert.equal("", response.body)
  end)

  it("runs many handlers that wait at once", function()
    local inside, most = 0, 0
    handler = function()
      inside = inside + 1
      most = math.max(most, inside)
      http.sleep(0.005)
      inside = inside - 1
      return "done"
    end
    local bodies = at_once(300, "/")
    for i = 1, 300 do assert.equal("done", bodies[i]) end
    assert.equal(300, most)
    assert.same({}, w.log)
  end)

  it("keeps each waiting handler's own request", function()
    handler = function(ctx)
      local id = ctx.params.id
      for _ = 1, 3 do
        http.sleep(0)
        assert(ctx.params.id == id and ctx.path == "/group/" .. id)
      end
      return id
    end
    w:run(function()
      local tasks = {}
      for i = 1, 50 do
        tasks[i] = http.spawn(function() return w.app:request({ path = "/group/" .. i }).body end)
      end
      for i = 1, 50 do assert.equal(tostring(i), http.wait(tasks[i])) end
    end)
    assert.same({}, w.log)
  end)

  it("serves on after handlers that raise, waited or not", function()
    local count = 0
    handler = function()
      count = count + 1
      if count % 3 == 1 then error "x" end
      if count % 3 == 2 then
        http.sleep(0)
        error "y"
      end
      return "fine"
    end
    for i = 1, 30 do assert.equal(i % 3 == 0 and 200 or 500, w:get("/").status) end
  end)

  describe("keeps dispatchers that waited", function()
    local other, dispatcher

    before_each(function()
      other = worker.new(function(app, h)
        app:get("/", function()
          h.sleep(0.001)
          return "x"
        end)
      end)
      dispatcher = other.modules.dispatcher
      dispatcher.trim_after_s = 0.005
    end)
    after_each(function() other:close() end)

    local function others_at_once(count)
      other:run(function()
        local tasks = {}
        for i = 1, count do tasks[i] = other.http.spawn(other.get, other, "/") end
        for i = 1, count do other.http.wait(tasks[i]) end
      end)
    end

    it("in a pool, and uses them again", function()
      dispatcher.trim_after_s = 60
      others_at_once(20)
      local count = dispatcher.pool_count()
      assert.is_true(count >= 20)
      for _ = 1, 5 do others_at_once(20) end
      assert.is_true(dispatcher.pool_count() <= count + 1)
    end)

    it("for a while and no longer, also when no request comes", function()
      others_at_once(20)
      assert.is_true(dispatcher.pool_count() > 0)
      other:wait(function() return dispatcher.pool_count() == 0 end)
      others_at_once(20)
      assert.is_true(dispatcher.pool_count() > 0)
      other:wait(function() return dispatcher.pool_count() == 0 end)
    end)

    it("as long as they are needed", function()
      others_at_once(10)
      for _ = 1, 20 do
        others_at_once(3)
        assert.is_true(dispatcher.pool_count() >= 3)
      end
    end)
  end)

  it("says which routes are in each other's way, with both places", function()
    local other = worker.new(function(app)
      app:get("/a/:x", print)
      app:get("/a/:y", print)
    end)
    local ok, err = pcall(other.get, other, "/a/1")
    other:close()
    assert.is_false(ok)
    local _, count = tostring(err):gsub("dispatcher_spec%.lua:%d+", "")
    assert.is_true(count >= 2, err)
  end)

  it("leaves the heap as it was after 10,000 requests", function()
    handler = function(ctx)
      ctx.values.a = ctx.path
      ctx:set("X-A", "b")
      if ctx.params.id == "7" then http.sleep(0) end
      return { ctx.params.id }
    end
    local function round(count)
      w:run(function()
        for i = 1, count do w.app:request { path = "/group/" .. i % 10 } end
      end)
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end
    local function settle()
      trail = {}
      return round(1)
    end
    round(2000)
    local before = settle()
    round(10000)
    local grown = settle() - before
    assert.is_true(grown < 50, "grew by " .. grown .. " KB")
  end)
end)
