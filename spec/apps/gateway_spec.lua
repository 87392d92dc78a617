-- apps/gateway, started for real in front of the three apps: what its README shows.
local json = require "justhttp.json"
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

describe("apps/gateway", function()
  local s, hello, stream, files

  setup(function()
    hello = server.start { app = "apps/hello" }
    stream = server.start { app = "apps/stream" }
    files = server.start { app = "apps/files" }
    s = server.start { app = "apps/gateway", env = { GATEWAY_HELLO = hello.url,
      GATEWAY_STREAM = stream.url, GATEWAY_FILES = files.url } }
  end)
  teardown(function()
    s:stop()
    for _, one in ipairs { hello, stream, files } do one:stop() end
  end)

  local function status() return json.decode(s:get("/status.json").body) end

  local function service(name)
    for _, one in ipairs(status().services) do
      if one.name == name then return one end
    end
  end

  it("passes requests to the three apps", function()
    assert.equal("Hello, World!\n", s:get("/hello/").body)
    assert.matches("^Hello, Ada!", s:get("/hello/hello/Ada").body)
    assert.matches("EventSource", s:get("/stream/").body)
    assert.equal("number,square\r\n1,1\r\n", s:get("/stream/numbers.csv?rows=1").body)
    local r = s:get("/files/files/welcome.txt", { Range = "bytes=0-3" })
    assert.equal(206, r.status)
    assert.equal(4, #r.body)
    assert.equal(404, s:get("/nothing").status)
    assert.equal("/hello/", s:get("/hello").headers.location)
  end)

  it("passes events as they come", function()
    local c = s:connect()
    c:send "GET /stream/clock?every=0.01 HTTP/1.1\r\nHost: a\r\n\r\n"
    c:read_until "id: 3\n"
    c:close()
  end)

  it("has a page, and what it shows", function()
    local page = s:get "/"
    assert.equal("text/html; charset=utf-8", page.headers["content-type"])
    assert.matches("gateway.js", page.body)
    assert.equal(200, s:get("/assets/gateway.js").status)
    assert.equal(200, s:get("/assets/gateway.css").status)
    local before = service("hello").counts
    s:get "/hello/hello/Bob"
    local now = status()
    assert.equal((before["2xx"] or 0) + 1, service("hello").counts["2xx"])
    assert.equal("/hello/hello/Bob", now.recent[1].url)
    assert.equal(200, now.recent[1].status)
    assert.equal(hello.url, service("hello").upstreams[1].url)
    assert.is_true(service("hello").upstreams[1].is_up)
    assert.equal("well\n", s:get("/health").body)
  end)

  it("knows who is down", function()
    local gone = server.start { app = "apps/hello" }
    local other = server.start { app = "apps/gateway", env = { GATEWAY_HELLO = gone.url,
      GATEWAY_STREAM = stream.url, GATEWAY_FILES = files.url } }
    assert.equal(200, other:get("/hello/").status)
    gone:stop()
    assert.is_true(other:get("/hello/").status >= 502)
    wait_for(function() return other:get("/health").status == 503 end, 10, "the health check")
    assert.equal("hello is down\n", other:get("/health").body)
    local shown = json.decode(other:get("/status.json").body)
    assert.is_false(shown.services[1].upstreams[1].is_up)
    assert.matches("connection refused", shown.services[1].upstreams[1].last_error)
    assert.equal(200, other:get("/stream/").status)
    other:stop()
  end)
end)
