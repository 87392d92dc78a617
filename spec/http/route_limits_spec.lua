-- route_limits_spec.lua: routes have limits and timeouts of their own for bodies, and may refuse a
-- request before its body, however small that is.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

local CODE = [[
local http = require "justhttp"
local limits, on_headers = http.middleware.limits, http.middleware.on_headers
local app = http.app()
app:use(function(ctx, next)
  next()
  ctx:set("X-Seen", ctx.status)
end)
local function count(ctx)
  local bytes = 0
  for piece in ctx:pieces() do bytes = bytes + #piece end
  return tostring(bytes)
end
app:post("/plain", count)
app:post("/more", limits{ body = "1m" }, count)
app:post("/whole", limits{ body = "1m" }, function(ctx) return tostring(#ctx.body) end)
app:post("/less", limits{ body = 10 }, count)
app:post("/inner", limits{ body = 10 }, limits{ body = "1m" }, count)
app:post("/users/:id", limits{ body = 20 }, count)
app:group("/big", function(big)
  big:use(limits{ body = "1m" })
  big:post("/a", count)
  big:post("/b", limits{ body = 10 }, count)
end)
app:use("/guarded/x", limits{ body = "1m" })
app:post("/guarded/:name", count)
app:post("/impatient", limits{ body_timeout = 0.15 }, count)
app:post("/patient", limits{ body_timeout = 5 }, count)
app:post("/endless", limits{ body_timeout = 0 }, count)
app:post("/hook", on_headers(function(ctx)
  local length = ctx.content_length
  if ctx.headers["x-refuse"] then return 403, "refused " .. tostring(length) end
  if ctx.headers["x-error"] then return ctx:error(401) end
  if ctx.headers["x-limit"] then ctx:limits{ body = ctx.headers["x-limit"] } end
  local seconds = tonumber(ctx.headers["x-timeout"])
  if seconds then ctx:limits{ body_timeout = seconds } end
end), count)
app:group("/hooked", function(hooked)
  hooked:on_headers(function(ctx) if ctx.query.refuse then return 403, "hooked" end end)
  hooked:post("/a", count)
end)
app:post("/dynamic", function(ctx)
  local fits = ctx:limits{ body = tonumber(ctx.query.body) }
  local ok, err = pcall(count, ctx)
  return tostring(fits) .. " " .. tostring(err)
end)
app:get("/", function() return "here" end)
return app
]]

local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

describe("a route", function()
  local s

  setup(function()
    s = server.start { code = CODE, options = { max_body_bytes = 50000, log_level = "off",
                                                body_timeout_ms = 400 } }
  end)
  teardown(function() s:stop() end)

  local function head(path, length, fields)
    return ("POST %s HTTP/1.1\r\nHost: a\r\n%s%s\r\n\r\n"):format(path, fields or "",
      length and "Content-Length: " .. length or "Transfer-Encoding: chunked")
  end

  local function known(path, size, fields)
    return head(path, size, fields) .. ("x"):rep(size)
  end

  local function chunked(path, size)
    return ("%s%x\r\n%s\r\n0\r\n\r\n"):format(head(path), size, ("x"):rep(size))
  end

  local function answer(bytes)
    local c = s:connect()
    c:try_send(bytes)
    local r = c:response()
    c:close()
    return r
  end

  local function takes(path, size)
    for _, bytes in ipairs { known(path, size), chunked(path, size) } do
      local c = s:connect():send(bytes .. GET)
      assert.are.equal(tostring(size), c:response().body)
      assert.are.equal("here", c:response().body)
      c:close()
    end
  end

  local function refuses(path, size)
    assert.are.equal(413, answer(known(path, size)).status)
    assert.are.equal(413, answer(chunked(path, size)).status)
    -- Without a byte of the body.
    local r = answer(head(path, size))
    assert.are.same({ 413, "413" }, { r.status, r.headers["x-seen"] })
  end

  it("may take more than max_body_bytes", function()
    for _, path in ipairs { "/more", "/whole", "/inner", "/big/a", "/guarded/x" } do
      for _, size in ipairs { 10, 49999, 50001, 1048576 } do takes(path, size) end
      refuses(path, 1048577)
    end
  end)

  it("may take less", function()
    for _, path in ipairs { "/less", "/big/b" } do
      takes(path, 10)
      refuses(path, 11)
      refuses(path, 100000)
    end
    takes("/users/a%20b", 20)
    refuses("/users/a%20b", 21)
  end)

  it("changes nothing for others", function()
    takes("/plain", 50000)
    assert.are.equal(413, answer(head("/plain", 50001)).status)
    takes("/guarded/y", 50000)
    assert.are.equal(413, answer(known("/guarded/y", 50001)).status)
    assert.are.equal(413, answer(head("/nowhere", 50001)).status)
    assert.are.equal(413, answer(head("/impatient", 50001)).status)
    assert.are.equal(404, answer(known("/nowhere", 50000)).status)
    assert.are.equal(405, answer(known("/", 1000)).status)
  end)

  it("keeps the connection when a refused body was small", function()
    local c = s:connect():send(known("/less", 11) .. GET)
    assert.are.equal(413, c:response().status)
    assert.are.equal("here", c:response().body)
    c:close()
  end)

  it("may be less patient, or more", function()
    local function time_of(path, fields)
      local c = s:connect():send(head(path, 30000, fields) .. "x")
      local start = sys.now()
      local status = c:response().status
      c:close()
      return status, sys.now() - start
    end
    local status, seconds = time_of "/plain"
    assert.are.equal(408, status)
    assert.is_true(seconds >= 0.39)
    local short
    status, short = time_of "/impatient"
    assert.are.equal(408, status)
    assert.is_true(short >= 0.14)
    status, short = time_of("/hook", "X-Timeout: 0.1\r\n")
    assert.are.equal(408, status)
    assert.is_true(short >= 0.09)
    local slow = {}
    for i, path in ipairs { "/patient", "/endless" } do
      slow[i] = s:connect():send(head(path, 3) .. "x")
    end
    -- One that the server's own timeout ends shows that it has passed.
    assert.are.equal(408, (time_of "/plain"))
    for _, c in ipairs(slow) do
      assert.are.equal("3", c:send("xx"):response().body)
      c:close()
    end
  end)

  it("may have many timeouts", function()
    local conns = {}
    for i = 1, 20 do
      conns[i] = s:connect():send(head("/hook", 3, ("X-Timeout: 0.0%02d\r\n"):format(i)) .. "x")
    end
    for i = 1, 20 do
      assert.are.equal(408, conns[i]:response().status)
      conns[i]:close()
    end
  end)

  describe("with on_headers", function()
    it("may refuse before any byte of the body", function()
      for _, length in ipairs { 5, 30000, 10000000 } do
        local c = s:connect():send(head("/hook", length, "X-Refuse: 1\r\n"))
        local r = c:response()
        assert.are.same({ 403, "refused " .. length, "403" },
          { r.status, r.body, r.headers["x-seen"] })
        c:close()
        assert.are.equal(401, answer(head("/hook", length, "X-Error: 1\r\n")).status)
      end
      assert.are.equal("refused nil", answer(head("/hook", nil, "X-Refuse: 1\r\n")).body)
    end)

    it("keeps the connection when what it refused was small", function()
      local c = s:connect():send(head("/hook", 5, "X-Refuse: 1\r\n"))
      assert.are.equal(403, c:response().status)
      c:send("xxxxx" .. GET)
      assert.are.equal("here", c:response().body)
      c:close()
    end)

    it("goes on when it says nothing", function()
      for _, size in ipairs { 1, 16384, 50000 } do takes("/hook", size) end
      assert.are.equal(413, answer(head("/hook", 50001)).status)
      assert.are.equal(413, answer(chunked("/hook", 50001)).status)
      local c = s:connect():send(head("/hook", 5))
      c:send_slowly("xxxxx", { pause = 0.001 })
      assert.are.equal("5", c:response().body)
      c:close()
    end)

    it("may set the limit of one request", function()
      assert.are.equal("100000", answer(known("/hook", 100000, "X-Limit: 100k\r\n")).body)
      assert.are.equal(413, answer(head("/hook", 102401, "X-Limit: 100k\r\n")).status)
      assert.are.equal(413, answer(head("/hook", 5, "X-Limit: 4\r\n")).status)
      assert.are.equal("4", answer(known("/hook", 4, "X-Limit: 4\r\n")).body)
    end)

    it("counts for a whole scope", function()
      assert.are.equal("hooked", answer(head("/hooked/a?refuse=1", 5)).body)
      takes("/hooked/a", 5)
    end)
  end)

  it("may set limits when it runs", function()
    assert.are.equal("true 5", answer(known("/dynamic?body=5", 5)).body)
    assert.are.equal("true 40000", answer(known("/dynamic?body=40000", 40000)).body)
    assert.matches("^false .*too large", answer(known("/dynamic?body=20000", 40000)).body)
    assert.matches("too large", answer(chunked("/dynamic?body=20000", 40000)).body)
  end)
end)
