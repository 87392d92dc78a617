-- websocket_client_spec.lua: http.websocket against a server of our own, plain and over TLS, and
-- against servers that do not keep the rules.
local ffi = require "ffi"
local listener = require "spec.support.listener"
local server = require "spec.support.server"
local websocket = require "spec.support.websocket"
local wire = require "spec.support.wire"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local function tell(...)
  local all = { ... }
  for i = 1, select("#", ...) do all[i] = tostring(all[i]) end
  return table.concat(all, " ")
end
app:websocket("/echo", { message = function(ws, message, kind) ws:send(message, kind) end,
  protocols = { "two" }, compress = true, max_message_bytes = 2000000 })
app:websocket("/compressed", { message = function(ws, message, kind) ws:send(message, kind) end,
  compress = { context_takeover = true } })
app:websocket("/closes", function(ws) ws:receive() ws:close(4001, "enough") end)
app:websocket("/headers", function(ws, ctx)
  ws:send(tell(ctx.headers["x-mine"], ctx.headers.authorization, ctx.host))
end)
app:get("/no", function() return 403, "no" end)

app:get("/try", function(ctx)
  local url = ctx.query.url
  local ws, err, kind, status = http.websocket(url, { timeout = 0.5 })
  if not ws then return tell(err, kind, status) end
  ws:send "hello"
  return tell(ws:receive())
end)
app:get("/messages", function(ctx)
  local ws = assert(http.websocket(ctx.query.url, { protocols = { "one", "two" }, compress = true,
    max_message_bytes = 2000000, tls = { verify = false } }))
  local out = { ws.protocol }
  for _, size in ipairs { 0, 1, 125, 126, 5000, 65536, 1000000 } do
    local message = ("x"):rep(size)
    ws:send(message)
    ws:send(message, "binary")
    local a, kind_a = ws:receive()
    local b, kind_b = ws:receive()
    out[#out + 1] = tell(a == message, kind_a, b == message, kind_b)
  end
  local count = 0
  local function pieces()
    count = count + 1
    return count < 4 and ("piece" .. count) or nil
  end
  ws:send(pieces)
  out[#out + 1] = ws:receive()
  ws:ping "x"
  ws:close(1000, "bye")
  out[#out + 1] = tell(ws:receive())
  return table.concat(out, "\n")
end)
app:get("/closed-by-server", function(ctx)
  local ws = assert(http.websocket(ctx.query.url))
  ws:send "go"
  return tell(ws:receive())
end)
app:get("/with-headers", function(ctx)
  local ws = assert(http.websocket(ctx.query.url,
    { headers = { ["X-Mine"] = "yes" }, auth = { user = "ann", password = "pw" } }))
  return (ws:receive())
end)
app:get("/misuse", function()
  local _, a = pcall(http.websocket, "ws://localhost/", { protocol = {} })
  local _, b = pcall(http.websocket, "ws://localhost/", { headers = { Upgrade = "x" } })
  local _, c = http.websocket "http://localhost/"
  return table.concat({ a, b, c }, "\n")
end)
app:get("/many", function(ctx)
  for _ = 1, 200 do
    local ws = assert(http.websocket(ctx.query.url))
    ws:send "x"
    ws:receive()
  end
  collectgarbage() collectgarbage()
  return "ok"
end)
return app ]]

describe("http.websocket", function()
  local s
  setup(function() s = server.start { code = CODE } end)
  teardown(function() s:stop() end)

  local function ask(path, url)
    return s:get(path .. "?url=" .. url:gsub("[^%w]", function(byte)
      return ("%%%02X"):format(byte:byte())
    end)).body
  end

  local function own(path) return ("ws://127.0.0.1:%d%s"):format(s.port, path) end

  it("sends and receives messages of every size and kind", function()
    local lines = { "two" }
    for i = 2, 8 do lines[i] = "true text true binary" end
    lines[9], lines[10] = "piece1piece2piece3", "nil closed 1000 bye"
    assert.are.equal(table.concat(lines, "\n"), ask("/messages", own "/echo"))
  end)

  it("works with windows that live on", function()
    assert.are.equal("hello text", ask("/try", own "/compressed"))
  end)

  it("works over TLS", function()
    local other = server.start { code = CODE, listen = "127.0.0.1:0", options = { tls = "self" } }
    assert.is_truthy(ask("/messages", ("wss://127.0.0.1:%d/echo"):format(other.port))
      :find("nil closed 1000 bye", 1, true))
    assert.is_truthy(ask("/try", ("wss://127.0.0.1:%d/echo"):format(other.port))
      :find("certificate", 1, true))
    other:stop()
  end)

  it("hears of the server's close", function()
    assert.are.equal("nil closed 4001 enough", ask("/closed-by-server", own "/closes"))
  end)

  it("sends the fields it is given, and who asks", function()
    assert.are.equal(("yes Basic YW5uOnB3 127.0.0.1:%d"):format(s.port),
      ask("/with-headers", own "/headers"))
  end)

  it("says what failed", function()
    assert.are.equal("WebSocket " .. own "/no"
      .. ": the server answered 403 instead of 101 protocol 403", ask("/try", own "/no"))
    assert.is_truthy(ask("/try", "ws://127.0.0.1:1/"):find("refused connect", 1, true))
    assert.is_truthy(ask("/try", "ws://no.such.host.invalid/"):find("WebSocket ws://no.such.host",
      1, true))
    assert.are.equal("WebSocket http://x/: scheme http is neither ws nor wss invalid nil",
      ask("/try", "http://x/"))
  end)

  it("says what is wrong with its arguments", function()
    local body = s:get("/misuse").body
    assert.is_truthy(body:find('no option "protocol" (did you mean "protocols"?)', 1, true))
    assert.is_truthy(body:find("the field Upgrade is the handshake's own", 1, true))
    assert.is_truthy(body:find("scheme http is neither ws nor wss", 1, true))
  end)

  it("closes what nobody holds any more", function()
    assert.are.equal("ok", ask("/many", own "/echo"))
  end)

  describe("with a server that breaks the rules", function()
    -- Answers one connection with what `answer(key)` gives; the outcome of /try.
    local function try_with(answer)
      local l = listener.tcp()
      local c = s:connect()
      c:send(("GET /try?url=ws%%3A%%2F%%2F127.0.0.1%%3A%d%%2F HTTP/1.1\r\nHost: x\r\n\r\n")
        :format(l.port))
      local conn = wire.adopt(l:accept().fd)
      local head = conn:read_until "\r\n\r\n"
      local key = head:match "Sec%-WebSocket%-Key: (%S+)"
      local reply = answer(key, conn)
      if reply then conn:send(reply) end
      local body = c:response().body
      conn:close()
      c:close()
      l:close()
      return body, conn
    end

    local core = require "spec.support.core"
    local C = core.load "http/websocket_handshake.h"

    local function accept(key)
      local out = ffi.new "char[28]"
      assert(C.jh_websocket_write_accept(ffi.new("jh_str", { key, #key }), out) == 0)
      return ffi.string(out, 28)
    end

    local function answer_with(fields, behind)
      return function(key)
        return "HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n"
          .. "Sec-WebSocket-Accept: " .. accept(key) .. "\r\n" .. (fields or "") .. "\r\n"
          .. (behind or "")
      end
    end

    local function outcome_is(want, answer)
      local got = try_with(answer)
      assert.is_truthy(got:find(want, 1, true), got)
    end

    it("takes what comes with the answer", function()
      outcome_is("early text", answer_with("", "\x81\x05early"))
    end)

    it("refuses answers to another handshake", function()
      outcome_is("does not belong to this handshake", function()
        return "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          .. "Sec-WebSocket-Accept: " .. websocket.ACCEPT .. "\r\n\r\n"
      end)
      outcome_is("does not change the protocol", function(key)
        return "HTTP/1.1 101 X\r\nSec-WebSocket-Accept: " .. accept(key) .. "\r\n\r\n"
      end)
      outcome_is("the server answered 200 instead of 101", function()
        return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
      end)
      outcome_is("no HTTP", function() return "SSH-2.0-x\r\n\r\n" end)
      outcome_is("no HTTP", function() return "HTTP/1.1 101 X\r\nno field\r\n\r\n" end)
    end)

    it("refuses extensions and protocols that it did not offer", function()
      outcome_is("extensions that were not offered",
        answer_with "Sec-WebSocket-Extensions: permessage-deflate\r\n")
      outcome_is('the protocol "x", which was not asked for',
        answer_with "Sec-WebSocket-Protocol: x\r\n")
    end)

    it("gives up in time", function()
      outcome_is("does not answer the handshake timeout", function() return nil end)
      outcome_is("too long limit", function() return ("x"):rep(17000) end)
      outcome_is("closed the connection during the handshake closed",
        function(_, conn) conn:close() end)
    end)

    it("refuses masked frames", function()
      outcome_is("nil closed 1002 a frame of the server is masked",
        answer_with("", websocket.encode { opcode = 1, payload = "masked" }))
    end)
  end)
end)
