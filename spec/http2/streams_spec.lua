-- streams_spec.lua: the life of streams and their connection: cancelling, limits, timeouts,
-- windows, priorities, malformed requests, the end.
local http2 = require "spec.support.http2"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local frame, number = http2.frame, http2.number

local APP = [[
  local http = require "justhttp"
  local app = http.app()
  local gone, running = {}, 0
  app:get("/", function() return "hello" end)
  app:get("/gone", function() return table.concat(gone, " ") end)
  app:get("/running", function() return tostring(running) end)
  app:get("/wait/:name", function(ctx)
    local name = ctx.params.name
    ctx:on_abort(function() gone[#gone + 1] = name end)
    running = running + 1
    ctx:defer(function() running = running - 1 end)
    http.sleep(tonumber(ctx.query.s or 30))
    return "waited"
  end)
  app:get("/big/:n", function(ctx) return ("x"):rep(tonumber(ctx.params.n)) end)
  app:get("/endless", function(ctx)
    running = running + 1
    ctx:defer(function() running = running - 1 end)
    ctx:stream(function(out) while true do out:write(("x"):rep(10000)) end end)
  end)
  local written = 0
  app:get("/counted", function(ctx)
    ctx:stream(function(out)
      for _ = 1, 100 do out:write(("x"):rep(10000)) written = written + 10000 end
    end)
  end)
  app:get("/written", function() return tostring(written) end)
  app:post("/read", function(ctx)
    local bytes = 0
    while true do
      local piece = ctx:read(50000)
      if not piece then return tostring(bytes) end
      bytes = bytes + #piece
    end
  end)
  app:post("/body", function(ctx) return ctx.body end)
  app:post("/early", http.middleware.on_headers(function() end), function(ctx)
    http.sleep(0.05)
    return ctx.body
  end)
  return app
]]

describe("HTTP/2 streams", function()
  local s, c

  local function start(options)
    options = options or {}
    s = server.start { code = APP, workers = 1, options = options }
    c = http2.connect(s)
  end
  after_each(function()
    c:close()
    s:stop()
  end)

  local function text(path) return http2.connect(s):request { path = path }.body end
  local function wait_text(path, want)
    wait_for(function() return text(path) == want end, 5, path .. " to be " .. want)
  end

  it("are cancelled one by one", function()
    start()
    local a, b = c:open { path = "/wait/a" }, c:open { path = "/wait/b?s=0.3" }
    wait_text("/running", "2")
    c:frame(http2.RST_STREAM, 0, a, number(http2.CANCEL, 4))
    wait_text("/gone", "a")
    assert.are.equal("waited", c:response(b).body)
  end)

  it("are all cancelled with their connection", function()
    start()
    c:open { path = "/wait/a" }
    c:open { path = "/wait/b" }
    c:open { path = "/endless" }
    wait_text("/running", "3")
    c:close()
    wait_text("/running", "0")
    assert.is_truthy(text("/gone"):find "a" and text("/gone"):find "b")
  end)

  it("are answered after a half-close where that is allowed", function()
    start { allow_half_close = true }
    local a, b = c:open { path = "/wait/a?s=0.2" }, c:open { path = "/big/1000" }
    c:ping()
    c.wire:half_close()
    assert.are.equal("waited", c:response(a).body)
    assert.are.equal(1000, #c:response(b).body)
    c:wait_end()
  end)

  it("are refused with 503 above `concurrency`", function()
    start { concurrency = 1 }
    local a = c:open { path = "/wait/a?s=0.3" }
    assert.are.equal(503, c:request {}.status)
    assert.are.equal("waited", c:response(a).body)
    assert.are.equal(200, c:request {}.status)
  end)

  it("end with the last one of max_requests_per_connection", function()
    start { max_requests_per_connection = 3 }
    local ids = {}
    for i = 1, 5 do ids[i] = c:open {} end
    for i = 1, 3 do assert.are.equal("hello", c:response(ids[i]).body) end
    assert.are.equal(http2.NO_ERROR, c:wait_goaway())
    assert.are.equal(5, c.goaway.last_id)
    c:wait_end()
    assert.is_nil(c:stream(ids[4]).status)
  end)

  it("leave an idle connection, which ends in time", function()
    start { keepalive_timeout_ms = 200 }
    assert.are.equal("hello", c:request {}.body)
    assert.are.equal(http2.NO_ERROR, c:wait_goaway())
    c:wait_end()
  end)

  it("keep a connection open for as long as they take", function()
    start { keepalive_timeout_ms = 100, header_timeout_ms = 100 }
    assert.are.equal("waited", c:request { path = "/wait/a?s=0.5" }.body)
    c:wait_end()
  end)

  it("are drained: the open ones are answered, and no more", function()
    start()
    local a = c:open { path = "/wait/a?s=0.5" }
    wait_text("/running", "1")
    s:signal(sys.SIGTERM)
    c:read_until(function() return c.goaway end, "the first GOAWAY")
    assert.are.equal(2 ^ 31 - 1, c.goaway.last_id)
    c.goaway = nil
    c:read_until(function() return c.goaway end, "the last GOAWAY")
    assert.are.equal(a, c.goaway.last_id)
    c:open {}
    assert.are.equal("waited", c:response(a).body)
    c:wait_end()
    assert.are.equal(0, s:wait(5))
    start()
  end)

  it("that have just begun are drained too", function()
    start()
    c.is_passive = true
    local a = c:open { path = "/wait/a?s=0.3" }
    wait_text("/running", "1")
    s:signal(sys.SIGTERM)
    c:read_until(function() return c.goaway end, "the first GOAWAY")
    -- Sent before the client heard of the drain, for all that the server knows.
    local b = c:open {}
    assert.are.equal("hello", c:response(b).body)
    c:send(frame(http2.PING, http2.ACK, 0, ("\0"):rep(8)))
    assert.are.equal("waited", c:response(a).body)
    c:wait_end()
    start()
  end)

  it("do not hold up the drain of an idle connection", function()
    start { shutdown_timeout_ms = 20000 }
    c:request {}
    c.is_passive = true
    s:signal(sys.SIGTERM)
    c:wait_end()
    assert.are.equal(0, s:wait(5))
    start()
  end)

  it("wait for the window of a slow client, which costs 64 KiB", function()
    start()
    c = http2.connect(s, { is_passive = true })
    local id = c:open { path = "/counted" }
    c:read_until(function() return #table.concat(c:stream(id).pieces) == 65535 end, "a window")
    c:ping()
    local ahead = tonumber(text "/written")
    assert.is_true(ahead > 65535 and ahead < 200000, tostring(ahead))
    c:frame(http2.WINDOW_UPDATE, 0, 0, number(10000000, 4))
    c:frame(http2.WINDOW_UPDATE, 0, id, number(10000000, 4))
    assert.are.equal(1000000, #c:response(id).body)
    assert.are.equal("1000000", text "/written")
  end)

  it("take windows that shrink and grow while they are sent", function()
    start()
    c = http2.connect(s, { is_passive = true, window = 10000000 })
    local id = c:open { path = "/big/200000" }
    c:read_until(function() return #table.concat(c:stream(id).pieces) == 65535 end, "a window")
    c:frame(http2.SETTINGS, 0, 0, http2.settings { [4] = 1000 })
    c:frame(http2.SETTINGS, 0, 0, http2.settings { [4] = 100000 })
    c:read_until(function() return #table.concat(c:stream(id).pieces) == 100000 end, "more")
    c:frame(http2.SETTINGS, 0, 0, http2.settings { [4] = 300000 })
    assert.are.equal(200000, #c:response(id).body)
  end)

  it("open the window of an upload as its handler reads", function()
    start { max_body_bytes = 20000000 }
    local r = c:request { method = "POST", path = "/read", body = ("u"):rep(5000000) }
    assert.are.equal("5000000", r.body)
  end)

  it("whose body stops get 408 where it is read", function()
    start { body_timeout_ms = 200 }
    local id = c:open { method = "POST", path = "/body", ends = false }
    c:data(id, ("x"):rep(50000), false)
    assert.are.equal(408, c:response(id).status)
    assert.are.equal("hello", c:request {}.body)
  end)

  it("are told to continue when their body is wanted", function()
    start()
    local id = c:open { method = "POST", path = "/read", ends = false,
      headers = { expect = "100-continue", ["content-length"] = 3 } }
    c:read_until(function() return c:stream(id).interim[1] end, "100")
    assert.are.equal(100, c:stream(id).interim[1].status)
    c:data(id, "abc", true)
    assert.are.equal("3", c:response(id).body)
  end)

  it("begin before their body where the route asks for that", function()
    start()
    local id = c:open { method = "POST", path = "/early", ends = false }
    c:data(id, "ear", false):data(id, "ly", true)
    assert.are.equal("early", c:response(id).body)
  end)

  it("need not send what nobody wants", function()
    start()
    local id = c:open { method = "POST", path = "/big/10", ends = false,
      headers = { ["content-length"] = 500000 } }
    c:data(id, ("x"):rep(1000), false)
    local r = c:response(id)
    assert.are.equal(405, r.status)
    c:read_until(function() return r.reset end, "the reset")
    assert.are.equal(http2.NO_ERROR, r.reset)
  end)

  it("are served by urgency", function()
    start()
    c = http2.connect(s, { is_passive = true, settings = { [4] = 1000000 } })
    local first = c:open { path = "/big/65535" }
    assert.are.equal(65535, #c:response(first).body)
    local late = c:open { path = "/big/40000", headers = { priority = "u=6" } }
    local soon = c:open { path = "/big/40000", headers = { priority = "u=1" } }
    local changed = c:open { path = "/big/40000", headers = { priority = "u=7" } }
    c:frame(http2.PRIORITY_UPDATE, 0, 0, number(changed, 4) .. "u=0")
    for _, id in ipairs { late, soon, changed } do c:wait_head(id) end
    c:ping()
    c:frame(http2.WINDOW_UPDATE, 0, 0, number(1000000, 4))
    local order = {}
    while #order < 3 do
      local f = c:next_frame()
      if f.type == http2.DATA and f.flags == http2.END_STREAM then order[#order + 1] = f.id end
    end
    assert.are.same({ changed, soon, late }, order)
  end)

  it("that are malformed are reset or refused alone", function()
    start()
    local good = { { ":method", "GET" }, { ":scheme", "http" }, { ":authority", "a" },
      { ":path", "/" } }
    local function with(...)
      local fields = { unpack(good) }
      for _, field in ipairs { ... } do fields[#fields + 1] = field end
      return c:request { fields = fields }
    end
    local function without(name)
      local fields = {}
      for _, field in ipairs(good) do
        if field[1] ~= name then fields[#fields + 1] = field end
      end
      return c:request { fields = fields }
    end
    local function changed(name, value)
      local fields = {}
      for i, field in ipairs(good) do fields[i] = field[1] == name and { name, value } or field end
      return c:request { fields = fields }
    end
    assert.are.equal(200, with().status)
    for _, r in ipairs {
      with { "Upper", "x" }, with { "connection", "close" }, with { "te", "gzip" },
      with { "transfer-encoding", "chunked" }, with { "x-bad", "a\rb" }, with { "x-nul", "a\0b" },
      with { ":path", "/again" }, with({ "x", "y" }, { ":late", "z" }), with { ":unknown", "x" },
      with { "content-length", "5" }, with({ "content-length", "0" }, { "content-length", "0" }),
      without ":method", without ":scheme", without ":path", without ":authority",
      changed(":path", ""), changed(":path", "no-slash"),
    } do
      assert.are.equal(http2.PROTOCOL_ERROR, r.reset, r.status)
    end
    for _, r in ipairs {
      with { "host", "other" }, changed(":path", "/%00"), changed(":authority", "a b"),
      changed(":authority", "user@a"), changed(":path", "/a b"), changed(":path", "/\255"),
    } do
      assert.is_true(r.status == 400 or r.reset == http2.PROTOCOL_ERROR, r.status)
    end
    assert.are.equal(501, changed(":method", "BREW").status)
    assert.are.equal("hello", with({ "host", "A" }, { "te", "trailers" }).body)
    assert.are.equal("hello", c:request {}.body)
  end)

  it("whose body is not as long as announced are reset", function()
    start()
    local id = c:open { method = "POST", path = "/read", ends = false,
      headers = { ["content-length"] = 10 } }
    c:data(id, "short", true)
    assert.are.equal(http2.PROTOCOL_ERROR, c:response(id).reset)
    assert.are.equal("hello", c:request {}.body)
  end)

  it("are not spoken where they are switched off", function()
    for _, options in ipairs { { h2c = false }, { http2 = false } } do
      start(options)
      local r = wire.connect(s):send(http2.PREFACE):response()
      assert.is_true(r.status == 501 or r.status == 505, r.status)
      c:close()
      s:stop()
    end
    start()
  end)

  it("may come in one packet with the preface, or byte by byte", function()
    start()
    local bytes = http2.PREFACE .. frame(http2.SETTINGS, 0, 0)
      .. frame(http2.HEADERS, 5, 1, http2.block(http2.fields_of {}))
    local whole = wire.connect(s):send(bytes)
    assert.is_truthy(whole:read_until "hello")
    local slow = wire.connect(s):send_slowly(bytes, { pause = 0.0005 })
    assert.is_truthy(slow:read_until "hello")
    whole:close()
    slow:close()
  end)
end)
