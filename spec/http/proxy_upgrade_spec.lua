-- proxy_upgrade_spec.lua: a change of protocol goes through a proxy, and then bytes in both
-- directions, until both sides have ended.
local proxying = require "spec.support.proxying"
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

local get, ok = proxying.get, proxying.ok

local ASK = get("/p/chat", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n")
local SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
  .. "Sec-WebSocket-Accept: a\r\n\r\n"

describe("a change of protocol through http.proxy", function()
  local x
  before_each(function() x = proxying.start() end)
  after_each(function() x:stop() end)

  local function connect(early)
    local c, up = x:begin(ASK .. (early or ""))
    local head = up:read_until "\r\n\r\n"
    up:send(SWITCH)
    local r = c:response()
    assert.equal(101, r.status)
    return c, up, head, r
  end

  it("is passed on, and its answer", function()
    local c, up, head, r = connect()
    assert.matches("\r\nUpgrade: websocket\r\n", head)
    assert.matches("\r\nConnection: upgrade\r\n", head)
    assert.matches("\r\nSec%-WebSocket%-Key: k\r\n", head)
    assert.equal("websocket", r.headers.upgrade)
    assert.equal("upgrade", r.headers.connection)
    assert.equal("a", r.headers["sec-websocket-accept"])
    c:send "hello"
    assert.equal("hello", up:read(5))
    up:send "world"
    assert.equal("world", c:read(5))
    c:close()
    assert.is_true(up:is_closed(5))
    up:close()
  end)

  it("takes along what was sent early, on both sides", function()
    local c, up = x:begin(ASK .. "early")
    up:read_until "\r\n\r\n"
    up:send(SWITCH .. "first")
    c:response()
    assert.equal("first", c:read(5))
    assert.equal("early", up:read(5))
    up:close()
    c:close()
  end)

  it("passes the end of each side on by itself", function()
    local c, up = connect()
    c:send "last"
    c:half_close()
    assert.equal("last", up:read_all())
    up:send "still here"
    assert.equal("still here", c:read(10))
    up:close()
    c:expect_closed()
    c:close()
    c, up = connect()
    up:send "bye"
    up:half_close()
    assert.equal("bye", c:read_all())
    c:send "late"
    assert.equal("late", up:read(4))
    c:close()
    assert.is_true(up:is_closed(5))
    up:close()
  end)

  it("ends both when one breaks off", function()
    local c, up = connect()
    c:reset()
    assert.is_true(up:is_closed(5))
    c, up = connect()
    up:reset()
    assert.is_true(c:is_closed(5))
  end)

  it("carries much in both directions at once", function()
    local c, up = connect()
    local piece = ("0123456789abcdef"):rep(4096)
    local sent, from_client, from_upstream = 0, 0, 0
    local most = 256 * #piece
    while from_client < most or from_upstream < most do
      if sent < most then
        c:send(piece)
        up:send(piece)
        sent = sent + #piece
      end
      local a, b = up:read_available(sent < most and 0 or 1), c:read_available()
      for _, bytes in ipairs { a, b } do assert.is_nil(bytes:find "[^%x]") end
      from_client, from_upstream = from_client + #a, from_upstream + #b
    end
    assert.equal(most, from_client)
    assert.equal(most, from_upstream)
    c:close()
    up:close()
  end)

  it("holds one side back while the other does not read", function()
    local c, up = connect()
    local before = x:resident()
    local piece, sent = ("x"):rep(100000), 0
    up.patience, c.patience = 0.3, 0.3
    for _, from in ipairs { up, c } do
      for _ = 1, 1000 do
        local taken, _, part = from:try_send(piece)
        sent = sent + (taken and #piece or part)
        if not taken then break end
      end
    end
    assert.is_true(sent < 90e6, "a side was never held back")
    assert.is_true(x:resident() - before < 4e6, "the proxy keeps " .. x:resident() - before)
    c:close()
    up:close()
  end)

  it("may be refused", function()
    local c, up = x:begin(ASK)
    up:read_until "\r\n\r\n"
    up:send(ok "no")
    assert.equal("no", c:response().body)
    c:send(get "/p/b")
    up:read_until "\r\n\r\n"
    up:send(ok "next")
    assert.equal("next", c:response().body)
  end)

  it("is not asked for with h2c, nor answered when it was not asked for", function()
    local c, up = x:begin(get("/p/a", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
      .. "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"))
    local head = up:read_until "\r\n\r\n"
    assert.is_nil(head:lower():find("upgrade", 1, true))
    assert.is_nil(head:lower():find("http2-settings", 1, true))
    up:send(SWITCH)
    assert.equal(502, c:response().status)
    c:close()
    up:close()
  end)

  it("connects a WebSocket of justhttp's own", function()
    local back = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:get("/echo", function(ctx)
        return ctx:upgrade("echo", function(conn)
          for _ = 1, 3 do conn:write("<" .. conn:read() .. ">") end
        end)
      end)
      return app
    ]] }
    local y = proxying.server("app:any('/p/*rest', http.proxy { upstream = UP[1] })", { back.url })
    local c = y:client()
    c:send(get("/p/echo", "Connection: Upgrade\r\nUpgrade: echo\r\n"))
    assert.equal(101, c:response().status)
    for i = 1, 3 do
      c:send("hello " .. i)
      assert.equal("<hello " .. i .. ">", c:read(9))
    end
    c:expect_closed()
    c:close()
    y:stop()
    back:stop()
  end)

  it("ends with the worker", function()
    local c, up = connect()
    x.server:signal(require "spec.support.sys".SIGQUIT)
    assert.is_true(c:is_closed(5))
    assert.is_true(up:is_closed(5))
    wait_for(function() return not x.server:is_running() end, 5, "the end")
  end)
end)
