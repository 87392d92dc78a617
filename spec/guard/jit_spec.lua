-- The path of a request compiles: every route is the root of traces of its own, and nothing that
-- handlers commonly use makes the compiler give up. Seen in a real worker, from inside.
local json = require "justhttp.json"
local server = require "spec.support.server"

local APP = [[
local watched
local http = require "justhttp"
local app = http.app()

local function put(name, value)
  return function(ctx, next)
    ctx.values[name] = value
    return next()
  end
end

app:get("/text", function() return "Hello, World!" end)
app:get("/status", function() return 201, "made" end)
app:get("/empty", function() end)
app:get("/request", function(ctx)
  return ctx.method .. ctx.path .. ctx.url .. ctx.host .. ctx.version
end)
app:get("/params/:a/:b", function(ctx) return ctx.params.a .. ctx.params.b end)
app:get("/query", function(ctx) return ctx.query.a .. ctx.query.b end)
app:get("/headers", function(ctx) return ctx.headers.host .. (ctx.headers["x-none"] or "") end)
app:get("/values", put("a", 1), put("b", "x"), put("c", true), put("d", 4), function(ctx)
  return ctx.values.b
end)
app:get("/set", function(ctx)
  ctx:set("X-One", "1")
  ctx:append("X-Two", "2")
  ctx.status = 202
  ctx:text "set"
end)
app:get("/json", function() return { message = "Hello, World!" } end)
app:get("/loop", function(ctx)
  local sum = 0
  for _, number in ipairs { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 } do
    sum = sum + number
  end
  return "sum " .. sum
end)
app:get("/watch", function() watched = require "spec.support.jit".watch() end)
app:get("/traces", function() return watched end)
for i = 1, 50 do app:get("/many/" .. i, function() return "number " .. i end) end
return app
]]

local PATHS = { "/text", "/status", "/empty", "/request", "/params/1/2", "/query?a=1&b=2",
                "/headers", "/values", "/set", "/json", "/loop" }

-- Reasons that mean "another time": a loop is compiled for itself first, an exit taken meanwhile.
local HARMLESS = { "leaving loop in root trace", "inner loop in root trace", "blacklisted" }

local function is_harmless(why)
  for _, text in ipairs(HARMLESS) do
    if why:find(text, 1, true) then return true end
  end
  return false
end

-- What the compiler gave up, one line each.
local function aborts_in(watched)
  local lines = {}
  for _, abort in ipairs(watched.aborts) do
    if not is_harmless(abort.why) then
      lines[#lines + 1] = ("%s: %s (trace began at %s)"):format(abort.at, abort.why,
        tostring(abort.began))
    end
  end
  return lines
end

local function runner_roots(watched)
  local links = {}
  for _, root in ipairs(watched.roots) do
    if root.at and root.at:find("runner.lua", 1, true) then links[#links + 1] = root.link end
  end
  return links
end

describe("the path of a request", function()
  local s, conn

  before_each(function()
    s = server.start { code = APP, options = { log_level = "off" } }
    conn = s:connect()
    assert.equal(200, conn:request({ path = "/watch" }).status)
  end)
  after_each(function()
    conn:close()
    s:stop()
  end)

  local function ask(paths, rounds)
    local batch = {}
    for i, path in ipairs(paths) do
      batch[i] = "GET " .. path .. " HTTP/1.1\r\nHost: localhost\r\n\r\n"
    end
    batch = table.concat(batch)
    for _ = 1, rounds do
      conn:send(batch)
      for _, response in ipairs(conn:responses(#paths)) do assert(response.status < 300) end
    end
  end

  local function watched() return json.decode(conn:request({ path = "/traces" }).body) end

  for _, path in ipairs(PATHS) do
    it("compiles for " .. path, function()
      ask({ path }, 500)
      local seen = watched()
      assert.same({}, aborts_in(seen))
      assert.is_true(#runner_roots(seen) >= 1)
    end)
  end

  it("compiles when many routes are asked in turn, each by itself", function()
    local paths = {}
    for i = 1, 50 do paths[i] = "/many/" .. i end
    ask(paths, 500)
    local seen = watched()
    assert.same({}, aborts_in(seen))
    local links = runner_roots(seen)
    assert.equal(50, #links)
    for _, link in ipairs(links) do assert.equal("return", link) end
    assert.is_true(seen.sides < 100, seen.sides .. " side traces")
  end)

  it("compiles whatever else is asked beside it", function()
    ask(PATHS, 500)
    local seen = watched()
    assert.same({}, aborts_in(seen))
    assert.is_true(#runner_roots(seen) >= #PATHS)
  end)
end)
