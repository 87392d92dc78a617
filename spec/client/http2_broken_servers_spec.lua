-- http2_broken_servers_spec.lua: servers of HTTP/2 that the spec plays frame by frame: they limit,
-- refuse, say goodbye, stall, or break the rules. What was not looked at is sent again; everything
-- else fails with words; and none of it reaches the next request.
local caller = require "spec.support.caller"
local http2 = require "spec.support.http2"
local peer = require "spec.support.peer"

local number = http2.number

describe("over HTTP/2 a server that", function()
  local c, p
  setup(function() c, p = caller.start(), peer.listen() end)
  teardown(function()
    p:close()
    c:stop()
  end)

  local function begin(code, options)
    local all = { http2 = "prior-knowledge", retries = 0 }
    for name, value in pairs(options or {}) do all[name] = value end
    return c:begin("local client, url = http.client(a.options), a.url " .. code,
      { url = p.url, options = all })
  end

  local ONE = [[
    local res, err, kind = client:get(url .. "/one")
    local next_one, why = client:get(url .. "/two")
    return { status = res and res.status, body = res and res.body, err = err, kind = kind,
      next_body = next_one and next_one.body, why = why, stats = client:stats()[url],
      trailer = res and res.trailers.a } ]]

  -- A GET against what `play(server, stream)` does, and a second one that gets its answer: from the
  -- same server when `play` says so.
  local function get(play, options, how)
    local pending = begin(ONE, options)
    local server = http2.accept(p, how)
    local goes_on = play(server, server:next_request())
    local second = goes_on and server or http2.accept(p)
    second:answer(second:next_request().id, "the next one")
    local result = pending:finish()
    second:close()
    if not goes_on then server:close() end
    assert.are.equal("the next one", result.next_body, result.why)
    assert.are.same({ 0 }, { result.stats.waiting })
    return result
  end

  local function fails(kind, text, play, options, how)
    local result = get(play, options, how)
    assert.are.equal(kind, result.kind, result.err)
    local prefix = ("GET %s/one: 127.0.0.1:%d: "):format(p.url, p.port)
    assert.are.equal(prefix, result.err:sub(1, #prefix))
    assert.truthy(result.err:find(text, #prefix + 1, true), result.err)
  end

  it("answers in good order is understood", function()
    local result = get(function(server, stream)
      assert.are.equal("/one", stream.request[":path"])
      assert.are.equal("127.0.0.1:" .. p.port, stream.request[":authority"])
      assert.are.equal("http", stream.request[":scheme"])
      assert.is_nil(stream.request.host)
      server:head(stream.id, 103, { link = "</x>" })
      server:head(stream.id, 200, { ["content-type"] = "text/plain" })
      server:data(stream.id, "some", false):data(stream.id, " body", false)
      server:frame(http2.HEADERS, http2.END_HEADERS + http2.END_STREAM, stream.id,
        http2.block { { "a", "trailer" } })
      return true
    end)
    assert.are.same({ 200, "some body", "trailer", 1 }, { result.status, result.body,
      result.trailer, result.stats.dialled })
  end)

  it("sends PINGs and SETTINGS gets its answers, also from an idle connection", function()
    local pending = begin(ONE)
    local server = http2.accept(p)
    server:frame(http2.PING, 0, 0, "12345678")
    server:read_until(function() return server.pong end, "the answer to PING")
    assert.are.equal("12345678", server.pong)
    server:answer(server:next_request().id, "x")
    server:answer(server:next_request().id, "y")
    server.pong = nil
    server:frame(http2.PING, 0, 0, "abcdefgh")
    server:read_until(function() return server.pong end, "the answer to PING")
    assert.are.equal("y", pending:finish().next_body)
    server:close()
  end)

  it("allows one stream at a time is asked one request after the other", function()
    local pending = begin([[
      local first = client:get(url .. "/0").body
      local tasks, bodies = {}, { first }
      for i = 1, 20 do
        tasks[i] = http.spawn(function() return client:get(url .. "/" .. i) end)
      end
      for i = 1, 20 do
        local res, err = http.wait(tasks[i])
        bodies[i + 1] = res and res.body or err
      end
      return table.concat(bodies, " "), client:stats()[url] ]], { max_connections = 1 })
    local server = http2.accept(p, { settings = { [3] = 1 } })
    local order = {}
    for i = 0, 20 do
      local stream = server:next_request()
      assert.is_nil(server.requests[1])
      order[i + 1] = stream.request[":path"]:sub(2)
      server:answer(stream.id, order[i + 1])
    end
    local bodies, stats = pending:finish()
    assert.are.equal(bodies, table.concat(order, " "))
    assert.are.same({ 1, 0, 21 }, { stats.dialled, stats.retried, stats.calls })
    server:close()
  end)

  it("is at its limit is asked over a second connection when there may be one", function()
    local pending = begin([[
      client:get(url .. "/0")
      local slow = http.spawn(function() return client:get(url .. "/slow") end)
      local other = client:get(url .. "/other")
      return other.body, http.wait(slow).body, client:stats()[url].dialled ]],
      { max_connections = 2 })
    local server = http2.accept(p, { settings = { [3] = 1 } })
    server:answer(server:next_request().id, "x")
    local slow = server:next_request()
    local second = http2.accept(p)
    local other = second:next_request()
    local names = { [slow.request[":path"]] = true, [other.request[":path"]] = true }
    assert.are.same({ ["/slow"] = true, ["/other"] = true }, names)
    second:answer(other.id, other.request[":path"])
    server:answer(slow.id, slow.request[":path"])
    assert.are.same({ "/other", "/slow", 2 }, { pending:finish() })
    server:close()
    second:close()
  end)

  it("refuses a stream gets the request again", function()
    local result = get(function(server, stream)
      server:frame(http2.RST_STREAM, 0, stream.id, number(http2.REFUSED_STREAM, 4))
      local again = server:next_request()
      assert.are.equal("/one", again.request[":path"])
      server:answer(again.id, "at last")
      return true
    end)
    assert.are.same({ "at last", 1 }, { result.body, result.stats.retried })
  end)

  it("refuses for ever is asked no more", function()
    fails("closed", "the server reset the stream: REFUSED_STREAM", function(server, stream)
      for i = 1, 11 do
        server:frame(http2.RST_STREAM, 0, stream.id, number(http2.REFUSED_STREAM, 4))
        if i < 11 then stream = server:next_request() end
      end
      return true
    end)
  end)

  it("resets a stream says why", function()
    fails("closed", "the server reset the stream: INTERNAL_ERROR", function(server, stream)
      server:frame(http2.RST_STREAM, 0, stream.id, number(http2.INTERNAL_ERROR, 4))
      return true
    end)
    fails("closed", "the server reset the stream: CANCEL", function(server, stream)
      server:head(stream.id, 200):data(stream.id, "part", false)
      server:frame(http2.RST_STREAM, 0, stream.id, number(http2.CANCEL, 4))
      return true
    end)
  end)

  it("says GOAWAY answers what it has begun; the others go to a new connection", function()
    local pending = begin([[
      assert(client:get(url .. "/0"))
      local tasks, bodies = {}, {}
      for i = 1, 3 do
        tasks[i] = http.spawn(function() return client:post(url .. "/" .. i, "body") end)
      end
      for i = 1, 3 do
        local res, err = http.wait(tasks[i])
        bodies[i] = res and res.body or err
      end
      return bodies, client:stats()[url] ]])
    local server = http2.accept(p)
    server:answer(server:next_request().id, "x")
    local first = server:next_request()
    server:next_request()
    server:next_request()
    server:frame(http2.GOAWAY, 0, 0, number(first.id, 4) .. number(0, 4))
    local second = http2.accept(p)
    for _ = 1, 2 do
      local stream = second:next_request()
      second:answer(stream.id, "new" .. stream.request[":path"])
    end
    server:answer(first.id, "old" .. first.request[":path"])
    local bodies, stats = pending:finish()
    assert.are.same({ "old/1", "new/2", "new/3" }, bodies)
    assert.are.same({ 2, 2, 1 }, { stats.dialled, stats.retried, stats.connections })
    server:close()
    second:close()
  end)

  it("says GOAWAY and why is quoted", function()
    fails("closed", "the server ended the connection: ENHANCE_YOUR_CALM: too many of you",
      function(server, stream)
        server:ping() -- what is left unread would make a reset of the close
        server:frame(http2.GOAWAY, 0, 0, number(stream.id, 4)
          .. number(http2.ENHANCE_YOUR_CALM, 4) .. "too many of you")
        server:close()
      end)
  end)

  it("says GOAWAY on an idle connection is asked over a new one", function()
    local pending = begin([[
      client:get(url .. "/one")
      while client:stats()[url].connections > 0 do http.sleep(0.001) end
      return client:post(url .. "/two", "x").body ]])
    local server = http2.accept(p)
    server:answer(server:next_request().id, "x")
    server:frame(http2.GOAWAY, 0, 0, number(1, 4) .. number(0, 4))
    local second = http2.accept(p)
    second:answer(second:next_request().id, "second")
    assert.are.equal("second", (pending:finish()))
    server:close()
    second:close()
  end)

  it("closes between two requests is asked over a new connection", function()
    local pending = begin([[
      client:get(url .. "/one")
      return client:get(url .. "/two").body, client:stats()[url].retried ]])
    local server = http2.accept(p)
    server:answer(server:next_request().id, "x")
    server:next_request()
    server.wire:reset()
    local second = http2.accept(p)
    second:answer(second:next_request().id, "second")
    assert.are.same({ "second", 1 }, { pending:finish() })
    second:close()
  end)

  it("opens its window late gets the body then", function()
    local pending = begin([[
      local pieces = 0
      client:get(url .. "/settings")
      local a = client:post(url .. "/whole", ("x"):rep(100000))
      local b = client:post(url .. "/pieces", { body = function()
        pieces = pieces + 1
        if pieces <= 40 then return ("y"):rep(10000) end
      end })
      return a.body, b.body ]])
    local server = http2.accept(p, { settings = { [4] = 0 }, is_passive = true })
    server:head(server:next_request().id, 204, nil, true)
    for _, bytes in ipairs { 100000, 400000 } do
      local stream = server:next_request()
      assert.are.equal(0, #stream.pieces)
      local got = 0
      while got < bytes do
        local step = math.min(7777, bytes - got)
        server:frame(http2.WINDOW_UPDATE, 0, stream.id, number(step, 4))
        server:frame(http2.WINDOW_UPDATE, 0, 0, number(step, 4))
        got = got + step
        server:read_until(function() return #table.concat(stream.pieces) == got end, "bytes")
      end
      server:read_until(function() return stream.is_closed end, "the end")
      server:answer(stream.id, tostring(#stream.body))
    end
    assert.are.same({ "100000", "400000" }, { pending:finish() })
    server:close()
  end)

  it("never opens its window makes a call late, and no other", function()
    local pending = begin([[
      client:get(url .. "/settings")
      local res, err, kind = client:post(url .. "/", "body", { read_timeout = 0.05 })
      return kind, err, client:get(url .. "/two").body ]])
    local server = http2.accept(p, { settings = { [4] = 0 } })
    server:head(server:next_request().id, 204, nil, true)
    local late = server:next_request()
    server:read_until(function() return late.reset end, "RST_STREAM")
    assert.are.equal(http2.CANCEL, late.reset)
    server:answer(server:next_request().id, "two")
    local kind, err, body = pending:finish()
    assert.are.same({ "timeout", "two" }, { kind, body })
    assert.truthy(err:find("the request could not be sent in time", 1, true), err)
    server:close()
  end)

  it("is silent gets no further calls", function()
    local pending = begin([[
      local _, _, kind = client:get(url .. "/one", { read_timeout = 0.05 })
      return kind, client:get(url .. "/two").body ]])
    local server = http2.accept(p, { is_silent = true })
    local late = server:next_request()
    local second = http2.accept(p)
    second:answer(second:next_request().id, "two")
    assert.are.same({ "timeout", "two" }, { pending:finish() })
    assert.is_nil(late.status)
    server:close()
    second:close()
  end)

  it("is silent is asked for a sign while others wait for it, and gets calls again then", function()
    local pending = begin([[
      local slow = http.spawn(function() return client:get(url .. "/slow") end)
      local _, _, kind = client:get(url .. "/one", { read_timeout = 0.05 })
      local two = http.spawn(function() return client:get(url .. "/two") end)
      return kind, http.wait(two).body, http.wait(slow).body, client:stats()[url].dialled ]],
      { max_connections = 1 })
    local server = http2.accept(p, { is_silent = true })
    local streams = {}
    for _ = 1, 2 do
      local stream = server:next_request()
      streams[stream.request[":path"]] = stream
    end
    local frame
    repeat frame = assert(server:next_frame(), "no PING came") until frame.type == http2.PING
    assert.is_nil(server.requests[1])
    server:frame(http2.SETTINGS, 0, 0)
    server:frame(http2.PING, http2.ACK, 0, frame.payload)
    local two = server:next_request()
    assert.are.equal("/two", two.request[":path"])
    server:answer(two.id, "two")
    server:answer(streams["/slow"].id, "slow")
    assert.are.same({ "timeout", "two", "slow", 1 }, { pending:finish() })
    server:close()
  end)

  it("pushes is refused", function()
    fails("protocol", "HTTP/2", function(server, stream)
      server:frame(http2.PUSH_PROMISE, http2.END_HEADERS, stream.id, number(2, 4)
        .. http2.block { { ":method", "GET" }, { ":path", "/" }, { ":scheme", "http" },
          { ":authority", "a" } })
      server:wait_goaway()
      assert.are.equal(http2.PROTOCOL_ERROR, server.goaway.code)
    end)
  end)

  it("sends a head beyond the limits fails that request alone", function()
    fails("limit", "the head is too large", function(server, stream)
      server:head(stream.id, 200, { ["x-large"] = ("x"):rep(5000) }, true)
      return true
    end, { max_header_bytes = 4000 })
    fails("limit", "too many header fields", function(server, stream)
      local fields = {}
      for i = 1, 300 do fields[i] = { "a" .. i, "b" } end
      server:head(stream.id, 200, fields, true)
      return true
    end)
    fails("limit", "too many interim responses", function(server, stream)
      for _ = 1, 101 do server:head(stream.id, 103) end
      return true
    end)
    fails("limit", "the body is too large", function(server, stream)
      server:head(stream.id, 200, { ["content-length"] = "5000" })
      return true
    end, { max_body_bytes = 4000 })
    fails("limit", "the body is too large", function(server, stream)
      server:head(stream.id, 200)
      server:frame(http2.DATA, 0, stream.id, ("x"):rep(5000))
      return true
    end, { max_body_bytes = 4000 })
  end)

  it("breaks the rules of a message fails that request alone", function()
    local function bad(fields, ends)
      fails("protocol", "", function(server, stream)
        server:frame(http2.HEADERS, http2.END_HEADERS + (ends and http2.END_STREAM or 0), stream.id,
          http2.block(fields))
        return true
      end)
    end
    bad({ { "a", "b" } }, true)                                        -- no status
    bad({ { ":status", "200" }, { ":status", "200" } }, true)
    bad({ { ":status", "200" }, { "A", "upper case" } }, true)
    bad({ { ":status", "200" }, { "a", "b\r\nc: d" } }, true)
    bad({ { ":status", "200" }, { "connection", "close" } }, true)
    bad({ { ":status", "2oo" } }, true)
    bad({ { ":status", "101" } }, false)
    bad({ { "a", "b" }, { ":status", "200" } }, true)
    bad({ { ":status", "200" }, { "content-length", "5" } }, true)
    fails("protocol", "", function(server, stream)
      server:head(stream.id, 200, { ["content-length"] = "5" })
      server:frame(http2.DATA, http2.END_STREAM, stream.id, "123")
      return true
    end)
  end)

  it("breaks the rules of the connection is left, with words", function()
    local function breaks(text, bytes)
      fails("protocol", text, function(server, stream)
        server:try_send(type(bytes) == "function" and bytes(stream) or bytes)
        while server:next_frame() do end
      end)
    end
    breaks("HTTP/2", http2.frame(http2.DATA, 0, 0, "x"))
    breaks("HTTP/2", http2.frame(http2.SETTINGS, 0, 0, "12345"))
    breaks("HTTP/2", http2.frame(http2.PING, 0, 0, "short"))
    breaks("HTTP/2", http2.frame(http2.HEADERS, http2.END_HEADERS, 2, http2.block {
      { ":status", "200" } }))
    breaks("HTTP/2", function(stream)
      return http2.frame(http2.HEADERS, http2.END_HEADERS, stream.id, "\255\255\255\255\255")
    end)
    breaks("HTTP/2", http2.frame(http2.WINDOW_UPDATE, 0, 0, number(0, 4)))
    breaks("HTTP/2", ("\255"):rep(2000))
  end)

  it("speaks HTTP/1 is named", function()
    local pending = begin [[ local _, err, kind = client:get(url .. "/") return err, kind ]]
    local server = p:accept()
    server:read(24)
    server:send "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    local err, kind = pending:finish()
    assert.are.equal("protocol", kind)
    assert.truthy(err:find("the server speaks HTTP/1 here, not HTTP/2", 1, true), err)
    server:close()
  end)

  it("closes before the answer, or in it, is named", function()
    fails("closed", "the link was closed before the answer", function(server)
      server:ping() -- what is left unread would make a reset of the close
      server:close()
    end)
    fails("closed", "the link was", function(server) server.wire:reset() end)
    fails("closed", "the link was", function(server, stream)
      server:head(stream.id, 200):data(stream.id, "part", false)
      server:close()
    end)
  end)

  it("answers before the request has ended gets no more of it", function()
    local pending = begin([[
      local res = assert(client:post(url .. "/", { body = function()
        http.sleep(0.001)
        return ("x"):rep(1000)
      end }))
      return res.status, client:get(url .. "/two").body ]])
    local server = http2.accept(p)
    local early = server:next_request()
    server:head(early.id, 413, {}, true)
    server:read_until(function() return early.reset end, "RST_STREAM")
    assert.are.equal(http2.CANCEL, early.reset)
    server:answer(server:next_request().id, "two")
    assert.are.same({ 413, "two" }, { pending:finish() })
    server:close()
  end)

  it("is not read sends as much as the stream's window, and others go on", function()
    local pending = begin([[
      local res = assert(client:get(url .. "/big", { stream = true }))
      local other = client:get(url .. "/other").body
      local bytes = 0
      for piece in res:chunks() do bytes = bytes + #piece end
      return other, bytes, res.trailers.sum ]])
    local server = http2.accept(p)
    local big = server:next_request()
    server:head(big.id, 200)
    big.send_window = server.settings[4]
    server.send_window = 1e9 -- the connection's is opened again at once
    server:data(big.id, ("x"):rep(server.settings[4]), false)
    server:answer(server:next_request().id, "other")
    server:data(big.id, ("y"):rep(500000), false)
    server:frame(http2.HEADERS, http2.END_HEADERS + http2.END_STREAM, big.id,
      http2.block { { "sum", "1" } })
    assert.are.same({ "other", 762144, "1" }, { pending:finish() })
    server:close()
  end)

  it("is left by its caller hears CANCEL", function()
    local pending = begin [[ client:get(url .. "/slow") ]]
    local server = http2.accept(p)
    local stream = server:next_request()
    pending:leave()
    server:read_until(function() return stream.reset end, "RST_STREAM")
    assert.are.equal(http2.CANCEL, stream.reset)
    server:close()
  end)

  it("is given 100 Continue's body when it asks, cut Cookies, and interim responses told",
    function()
      local pending = begin([[
        local seen = {}
        local res = assert(client:post(url .. "/", "body", {
          headers = { Expect = "100-continue", Cookie = "a=1; b=2" },
          on_informational = function(status) seen[#seen + 1] = status end }))
        return res.body, seen ]])
      local server = http2.accept(p)
      local stream = server:next_request()
      local cookies = {}
      for _, field in ipairs(stream.request_list) do
        if field[1] == "cookie" then cookies[#cookies + 1] = field[2] end
      end
      assert.are.same({ "a=1", "b=2" }, cookies)
      server:head(stream.id, 100)
      server:read_until(function() return stream.is_closed end, "the body")
      server:head(stream.id, 103)
      server:answer(stream.id, stream.body)
      assert.are.same({ "body", { 100, 103 } }, { pending:finish() })
      server:close()
    end)

  it("is dialled once for all who ask at the same time; they fail together", function()
    local nobody = peer.listen()
    local url = nobody.url
    nobody:close()
    local pending = c:begin([[
      local client = http.client { http2 = "prior-knowledge", retries = 0 }
      local tasks, kinds = {}, {}
      for i = 1, 5 do
        tasks[i] = http.spawn(function() return client:get(a) end)
      end
      for i = 1, 5 do
        local _, err, kind = http.wait(tasks[i])
        kinds[i] = kind
      end
      return kinds, client:stats()[a].dialled ]], url)
    local kinds, dialled = pending:finish()
    assert.are.same({ "connect", "connect", "connect", "connect", "connect" }, kinds)
    assert.are.equal(1, dialled)
  end)
end)

describe("a server that TLS offers HTTP/2", function()
  local server = require "spec.support.server"
  local c, s
  setup(function()
    c = caller.start()
    s = server.start { listen = "https://127.0.0.1:0", options = { tls = "self", http2 = false },
      code = [[
        local http = require "justhttp"
        local app = http.app()
        app:post("/", function(ctx) return ctx.version .. " " .. ctx.body end)
        return app ]] }
  end)
  teardown(function()
    c:stop()
    s:stop()
  end)

  it("and that wants HTTP/1.1 gets a link for each, and bodies in chunks", function()
    local bodies, stats = c:run([[
      local client = http.client { tls = { verify = false } }
      local tasks, bodies = {}, {}
      for i = 1, 10 do
        tasks[i] = http.spawn(function()
          local left = 3
          return client:post(a .. "/", { body = function()
            left = left - 1
            if left >= 0 then return i .. "," end
          end })
        end)
      end
      for i = 1, 10 do
        local res, err = http.wait(tasks[i])
        bodies[i] = res and res.body or err
      end
      return bodies, client:stats()[a] ]], "https://127.0.0.1:" .. s.port)
    for i = 1, 10 do
      assert.are.equal(("HTTP/1.1 %d,%d,%d,"):format(i, i, i), bodies[i])
    end
    assert.are.equal(10, stats.dialled)
  end)

  it("fails who insists on HTTP/2", function()
    local err, kind = c:run([[
      local _, err, kind = http.client { http2 = "prior-knowledge",
        tls = { verify = false } }:get(a)
      return err, kind ]], "https://127.0.0.1:" .. s.port)
    assert.are.equal("tls", kind)
    assert.truthy(err:find "application protocol", err)
  end)
end)
