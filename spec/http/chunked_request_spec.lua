-- chunked_request_spec.lua: chunked bodies arrive decoded, whole or streamed, however they are cut;
-- a malformed or oversized one ends the connection.
local server = require "spec.support.server"

local CODE = [[
local http = require "justhttp"
local app = http.app()
app:post("/whole", function(ctx) return ctx.body end)
app:post("/stream", function(ctx)
  local count, sum = 0, 0
  while true do
    local piece = ctx:read(10000)
    if not piece then break end
    count = count + #piece
    for i = 1, #piece do sum = (sum + piece:byte(i)) % 65521 end
  end
  return count .. " " .. sum
end)
return app
]]

local function head(path)
  return "POST " .. path .. " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
end

local function chunk(bytes) return ("%x\r\n%s\r\n"):format(#bytes, bytes) end

local function sum_of(bytes)
  local sum = 0
  for i = 1, #bytes do sum = (sum + bytes:byte(i)) % 65521 end
  return sum
end

describe("chunked request", function()
  local s

  setup(function() s = server.start { code = CODE, options = { max_body_bytes = 400000 } } end)
  teardown(function() s:stop() end)

  it("is decoded", function()
    local c = s:connect()
    c:send(head "/whole" .. chunk "hello" .. chunk " " .. chunk "world" .. "0\r\n\r\n")
    assert.are.equal("hello world", c:response().body)
    c:send(head "/whole" .. "0\r\n\r\n")
    assert.are.equal("", c:response().body)
    c:close()
  end)

  it("is decoded byte by byte", function()
    local bytes = head "/whole" .. "5;a=\"b\"\r\nhello\r\n" .. chunk "\r\n0\r\n" ..
      "0\r\nA: b\r\n\r\n"
    local c = s:connect():send_slowly(bytes, { pause = 0.0005 })
    assert.are.equal("hello\r\n0\r\n", c:response().body)
    c:send(head "/whole" .. "0\r\n\r\n")
    assert.are.equal(200, c:response().status)
    c:close()
  end)

  it("is decoded when it is large, and the next request is found behind it", function()
    local piece = ("0123456789abcdef"):rep(1000)
    local body = piece:rep(20)
    local chunks = { head "/stream" }
    for at = 1, #body, 7777 do chunks[#chunks + 1] = chunk(body:sub(at, at + 7776)) end
    chunks[#chunks + 1] = "0\r\n\r\n" .. head "/whole" .. chunk "next" .. "0\r\n\r\n"
    local c = s:connect():send(table.concat(chunks))
    assert.are.equal(#body .. " " .. sum_of(body), c:response().body)
    assert.are.equal("next", c:response().body)
    c:close()
  end)

  it("is decoded when it is one large chunk", function()
    local body = ("fedcba98"):rep(40000)
    local c = s:connect():send(head "/whole" .. chunk(body) .. "0\r\n\r\n")
    assert.is_true(c:response().body == body)
    c:close()
  end)

  it("is decoded when it consists of one-byte chunks", function()
    local chunks = chunk("x"):rep(20000)
    local c = s:connect():send(head "/stream" .. chunks .. "0\r\n\r\n")
    assert.are.equal("20000 " .. sum_of(("x"):rep(20000)), c:response().body)
    c:close()
  end)

  it("waits for Expect: 100-continue", function()
    local c = s:connect()
    c:send((head("/whole"):gsub("\r\n\r\n$", "\r\nExpect: 100-continue\r\n\r\n")))
    assert.are.equal(100, c:response({ interim = true }).status)
    c:send(chunk "hello" .. "0\r\n\r\n")
    assert.are.equal("hello", c:response().body)
    c:close()
  end)

  it("gets 413 when it grows above the limit", function()
    local c = s:connect()
    c:try_send(head "/whole" .. chunk(("x"):rep(300000)) .. chunk(("x"):rep(100001)) .. "0\r\n\r\n")
    local r = c:response()
    assert.are.equal(413, r.status)
    assert.are.equal("close", r.headers.connection)
    c:close()
    c = s:connect():send(head "/whole" .. "FFFFFFF\r\n")
    assert.are.equal(413, c:response().status)
    c:close()
  end)

  it("gets 400 when it is malformed, at its beginning or later", function()
    local large = chunk(("x"):rep(50000))
    for _, bad in ipairs { "x\r\n", "5\nhello\r\n", "5\r\nhello!\r\n", "0\r\nHost: b\r\n\r\n",
      "0\r\n x\r\n",
      "5;\r\nhello\r\n" } do
      for _, before in ipairs { "", chunk "good", large } do
        local c = s:connect()
        c:try_send(head "/whole" .. before .. bad)
        local r = c:response()
        assert.are.equal(400, r.status, ("%q"):format(bad))
        assert.are.equal("close", r.headers.connection)
        c:expect_closed()
        c:close()
      end
    end
  end)

  it("may not have endless extensions or trailers", function()
    local c = s:connect()
    c:try_send(head "/whole" .. "1;" .. ("a"):rep(5000) .. "\r\nx\r\n0\r\n\r\n")
    assert.are.equal(400, c:response().status)
    c:close()
    c = s:connect()
    c:try_send(head "/whole" .. "0\r\n" .. ("A: b\r\n"):rep(200) .. "\r\n")
    assert.are.equal(431, c:response().status)
    c:close()
  end)
end)
