-- in_process_request_spec.lua: app:request goes through parser, router and handlers inside a
-- running server, beside its real connections.
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

local CODE = [[
local http = require "justhttp"
local door = require "justhttp.door"
local app = http.app()
app:get("/hello", function(ctx)
  ctx:set("X-Ip", ctx.ip)
  return "hello " .. (ctx.query.name or "")
end)
app:get("/wait", function() http.sleep(0.01) return "waited" end)
app:post("/echo", function(ctx) return ctx.body end)
app:post("/ignore", function(ctx) return "ignored" end)
app:get("/fail", function() error "on purpose" end)
app:get("/close", function(ctx) ctx:set("Connection", "close") return "closed" end)
app:post("/call", function(ctx)
  local request = ctx:json()
  local r, err = app:request(request)
  if not r then return 502, err end
  return { status = r.status, size = #r.body, body = r.body:sub(1, 100), ip = r.headers["x-ip"] }
end)
app:get("/nested", function(ctx)
  local depth = tonumber(ctx.query.depth)
  if depth == 0 then return "bottom" end
  return app:request({ path = "/nested?depth=" .. depth - 1 }).body
end)
app:get("/many", function(ctx)
  local tasks = {}
  for i = 1, 50 do
    local path = i % 2 == 0 and "/wait" or "/hello"
    tasks[i] = http.spawn(function() return app:request({ path = path }) end)
  end
  local count = 0
  for i = 1, 50 do if http.wait(tasks[i]).status == 200 then count = count + 1 end end
  return tostring(count)
end)
app:get("/counts", function()
  return ("%d in flight, %d connections"):format(door.C.jh_generation_in_flight(door.generation),
    door.C.jh_generation_connections(door.generation))
end)
return app
]]

describe("app:request", function()
  local s, json

  setup(function()
    json = require "justhttp.json"
    s = server.start { code = CODE, options = { log_level = "off" } }
  end)
  teardown(function()
    wait_for(function() return s:get("/counts").body == "1 in flight, 1 connections" end)
    s:stop()
  end)

  local function call(request)
    local r = s:request { method = "POST", path = "/call", body = json.encode(request) }
    assert.are.equal(200, r.status, r.body)
    return json.decode(r.body)
  end

  it("answers", function()
    assert.are.same({ status = 200, size = 9, body = "hello you", ip = "127.0.0.1" },
      call { path = "/hello?name=you" })
    assert.are.equal("waited", call({ path = "/wait" }).body)
    assert.are.equal(404, call({ path = "/missing" }).status)
    assert.are.equal(500, call({ path = "/fail" }).status)
    assert.are.equal("closed", call({ path = "/close" }).body)
    assert.are.equal(0, call({ path = "/hello", method = "HEAD" }).size)
  end)

  it("carries bodies of all sizes", function()
    for _, size in ipairs { 1, 16384, 16385, 100000, 900000 } do
      local r = call { path = "/echo", method = "POST", body = ("x"):rep(size) }
      assert.are.equal(size, r.size)
      assert.are.equal("ignored", call({ path = "/ignore", body = ("x"):rep(size) }).body)
    end
  end)

  it("may be nested", function()
    assert.are.equal("bottom", s:get("/nested?depth=20").body)
  end)

  it("may be many at once", function()
    assert.are.equal("50", s:get("/many").body)
  end)
end)

describe("app:request at the end of a worker", function()
  it("is let go with it", function()
    local s = server.start { options = { shutdown_timeout_ms = 100 }, code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/never", function() http.sleep(60) return "never" end)
      app:get("/call", function() return app:request({ path = "/never" }).body end)
      app:get("/", function() return "here" end)
      return app ]] }
    local c = s:connect():send "GET /call HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.are.equal("here", s:get("/").body)
    s:stop()
    c:close()
  end)
end)
