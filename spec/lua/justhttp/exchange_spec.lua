-- exchange.lua: one request and its response, whole and in pieces, and the ends it can come to.
local caller = require "spec.support.caller"
local peer = require "spec.support.peer"
local wait_for = require "spec.support.wait"

describe("an exchange", function()
  local c, p
  setup(function() c, p = caller.start(), peer.listen() end)
  teardown(function()
    p:close()
    c:stop()
  end)

  -- The client keeps the link; each spec begins with one of its own.
  local function begin(code, arguments)
    arguments = arguments or {}
    arguments.url = p.url
    local pending = c:begin("local client = http.client(a.client) " .. code, arguments)
    return pending, p:accept()
  end

  it("gives a response that comes in pieces", function()
    local pending, link = begin [[
      local res = assert(client:get(a.url .. "/x"))
      return res.status, res.headers.a, res.body ]]
    assert.truthy(peer.request(link):find "^GET /x HTTP/1.1\r\nHost: 127.0.0.1:")
    link:send_slowly("HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\nabc", { bytes = 7 })
    assert.are.same({ 200, "b", "abc" }, { pending:finish() })
    link:close()
  end)

  it("streams a body as it comes, and its trailers", function()
    local pending, link = begin [[
      local res = assert(client:get(a.url, { stream = true }))
      local pieces = {}
      for piece in res:chunks() do pieces[#pieces + 1] = piece end
      return table.concat(pieces), res.trailers.sum, #pieces > 1, res:read() ]]
    peer.request(link)
    link:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for i = 1, 20 do link:send_slowly(("2\r\n%02d\r\n"):format(i), { bytes = 3 }) end
    link:send "0\r\nSum: 20\r\n\r\n"
    local text, sum, is_several, rest = pending:finish()
    assert.are.equal("0102030405060708091011121314151617181920", text)
    assert.are.same({ "20", true }, { sum, is_several })
    assert.is_nil(rest)
    link:close()
  end)

  it("reads a stream in small and large pieces alike", function()
    for _, bytes in ipairs { 1, 7, 4096, 65536 } do
      local pending, link = begin([[
        local res = assert(client:get(a.url, { stream = true }))
        local text = {}
        while true do
          local piece, err = res:read(a.bytes)
          if not piece then return table.concat(text), err end
          assert(#piece <= a.bytes)
          text[#text + 1] = piece
        end ]], { bytes = bytes })
      peer.request(link)
      local body = ("0123456789"):rep(1500)
      link:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
      for at = 1, #body, 999 do
        local piece = body:sub(at, at + 998)
        link:send(("%x\r\n%s\r\n"):format(#piece, piece))
      end
      link:send "0\r\n\r\n"
      local text, err = pending:finish()
      assert.is_nil(err)
      assert.is_true(text == body)
      link:close()
    end
  end)

  it("uses the link again after a stream that was read, not after one that was left", function()
    local pending, link = begin [[
      local res = assert(client:get(a.url, { stream = true }))
      assert(res:text() == "one")
      local second = assert(client:get(a.url, { stream = true }))
      second:read(1)
      second:close()
      return (second:read()) ]]
    peer.answer(link, "one")
    peer.request(link)
    link:send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc")
    assert.is_nil((pending:finish()))
    link:expect_closed()
  end)

  it("is given up when its task is cancelled", function()
    local pending, link = begin [[
      local task = http.spawn(function() return client:get(a.url) end)
      http.sleep(0.01)
      task:cancel()
      local ok, err = pcall(http.wait, task)
      return ok, tostring(err) ]]
    peer.request(link)
    local ok, err = pending:finish()
    assert.is_false(ok)
    assert.truthy(err:find "cancelled")
    link:expect_closed()
  end)

  it("is given up when the client of its request leaves", function()
    local pending, link = begin [[ return client:get(a.url) ]]
    peer.request(link)
    pending:leave()
    link:expect_closed()
  end)

  it("is bounded by the deadline of its request", function()
    local pending, link = begin [[
      rawset(ctx, "_deadline_ms", require "justhttp.door".clock_ms() + 50)
      return client:get(a.url) ]]
    peer.request(link)
    local res, err, kind = pending:finish()
    assert.is_nil(res)
    assert.are.equal("timeout", kind)
    assert.truthy(err:find("no answer in time", 1, true), err)
    link:close()
  end)

  it("tells of interim responses", function()
    local pending, link = begin [[
      local seen = {}
      local res = assert(client:get(a.url, { on_informational = function(status, headers)
        seen[#seen + 1] = status .. " " .. (headers.link or "")
      end }))
      return res.status, seen ]]
    peer.request(link)
    link:send "HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Still\r\n\r\n"
    link:send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    local status, seen = pending:finish()
    assert.are.same({ 200, { "103 </a>", "102 " } }, { status, seen })
    link:close()
  end)

  it("sends a body that a function gives, in chunks or with its length", function()
    local code = [[
      local count = 0
      return client:post(a.url, { content_length = a.length, body = function()
        count = count + 1
        if count <= 3 then http.sleep(0.002) return "piece" .. count end
      end }).body ]]
    local pending, link = begin(code)
    assert.truthy(link:read_until("\r\n\r\n"):find "Transfer%-Encoding: chunked\r\n")
    assert.are.equal("6\r\npiece1\r\n6\r\npiece2\r\n6\r\npiece3\r\n0\r\n\r\n",
      link:read_until "0\r\n\r\n")
    link:send "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert.are.equal("ok", pending:finish())
    link:close()
    pending, link = begin(code, { length = 18 })
    local head, body = peer.answer(link, "ok")
    assert.truthy(head:find "Content%-Length: 18\r\n")
    assert.are.equal("piece1piece2piece3", body)
    assert.are.equal("ok", pending:finish())
    link:close()
  end)

  it("ends with what its function raises", function()
    local pending, link = begin [[
      local ok, err = pcall(client.post, client, a.url, { body = function() error "no more" end })
      return ok, tostring(err) ]]
    local ok, err = pending:finish()
    assert.is_false(ok)
    assert.truthy(err:find "no more")
    link:read_all()
    link:close()
  end)

  it("stops sending when the answer is there", function()
    local pending, link = begin [[
      local pieces = 0
      local res = client:post(a.url, { body = function()
        pieces = pieces + 1
        if pieces > 10000 then return nil end
        return ("x"):rep(65536)
      end })
      return res.status, res.body, pieces < 10000 ]]
    link:read_until "\r\n\r\n"
    link:send "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 6\r\n\r\nno way"
    assert.are.same({ 413, "no way", true }, { pending:finish() })
    link:close()
  end)

  it("waits for 100 Continue when it is told to, but not for ever", function()
    local code = [[
      return client:post(a.url, "the body", { headers = { Expect = "100-continue" } }).body ]]
    local pending, link = begin(code)
    link:read_until "\r\n\r\n"
    assert.is_true(link:is_quiet(0.02))
    link:send "HTTP/1.1 100 Continue\r\n\r\n"
    assert.are.equal("the body", link:read(8))
    link:send "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
    assert.are.equal("1", pending:finish())
    link:close()
    pending, link = begin(code)
    link:read_until "\r\n\r\n"
    assert.are.equal("the body", link:read(8)) -- after a second
    link:send "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"
    assert.are.equal("2", pending:finish())
    link:close()
    pending, link = begin(code)
    link:read_until "\r\n\r\n"
    link:send "HTTP/1.1 417 No\r\nContent-Length: 1\r\n\r\n3"
    assert.are.equal("3", pending:finish())
    link:expect_closed() -- half a request is on it
  end)

  it("leaves nothing behind", function()
    wait_for(function()
      return c:run [[ return next(require "justhttp.client".default():stats()) == nil ]]
    end)
  end)
end)
