-- apps/hello, started for real: what its README shows.
local json = require "justhttp.json"
local server = require "spec.support.server"

describe("apps/hello", function()
  local s

  setup(function() s = server.start { app = "apps/hello" } end)
  teardown(function() s:stop() end)

  it("greets", function()
    local response = s:get "/"
    assert.equal("Hello, World!\n", response.body)
    assert.equal("text/plain; charset=utf-8", response.headers["content-type"])
    assert.equal("stranger", response.headers["x-visitor"])
    assert.is_string(response.headers["x-request-id"])
  end)

  it("reads a parameter and remembers the visitor in a cookie", function()
    local first = s:get "/hello/Ada"
    assert.equal("Hello, Ada! You were stranger before.\n", first.body)
    assert.equal("name=Ada; path=/; HttpOnly", first.headers["set-cookie"])
    assert.equal("Hello, Bob! You were Ada before.\n",
      s:get("/hello/Bob", { Cookie = "name=Ada" }).body)
  end)

  it("reads query fields, repeated ones too", function()
    assert.same({ q = "a b", tags = { "x", "y" } },
      json.decode(s:get("/api/search?q=a+b&tag=x&tag=y").body))
    assert.equal('{"tags":[]}', s:get("/api/search").body)
  end)

  it("reads and writes JSON", function()
    local response = s:request { method = "POST", path = "/api/echo", body = '{"a":[]}' }
    assert.equal(201, response.status)
    assert.matches('"you_sent":{"a":%[%]}', response.body)
    response = s:request { method = "POST", path = "/api/echo", body = "{" }
    assert.equal(400, response.status)
    assert.matches("not JSON", json.decode(response.body).error)
  end)

  it("waits, up to its timeout", function()
    assert.equal('{"slept":true}', s:get("/api/slow?seconds=0.01").body)
  end)
end)
