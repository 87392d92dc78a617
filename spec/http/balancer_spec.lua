-- Balancers in front of real servers: who gets what, what happens when one dies, or all do.
local caller = require "spec.support.caller"
local peer = require "spec.support.peer"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local UPSTREAM = [[
local http = require "justhttp"
local app = http.app()
local count = 0
app:any("/name", function(ctx)
  count = count + 1
  return { method = ctx.method, body = ctx.body, count = count, host = ctx.headers.host,
           port = ctx.host:match ":(%d+)$" }
end)
app:get("/count", function() return tostring(count) end)
app:get("/slow", function() http.sleep(0.2) return "slow" end)
app:get("/page", function(ctx) ctx:redirect("http://" .. ctx.headers.host .. "/name") end)
app:get("/stream", function(ctx)
  ctx:stream(function(stream)
    for i = 1, 3 do stream:write("piece " .. i .. "\n") end
  end)
end)
return app
]]

describe("a balancer over servers", function()
  local c, servers

  setup(function() c = caller.start() end)
  teardown(function() c:stop() end)

  before_each(function()
    servers = {}
    for i = 1, 3 do servers[i] = server.start { code = UPSTREAM } end
  end)
  after_each(function()
    for _, s in ipairs(servers) do s:stop() end
  end)

  local function run(code, more)
    local arguments = { urls = {} }
    for i, s in ipairs(servers) do arguments.urls[i] = s.url end
    for name, value in pairs(more or {}) do arguments[name] = value end
    return c:run(code, arguments)
  end

  local function served()
    local counts = {}
    for i, s in ipairs(servers) do counts[i] = tonumber(s:get("/count").body) end
    return counts
  end

  it("spreads requests in turn", function()
    run [[
      local lb = http.balancer { upstreams = a.urls, policy = "round_robin" }
      for _ = 1, 30 do assert(lb:get "/name") end ]]
    assert.same({ 10, 10, 10 }, served())
  end)

  it("spreads requests by least pending when they come at once", function()
    run [[
      local lb = http.balancer { upstreams = a.urls }
      local tasks = {}
      for i = 1, 60 do tasks[i] = http.spawn(lb.get, lb, "/name") end
      for i = 1, 60 do assert(http.wait(tasks[i])) end ]]
    assert.same({ 20, 20, 20 }, served())
  end)

  it("spreads requests by weight", function()
    run [[
      local lb = http.balancer { policy = "weighted", upstreams = {
        { url = a.urls[1], weight = 5 }, { url = a.urls[2], weight = 3 }, a.urls[3] } }
      for _ = 1, 18 do assert(lb:get "/name") end ]]
    assert.same({ 10, 6, 2 }, served())
  end)

  it("keeps keys where they are when one goes", function()
    local moved, kept = run [[
      local lb = http.balancer { upstreams = a.urls, policy = "consistent_hash" }
      local before, moved, kept = {}, 0, 0
      for i = 1, 60 do before[i] = lb:get("/name", { key = "user" .. i }).upstream end
      lb:remove(a.urls[3])
      for i = 1, 60 do
        local after = lb:get("/name", { key = "user" .. i }).upstream
        if after == before[i] then
          kept = kept + 1
        else
          moved = moved + 1
          assert(before[i] == a.urls[3])
        end
      end
      return moved, kept ]]
    assert.equal(60, moved + kept)
    assert.is_true(moved > 5 and moved < 35, moved)
  end)

  it("sends bodies, follows redirects, decodes: all a client does", function()
    local body, url, upstream, text = run [[
      local lb = http.balancer { upstreams = { a.urls[1] } }
      local posted = lb:post("/name", { json = { x = 1 } }):json()
      local page = lb:get "/page"
      local res = lb:get("/stream", { stream = true })
      return posted.body, page.url, page.upstream, res:text() ]]
    assert.equal('{"x":1}', body)
    assert.equal(servers[1].url .. "/name", url)
    assert.equal(servers[1].url, upstream)
    assert.equal("piece 1\npiece 2\npiece 3\n", text)
  end)

  it("counts a streamed answer as pending until it ended, was closed or forgotten", function()
    local held, ended, closed, forgotten = run [[
      local lb = http.balancer { upstreams = { a.urls[1] } }
      local function pending() return lb:status().upstreams[1].pending end
      local res = lb:get("/stream", { stream = true })
      local held = pending()
      res:text()
      local ended = pending()
      res = lb:get("/stream", { stream = true })
      res:close()
      local closed = pending()
      res = lb:get("/stream", { stream = true })
      res = nil
      http.sleep(0)
      collectgarbage()
      collectgarbage()
      return held, ended, closed, pending() ]]
    assert.same({ 1, 0, 0, 0 }, { held, ended, closed, forgotten })
  end)

  it("loses no request that can be repeated while servers die and come back", function()
    local pending = c:begin([[
      local lb = http.balancer { upstreams = a.urls, eject = { failures = 2, seconds = 0.05 } }
      local failures, total, is_over = {}, 0, false
      local function work()
        while total < 3000 do
          total = total + 1
          local res, err = lb:get "/name"
          if not res then failures[#failures + 1] = err
          elseif res.status ~= 200 then failures[#failures + 1] = tostring(res.status) end
        end
      end
      local tasks = {}
      for i = 1, 8 do tasks[i] = http.spawn(work) end
      for i = 1, 8 do http.wait(tasks[i]) end
      return failures, lb:status().requests, total ]], { urls = { servers[1].url, servers[2].url,
        servers[3].url } })
    -- Two of three die hard in the middle of it.
    for i = 1, 2 do
      wait_for(function() return tonumber(servers[3]:get("/count").body) > 100 * i end)
      for _, pid in ipairs(servers[i]:workers()) do servers[i]:signal(sys.SIGKILL, pid) end
    end
    local failures, requests, total = pending:finish()
    assert.same({}, failures)
    assert.equal(requests, total)
  end)

  it("goes around servers that are not there", function()
    local gone = peer.listen()
    local url = gone.url
    gone:close()
    local statuses, status = run([[
      local lb = http.balancer { upstreams = { a.gone, a.urls[1] }, policy = "round_robin" }
      local statuses = {}
      for i = 1, 20 do
        local res = lb:post("/name", "x")
        statuses[i] = res and res.status or 0
      end
      return statuses, lb:status() ]], { gone = url })
    for _, one in ipairs(statuses) do assert.equal(200, one) end
    assert.equal(20, status.upstreams[2].total)
    assert.equal(5, status.upstreams[1].failures)
    assert.is_true(status.upstreams[1].is_ejected)
    assert.matches("connection refused", status.upstreams[1].last_error)
  end)

  it("says what failed when all have", function()
    local gone = { peer.listen(), peer.listen() }
    local urls = { gone[1].url, gone[2].url }
    for _, one in ipairs(gone) do one:close() end
    local res, err, kind = run([[
      local lb = http.balancer { upstreams = a.gone }
      return lb:get "/x" ]], { gone = urls })
    assert.is_nil(res)
    assert.matches("^GET " .. urls[1]:gsub("%p", "%%%0"):sub(1, 10), err)
    assert.matches("connection refused", err)
    assert.equal("connect", kind)
  end)

  it("tries elsewhere what was lost, when it is harmless", function()
    local bad = peer.listen()
    local function lose(method)
      local pending = c:begin([[
        local lb = http.balancer { upstreams = { a.bad, a.good }, policy = "round_robin" }
        local res, err, kind = lb:request(a.method, "/name")
        return res and res.upstream, kind, lb:status().retries ]],
        { bad = bad.url, good = servers[1].url, method = method })
      local conn = bad:accept()
      peer.request(conn)
      conn:close()
      return pending:finish()
    end
    local upstream, _, retries = lose "GET"
    assert.equal(servers[1].url, upstream)
    assert.equal(1, retries)
    local kind
    upstream, kind, retries = lose "POST"
    assert.is_nil(upstream)
    assert.equal("closed", kind)
    assert.equal(0, retries)
    bad:close()
  end)

  it("keeps retries within the budget when every answer is a failure", function()
    local bad = server.start { code = [[
      local count = 0
      return function(ctx)
        if ctx.path == "/count" then return tostring(count) end
        count = count + 1
        return 503, "no"
      end ]] }
    run([[
      local lb = http.balancer { upstreams = { a.bad, { url = a.bad .. "/again" } }, eject = false,
                                 retry = { statuses = { 503 }, budget = 0.1, reserve = 5 } }
      for _ = 1, 200 do assert(lb:get("/x").status == 503) end ]], { bad = bad.url })
    local asked = tonumber(bad:get("/count").body)
    assert.is_true(asked >= 220 and asked <= 225, asked)
    bad:stop()
  end)

  it("asks a second server when the first is slow", function()
    local body, hedges, took = run [[
      local lb = http.balancer { upstreams = a.urls, policy = "round_robin", hedge = 0.02 }
      local started = require "justhttp.door".precise_ms()
      local res = lb:get "/slow"
      local took = require "justhttp.door".precise_ms() - started
      local status = lb:status()
      return res.body, status.hedges, took ]]
    assert.equal("slow", body)
    assert.equal(1, hedges)
    assert.is_true(took >= 200)
  end)

  it("talks over unix sockets", function()
    local dir = sys.temp_dir()
    local s = server.start { code = UPSTREAM, listen = "unix:" .. dir .. "/s" }
    local host, url = run([[
      local lb = http.balancer { upstreams = { "http://unix:" .. a.path } }
      local res = assert(lb:get "/name")
      return res:json().host, res.url ]], { path = dir .. "/s" })
    assert.equal("localhost", host)
    assert.equal("http://unix:" .. dir .. "/s/name", url)
    s:stop()
    sys.remove(dir)
  end)

  it("finds the addresses of names", function()
    local ports, urls = run [[
      local lb = http.balancer { upstreams = { (a.urls[1]:gsub("127.0.0.1", "localhost")) },
                                 resolve = true }
      local res = assert(lb:get "/name")
      local urls = {}
      for i, row in ipairs(lb:status().upstreams) do urls[i] = row.url end
      return res:json().host, urls ]]
    assert.matches("^localhost:", ports)
    local is_found = false
    for _, url in ipairs(urls) do is_found = is_found or url == servers[1].url end
    assert.is_true(is_found)
  end)

  it("says which name was not found", function()
    local res, err, kind = run [[
      local lb = http.balancer { upstreams = { "http://nowhere.invalid" }, resolve = true }
      return lb:get "/name" ]]
    assert.is_nil(res)
    assert.matches("^balancer: look up nowhere%.invalid: ", err)
    assert.equal("resolve", kind)
  end)
end)
