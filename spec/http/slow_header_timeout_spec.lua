-- slow_header_timeout_spec.lua: a head must arrive within header_timeout_ms of its first byte.
local server = require "spec.support.server"
local sys = require "spec.support.sys"

describe("a slow head", function()
  local s

  setup(function()
    s = server.start { code = 'return function(ctx) return "hello" end',
      options = { header_timeout_ms = 200, keepalive_timeout_ms = 60000 } }
  end)
  teardown(function() s:stop() end)

  local function is_timed_out(c)
    local r = c:response()
    assert.are.equal(408, r.status)
    assert.are.equal("close", r.headers.connection)
    c:expect_closed()
    c:close()
  end

  it("is answered 408 and closed", function()
    is_timed_out(s:connect():send "G")
    is_timed_out(s:connect():send "GET / HTTP/1.1\r\nHost: a\r\n")
  end)

  it("is not saved by bytes that trickle in", function()
    local c = s:connect():send "GET / HTTP/1.1\r\nX: "
    local deadline = sys.deadline(5)
    while not c:is_closed() and sys.now() < deadline do
      if not c:try_send "x" then break end
      sys.sleep(0.02)
    end
    assert.is_truthy(c.buffer:find("^HTTP/1.1 408 "))
    c:close()
  end)

  it("is as slow in the second request of a connection", function()
    local c = s:connect():send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.are.equal("hello", c:response().body)
    c:send "GET /"
    is_timed_out(c)
    -- Pipelined: the beginning came together with the request before it.
    c = s:connect():send "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /"
    assert.are.equal("hello", c:response().body)
    is_timed_out(c)
  end)

  it("may be slow within the time", function()
    local c = s:connect()
    c:send_slowly("GET / HTTP/1.1\r\nHost: a\r\n\r\n", { bytes = 4, pause = 0.003 })
    assert.are.equal("hello", c:response().body)
    c:close()
  end)
end)
