-- broken_servers_spec.lua: servers that break the rules, on purpose or dying. Each gives an error
-- that says what happened and where, and none of it reaches the next request.
local caller = require "spec.support.caller"
local peer = require "spec.support.peer"

local OK = "HTTP/1.1 200 OK\r\n"

describe("a broken server", function()
  local c, p
  setup(function() c, p = caller.start(), peer.listen() end)
  teardown(function()
    p:close()
    c:stop()
  end)

  -- A GET against what `break_it(link)` does; what the caller got, and its kind. Whatever happened,
  -- the next request of the same client must get its own answer.
  local function get(break_it, options)
    local pending = c:begin([[
      local client = http.client(a.options)
      local res, err, kind = client:get(a.url .. "/one")
      local next_one = client:get(a.url .. "/two")
      local stats = client:stats()[a.url]
      return { status = res and res.status, body = res and res.body, err = err, kind = kind,
        next_body = next_one and next_one.body, stats = stats } ]],
      { url = p.url, options = options or { retries = 0 } })
    local link = p:accept()
    local again = break_it(link)
    local second = again and link or p:accept()
    peer.answer(second, "the next one")
    local result = pending:finish()
    second:close()
    if not again then link:close() end
    assert.are.equal("the next one", result.next_body)
    assert.are.same({ 0, 1 }, { result.stats.waiting, result.stats.connections })
    return result
  end

  local function fails(kind, text, break_it, options)
    local result = get(break_it, options)
    assert.are.equal(kind, result.kind, result.err)
    local prefix = ("GET %s/one: 127.0.0.1:%d: "):format(p.url, p.port)
    assert.are.equal(prefix .. text, result.err)
  end

  local function answers(bytes, how)
    return function(link)
      peer.request(link)
      link:send(bytes)
      if how == "close" then link:close() end
      if how == "reset" then link:reset() end
    end
  end

  it("closes before it answers", function()
    fails("closed", "the link was closed before the answer", answers("", "close"))
  end)

  it("closes in the middle of the head", function()
    fails("closed", "the link was closed in the middle of the head",
      answers(OK .. "Content-Le", "close"))
  end)

  it("closes in the middle of the body", function()
    local text = "the link was closed in the middle of the body"
    fails("closed", text, answers(OK .. "Content-Length: 10\r\n\r\n12345", "close"))
    fails("closed", text, answers(OK .. "Content-Length: 1000000\r\n\r\n" .. ("x"):rep(99999),
      "close"))
    fails("closed", text, answers(OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\n123", "close"))
    local CHUNKED = OK .. "Transfer-Encoding: chunked\r\n\r\n"
    fails("closed", text, answers(CHUNKED .. "5\r\n12345\r\n", "close"))
    fails("closed", text, answers(CHUNKED .. "1\r\n1\r\n0\r\nA: b\r\n", "close"))
  end)

  it("resets the connection", function()
    fails("closed", "the link was reset before the answer was complete", answers("", "reset"))
    fails("closed", "the link was reset before the answer was complete",
      answers(OK .. "Content-Length: 10\r\n\r\n", "reset"))
  end)

  it("sends garbage", function()
    fails("protocol", "the answer is not HTTP", answers "SSH-2.0-OpenSSH_9.2\r\n")
    fails("protocol", "the answer is not HTTP", answers "garbage garbage garbage\r\n\r\n")
    fails("protocol", "NUL byte", answers "\0\1\2\3\r\n")
    fails("protocol", "bad status code", answers "HTTP/1.1 abc OK\r\n\r\n")
  end)

  it("sends bad framing", function()
    local CHUNKED = OK .. "Transfer-Encoding: chunked\r\n\r\n"
    fails("protocol", "bad chunk size", answers(CHUNKED .. "5\r\n12345\r\nxyz\r\n"))
    fails("protocol", "bad chunk size", answers(CHUNKED .. "-1\r\n"))
    fails("protocol", "no CRLF after chunk data", answers(CHUNKED .. "5\r\n1234567\r\n"))
    fails("protocol", "chunk size too large", answers(CHUNKED .. "fffffffffffffffff\r\n"))
    fails("protocol", "two Content-Lengths that differ",
      answers(OK .. "Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456"))
    fails("protocol", "bad Content-Length", answers(OK .. "Content-Length: -5\r\n\r\n"))
    fails("protocol", "Transfer-Encoding other than chunked",
      answers(OK .. "Transfer-Encoding: gzip\r\n\r\n"))
    fails("protocol", "bare LF", answers(OK .. "A: b\nC: d\r\n\r\n"))
    fails("protocol", "folded or indented header line", answers(OK .. "A: b\r\n c\r\n\r\n"))
  end)

  it("sends a head without end", function()
    fails("limit", "too many header fields", function(link)
      peer.request(link)
      link:try_send(OK)
      for _ = 1, 2000 do
        if not link:try_send("X-Filler: " .. ("x"):rep(90) .. "\r\n") then break end
      end
    end)
    fails("limit", "too many header fields", answers(OK .. ("A: b\r\n"):rep(300)))
    fails("limit", "the head is too large", function(link)
      peer.request(link)
      link:try_send(OK .. "X: " .. ("x"):rep(70000))
    end)
  end)

  it("floods with interim responses", function()
    fails("limit", "too many interim responses",
      answers(("HTTP/1.1 100 Continue\r\n\r\n"):rep(200)))
    fails("limit", "too many interim responses",
      answers(("HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n"):rep(101)))
  end)

  it("sends bodies that are too large", function()
    local small = { retries = 0, max_body_bytes = 1000 }
    fails("limit", "the body is too large", answers(OK .. "Content-Length: 1001\r\n\r\n"), small)
    fails("limit", "body too large",
      answers(OK .. "Transfer-Encoding: chunked\r\n\r\n3e9\r\n"), small)
    fails("limit", "the body is too large", function(link)
      peer.request(link)
      link:try_send(OK .. "\r\n" .. ("x"):rep(100000))
    end, small)
  end)

  it("trickles", function()
    fails("timeout", "no answer in time", function(link)
      peer.request(link)
      link:try_send "HTTP/1.1 2"
    end, { retries = 0, read_timeout = 0.05 })
    fails("timeout", "the body did not arrive in time", function(link)
      peer.request(link)
      link:send(OK .. "Content-Length: 3\r\n\r\n1")
    end, { retries = 0, read_timeout = 0.05 })
    local started = require "spec.support.sys".now()
    local result = c:begin([[ return { http.client { timeout = 0.2 }:get(a.url) } ]],
      { url = p.url })
    local link = p:accept()
    peer.request(link)
    link:send(OK .. "Content-Length: 100\r\n\r\n")
    for _ = 1, 100 do
      if not link:try_send "x" then break end
      require "spec.support.sys".sleep(0.01)
      if link:is_closed(0) then break end
    end
    result:finish()
    assert.is_true(require "spec.support.sys".now() - started < 5)
    link:close()
  end)

  it("is slow, and that is all right", function()
    local result = get(function(link)
      peer.request(link)
      link:send_slowly(OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\nslow!\r\n0\r\n\r\n")
      return true
    end)
    assert.are.equal("slow!", result.body)
  end)

  it("answers more than it was asked", function()
    local result = get(answers(OK .. "Content-Length: 2\r\n\r\nok" .. OK
      .. "Content-Length: 4\r\n\r\nevil"))
    assert.are.equal("ok", result.body)
  end)

  it("answers before it is asked the next time", function()
    local pending = c:begin([[
      local client = http.client()
      local one = client:get(a.url .. "/one").body
      while client:stats()[a.url].idle == 1 do http.sleep(0.001) end
      return one, client:get(a.url .. "/two").body ]], { url = p.url })
    local link = p:accept()
    peer.answer(link, "one")
    link:send(OK .. "Content-Length: 4\r\n\r\nevil")
    local second = p:accept()
    peer.answer(second, "two")
    assert.are.same({ "one", "two" }, { pending:finish() })
    link:close()
    second:close()
  end)

  it("says both Content-Length and chunked", function()
    local result = get(answers(OK .. "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "2\r\nok\r\n0\r\n\r\n"))
    assert.are.equal("ok", result.body)
  end)

  it("speaks HTTP/1.0, to the end or with keep-alive", function()
    local result = get(answers("HTTP/1.0 200 OK\r\n\r\nall of it", "close"))
    assert.are.equal("all of it", result.body)
    result = get(answers("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "close"))
    assert.are.equal("ok", result.body)
    result = get(function(link)
      peer.request(link)
      link:send "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
      return true
    end)
    assert.are.equal("ok", result.body)
  end)

  it("says close and leaves the connection open", function()
    local result = get(answers(OK .. "Connection: close\r\nContent-Length: 2\r\n\r\nok"))
    assert.are.equal("ok", result.body)
  end)
end)
