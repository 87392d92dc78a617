-- proxied_spec.lua: apps look at requests and responses on their way and change them; middleware
-- and logs see a proxied response like any other.
local json = require "justhttp.json"
local proxying = require "spec.support.proxying"
local server = require "spec.support.server"

local get, post = proxying.get, proxying.post

local UPSTREAM = [[
local http = require "justhttp"
local app = http.app()
app:any("/*rest", function(ctx)
  local fields = {}
  for name, value in ctx:each_header() do fields[name:lower()] = value end
  ctx:set("X-Up", "1")
  ctx:set("ETag", '"x"')
  return { method = ctx.method, url = ctx.url, fields = fields, body = ctx.body }
end)
return app
]]

describe("a hook of http.proxy", function()
  local x, back
  setup(function() back = server.start { code = UPSTREAM } end)
  teardown(function() back:stop() end)
  after_each(function() x:stop() end)

  local function start(code, options) x = proxying.server(code, { back.url }, options) end

  local function ask(bytes)
    local c = x:client()
    c:send(bytes)
    local r = c:response()
    c:close()
    return r
  end

  it("changes the request", function()
    start [[
      app:any("/p/*rest", http.proxy { upstream = UP[1], on_request = function(ctx, req)
        req:set("X-Set", ctx.params.rest)
        req:set("User-Agent", nil)
        req:append("Accept", "b/c")
        req:remove("Cookie")
        req:set("Host", "other")
        if req.method == "POST" then req.body = "changed " .. ctx.body end
        req.target = "/new" .. req.target .. (req.headers["x-a"] or "")
      end })
    ]]
    local seen = json.decode(ask(post("/p/a?b", "hello",
      "X-A: 1\r\nCookie: c\r\nUser-Agent: d\r\nAccept: a/b\r\nX-Set: mine\r\n")).body)
    assert.equal("/new/p/a?b1", seen.url)
    assert.equal("changed hello", seen.body)
    assert.equal("13", seen.fields["content-length"])
    assert.equal("a", seen.fields["x-set"])
    assert.equal("other", seen.fields.host)
    assert.is_nil(seen.fields.cookie)
    assert.is_nil(seen.fields["user-agent"])
  end)

  it("answers in place of the upstream", function()
    start [[
      app:any("/p/*rest", http.proxy { upstream = UP[1], on_request = function(ctx, req)
        if ctx.params.rest == "a" then return 403, "no" end
        if ctx.params.rest == "b" then ctx:error(429) end
        if ctx.params.rest == "c" then error "on purpose" end
      end })
    ]]
    local r = ask(get "/p/a")
    assert.equal(403, r.status)
    assert.equal("no", r.body)
    assert.equal(429, ask(get "/p/b").status)
    assert.equal(500, ask(get "/p/c").status)
    assert.equal(200, ask(get "/p/d").status)
  end)

  it("reads a long body and gives it on", function()
    start [[
      app:any("/p/*rest", big, http.proxy { upstream = UP[1], on_request = function(ctx, req)
        req.body = ctx.body:upper()
      end })
      app:any("/read/*rest", big, function(ctx, next) local _ = ctx.body return next() end,
        http.proxy { upstream = UP[1] })
    ]]
    assert.equal(("X"):rep(200000), json.decode(ask(post("/p/a", ("x"):rep(200000))).body).body)
    assert.equal(("x"):rep(10), json.decode(ask(post("/read/a", ("x"):rep(10))).body).body)
    assert.equal(500, ask(post("/read/a", ("x"):rep(200000))).status)
    assert.matches("was read already", x:log())
  end)

  it("changes status and headers of the response", function()
    start [[
      app:any("/p/*rest", http.proxy { upstream = UP[1], on_response = function(ctx, res)
        res:set("X-Type", res.headers["Content-Type"])
        res:set("Content-Type", "text/x")
        res:set("X-Status", res.status)
        res:append("Vary", "A")
        res:remove("X-Up")
        res.status = 201
      end })
    ]]
    local r = ask(get "/p/a")
    assert.equal(201, r.status)
    assert.equal("Created", r.reason)
    assert.equal("text/x", r.headers["content-type"])
    assert.equal("application/json", r.headers["x-type"])
    assert.equal("200", r.headers["x-status"])
    assert.equal("A", r.headers.vary)
    assert.is_nil(r.headers["x-up"])
    assert.equal("/a", json.decode(r.body).url)
  end)

  it("replaces the body, also by what it was", function()
    start [[
      app:any("/p/*rest", http.proxy { upstream = UP[1], on_response = function(ctx, res)
        if ctx.params.rest == "new" then res.body = "new" return end
        local body = assert(res:read())
        res.body = #body .. body:gsub("x", "y")
      end })
    ]]
    local r = ask(get "/p/new")
    assert.equal("new", r.body)
    assert.equal("application/json", r.headers["content-type"])
    assert.equal("1", r.headers["x-up"])
    assert.is_nil(r.headers.etag)
    assert.equal("3", r.headers["content-length"])
    assert.matches(("y"):rep(100000), ask(post("/p/a", ("x"):rep(100000))).body)
  end)

  it("says what to answer when the upstream fails", function()
    start [[
      app:any("/p/*rest", http.proxy { upstream = "http://127.0.0.1:1",
        on_error = function(ctx, err, kind) return 200, kind .. "|" .. err end })
    ]]
    assert.matches("^connect|.*127.0.0.1:1: connection refused", ask(get "/p/a").body)
  end)

  it("may wait", function()
    start [[
      app:any("/p/*rest", http.proxy { upstream = UP[1],
        on_request = function() http.sleep(0.02) end,
        on_response = function() http.sleep(0.02) end })
    ]]
    for _ = 1, 3 do assert.equal(200, ask(get "/p/a").status) end
    assert.matches("xxxx", ask(post("/p/a", ("x"):rep(100000))).body)
  end)

  it("is told what it does wrong", function()
    start [[
      local kept
      app:any("/p/*rest", http.proxy { upstream = UP[1], on_request = function(ctx, req)
        local what = ctx.params.rest
        if what == "framing" then req:set("Content-Length", 1) end
        if what == "split" then req:set("X", "a\r\nb") end
        if what == "target" then req.target = "a b" end
        if what == "field" then req.foo = "x" end
        if what == "kept" then kept:set("X", "y") end
        kept = req
      end })
    ]]
    ask(get "/p/fine")
    for _, what in ipairs { "framing", "split", "target", "field", "kept" } do
      assert.equal(500, ask(get("/p/" .. what)).status, what)
    end
    assert.matches("Content%-Length is the proxy's own business", x:log())
    assert.matches("over when the hook has returned", x:log())
  end)
end)

