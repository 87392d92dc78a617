-- http2_pools_spec.lua: pools, sessions and balancers over HTTP/2, and a server whose TLS chooses
-- HTTP/2 and that allows one request at a time.
local caller = require "spec.support.caller"
local peer = require "spec.support.peer"
local server = require "spec.support.server"

local APP = [[
  local http = require "justhttp"
  local app = http.app()
  local running, most = 0, 0
  app:get("/work", function(ctx)
    running = running + 1
    most = math.max(most, running)
    http.sleep(0.002)
    running = running - 1
    return ctx.version
  end)
  app:get("/most", function() return tostring(most) end)
  app:post("/login", function(ctx)
    ctx:cookie("user", "ada")
    return ctx:redirect "/me"
  end)
  app:get("/me", function(ctx) return ctx.version .. " " .. tostring(ctx.cookies.user) end)
  app:get("/broken", function(ctx)
    ctx.status = 503
    return "broken"
  end)
  return app
]]

-- Asks for a path as often as told, all at once; the versions and failures that came, counted.
local ALL = [[
  local function all(client, target, times)
    local tasks, seen = {}, {}
    for i = 1, times do
      tasks[i] = http.spawn(function() return client:get(target) end)
    end
    for i = 1, times do
      local res, err = http.wait(tasks[i])
      local what = res and res.status .. " " .. res.version or err
      seen[what] = (seen[what] or 0) + 1
    end
    return seen
  end
]]

local function start(code, options)
  local all = { tls = "self" }
  for name, value in pairs(options or {}) do all[name] = value end
  return server.start { code = code, listen = "https://127.0.0.1:0", options = all }
end

local function url_of(s) return "https://127.0.0.1:" .. s.port end

describe("over HTTP/2", function()
  local c, s, narrow
  setup(function()
    c, s = caller.start(), start(APP)
    narrow = start(APP, { max_streams_per_connection = 1 })
  end)
  teardown(function()
    c:stop()
    s:stop()
    narrow:stop()
  end)

  it("a server that allows one stream is asked for one after the other", function()
    local seen, most, stats = c:run(ALL .. [[
      local client = http.client { max_connections = 1, tls = { verify = false } }
      assert(client:get(a .. "/me")) -- its SETTINGS are known then
      local seen = all(client, a .. "/work", 20)
      return seen, client:get(a .. "/most").body, client:stats()[a] ]], url_of(narrow))
    assert.are.same({ ["200 HTTP/2"] = 20 }, seen)
    assert.are.equal("1", most)
    assert.are.same({ 1, 0, 22 }, { stats.dialled, stats.retried, stats.calls })
  end)

  it("its requests are answered as well when they come before its SETTINGS", function()
    local seen, stats = c:run(ALL .. [[
      local client = http.client { max_connections = 1, tls = { verify = false } }
      return all(client, a .. "/work", 20), client:stats()[a] ]], url_of(narrow))
    assert.are.same({ ["200 HTTP/2"] = 20 }, seen)
    assert.are.same({ 0, 1 }, { stats.waiting, stats.connections })
  end)

  it("it gets further connections, as many as there may be", function()
    local seen, stats = c:run(ALL .. [[
      local client = http.client { max_connections = 3, tls = { verify = false } }
      assert(client:get(a .. "/me"))
      return all(client, a .. "/work", 20), client:stats()[a] ]], url_of(narrow))
    assert.are.same({ ["200 HTTP/2"] = 20 }, seen)
    assert.are.same({ 3, 0 }, { stats.dialled, stats.retried })
  end)

  it("pipelines do not go: they choose HTTP/1.1", function()
    assert.are.same({ "HTTP/1.1", "HTTP/1.1" }, (c:run([[
      local p = http.pipeline { url = a, tls = { verify = false } }
      local both = p:all { "/work", "/work" }
      return { both[1].body, both[2].body } ]], url_of(narrow))))
  end)

  it("pools keep a connection, and let it go when it is idle or old", function()
    for _, options in ipairs { { idle_timeout = 0.05 }, { max_connection_age = 0.05 } } do
      options.tls = { verify = false }
      local same, version = c:run([[
        local client = http.client(a.options)
        local kept = http.client { tls = { verify = false } }
        for _ = 1, 5 do assert(kept:get(a.url .. "/me")) end
        assert(client:get(a.url .. "/me"))
        if a.options.idle_timeout then
          local stats
          repeat
            http.sleep(0.002)
            stats = client:stats()[a.url]
          until not stats or stats.connections == 0
        else
          repeat
            http.sleep(0.002)
            assert(client:get(a.url .. "/me"))
          until client:stats()[a.url].dialled > 1
        end
        return kept:stats()[a.url].dialled, client:get(a.url .. "/me").version ]],
        { url = url_of(s), options = options })
      assert.are.same({ 1, "HTTP/2" }, { same, version })
    end
  end)

  it("sessions keep cookies, those of redirects too", function()
    assert.are.same({ "HTTP/2 nil", "HTTP/2 ada", "HTTP/2 ada" }, (c:run([[
      local session = http.session { base = a, tls = { verify = false } }
      return { session:get("/me").body, session:post("/login", "x").body,
        session:get("/me").body } ]], url_of(s))))
  end)

  it("balancers share the load, and ask elsewhere when an upstream fails", function()
    local nobody = peer.listen()
    local dead = "https://127.0.0.1:" .. nobody.port
    nobody:close()
    local by_upstream, seen, status = c:run(ALL .. [[
      local tls = { verify = false }
      local lb = http.balancer { policy = "round_robin",
        upstreams = { { url = a.one, tls = tls }, { url = a.two, tls = tls } } }
      local counts = {}
      for _ = 1, 10 do
        local res = assert(lb:get "/me")
        local what = res.upstream .. " " .. res.version
        counts[what] = (counts[what] or 0) + 1
      end
      local holed = http.balancer { policy = "round_robin", retry = { statuses = { 503 } },
        upstreams = { { url = a.dead, tls = tls }, { url = a.one, tls = tls } } }
      return counts, all(holed, "/work", 10), holed:get("/broken").status ]],
      { one = url_of(s), two = url_of(narrow), dead = dead })
    assert.are.same({ [url_of(s) .. " HTTP/2"] = 5, [url_of(narrow) .. " HTTP/2"] = 5 },
      by_upstream)
    assert.are.same({ ["200 HTTP/2"] = 10 }, seen)
    assert.are.equal(503, status)
  end)
end)
