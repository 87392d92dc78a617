-- pipelining_spec.lua: requests sent without waiting are answered in order, as many as possible in
-- one write, whatever their handlers do.
local server = require "spec.support.server"

local function get(path) return ("GET %s HTTP/1.1\r\nHost: a\r\n\r\n"):format(path) end

local function post(path, body)
  return ("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(path, #body, body)
end

local function chunked(path, body)
  local chunks = {}
  for at = 1, #body, 1000 do
    local piece = body:sub(at, at + 999)
    chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  return ("POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    .. "%s0\r\n\r\n"):format(path,
    table.concat(chunks))
end

describe("pipelining", function()
  local s

  setup(function()
    s = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/n/:n", function(ctx) return ctx.params.n end)
      app:get("/wait/:n", function(ctx) http.sleep(0.01) return "waited " .. ctx.params.n end)
      app:get("/large/:n", function(ctx) return ctx.params.n:rep(100000) end)
      app:get("/fail", function() error "on purpose" end)
      app:post("/echo", function(ctx) return ctx.body end)
      app:post("/ignore", function(ctx) return "ignored" end)
      return app ]], options = { log_level = "off", max_body_bytes = "4m" } }
  end)
  teardown(function() s:stop() end)

  local function bodies(c, count)
    local all = {}
    for i, r in ipairs(c:responses(count)) do all[i] = r.body end
    return all
  end

  it("answers in order", function()
    local requests, want = {}, {}
    for i = 1, 100 do requests[i], want[i] = get("/n/" .. i), tostring(i) end
    local c = s:connect():send(table.concat(requests))
    assert.are.same(want, bodies(c, 100))
    c:close()
  end)

  it("answers what came together in one write", function()
    local one = s:connect():send(get "/n/7")
    local size = #one:response().head + 1
    one:close()
    local c = s:connect():send(get("/n/7"):rep(16))
    -- One read of the client gets everything: nothing else was written before or after it.
    assert.are.equal(16 * size, #c:read_available(5))
    c:close()
  end)

  it("is right however the bytes are cut", function()
    local bytes = get "/n/1" .. post("/echo", "two") .. chunked("/echo", "three") .. get "/n/4"
    for step = 1, 60 do
      local c = s:connect():send_slowly(bytes, { bytes = step, pause = step < 5 and 0 or 0.0005 })
      assert.are.same({ "1", "two", "three", "4" }, bodies(c, 4))
      c:close()
    end
  end)

  it("keeps the order around a handler that waits", function()
    local c = s:connect()
    c:send(get "/n/1" .. get "/wait/2" .. get "/n/3" .. get "/wait/4" .. get "/n/5")
    assert.are.same({ "1", "waited 2", "3", "waited 4", "5" }, bodies(c, 5))
    c:close()
  end)

  it("does not make others wait for a handler that waits", function()
    local slow, quick = s:connect(), s:connect()
    slow:send(get("/wait/1"):rep(20))
    quick:send(get "/n/1")
    assert.are.equal("1", quick:response().body)
    assert.are.equal("", slow.buffer)
    assert.are.equal(20, #bodies(slow, 20))
    slow:close()
    quick:close()
  end)

  it("mixes with bodies of all sizes and framings", function()
    local requests, want = {}, {}
    for i, size in ipairs { 0, 1, 100, 16384, 16385, 50000, 5, 300000, 3 } do
      local body = string.char(96 + i):rep(size)
      requests[#requests + 1] = post("/echo", body) .. chunked("/echo", body) .. get("/n/" .. i)
      want[#want + 1], want[#want + 2], want[#want + 3] = body, body, tostring(i)
    end
    local c = s:connect()
    -- Answers come while we are still sending; they fit the socket's buffers or are taken later.
    for i, bytes in ipairs(requests) do
      c:send(bytes)
      for n = 3 * i - 2, 3 * i do assert.is_true(want[n] == c:response().body, "answer " .. n) end
    end
    c:close()
  end)

  it("goes on behind bodies that nobody read", function()
    local c = s:connect()
    c:send(post("/ignore", ("x"):rep(100)) .. post("/ignore", ("y"):rep(50000)) ..
      chunked("/ignore", "z") .. get "/n/4")
    assert.are.same({ "ignored", "ignored", "ignored", "4" }, bodies(c, 4))
    c:close()
  end)

  it("keeps the order with large answers and errors", function()
    local c = s:connect():send(get "/large/1" .. get "/n/2" .. get "/fail" .. get "/missing" ..
      get "/large/5" .. get "/n/6")
    local r = c:responses(6)
    assert.are.equal(("1"):rep(100000), r[1].body)
    assert.are.equal("2", r[2].body)
    assert.are.equal(500, r[3].status)
    assert.are.equal(404, r[4].status)
    assert.are.equal(("5"):rep(100000), r[5].body)
    assert.are.equal("6", r[6].body)
    c:close()
  end)

  it("takes more requests than its input buffer holds", function()
    local count = 2000
    local c = s:connect():send(get("/n/123456789"):rep(count))
    for _ = 1, count do assert.are.equal("123456789", c:response().body) end
    c:close()
  end)

  it("answers what was complete before a malformed request", function()
    local c = s:connect():send(get "/n/1" .. get "/wait/2" .. "GET\r\n\r\n" .. get "/n/4")
    local r = c:responses(3)
    assert.are.equal("1", r[1].body)
    assert.are.equal("waited 2", r[2].body)
    assert.are.equal(400, r[3].status)
    c:expect_closed()
    c:close()
  end)
end)
