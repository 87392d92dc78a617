-- The timeout, in a real server: who answers, and what becomes of the late handler.
local server = require "spec.support.server"
local timeout = require "justhttp.middleware.timeout"

local app = [[
local http = require "justhttp"
local timeout = http.middleware.timeout
local app = http.app()
local log = {}

app:use(function(ctx, next)
  next()
  log[#log + 1] = ctx.path .. " " .. ctx.status
end)
app:get("/fast", timeout(5), function() return "fast" end)
app:get("/waits", timeout(5), function() http.sleep(0.01) return 201, "waited" end)
app:get("/fails", timeout(5), function() http.sleep(0.01) error "boom" end)
app:get("/late", timeout(0.05), function(ctx)
  http.sleep(0.2)
  ctx.values.x, ctx.status = 1, 299
  ctx:set("X-Late", "1")
  log[#log + 1] = "late handler ended"
  return "too late"
end)
app:get("/late-error", timeout(0.05), function()
  http.sleep(0.1)
  error "late boom"
end)
app:get("/message", timeout(0.05, "try again"), function() http.sleep(0.2) end)
app:get("/log", function() return table.concat(log, "\n") end)
return app
]]

describe("timeout", function()
  local s

  setup(function() s = server.start { code = app } end)
  teardown(function() s:stop() end)

  local function wait_for_log(text)
    require "spec.support.wait"(function()
      return s:get("/log").body:find(text, 1, true) ~= nil
    end)
  end

  it("changes nothing for a handler that is in time", function()
    local response = s:get "/fast"
    assert.equal(200, response.status)
    assert.equal("fast", response.body)
    response = s:get "/waits"
    assert.equal(201, response.status)
    assert.equal("waited", response.body)
  end)

  it("passes an error on", function()
    assert.equal(500, s:get("/fails").status)
  end)

  it("answers 503, and nothing the late handler does reaches anybody", function()
    local conn = s:connect()
    conn:send("GET /late HTTP/1.1\r\nHost: a\r\n\r\nGET /log HTTP/1.1\r\nHost: a\r\n\r\n")
    local late, log = unpack(conn:responses(2))
    assert.equal(503, late.status)
    assert.is_nil(late.headers["x-late"])
    assert.matches("/late 503", log.body)
    wait_for_log "late handler ended"
    conn:send("GET /fast HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.equal("fast", conn:response().body)
    conn:close()
  end)

  it("answers HEAD without a body", function()
    local conn = s:connect()
    conn:send("HEAD /late HTTP/1.1\r\nHost: a\r\n\r\n")
    local response = conn:response { method = "HEAD" }
    assert.equal(503, response.status)
    assert.is_true(conn:is_quiet(0.02))
    conn:close()
  end)

  it("says what it is told to say", function()
    assert.equal("try again\n", s:get("/message").body)
  end)

  it("logs an error of a late handler", function()
    assert.equal(503, s:get("/late-error").status)
    require "spec.support.wait"(function()
      return s:stderr():find("late boom", 1, true) ~= nil
    end)
  end)

  it("refuses what is no time", function()
    for _, bad in ipairs { 0, -1, 0 / 0, "1s" } do
      assert.error_matches(function() timeout(bad) end, "positive number of seconds")
    end
    assert.error_matches(function() timeout(1, { message = 7 }) end, "message must be a string")
  end)
end)
