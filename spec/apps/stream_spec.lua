-- apps/stream, started for real: what its README shows.
local json = require "justhttp.json"
local server = require "spec.support.server"
local wire = require "spec.support.wire"

describe("apps/stream", function()
  local s

  setup(function() s = server.start { app = "apps/stream" } end)
  teardown(function() s:stop() end)

  it("shows the page", function()
    local response = s:get "/"
    assert.equal(200, response.status)
    assert.matches("EventSource", response.body)
  end)

  it("ticks, and goes on behind the last event a client saw", function()
    local conn = wire.connect(s.port)
    conn:send "GET /clock?every=0.01 HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 41\r\n\r\n"
    local text = conn:read_until "id: 44\n"
    assert.matches("content%-type: text/event%-stream", text:lower())
    assert.matches("event: tick\nid: 42\nretry: 1000\ndata: ", text)
    assert.equal(42, json.decode(text:match "id: 42\nretry: 1000\ndata: ([^\n]+)\n").count)
    conn:close()
    assert.equal(200, s:get("/").status)
  end)

  it("makes a CSV of many rows while it is sent", function()
    local response = s:get "/numbers.csv?rows=200000"
    assert.equal("text/csv; charset=utf-8", response.headers["content-type"])
    assert.equal("number,square\r\n1,1\r\n", response.body:sub(1, 20))
    assert.equal("200000,40000000000\r\n", response.body:sub(-20))
  end)
end)
