-- forward_response_spec.lua: which fields of an upstream's response a proxy sends on.
local forward = require "spec.support.forward"
local C = forward.C

local function expect(fields, fields_on, how)
  assert.equal("HTTP/1.1 200 OK\r\n" .. fields_on .. "\r\n", forward.response(fields, how or {}))
end

describe("a response on its way through a proxy", function()
  it("keeps its fields as they were written", function()
    expect("Server: x\r\nSet-Cookie: a=1\r\nX-Empty:\r\nset-cookie:b=2 \r\nDate: now\r\n",
      "Server: x\r\nSet-Cookie: a=1\r\nX-Empty:\r\nset-cookie:b=2 \r\nDate: now\r\n")
    expect("", "")
  end)

  it("keeps its status and reason", function()
    assert.equal("HTTP/1.1 599 Very odd\r\n\r\n", forward.response("",
      { status = 599, reason = "Very odd" }))
    assert.equal("HTTP/1.1 404 \r\n\r\n", forward.response("", { status = 404, reason = "" }))
  end)

  it("leaves behind what is about the connection", function()
    for _, line in ipairs { "Connection: keep-alive", "Connection: close", "Keep-Alive: timeout=5",
      "Proxy-Connection: x", "Proxy-Authenticate: Basic", "Proxy-Authorization: x",
      "Proxy-Authentication-Info: x", "Transfer-Encoding: chunked", "Content-Length: 7",
      "Upgrade: h2c", "Trailer: X-T" } do
      expect("A: 1\r\n" .. line .. "\r\nB: 2\r\n", "A: 1\r\nB: 2\r\n")
      expect(line:upper() .. "\r\n", "")
    end
  end)

  it("leaves behind what Connection names", function()
    expect("X-Hop: 1\r\nConnection: x-hop, close\r\nA: 1\r\n", "A: 1\r\n")
    local names = {}
    for i = 1, 17 do names[i] = "x" .. i end
    assert.equal(tonumber(C.JH_ELIMIT),
      forward.response("Connection: " .. table.concat(names, ",") .. "\r\n", {}))
  end)

  it("is framed anew", function()
    expect("Content-Length: 7\r\n", "Content-Length: 5\r\n", { has_length = true, body_bytes = 5 })
    expect("Trailer: X-T\r\n", "Trailer: X-T\r\nTransfer-Encoding: chunked\r\n",
      { is_chunked = true })
    expect("", "Connection: close\r\n", { is_keep_alive = false })
    expect("", "Connection: keep-alive\r\n", { is_http10 = true })
  end)

  it("has a Date", function()
    expect("A: 1\r\n", "A: 1\r\nDate: mine\r\n", { date_line = "Date: mine\r\n" })
    expect("date: its\r\n", "date: its\r\n", { date_line = "Date: mine\r\n" })
    expect("", "Date: own\r\n", { date_line = "Date: mine\r\n", own = { { "Date", "own" } } })
  end)

  it("has what the app set in place of the upstream's", function()
    expect("A: 1\r\nB: 2\r\nVary: x\r\n", "B: 2\r\nVary: x\r\na: 9\r\nVary: y\r\n",
      { own = { { "a", "9" }, { "Vary", "y", true } } })
    expect("A: 1\r\nB: 2\r\n", "A: 1\r\n", { dropped = { "b" } })
  end)

  it("loses what described another body", function()
    local fields = "ETag: x\r\nContent-Encoding: gzip\r\nContent-Type: a/b\r\nContent-Range: x\r\n"
      .. "Accept-Ranges: bytes\r\nContent-MD5: x\r\nDigest: x\r\nRepr-Digest: x\r\n"
      .. "Content-Digest: x\r\nContent-Length: 3\r\n"
    expect(fields, "Content-Type: a/b\r\nContent-Length: 1\r\n",
      { is_replaced = true, has_length = true, body_bytes = 1 })
    expect("ETag: x\r\nContent-Encoding: gzip\r\n", "ETag: x\r\nContent-Encoding: gzip\r\n")
  end)

  it("passes a change of protocol on", function()
    assert.equal("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
      .. "Sec-WebSocket-Accept: x\r\nConnection: upgrade\r\n\r\n",
      forward.response("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n",
        { status = 101, reason = "Switching Protocols" }))
    assert.equal("HTTP/1.1 426 OK\r\nUpgrade: h2\r\nConnection: upgrade, close\r\n\r\n",
      forward.response("Upgrade: h2\r\n", { status = 426, is_keep_alive = false }))
  end)

  it("becomes fields of an app's response", function()
    assert.same({ "A: 1", "Set-Cookie: a", "Set-Cookie: b", "B: 2" }, forward.import(
      "A: 1\r\nConnection: X\r\nSet-Cookie:a\r\nX: 1\r\nSet-Cookie: b \r\nContent-Length: 1\r\n"
      .. "B: 2\r\n"))
    assert.same({ "a: 9", "C: 3" }, forward.import("A: 1\r\nC: 3\r\nETag: x\r\n",
      { own = { { "a", "9" } }, is_replaced = true }))
  end)
end)