describe("what stands around http.proxy", function()
  local x, back
  setup(function() back = server.start { code = UPSTREAM } end)
  teardown(function() back:stop() end)
  after_each(function() x:stop() end)

  it("sees the response and adds to it", function()
    x = proxying.server([[
      app:use(function(ctx, next)
        ctx:set("X-Before", "b")
        ctx:set("X-Up", "mine")
        local first, second = next()
        ctx:set("X-After", ctx.status)
        return first, second
      end)
      app:any("/p/*rest", http.proxy { upstream = UP[1] })
    ]], { back.url })
    local c = x:client()
    c:send(get "/p/a")
    local r = c:response()
    assert.equal("b", r.headers["x-before"])
    assert.equal("200", r.headers["x-after"])
    assert.equal("mine", r.headers["x-up"])
  end)

  it("logs status and length", function()
    x = proxying.server([[
      app:use(http.middleware.logger())
      app:any("/p/*rest", http.proxy { upstream = UP[1] })
      app:any("/dead", http.proxy { upstream = "http://127.0.0.1:1" })
    ]], { back.url })
    local c = x:client()
    for _, bytes in ipairs { 10, 100000 } do
      c:send(post("/p/a", ("x"):rep(bytes)))
      local r = c:response()
      require "spec.support.wait"(function()
        return x.server:output():find(tostring(#r.body), 1, true)
      end, 5, "the length in the log:\n" .. x.server:output())
    end
    c:send(get "/dead")
    c:response()
    require "spec.support.wait"(function() return x.server:output():find "502" end, 5, "502")
  end)

  it("may answer in time for a slow upstream", function()
    local silent = require "spec.support.peer".listen()
    x = proxying.server([[
      app:any("/p/*rest", http.middleware.timeout(0.1), http.proxy { upstream = UP[1] })
    ]], { silent.url })
    local c = x:client()
    c:send(get "/p/a")
    assert.equal(503, c:response().status)
    local up = silent:accept()
    up:read_until "\r\n\r\n"
    assert.is_true(up:is_closed(5)) -- the deadline is the call's as well
    up:close()
    silent:close()
  end)

  it("chooses the upstream by a balancer", function()
    local other = server.start { code = 'return function() return "other" end' }
    x = proxying.server([[
      local lb = http.balancer { upstreams = UP, policy = "consistent_hash" }
      app:any("/p/:key", http.proxy { balancer = lb,
        key = function(ctx) return ctx.params.key end })
      app:get("/stats", function() return lb:stats() end)
    ]], { back.url, other.url })
    local c, count = x:client(), 0
    for i = 1, 20 do
      c:send(get("/p/" .. i):rep(2))
      local first, second = c:response().body, c:response().body
      assert.equal(first, second)
      if first == "other" then count = count + 1 end
    end
    assert.is_true(count > 0 and count < 20)
    c:close()
    other:stop()
  end)
end)
