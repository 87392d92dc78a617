-- access_log_spec.lua: every request that reaches the app is one line with the status and the bytes
-- its client got, however it ended.
local json = require "justhttp.json"
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

local app = [[
local http = require "justhttp"
local app = http.app()
app:use(http.middleware.logger "json")
app:get("/text", function() return "hello" end)
app:post("/json", function() return 201, { a = 1 } end)
app:get("/none", function() return 204 end)
app:get("/late", function() http.sleep(0.005) return "late" end)
app:get("/spin", function()
  local x = 0
  for i = 1, 3e6 do x = x + i % 7 end
  return tostring(x)
end)
app:get("/error", function() error "on purpose" end)
app:get("/stream", function(ctx)
  ctx:stream(function(stream)
    for _ = 1, 3 do
      stream:write "12345"
      http.sleep(0.001)
    end
  end)
end)
app:get("/endless", function(ctx)
  ctx.status = 202
  ctx:stream(function(stream)
    while true do
      stream:write(("x"):rep(1000))
      http.sleep(0.001)
    end
  end)
end)
app:get("/broken", function(ctx)
  ctx:stream(function(stream) stream:write "1234567" error "broken" end)
end)
app:get("/events", function(ctx)
  ctx:events(function(events) events:send "one" end)
end)
app:get("/upgrade", function(ctx)
  ctx:upgrade("echo", function(conn) conn:write(conn:read()) end)
end)
app:get("/hijack", function(ctx)
  ctx:hijack(function(conn) conn:write "raw" end)
end)
app:get("/hijack-answer", function(ctx)
  ctx:text "first"
  ctx:hijack(function(conn) conn:write "then" end)
end)
app:get("/file", function(ctx) ctx:file "app.lua" end)
app:get("/wait", function() print "waiting" http.sleep(60) end)
app:get("/run-on", http.middleware.run_on(), function()
  print "running on"
  http.sleep(0.1)
  return "nobody reads this"
end)
app:get("/timeout", http.middleware.timeout(0.01, "too slow"), function(ctx)
  http.sleep(0.5)
  ctx.status = 418
  return 201, "what the late handler says"
end)
app:get("/timeout-error", function(ctx)
  ctx:timeout_error("enough", 504)
  return 201, "what the handler says later"
end)
app:get("/cancelled-task", function()
  local task = http.spawn(function() http.sleep(60) end)
  task:cancel()
  http.wait(task)
end)
return app ]]

describe("the access log", function()
  local s
  setup(function() s = server.start { code = app } end)
  teardown(function() s:stop() end)

  -- The only line about a target, once it is there.
  local function line_of(target)
    local found
    wait_for(function()
      local count = 0
      for line in s:stdout():gmatch "[^\n]+" do
        local entry = line:find("^{") and json.decode(line)
        if entry and entry.target == target then found, count = entry, count + 1 end
      end
      assert(count < 2, "more than one line about " .. target)
      return found
    end, 3, "a line about " .. target)
    return found
  end

  local function expect(target, status, bytes)
    local entry = line_of(target)
    assert.are.same({ status, bytes }, { entry.status, entry.bytes })
    return entry
  end

  it("has status and bytes of whole responses", function()
    s:get "/text"
    expect("/text", 200, 5)
    s:request { method = "POST", path = "/json" }
    expect("/json", 201, 7)
    s:get "/none"
    expect("/none", 204, 0)
    s:request { method = "HEAD", path = "/text?head" }
    expect("/text?head", 200, 0)
    local missing = s:get "/missing"
    expect("/missing", 404, #missing.body)
    local failed = s:get "/error"
    expect("/error", 500, #failed.body)
  end)

  it("tells how long a request took, whether its handler waited or computed", function()
    s:get "/late"
    assert.is_true(line_of("/late").duration_ms >= 5)
    s:get "/spin"
    local spun_ms = line_of("/spin").duration_ms
    assert.is_true(spun_ms > 0.5 and spun_ms < 5000)
    s:get "/text?quick"
    assert.is_true(line_of("/text?quick").duration_ms > 0)
  end)

  it("counts what is sent of files", function()
    local whole = s:get "/file"
    expect("/file", 200, #whole.body)
    s:get("/file?part", { Range = "bytes=0-9" })
    expect("/file?part", 206, 10)
    s:get("/file?same", { ["If-None-Match"] = whole.headers.etag })
    expect("/file?same", 304, 0)
  end)

  it("counts what was streamed", function()
    assert.are.equal("123451234512345", s:get("/stream").body)
    expect("/stream", 200, 15)
    s:request { method = "HEAD", path = "/stream?head" }
    expect("/stream?head", 200, 0)
    local events = s:get "/events"
    expect("/events", 200, #events.body)
    local c = s:connect():send "GET /broken HTTP/1.1\r\nHost: a\r\n\r\n"
    c:read_all()
    c:close()
    expect("/broken", 200, 7)
  end)

  it("keeps the status that was sent when the client of a stream leaves", function()
    local c = s:connect():send "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"
    c:read_until "xxxx"
    c:reset()
    local entry = line_of "/endless"
    assert.are.equal(202, entry.status)
    assert.is_true(entry.bytes >= 1000)
  end)

  it("has 101 for an upgrade, and 0 for a hijack without an answer", function()
    local c = s:connect():send(
      "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    assert.are.equal(101, c:response().status)
    c:send "ping"
    assert.are.equal("ping", c:read(4))
    c:close()
    expect("/upgrade", 101, 0)
    local refused = s:get "/upgrade?refused"
    expect("/upgrade?refused", 426, #refused.body)
    c = s:connect():send "GET /hijack HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.are.equal("raw", c:read_all())
    c:close()
    expect("/hijack", 0, 0)
    c = s:connect():send "GET /hijack-answer HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.are.equal("first", c:response().body)
    assert.are.equal("then", c:read_all())
    c:close()
    expect("/hijack-answer", 200, 5)
  end)

  it("has 499 where the client left before its answer", function()
    local left = { ["/wait"] = "waiting", ["/run-on"] = "running on" }
    for target, said in pairs(left) do
      local c = s:connect():send("GET " .. target .. " HTTP/1.1\r\nHost: a\r\n\r\n")
      wait_for(function() return s:stdout():find(said, 1, true) end)
      c:reset()
      expect(target, 499, 0)
    end
  end)

  it("has what the client got where a timeout answered, at that time", function()
    local r = s:get "/timeout"
    assert.are.equal(503, r.status)
    local entry = expect("/timeout", 503, #r.body)
    assert.is_true(entry.duration_ms >= 10 and entry.duration_ms < 500)
    r = s:get "/timeout-error"
    assert.are.equal(504, r.status)
    expect("/timeout-error", 504, #r.body)
  end)

  it("has 500 where a handler waited for a task that was cancelled", function()
    local r = s:get "/cancelled-task"
    assert.are.equal(500, r.status)
    expect("/cancelled-task", 500, #r.body)
  end)
end)
