-- HTTP over TLS as clients see it: handshakes that go wrong, sessions that are resumed, large
-- bodies both ways, and ends.
local certificates = require "spec.support.certificates"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local tls = require "spec.support.tls"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local ca = certificates.authority "Spec CA"
local own = ca:issue { names = { "localhost", "127.0.0.1" } }

local app = [[
local http = require "justhttp"
local app = http.app()
app:get("/", function() return "hello" end)
app:get("/large", function() return ("0123456789abcdef"):rep(262144) end)
app:get("/streamed", function(ctx)
  ctx:stream(function(stream)
    for i = 1, 200 do stream:write(("%04d"):format(i):rep(4096)) end
  end)
end)
app:static("/files", "files")
app:post("/echo", function(ctx)
  local count = 0
  for piece in function() return ctx:read(65536) end do count = count + #piece end
  return tostring(count)
end)
return app
]]

describe("HTTP over TLS", function()
  local s
  local files = {}
  for i, size in ipairs { 1, 16384, 65536, 65537, 1000000, 5000000 } do
    files[i] = { name = ("f%d"):format(size), text = ("%07d\n"):format(size):rep(size / 8 + 1)
      :sub(1, size) }
  end

  setup(function()
    local all = { ["app.lua"] = app }
    for _, file in ipairs(files) do all["files/" .. file.name] = file.text end
    s = server.start { files = all, workers = 2, options = {
      tls_cert = own.bundle, http2 = false, log_level = "debug", max_body_bytes = "32m" } }
  end)
  teardown(function() s:stop() end)

  local function connect(context) return s:connect { tls = context } end

  it("keeps connections, and answers pipelined requests in order", function()
    local c = connect()
    for _ = 1, 3 do assert.are.equal("hello", c:request({ path = "/" }).body) end
    c:send(("GET / HTTP/1.1\r\nHost: a\r\n\r\n"):rep(1000))
    for _, r in ipairs(c:responses(1000)) do assert.are.equal("hello", r.body) end
    c:close()
  end)

  it("sends large answers to slow and to quick readers", function()
    local whole = ("0123456789abcdef"):rep(262144)
    local c = connect()
    assert.is_true(whole == c:request({ path = "/large" }).body)
    local r = c:request { path = "/streamed" }
    assert.are.equal(200 * 16384, #r.body)
    assert.are.equal("0200", r.body:sub(-4))
    c:close()
    local slow = s:connect { receive_bytes = 4096 }
    slow:send "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
    sys.sleep(0.05)
    assert.is_true(whole == slow:response().body)
    slow:close()
  end)

  it("sends files of every size", function()
    local c = connect()
    for _, file in ipairs(files) do
      local r = c:request { path = "/files/" .. file.name }
      assert.are.equal(#file.text, #r.body)
      assert.is_true(file.text == r.body)
    end
    local r = c:request { path = "/files/f5000000", headers = { Range = "bytes=100-4999998" } }
    assert.are.equal(206, r.status)
    assert.is_true(files[6].text:sub(101, 4999999) == r.body)
    c:close()
  end)

  it("takes large bodies, of known length and chunked", function()
    local c = connect()
    local body = ("x"):rep(20000000)
    assert.are.equal("20000000", c:request({ method = "POST", path = "/echo", body = body }).body)
    local pieces = {}
    for i = 1, 500 do
      local piece = ("y"):rep(i * 37)
      pieces[i] = ("%x\r\n%s\r\n"):format(#piece, piece)
    end
    c:send "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    c:send(table.concat(pieces) .. "0\r\n\r\n")
    assert.are.equal(tostring(37 * 500 * 501 / 2), c:response().body)
    c:close()
  end)

  it("reads what came in one record with more than a buffer holds", function()
    local c = connect()
    local head = "GET / HTTP/1.1\r\nHost: a\r\nX: " .. ("z"):rep(900) .. "\r\n\r\n"
    c:send(head:rep(100))
    for _, r in ipairs(c:responses(100)) do assert.are.equal("hello", r.body) end
    c:close()
  end)

  it("tells plain HTTP what it speaks", function()
    for _, method in ipairs { "GET", "POST", "DELETE", "OPTIONS", "PRI" } do
      local r = wire.request(s.port, method .. " / HTTP/1.1\r\nHost: a\r\n\r\n")
      assert.are.equal(400, r.status)
      assert.are.equal("400 Bad Request: this port speaks TLS; write https:// in front of its "
        .. "address, not http://\n", r.body)
    end
  end)

  it("ends with a close_notify", function()
    local c = connect()
    c:send "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert.are.equal("hello", c:response().body)
    c:expect_closed()
    assert.is_nil(c.was_cut)
    c:close()
  end)

  it("answers a client that ends its side", function()
    local c = connect()
    c:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    c:half_close()
    assert.are.equal("hello", c:response().body)
    c:expect_closed()
    c:close()
  end)

  it("resumes sessions with whichever worker, until they are refused", function()
    for _, version in ipairs { "1.2", "1.3" } do
      local context = assert(tls.context { ca = ca.cert, min_version = version,
                                           max_version = version })
      local resumed = 0
      for _ = 1, 12 do
        local c = tls.connect(context, s.port, "localhost")
        assert(c:shake())
        assert(c:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert.truthy(c:read():find("hello", 1, true))
        if c:is_resumed() then resumed = resumed + 1 end
        c:close()
      end
      assert.are.equal(11, resumed)
    end
  end)

  it("agrees on HTTP/1.1 with ALPN, and refuses what it does not speak", function()
    local c = tls.connect(assert(tls.context { ca = ca.cert, alpn = "http/1.1" }), s.port)
    assert(c:shake())
    assert.are.equal("http/1.1", c:alpn())
    c:close()
    local other = tls.connect(assert(tls.context { ca = ca.cert, alpn = "smtp" }), s.port)
    local ok, reason = other:shake()
    assert.is_nil(ok)
    assert.truthy(reason:lower():find "protocol", reason)
    other:close()
  end)

  it("closes connections whose handshake does not come in time, or nothing after it", function()
    local strict = server.start { code = "return function() return 'hello' end", options = {
      tls_cert = own.bundle, tls_handshake_timeout_ms = 300 * sys.patience,
      header_timeout_ms = 400 * sys.patience } }
    local silent, half = wire.connect(strict.port), wire.connect(strict.port)
    half:send "\22\3\1\2\0\1\0"
    local idle = strict:connect()
    half:expect_closed()
    silent:expect_closed()
    idle:expect_closed()
    for _, c in ipairs { half, silent, idle } do c:close() end
    strict:stop()
  end)

  it("survives nonsense instead of a handshake, and after it", function()
    local nonsense = wire.connect(s.port)
    nonsense:send(("\0\1\2\3"):rep(1000))
    nonsense:read_all()
    nonsense:close()
    wait_for(function() return s:stderr():find("TLS with 127.0.0.1: ", 1, true) end)
    local c = connect()
    local raw = wire.adopt(c.fd)
    raw:send "\23\3\3\0\100"
    raw:send(("x"):rep(100))
    assert.truthy(c:is_closed(5))
    c:close()
    local cut = connect()
    cut:send "GET / HT"
    cut:reset()
    assert.are.equal("hello", s:get("/").body)
  end)
end)

describe("HTTP over TLS with client certificates", function()
  local me = ca:issue { cn = "alice", for_client = true }

  it("refuses who has none, or one of somebody else", function()
    local s = server.start { code = 'return function() return "in" end', options = {
      tls_cert = own.bundle, tls_client_ca = ca.cert } }
    local function attempt(how)
      how.ca = ca.cert
      local c = tls.connect(assert(tls.context(how)), s.port)
      local ok, reason = c:shake()
      if ok then c:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n" end
      if ok then ok, reason = c:read() end
      c:close()
      return ok and ok:match "\r\n\r\n(.*)" or reason
    end
    local other = certificates.authority("Other CA"):issue { cn = "mallory", for_client = true }
    local late = ca:issue { cn = "late", for_client = true, from_days = -9, to_days = -1 }
    for _, version in ipairs { "1.2", "1.3" } do
      assert.are.equal("in", attempt { cert = me.bundle, max_version = version })
      -- Twice: the second time the session is resumed.
      assert.are.equal("in", attempt { cert = me.bundle, max_version = version })
      assert.truthy(attempt({ max_version = version }):find("demands a client certificate", 1,
        true))
      assert.truthy(attempt({ cert = other.bundle, max_version = version }):find(
        "the server does not know the authority that signed our certificate", 1, true))
      assert.truthy(attempt({ cert = late.bundle, max_version = version }):find(
        "the server says that our certificate has expired", 1, true))
    end
    s:stop()
  end)
end)

describe("ctx.tls", function()
  local code = [[
    local json = require "justhttp".json
    return function(ctx) return ctx.tls or "none" end
  ]]
  local me = ca:issue { cn = "alice", for_client = true }

  it("tells of the session", function()
    local s = server.start { code = code, options = { tls_cert = own.bundle } }
    local context = assert(tls.context { ca = ca.cert, alpn = "http/1.1" })
    local function ask(where)
      where.host, where.port, where.is_tls, where.tls = s.host, s.port, true, context
      return wire.get(where, "/").body
    end
    local first = ask { server_name = "localhost" }
    for _, part in ipairs { '"version":"TLSv1.3"', '"cipher":"TLS_AES_128_GCM_SHA256"',
                            '"server_name":"localhost"', '"protocol":"http/1.1"',
                            '"is_resumed":false' } do
      assert.truthy(first:find(part, 1, true), first)
    end
    assert.truthy(ask({ server_name = "localhost" }):find('"is_resumed":true', 1, true))
    local nameless = ask { server_name = "127.0.0.1" }
    assert.is_nil(nameless:find("server_name", 1, true))
    s:stop()
  end)

  it("is nil without TLS", function()
    local s = server.start { code = code, listen = "127.0.0.1:0" }
    assert.are.equal("none", wire.get(s.port, "/").body)
    s:stop()
  end)

  it("tells of the client's certificate, over HTTP/2 and after a resumption too", function()
    local s = server.start { code = code, options = {
      tls_cert = own.bundle, tls_client_ca = ca.cert, tls_client_cert = "request" } }
    local fingerprint = io.popen("openssl x509 -noout -fingerprint -sha256 -in " .. me.cert)
      :read("*a"):match("=(.-)\n"):gsub(":", ""):lower()
    local context = assert(tls.context { ca = ca.cert, cert = me.bundle })
    for _ = 1, 2 do
      local r = wire.get({ port = s.port, is_tls = true, tls = context }, "/").body
      assert.truthy(r:find('"subject":"CN=alice"', 1, true), r)
      assert.truthy(r:find('"issuer":"CN=Spec CA"', 1, true), r)
      assert.truthy(r:find(fingerprint, 1, true), r)
      assert.truthy(r:find '"serial":"%x+"', r)
      assert.truthy(r:find '"not_after":%d+', r)
    end
    local over_http2 = io.popen(("curl -s --http2 --cacert %s --cert %s --key %s "
      .. "https://localhost:%d/"):format(ca.cert, me.cert, me.key, s.port)):read "*a"
    assert.truthy(over_http2:find('"subject":"CN=alice"', 1, true), over_http2)
    assert.truthy(over_http2:find('"protocol":"h2"', 1, true), over_http2)
    local without = wire.get({ port = s.port, is_tls = true }, "/").body
    assert.is_nil(without:find("client", 1, true))
    s:stop()
  end)
end)

describe("HTTP over TLS behind a load balancer", function()
  it("takes the client from a PROXY header in front of the handshake", function()
    local s = server.start { code = "return function(ctx) return ctx.ip end",
      options = { tls_cert = own.bundle, proxy_protocol = true } }
    for _, step in ipairs { 1000, 1 } do
      local c = wire.connect(s.port)
      c:send_slowly("PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\r\n", { bytes = step })
      assert(tls.secure(c, {}))
      assert.truthy(c:request({ path = "/" }).body:find("192.0.2.7", 1, true))
      c:close()
    end
    local without = wire.connect(s.port)
    assert.is_nil((tls.secure(without, {})))
    without:close()
    s:stop()
  end)
end)
