-- Who a client is, and how many connections it may have: max_conns_per_ip, trusted_proxies,
-- proxy_protocol.
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local APP = [[
return function(ctx) return ctx.ip .. " " .. ctx.scheme .. " " .. tostring(ctx.port) end
]]
local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

local function start(options)
  options.defer_accept = false
  return server.start { code = APP, options = options, workers = 2 }
end

describe("max_conns_per_ip", function()
  it("answers 429 over the limit, over all workers, until one closes", function()
    local s = start { max_conns_per_ip = 3 }
    local conns = {}
    for i = 1, 3 do
      conns[i] = wire.connect(s.port)
      conns[i]:send(GET)
      assert.equal(200, conns[i]:response().status)
    end
    local refused = wire.connect(s.port)
    local response = refused:response()
    assert.equal(429, response.status)
    assert.equal("close", response.headers.connection)
    refused:expect_closed()
    conns[2]:close()
    wait_for(function()
      local conn = wire.connect(s.port)
      conn:send(GET)
      local is_open = conn:response().status == 200
      conn:close()
      return is_open
    end)
    wait_for(function() return s:stderr():find("max_conns_per_ip (3)", 1, true) ~= nil end)
    s:stop()
  end)

  it("counts a worker's connections no more after it died", function()
    local s = server.start { code = [[
      local ffi = require "ffi"
      return function(ctx) if ctx.path == "/die" then os.exit(9) end return "ok" end
    ]], options = { max_conns_per_ip = 2, defer_accept = false }, workers = 1 }
    local first = wire.connect(s.port)
    first:send(GET)
    first:response()
    local second = wire.connect(s.port)
    second:send "GET /die HTTP/1.1\r\nHost: a\r\n\r\n"
    second:read_all()
    wait_for(function()
      local conn = wire.try_connect(s.port)
      if not conn then return false end
      local ok, response = pcall(function()
        conn:send(GET)
        return conn:response()
      end)
      conn:close()
      return ok and response.status == 200
    end)
    s:signal(15)
    s:wait(5)
  end)

  it("does not limit trusted proxies", function()
    local s = start { max_conns_per_ip = 1, trusted_proxies = "127.0.0.0/8" }
    for _ = 1, 3 do
      local conn = wire.connect(s.port)
      conn:send(GET)
      assert.equal(200, conn:response().status)
    end
    s:stop()
  end)
end)

describe("trusted_proxies", function()
  local function ask(s, fields)
    local conn = wire.connect(s.port)
    conn:send("GET / HTTP/1.1\r\nHost: a\r\n" .. fields .. "\r\n")
    local body = conn:response().body
    conn:close()
    return body
  end

  it("has the client named by the last address that is not a proxy's", function()
    local s = start { trusted_proxies = "127.0.0.1, 10.0.0.0/8" }
    assert.matches("^192%.0%.2%.7 https ",
      ask(s, "X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.1.1\r\nX-Forwarded-Proto: https\r\n"))
    assert.matches("^2001:db8::1 http ", ask(s, "X-Forwarded-For: 2001:db8::1\r\n"))
    assert.matches("^127%.0%.0%.1 http ", ask(s, ""))
    assert.matches("^127%.0%.0%.1 http ", ask(s, "X-Forwarded-For: nonsense\r\n"))
    s:stop()
  end)

  it("believes nobody else", function()
    local s = start { trusted_proxies = "10.0.0.0/8" }
    assert.matches("^127%.0%.0%.1 http ",
      ask(s, "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"))
    s:stop()
  end)

  it("refuses what is no address", function()
    local r = server.run {
      "run", "-e", "return function() end", "--trusted-proxies", "10.0.0.0/99",
    }
    assert.equal(2, r.code)
    assert.matches("'10.0.0.0/99' is no address", r.stderr, 1, true)
  end)
end)

describe("proxy_protocol", function()
  local V2 = "\r\n\r\n\0\r\nQUIT\n\33\17\0\12" .. "\192\0\2\9" .. "\127\0\0\1" .. "\48\57\0\80"

  it("takes the client from version 1 and 2, whole and byte by byte", function()
    local s = start { proxy_protocol = true }
    for _, header in ipairs { "PROXY TCP4 192.0.2.9 127.0.0.1 12345 80\r\n", V2 } do
      local conn = wire.connect(s.port)
      conn:send(header .. GET .. GET)
      assert.equal("192.0.2.9 http 12345", conn:response().body)
      assert.equal("192.0.2.9 http 12345", conn:response().body)
      conn:close()
      conn = wire.connect(s.port)
      conn:send_slowly(header .. GET, { bytes = 1, pause = 0 })
      assert.equal("192.0.2.9 http 12345", conn:response().body)
      conn:close()
    end
    s:stop()
  end)

  it("closes a connection without it", function()
    local s = start { proxy_protocol = true }
    local conn = wire.connect(s.port)
    conn:send(GET)
    assert.equal("", conn:read_all())
    wait_for(function() return s:stderr():find("PROXY header", 1, true) ~= nil end)
    s:stop()
  end)

  it("limits the clients behind it", function()
    local s = start { proxy_protocol = true, max_conns_per_ip = 1 }
    local first = wire.connect(s.port)
    first:send("PROXY TCP4 192.0.2.9 127.0.0.1 1 80\r\n" .. GET)
    assert.equal(200, first:response().status)
    local second = wire.connect(s.port)
    second:send("PROXY TCP4 192.0.2.9 127.0.0.1 2 80\r\n" .. GET)
    assert.equal(429, second:response().status)
    local other = wire.connect(s.port)
    other:send("PROXY TCP4 192.0.2.10 127.0.0.1 2 80\r\n" .. GET)
    assert.equal(200, other:response().status)
    s:stop()
  end)

  it("is not expected from others when proxies are named", function()
    local s = start { proxy_protocol = true, trusted_proxies = "10.0.0.0/8" }
    local conn = wire.connect(s.port)
    conn:send(GET)
    assert.matches("^127%.0%.0%.1", conn:response().body)
    s:stop()
  end)
end)
