-- forward_request_spec.lua: which fields of a request a proxy sends on, and which it writes anew.
local forward = require "spec.support.forward"
local C = forward.C

local X = tonumber(C.JH_FORWARD_X_BIT)
local FORWARDED = tonumber(C.JH_FORWARD_FORWARDED_BIT)
local KEEP_HOST = tonumber(C.JH_FORWARD_HOST_BIT)
local CHUNKED, LENGTH = tonumber(C.JH_FORWARD_CHUNKED), tonumber(C.JH_FORWARD_LENGTH)

-- The head that goes on for "GET /a" with these field lines.
local function pass(fields, how)
  return forward.request("GET /a HTTP/1.1\r\nHost: front\r\n" .. (fields or "") .. "\r\n", how)
end

local function expect(fields, fields_on, how)
  assert.equal("GET /a HTTP/1.1\r\nHost: up\r\n" .. fields_on .. "\r\n", pass(fields, how))
end

describe("a request on its way through a proxy", function()
  it("keeps its fields as they were written, in order", function()
    local fields = "User-Agent: x\r\nAccept:*/*\r\nX-Empty:\r\nX-Odd:  a  b  \r\naccept: c\r\n"
    expect(fields, fields)
    expect(fields .. "X-Last: a  \r\n", fields .. "X-Last: a\r\n")
  end)

  it("may end in an empty field, or have none", function()
    expect("X-Empty:\r\n", "X-Empty:\r\n")
    expect("X-Blank:  \r\n", "X-Blank:\r\n")
    expect("", "")
  end)

  it("leaves behind what is about the connection", function()
    for _, line in ipairs { "Connection: keep-alive", "Connection: close", "Keep-Alive: timeout=5",
      "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic x", "Proxy-Authenticate: Basic",
      "TE: gzip", "Trailer: X-T", "Transfer-Encoding: chunked", "Upgrade: h2c",
      "Expect: 100-continue", "HTTP2-Settings: A", "Proxy: http://evil/", "Content-Length: 5" } do
      expect("A: 1\r\n" .. line .. "\r\nB: 2\r\n", "A: 1\r\nB: 2\r\n")
      expect(line:lower() .. "\r\n", "")
    end
  end)

  it("leaves behind what Connection names", function()
    expect("Connection: X-Hop , close,x-other\r\nX-Hop: 1\r\nA: 1\r\nX-Other: 2\r\n", "A: 1\r\n")
    expect("X-Hop: 1\r\nConnection: x-hop\r\nConnection: b\r\nB: 3\r\n", "")
    expect("Connection: Cookie\r\nCookie: a\r\n", "")
  end)

  it("refuses a Connection that names too much", function()
    local names = {}
    for i = 1, 17 do names[i] = "x" .. i end
    assert.equal(tonumber(C.JH_ELIMIT), pass("Connection: " .. table.concat(names, ",") .. "\r\n"))
    names[17] = nil
    expect("Connection: " .. table.concat(names, ",") .. "\r\nx7: a\r\n", "")
  end)

  it("leaves similar names alone", function()
    local fields = "Connections: a\r\nKeep-Alives: b\r\nT: c\r\nTEE: d\r\nUpgrades: e\r\n"
      .. "Proxies: f\r\nContent-Lengt: g\r\nHosts: h\r\nX-Forwarded-Fox: i\r\nExpects: j\r\n"
    expect(fields, fields)
  end)

  it("tells of trailers that the client takes", function()
    expect("TE: trailers\r\n", "TE: trailers\r\nConnection: TE\r\n")
    expect("TE: gzip;q=0.5, trailers\r\nA: 1\r\n", "A: 1\r\nTE: trailers\r\nConnection: TE\r\n")
  end)

  it("frames the body by what was found of it", function()
    expect("Content-Length: 7\r\n", "Content-Length: 5\r\n", { body = LENGTH, body_bytes = 5 })
    expect("Content-Length: 7\r\n", "Content-Length: 0\r\n", { body = LENGTH })
    expect("Content-Length: 7\r\n", "Transfer-Encoding: chunked\r\n", { body = CHUNKED })
    expect("Transfer-Encoding: chunked\r\nTrailer: X-T\r\n",
      "Trailer: X-T\r\nTransfer-Encoding: chunked\r\n", { body = CHUNKED })
    assert.is_truthy(pass("", { body = LENGTH, body_bytes = 2ULL ^ 62 })
      :find("\r\nContent-Length: 4611686018427387904\r\n", 1, true))
  end)

  it("asks for 100 Continue and for another protocol when told to", function()
    expect("Expect: 100-continue\r\n", "Expect: 100-continue\r\n", { expects_continue = true })
    expect("Connection: Upgrade\r\nUpgrade: websocket\r\n",
      "Upgrade: websocket\r\nConnection: upgrade\r\n", { is_upgrade = true })
    expect("Connection: Upgrade, TE\r\nUpgrade: websocket\r\nTE: trailers\r\n",
      "Upgrade: websocket\r\nTE: trailers\r\nConnection: upgrade, TE\r\n", { is_upgrade = true })
  end)

  it("has the upstream's Host, or the client's", function()
    assert.equal("GET /a HTTP/1.1\r\nHost: front\r\n\r\n", pass("", { flags = KEEP_HOST }))
    assert.equal("GET /a HTTP/1.1\r\nHost: up\r\n\r\n",
      forward.request("GET /a HTTP/1.0\r\n\r\n", { flags = KEEP_HOST }))
    assert.equal("GET /a HTTP/1.1\r\nHost: abs\r\n\r\n",
      forward.request("GET http://abs/a HTTP/1.1\r\nHost: front\r\n\r\n", { flags = KEEP_HOST }))
  end)

  it("sets, adds and takes away what it is told to", function()
    expect("A: 1\r\nB: 2\r\nC: 3\r\n", "B: 2\r\nA: 9\r\n",
      { lines = "A: 9\r\n", dropped = { "a", "C" } })
    expect("A: 1\r\nB: 2\r\nC: 3\r\n", "B: 2\r\na: 8\r\nB: 7\r\n",
      { own = { { "a", "8" }, { "B", "7", true } }, also_dropped = { "c" } })
    assert.equal("GET /a HTTP/1.1\r\nHost: own\r\n\r\n", pass("", { own = { { "Host", "own" } } }))
  end)
end)

