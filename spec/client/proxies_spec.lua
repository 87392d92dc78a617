-- proxies_spec.lua: requests by way of HTTP and SOCKS5 proxies.
local caller = require "spec.support.caller"
local certificates = require "spec.support.certificates"
local peer = require "spec.support.peer"
local sys = require "spec.support.sys"
local tls = require "spec.support.tls"
local wire = require "spec.support.wire"

describe("a proxy", function()
  local c, p
  setup(function() c, p = caller.start(), peer.listen() end)
  teardown(function()
    p:close()
    c:stop()
  end)

  local GET = [[
    local client = http.client { proxy = a.proxy, retries = 0, tls = a.tls,
      connect_timeout = a.time }
    local res, err, kind = client:get(a.url)
    local again = res and client:get(a.url)
    return res and res.body, err, kind, again and again.body ]]

  local function begin(arguments)
    arguments.proxy = (arguments.scheme or "http") .. "://" .. (arguments.user or "")
      .. "127.0.0.1:" .. p.port
    return c:begin(GET, arguments)
  end

  -- Moves bytes between two connections until one of them ends.
  local function pump(one, other)
    while not one.at_end and not other.at_end do
      for _, pair in ipairs { { one, other }, { other, one } } do
        local ok, bytes = pcall(pair[1].read_available, pair[1], 0.005)
        if not ok then return end
        if bytes and #bytes > 0 and not pair[2]:try_send(bytes) then return end
      end
    end
  end

  it("gets whole URLs for http, and the links to it are kept", function()
    local pending = begin { url = "http://name.invalid:81/x?y", user = "u:p@" }
    local link = p:accept()
    local head = peer.answer(link, "by proxy")
    assert.truthy(head:find
      "^GET http://name.invalid:81/x%?y HTTP/1.1\r\nHost: name.invalid:81\r\n")
    assert.truthy(head:find "Proxy%-Authorization: Basic dTpw\r\n")
    peer.answer(link, "again")
    local body, _, _, again = pending:finish()
    assert.are.same({ "by proxy", "again" }, { body, again })
    link:close()
  end)

  it("opens tunnels by SOCKS5", function()
    local pending = begin { url = "http://name.invalid/x", scheme = "socks5" }
    local link = p:accept()
    assert.are.equal("\5\1\0", link:read(3))
    link:send "\5\0"
    assert.are.equal("\5\1\0\3\12name.invalid\0\80", link:read(19))
    link:send "\5\0\0\1\0\0\0\0\0\0"
    assert.truthy(peer.answer(link, "by tunnel"):find "^GET /x HTTP/1.1\r\nHost: name.invalid\r\n")
    peer.answer(link, "again")
    local body, _, _, again = pending:finish()
    assert.are.same({ "by tunnel", "again" }, { body, again })
    link:close()
  end)

  it("opens tunnels for https with CONNECT, and TLS is the origin's", function()
    local ca = certificates.authority "Proxy spec CA"
    local own = ca:issue { names = { "localhost" } }
    local origin = tls.s_server { own, mode = "-www" }
    local pending = begin { url = "https://localhost:" .. origin.port .. "/",
      user = "u:p@", tls = { ca = ca.cert } }
    local heads = {}
    for i = 1, 2 do -- s_server closes after each answer
      local link = p:accept()
      heads[i] = link:read_until "\r\n\r\n"
      link:send "HTTP/1.1 200 Connection established\r\n\r\n"
      local onward = wire.connect(origin.port)
      pump(link, onward)
      link:close()
      onward:close()
    end
    local body, err, _, again = pending:finish()
    assert.truthy(body, err)
    assert.truthy(body:find "s_server")
    assert.truthy(again:find "s_server")
    assert.are.equal(("CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n"
      .. "Proxy-Authorization: Basic dTpw\r\n\r\n"):format(origin.port, origin.port), heads[1])
    origin:stop { signal = sys.SIGKILL, code = false }
  end)

  local function fails(text, kind, play, arguments)
    arguments = arguments or {}
    arguments.url = arguments.url or "https://name.invalid/"
    local pending = begin(arguments)
    local link = p:accept()
    play(link)
    local body, err, got_kind = pending:finish()
    assert.is_nil(body)
    assert.truthy(err:find(text, 1, true), err)
    assert.truthy(err:find("proxy 127.0.0.1:" .. p.port .. " for name.invalid:", 1, true), err)
    assert.are.equal(kind, got_kind)
    link:close()
  end

  it("says no, and why", function()
    fails("it answered 407 Proxy Authentication Required", "proxy", function(link)
      link:read_until "\r\n\r\n"
      link:send "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\nnope!"
    end)
    fails("the proxy says: host unreachable", "proxy", function(link)
      link:read(3)
      link:send "\5\0"
      link:read(19)
      link:send "\5\4\0\1\0\0\0\0\0\0"
    end, { scheme = "socks5h", url = "http://name.invalid/" })
  end)

  it("breaks off, or speaks another language", function()
    fails("it closed the connection", "proxy", function(link)
      link:read_until "\r\n\r\n"
      link:close()
    end)
    fails("the answer is not HTTP", "proxy", function(link)
      link:read_until "\r\n\r\n"
      link:send "whatever\r\n\r\n"
    end)
    fails("the proxy sent more than its answer", "proxy", function(link)
      link:read_until "\r\n\r\n"
      link:send "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    end)
    fails("the proxy does not speak SOCKS5", "proxy", function(link)
      link:read(3)
      link:send "HTTP/1.1 400 Bad Request\r\n\r\n"
    end, { scheme = "socks5", url = "http://name.invalid/" })
    fails("no answer in time", "timeout", function(link)
      link:read_until "\r\n\r\n"
      link:expect_closed()
    end, { time = 0.1 })
  end)

  it("cannot be reached", function()
    local gone = peer.listen()
    local port = gone.port
    gone:close()
    for _, url in ipairs { "http://name.invalid/", "https://name.invalid/" } do
      local res, err, kind = c:run([[
        return http.client { proxy = a.proxy, retries = 0 }:get(a.url) ]],
        { proxy = "http://127.0.0.1:" .. port, url = url })
      assert.is_nil(res)
      assert.are.equal("proxy", kind)
      assert.truthy(err:find("connect to 127.0.0.1:" .. port .. ": connection refused", 1, true),
        err)
    end
  end)

  it("is what the environment says", function()
    local other = caller.start { env = { http_proxy = p.url, no_proxy = "127.0.0.1" } }
    local pending = other:begin [[ return http.get("http://name.invalid/").body ]]
    local link = p:accept()
    assert.truthy(peer.answer(link, "x"):find "^GET http://name.invalid/ ")
    assert.are.equal("x", pending:finish())
    link:close()
    assert.are.equal(404, (other:run([[ return http.get(a.url).status ]],
      { url = other.server.url .. "/none" })))
    other:stop()
  end)
end)
