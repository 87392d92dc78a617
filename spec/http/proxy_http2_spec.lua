-- proxy_http2_spec.lua: clients of a proxy speak HTTP/2, its upstream is spoken to in HTTP/1.1.
local http2 = require "spec.support.http2"
local peer = require "spec.support.peer"
local proxying = require "spec.support.proxying"

local ok = proxying.ok

describe("http.proxy over HTTP/2", function()
  local x, c
  before_each(function()
    x = proxying.start "x_forwarded = false"
    c = http2.connect(x.server)
  end)
  after_each(function()
    c:close()
    x:stop()
  end)

  it("passes a request and its response", function()
    local id = c:open { path = "/p/a%20b?c", headers = { { "x-a", "1" }, { "cookie", "a=b" },
      { "cookie", "c=d" }, { "te", "trailers" } }, ends = true }
    local up = x:accept()
    local head = up:read_until "\r\n\r\n"
    assert.matches("^GET /a%%20b%?c HTTP/1.1\r\nHost: ", head)
    assert.matches("\r\nx%-a: 1\r\n", head)
    assert.matches("\r\nCookie: a=b; c=d\r\n", head)
    assert.matches("\r\nTE: trailers\r\nConnection: TE\r\n", head)
    up:send(ok("hello",
      "X-B: 2\r\nConnection: X-C\r\nX-C: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"))
    local r = c:response(id)
    assert.equal(200, r.status)
    assert.equal("hello", r.body)
    assert.equal("2", r.headers["x-b"])
    assert.equal("5", r.headers["content-length"])
    assert.is_nil(r.headers["x-c"])
    assert.is_nil(r.headers.connection)
    id = c:open { method = "HEAD", path = "/p/a", ends = true }
    assert.matches("^HEAD ", up:read_until "\r\n\r\n")
    up:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert.equal(200, c:response(id).status)
    up:close()
  end)

  it("passes bodies both ways", function()
    local id = c:open { method = "POST", path = "/p/a", ends = false }
    c:data(id, ("x"):rep(10000), false)
    c:data(id, ("y"):rep(6000), true)
    local up = x:accept()
    local head = up:read_until "\r\n\r\n"
    local length = tonumber(head:match "Content%-Length: (%d+)")
    if length then
      assert.equal(("x"):rep(10000) .. ("y"):rep(6000), up:read(length))
    else
      assert.matches("Transfer%-Encoding: chunked", head)
      up:read_until "0\r\n\r\n"
    end
    up:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n" .. ("z"):rep(100000)
      .. "\r\n0\r\nX-T: yes\r\n\r\n")
    local r = c:response(id)
    assert.equal(("z"):rep(100000), r.body)
    assert.equal("yes", r.trailers["x-t"])
    up:close()
  end)

  it("serves streams side by side", function()
    local ids, ups = {}, {}
    for i = 1, 5 do ids[i] = c:open { path = "/p/" .. i, ends = true } end
    for _ = 1, 5 do
      local up = x:accept()
      ups[tonumber(up:read_until("\r\n\r\n"):match "^GET /(%d)")] = up
    end
    for i = 5, 1, -1 do ups[i]:send(ok("answer " .. i)) end
    for i = 1, 5 do assert.equal("answer " .. i, c:response(ids[i]).body) end
    for i = 1, 5 do ups[i]:close() end
  end)

  it("resets a stream whose upstream breaks off, and gives up what a client resets", function()
    local id = c:open { path = "/p/a", ends = true }
    local up = x:accept()
    up:read_until "\r\n\r\n"
    up:send "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhello"
    up:close()
    assert.is_truthy(c:response(id).reset)
    id = c:open { path = "/p/b", ends = true }
    up = x:accept()
    up:read_until "\r\n\r\n"
    c:frame(http2.RST_STREAM, 0, id, "\0\0\0\8")
    assert.is_true(up:is_closed(5))
    id = c:open { path = "/p/c", ends = true }
    up = x:accept()
    peer.answer(up, "fine")
    assert.equal("fine", c:response(id).body)
    up:close()
  end)
end)
