-- proxy_failure_spec.lua: what a client gets when an upstream fails, and an upstream when a client
-- does. A response that breaks off never ends in good order.
local peer = require "spec.support.peer"
local proxying = require "spec.support.proxying"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local get, post, ok = proxying.get, proxying.post, proxying.ok

-- A port where nobody listens.
local function dead_url()
  local p = peer.listen()
  local url = p.url
  p:close()
  return url
end

describe("http.proxy", function()
  local x
  after_each(function() x:stop() end)

  local function expect(c, status, text, log)
    local r = c:response()
    assert.equal(status, r.status)
    assert.is_truthy(r.body:find(text, 1, true), r.body)
    if log then assert.is_truthy(x:log():find(log, 1, true), x:log()) end
    return r
  end

  it("answers 502 when the upstream cannot be reached", function()
    local url = dead_url()
    x = proxying.server("app:any('/p/*rest', http.proxy { upstream = UP[1] })", { url })
    local c = x:client()
    c:send(get "/p/a" .. post("/p/b", "hello"))
    expect(c, 502, "cannot be reached",
      "GET /p/a: connect to " .. url:sub(8) .. ": connection refused")
    expect(c, 502, "cannot be reached")
    c:send(get("/p/a", "Accept: application/json\r\n"))
    assert.matches('"status":502', c:response().body)
  end)

  it("answers 502 when the name is not known", function()
    x = proxying.server("app:any('/p/*rest', http.proxy { upstream = UP[1] })",
      { "http://does-not-exist.invalid" })
    local c = x:client()
    c:send(get "/p/a")
    expect(c, 502, "name is not known", "does-not-exist.invalid")
  end)

  it("answers 502 when the upstream closes, and what is no HTTP", function()
    x = proxying.start "retries = 0"
    for _, case in ipairs {
      { "", "closed the connection" }, { "HTTP/1.1 200 OK\r\nCont", "closed the connection" },
      { "SSH-2.0-x\r\n\r\n", "malformed" }, { "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "malformed" },
      { "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "malformed" },
      { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "malformed" },
      { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "malformed" },
      { "HTTP/1.1 200 OK\r\nX: " .. ("y"):rep(70000) .. "\r\n\r\n", "too large" },
    } do
      local c, up = x:begin(get "/p/a")
      up:read_until "\r\n\r\n"
      up:try_send(case[1])
      up:close()
      expect(c, 502, case[2])
      c:close()
    end
  end)

  it("answers 504 when the upstream takes too long", function()
    x = proxying.start "read_timeout = 0.1, retries = 0"
    local c, up = x:begin(get "/p/a")
    expect(c, 504, "did not answer in time", "no answer in time")
    assert.is_true(up:is_closed(5) or true)
    x:stop()
    x = proxying.start "timeout = 0.1, retries = 0"
    c = x:begin(get "/p/a")
    expect(c, 504, "did not answer in time")
  end)

  it("answers 503 when no connection is free", function()
    x = proxying.start "max_connections = 1, wait_timeout = 0, retries = 0"
    local first, up = x:begin(get "/p/a")
    up:read_until "\r\n\r\n"
    local c = x:client()
    c:send(get "/p/b")
    expect(c, 503, "no connection to the upstream is free")
    up:send(ok "done")
    assert.equal("done", first:response().body)
  end)

  it("cuts the client when the upstream breaks off in the middle", function()
    x = proxying.start()
    for _, head in ipairs { "Content-Length: 100000", "Transfer-Encoding: chunked" } do
      local c, up = x:begin(get "/p/a")
      up:read_until "\r\n\r\n"
      up:send("HTTP/1.1 200 OK\r\n" .. head .. "\r\n\r\n5\r\nhello\r\n")
      c:read_until "hello"
      up:close()
      local rest = c:read_all()
      assert.is_nil(rest:find("0\r\n\r\n", 1, true))
      c:close()
    end
    wait_for(function() return x:log():find "the response broke off" end, 5, "the log")
  end)

  it("cuts the client when the body goes wrong or takes too long", function()
    x = proxying.start "read_timeout = 0.2"
    local c, up = x:begin(get "/p/a")
    up:read_until "\r\n\r\n"
    up:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n"
    assert.is_nil(c:read_all():find("0\r\n\r\n", 1, true))
    c, up = x:begin(get "/p/a")
    up:read_until "\r\n\r\n"
    up:send "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\nhello"
    assert.matches("hello$", c:read_all())
    assert.is_true(up:is_closed(5))
  end)

  it("gives a call up when its client goes", function()
    x = proxying.start()
    local c, up = x:begin(get "/p/a")
    up:read_until "\r\n\r\n"
    c:close()
    assert.is_true(up:is_closed(5))
    c, up = x:begin(get "/p/a")
    up:read_until "\r\n\r\n"
    up:send "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello"
    c:read_until "hello"
    c:reset()
    assert.is_true(up:is_closed(5))
    c, up = x:begin(post("/p/a", ""):gsub("Length: 0", "Length: 500000") .. ("x"):rep(100000))
    up:read(50000)
    c:close()
    pcall(up.read_all, up)
    assert.is_true(up.at_end)
  end)

  it("answers the client's own mistakes", function()
    x = proxying.server([[
      app:any("/small/*rest", http.middleware.limits { body = 100000 },
        http.proxy { upstream = UP[1] })
    ]], { peer.listen().url }, { body_timeout_ms = 200 })
    local c = x:client()
    c:send(post("/small/a", ""):gsub("Length: 0", "Length: 200000"))
    assert.equal(413, c:response().status)
    c = x:client()
    c:send("POST /small/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    c:try_send(("10000\r\n" .. ("x"):rep(65536) .. "\r\n"):rep(3))
    assert.equal(413, c:response().status)
    c = x:client()
    c:send("POST /small/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "10000\r\n" .. ("x"):rep(65536) .. "\r\nzz\r\n")
    assert.equal(400, c:response().status)
    c = x:client()
    c:send(post("/small/a", ""):gsub("Length: 0", "Length: 100000") .. ("x"):rep(80000))
    assert.equal(408, c:response().status)
  end)

  it("does not give a half request to the upstream as a whole one", function()
    x = proxying.start()
    local c, up = x:begin("POST /p/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. ("10000\r\n" .. ("x"):rep(65536) .. "\r\n"):rep(2))
    up:read(100000)
    c:send "zz\r\n"
    assert.equal(400, c:response().status)
    assert.is_nil(up:read_all():find("\r\n0\r\n\r\n", 1, true))
  end)
end)

describe("http.proxy with several upstreams", function()
  local x, a, b
  before_each(function()
    a, b = peer.listen(), peer.listen()
  end)
  after_each(function()
    a:close()
    b:close()
    x:stop()
  end)

  local CODE = "app:any('/p/*rest', big, http.proxy { upstreams = UP })"

  it("goes to the next one when one cannot be reached", function()
    x = proxying.server(CODE, { dead_url(), a.url })
    local c = x:client()
    local up
    for i = 1, 6 do
      c:send(i % 2 == 0 and post("/p/a", "hello") or get "/p/a")
      up = up or a:accept()
      peer.answer(up, "answer " .. i)
      assert.equal("answer " .. i, c:response().body)
    end
  end)

  it("goes to the next one with what may be done twice, when one closes", function()
    x = proxying.server(CODE, { a.url, b.url })
    local c = x:client()
    c:send(get "/p/a")
    local first = a:accept()
    first:read_until "\r\n\r\n"
    first:close()
    peer.answer(b:accept(), "from b")
    assert.equal("from b", c:response().body)
  end)

  it("does not send twice what may not be", function()
    x = proxying.server(CODE, { a.url, b.url })
    local c = x:client()
    c:send(post("/p/a", "hello"))
    local up = sys.wait_readable(a.fd, sys.deadline(0.3)) and a:accept() or b:accept()
    up:read_until "hello"
    up:close()
    assert.equal(502, c:response().status)
    assert.is_false(a:has_pending() or b:has_pending())
  end)

  it("does not send twice what was read already", function()
    x = proxying.server(CODE, { a.url, b.url })
    local c = x:client()
    c:send("PUT /p/a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" .. ("x"):rep(100000))
    local up = sys.wait_readable(a.fd, sys.deadline(0.3)) and a:accept() or b:accept()
    up:read(50000)
    up:close()
    assert.equal(502, c:response().status)
    assert.is_false(a:has_pending() or b:has_pending())
    c:close()
  end)

  it("answers when all have failed", function()
    x = proxying.server(CODE, { dead_url(), dead_url() })
    local c = x:client()
    for _ = 1, 10 do
      c:send(get "/p/a")
      assert.equal(502, c:response().status)
    end
  end)
end)