describe("what a proxy says of the client", function()
  local how = { flags = X, peer = "192.0.2.1", scheme = "https" }

  it("is X-Forwarded-For, -Host and -Proto", function()
    expect("A: 1\r\n", "A: 1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: front\r\n"
      .. "X-Forwarded-Proto: https\r\n", how)
  end)

  it("takes the place of what an untrusted client says", function()
    expect("X-Forwarded-For: 1.1.1.1\r\nx-forwarded-proto: ftp\r\nX-Forwarded-Host: evil\r\n"
      .. "A: 1\r\n", "A: 1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: front\r\n"
      .. "X-Forwarded-Proto: https\r\n", how)
  end)

  it("follows what a trusted one says", function()
    expect("X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nX-Forwarded-Proto: https\r\nA: 1\r\n"
      .. "X-Forwarded-Host: first\r\nX-Forwarded-For: 3.3.3.3\r\n",
      "X-Forwarded-Proto: https\r\nA: 1\r\nX-Forwarded-Host: first\r\n"
      .. "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.1\r\n",
      { flags = X, peer = "192.0.2.1", is_trusted = true })
  end)

  it("cannot be removed by Connection", function()
    expect("Connection: X-Forwarded-For, close\r\n", "X-Forwarded-For: 192.0.2.1\r\n"
      .. "X-Forwarded-Host: front\r\nX-Forwarded-Proto: https\r\n", how)
  end)

  it("can be set and left out by the app", function()
    expect("X-Forwarded-For: 1\r\n", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: mine\r\n",
      { flags = X, peer = "192.0.2.1", scheme = "https", dropped = { "x-forwarded-for" },
        own = { { "X-Forwarded-Host", "mine" } } })
  end)

  it("is left to the client where nothing is to be said", function()
    local fields = "X-Forwarded-For: 1\r\nForwarded: for=x\r\n"
    expect(fields, fields, { peer = "192.0.2.1" })
    expect("", "X-Forwarded-Host: front\r\nX-Forwarded-Proto: http\r\n", { flags = X })
  end)

  it("is Forwarded, quoted where it is no token", function()
    expect("Forwarded: for=evil\r\n", "Forwarded: for=192.0.2.1;host=front;proto=http\r\n",
      { flags = FORWARDED, peer = "192.0.2.1" })
    expect("", 'Forwarded: for="[2001:db8::1]";host=front;proto=http\r\n',
      { flags = FORWARDED, peer = "2001:db8::1" })
    expect("", "Forwarded: for=unknown;host=front;proto=http\r\n", { flags = FORWARDED })
    assert.is_truthy(forward.request("GET / HTTP/1.1\r\nHost: a:80\r\n\r\n",
      { flags = FORWARDED, peer = "1.1.1.1" }):find(';host="a:80";', 1, true))
    expect("Forwarded: for=1.1.1.1\r\nforwarded: for=b\r\n",
      "Forwarded: for=1.1.1.1, for=b, for=192.0.2.1;host=front;proto=http\r\n",
      { flags = FORWARDED, peer = "192.0.2.1", is_trusted = true })
  end)

  it("is Via, behind those before it", function()
    expect("Via: 1.0 first\r\n", "Via: 1.0 first\r\nVia: 1.1 me\r\n", { via = "me" })
    assert.is_truthy(forward.request("GET / HTTP/1.0\r\n\r\n", { via = "me" })
      :find("\r\nVia: 1.0 me\r\n", 1, true))
  end)

  it("has room for the longest", function()
    local long = ("x"):rep(3000)
    local head = forward.request("GET /" .. long .. " HTTP/1.1\r\nHost: " .. long .. "\r\n"
      .. "X-Forwarded-For: " .. long .. "\r\nForwarded: " .. long .. "\r\n\r\n",
      { flags = X + FORWARDED + KEEP_HOST, is_trusted = true, peer = "192.0.2.1",
        base = "/" .. long, via = long, lines = "A: " .. long .. "\r\n" })
    assert.is_true(#head > 20000)
  end)
end)
