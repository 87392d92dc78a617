-- Answers in pieces, on the wire: ctx:stream and ctx:events.
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:get("/chunks", function(ctx)
  ctx:set("Content-Type", "text/plain")
  ctx:stream(function(stream)
    for i = 1, 3 do
      stream:write("piece " .. i .. "\n")
      http.sleep(0.002)
    end
    stream:trailer("X-Count", "3")
  end)
end)
app:get("/length", function(ctx)
  ctx:stream(function(stream) stream:write("12345") stream:write("67890") end, { length = 10 })
end)
app:get("/short", function(ctx)
  ctx:stream(function(stream) stream:write("12345") end, { length = 10 })
end)
app:get("/long", function(ctx)
  ctx:stream(function(stream) stream:write("12345") stream:write("678901") end, { length = 10 })
end)
app:get("/fault", function(ctx)
  ctx:stream(function(stream) stream:write("begun") http.sleep(0.002) error("in the middle") end)
end)
app:get("/status", function(ctx)
  ctx.status = 202
  ctx:stream(function(stream) stream:write(ctx.query.text or "") end)
end)
app:get("/empty", function(ctx) ctx.status = 204 ctx:stream(function() error("not run") end) end)
app:get("/twice", function(ctx)
  ctx:stream(function() end)
  ctx:stream(function() end)
end)
local written, ended = 0, false
app:get("/flood", function(ctx)
  written, ended = 0, false
  ctx:defer(function() ended = true end)
  ctx:stream(function(stream)
    local piece = ("x"):rep(65536)
    while true do
      stream:write(piece)
      written = written + #piece
    end
  end)
end)
app:get("/written", function() return { written = written, ended = ended } end)
app:get("/events", function(ctx)
  ctx:events(function(events)
    events:send "one\ntwo\r\nthree"
    events:send { event = "tick", id = 7, retry = 500, data = "x" }
    events:comment "still here"
  end)
end)
app:get("/forged", function(ctx)
  ctx:events(function(events) events:send { event = "a\ndata: forged", data = "x" } end)
end)
app:get("/silent", function(ctx)
  ctx:events(function() http.sleep(60) end, { keepalive = 0.02 })
end)
return app
]]

describe("a streamed response", function()
  local s

  setup(function() s = server.start { code = APP } end)
  teardown(function() s:stop() end)

  local function exchange(path, method, version)
    local conn = wire.connect(s.port)
    conn:send((method or "GET") .. " " .. path .. " HTTP/" .. (version or "1.1")
      .. "\r\nHost: a\r\n\r\n")
    local response = conn:response { method = method }
    return response, conn
  end

  it("is chunked, with trailers, and leaves the connection open", function()
    local response, conn = exchange "/chunks"
    assert.equal("piece 1\npiece 2\npiece 3\n", response.body)
    assert.equal("chunked", response.headers["transfer-encoding"])
    assert.is_nil(response.headers["content-length"])
    assert.equal("3", response.trailers["x-count"])
    conn:send "GET /length HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.equal("1234567890", conn:response().body)
  end)

  it("is text unless a Content-Type says otherwise, and none at all without a body", function()
    assert.equal("text/plain; charset=utf-8", exchange("/length").headers["content-type"])
    assert.equal("text/plain", exchange("/chunks").headers["content-type"])
    assert.is_nil(exchange("/empty").headers["content-type"])
  end)

  it("has a Content-Length when its length is declared", function()
    local response = exchange "/length"
    assert.equal("10", response.headers["content-length"])
    assert.equal("1234567890", response.body)
  end)

  it("ends with the connection for HTTP/1.0", function()
    local response = exchange("/chunks", "GET", "1.0")
    assert.is_nil(response.headers["transfer-encoding"])
    assert.equal("close", response.headers.connection)
    assert.equal("piece 1\npiece 2\npiece 3\n", response.body)
  end)

  it("has its head only for HEAD and for statuses without a body", function()
    local response, conn = exchange("/chunks", "HEAD")
    assert.equal("chunked", response.headers["transfer-encoding"])
    conn:send "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.equal(204, conn:response().status)
    conn:send "GET /length HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.equal("1234567890", conn:response().body)
  end)

  it("keeps status and order among pipelined requests", function()
    local conn = wire.connect(s.port)
    conn:send("GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n"
      .. "GET /status?text=b HTTP/1.1\r\nHost: a\r\n\r\n"
      .. "GET /length HTTP/1.1\r\nHost: a\r\n\r\n")
    local all = conn:responses(3)
    assert.equal("piece 1\npiece 2\npiece 3\n", all[1].body)
    assert.equal(202, all[2].status)
    assert.equal("b", all[2].body)
    assert.equal("1234567890", all[3].body)
  end)

  it("cuts the connection when it is shorter than declared, and logs it", function()
    local conn = wire.connect(s.port)
    conn:send "GET /short HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.is_true(conn:is_closed(5))
    wait_for(function() return s:stderr():find("before its declared length", 1, true) ~= nil end)
  end)

  it("never sends more than declared", function()
    local conn = wire.connect(s.port)
    conn:send "GET /long HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.is_nil(conn:read_all():find("678901", 1, true))
    wait_for(function() return s:stderr():find("more than the declared length", 1, true) ~= nil end)
  end)

  it("is cut after an error in the middle, so that the client sees it is not whole", function()
    local conn = wire.connect(s.port)
    conn:send "GET /fault HTTP/1.1\r\nHost: a\r\n\r\n"
    local text = conn:read_all()
    assert.matches("begun", text)
    assert.is_nil(text:find("\r\n0\r\n", 1, true))
    wait_for(function() return s:stderr():find("in the middle", 1, true) ~= nil end)
  end)

  it("waits for a slow reader and ends when the reader goes", function()
    local conn = wire.connect { port = s.port, receive_bytes = 4096 }
    conn:send "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n"
    conn:read_until "\r\n\r\n"
    local last = -1
    wait_for(function()
      local now = s:get("/written").body
      local is_still = now == last
      last = now
      return is_still
    end)
    local written = tonumber(last:match '"written":(%d+)')
    assert.is_true(written < 32 * 1024 * 1024, "the writer ran ahead by " .. written .. " bytes")
    conn:reset()
    wait_for(function() return s:get("/written").body:find('"ended":true', 1, true) ~= nil end)
  end)

  it("has one ending only", function()
    assert.equal(500, s:get("/twice").status)
    wait_for(function() return s:stderr():find("has another ending already", 1, true) ~= nil end)
  end)

  it("carries server-sent events", function()
    local response = exchange "/events"
    assert.equal("text/event-stream", response.headers["content-type"])
    assert.equal("no-store", response.headers["cache-control"])
    assert.equal("data: one\ndata: two\ndata: three\n\n"
      .. "event: tick\nid: 7\nretry: 500\ndata: x\n\n: still here\n\n", response.body)
  end)

  it("lets no event forge another field", function()
    local conn = wire.connect(s.port)
    conn:send "GET /forged HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.is_nil(conn:read_all():find("forged", 1, true))
  end)

  it("keeps a silent event stream open with comments", function()
    local conn = wire.connect(s.port)
    conn:send "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n"
    conn:read_until ": keep-alive\n\n"
    conn:read_until ": keep-alive\n\n"
    conn:close()
  end)
end)
