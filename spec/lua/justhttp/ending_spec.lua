-- What happens to handlers whose client leaves or whose time is over.
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local APP = [[
local http = require "justhttp"
local app = http.app()
local function say(text) io.stdout:write(text, "\n") end
app:get("/wait", function(ctx)
  ctx:on_abort(function(c) say("aborted " .. c.path) end)
  ctx:defer(function() say "deferred" end)
  ctx.values.thing = setmetatable({}, { __close = function() say "value closed" end })
  http.spawn(function()
    local ok, err = pcall(http.sleep, 60)
    say("child " .. tostring(err))
    error(err, 0)
  end)
  say "waiting"
  http.sleep(60)
  say "not cancelled"
end)
app:get("/run-on", http.middleware.run_on(), function(ctx)
  ctx:on_abort(function() say "run-on aborted" end)
  say "running on"
  http.sleep(0.05)
  say "ran on"
end)
app:get("/answer", function() http.sleep(0.02) return "answered" end)
app:get("/quick", function() return "quick" end)
app:get("/catch", function()
  say "catching"
  local ok, err = pcall(http.sleep, 60)
  say("caught " .. tostring(err))
  return "too late"
end)
app:get("/deadline", http.middleware.timeout(5), function(ctx)
  return { left = ctx:deadline() }
end)
app:get("/no-deadline", function(ctx) return tostring(ctx:deadline()) end)
app:get("/shadow", http.middleware.timeout(0.02), function(ctx)
  ctx:set("X-Early", "1")
  http.sleep(0.08)
  ctx:set("X-Late", "1")
  say("shadow of " .. ctx.path .. " " .. ctx.query.q .. " " .. ctx.headers.host .. " "
    .. ctx:deadline())
  return "late"
end)
app:get("/nested", http.middleware.timeout(5), http.middleware.timeout(0.02), function(ctx)
  http.sleep(0.06)
  say("nested still reads " .. ctx.path)
end)
app:get("/cancelled", http.middleware.timeout(0.02, { cancel = true }), function(ctx)
  ctx:defer(function() say "cancelled handler deferred" end)
  http.sleep(60)
  say "not cancelled"
end)
app:get("/own", function(ctx)
  ctx:timeout_error("enough", 504)
  say("still reads " .. ctx.path)
  return "dropped"
end)
app:get("/state", function()
  local door = require "justhttp.door"
  return { in_flight = door.C.jh_generation_in_flight(door.generation),
    shadows = door.C.jh_generation_shadows(door.generation) }
end)
return app
]]

describe("a client that leaves", function()
  local s

  setup(function() s = server.start { code = APP } end)
  teardown(function() s:stop() end)

  local function says(text)
    wait_for(function() return s:stdout():find(text, 1, true) ~= nil end)
  end

  local function open(path)
    local conn = wire.connect(s.port)
    conn:send("GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n")
    return conn
  end

  local function is_idle()
    return s:get("/state").body:find('"in_flight":1', 1, true) ~= nil
      and s:get("/state").body:find('"shadows":0', 1, true) ~= nil
  end

  it("ends the handler that waits, its tasks, and runs what was deferred", function()
    local conn = open "/wait"
    says "waiting"
    conn:close()
    says "aborted /wait"
    says "deferred"
    says "value closed"
    says "child cancelled"
    wait_for(is_idle)
    assert.is_nil(s:stdout():find("not cancelled", 1, true))
    assert.is_nil(s:stderr():find("error", 1, true))
  end)

  it("is the same with a reset", function()
    local conn = open "/catch"
    says "catching"
    conn:reset()
    says "caught cancelled"
    wait_for(is_idle)
  end)

  it("does not end a handler that runs on", function()
    local conn = open "/run-on"
    says "running on"
    conn:close()
    says "run-on aborted"
    says "ran on"
    wait_for(is_idle)
  end)

  it("that only ended its side gets the answer of a handler that does not wait", function()
    local conn = open "/quick"
    conn:half_close()
    assert.equal("quick", conn:response().body)
  end)

  it("that only ended its side gets every answer with allow_half_close", function()
    local other = server.start { code = APP, options = { allow_half_close = true } }
    local conn = wire.connect(other.port)
    conn:send "GET /answer HTTP/1.1\r\nHost: a\r\n\r\n"
    conn:half_close()
    assert.equal("answered", conn:response().body)
    other:stop()
  end)

  it("is told of a deadline that passed while the handler goes on as a shadow", function()
    local response = s:get "/shadow?q=1"
    assert.equal(503, response.status)
    assert.equal("1", response.headers["x-early"])
    assert.is_nil(response.headers["x-late"])
    says "shadow of /shadow 1 "
    wait_for(is_idle)
  end)

  it("gets a timed-out HEAD without a body", function()
    local conn = wire.connect(s.port)
    conn:send "HEAD /shadow?q=1 HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.equal(503, conn:response({ method = "HEAD" }).status)
    conn:send "GET /quick HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.equal("quick", conn:response().body)
  end)

  it("is answered by the inner of two timeouts, and the handler keeps its shadow", function()
    assert.equal(503, s:get("/nested").status)
    says "nested still reads /nested"
    wait_for(is_idle)
  end)

  it("may have the late handler ended", function()
    assert.equal(503, s:get("/cancelled").status)
    says "cancelled handler deferred"
    wait_for(is_idle)
  end)

  it("can be answered early by the handler itself", function()
    local response = s:get "/own"
    assert.equal(504, response.status)
    assert.equal("enough\n", response.body)
    says "still reads /own"
    wait_for(is_idle)
  end)

  it("leaves the handler to ask how much time is left", function()
    local left = tonumber(s:get("/deadline").body:match '"left":([%d.]+)')
    assert.is_true(left > 4 and left <= 5)
    assert.equal("nil", s:get("/no-deadline").body)
  end)

  it("gets 429 while as many shadows run as concurrency allows", function()
    local other = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/", http.middleware.timeout(0.01), function() http.sleep(0.3) end)
      return app
    ]], options = { concurrency = 2 } }
    assert.equal(503, other:get("/").status)
    assert.equal(503, other:get("/").status)
    assert.equal(429, other:get("/").status)
    wait_for(function() return other:get("/").status == 503 end)
    other:stop()
  end)
end)
