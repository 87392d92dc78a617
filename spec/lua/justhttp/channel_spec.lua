-- Connections that a handler takes over: ctx:hijack and ctx:upgrade.
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local APP = [[
local http = require "justhttp"
local app = http.app()
app:get("/lines", function(ctx)
  ctx:hijack(function(conn)
    conn:write("ready " .. conn.ip .. "\n")
    while true do
      local line, err = conn:read_line(100)
      if not line then return conn:write("end " .. tostring(err) .. "\n") end
      conn:write("<" .. line .. ">\n")
    end
  end)
end)
app:get("/after", function(ctx)
  ctx:hijack(function(conn) conn:write "raw" end)
  return 201, "answered"
end)
app:get("/timeout", function(ctx)
  ctx:hijack(function(conn)
    conn:set_timeout(0.02)
    local piece, err = conn:read()
    conn:write(tostring(piece) .. " " .. err .. "\n")
    conn:set_timeout(nil)
    conn:write("then " .. tostring(conn:read()))
  end)
end)
app:get("/duplex", function(ctx)
  ctx:hijack(function(conn)
    local reader = http.spawn(function()
      local bytes = 0
      while true do
        local piece = conn:read()
        if not piece then return bytes end
        bytes = bytes + #piece
      end
    end)
    local piece = ("y"):rep(100000)
    for _ = 1, 50 do conn:write(piece) end
    conn:shutdown()
    print("read " .. http.wait(reader))
  end)
end)
app:get("/fault", function(ctx) ctx:hijack(function() error("hijacked fault") end) end)
app:get("/kept", function(ctx)
  ctx:hijack(function(conn)
    conn:close()
    print("write", conn:write "x")
    print("read", conn:read())
    print("ctx", pcall(function() return ctx.path end))
  end)
end)
app:get("/echo", function(ctx)
  return ctx:upgrade("echo", function(conn)
    while true do
      local piece = conn:read()
      if not piece then return end
      conn:write(piece)
    end
  end)
end)
app:get("/", function() return "plain" end)
return app
]]

describe("a hijacked connection", function()
  local s

  setup(function() s = server.start { code = APP, options = { keepalive_timeout_ms = 50 } } end)
  teardown(function() s:stop() end)

  local function open(path, extra, headers)
    local conn = wire.connect(s.port)
    conn:send("GET " .. path .. " HTTP/1.1\r\nHost: a\r\n" .. (headers or "") .. "\r\n"
      .. (extra or ""))
    return conn
  end

  it("gets what came with the request first, then the rest, then the end", function()
    local conn = open("/lines", "one\r\ntw")
    assert.equal("ready 127.0.0.1\n<one>\n", conn:read_until "<one>\n")
    conn:send "o\n"
    assert.equal("<two>\n", conn:read_until "\n")
    conn:half_close()
    assert.equal("end nil\n", conn:read_all())
  end)

  it("bounds lines", function()
    local conn = open("/lines", ("x"):rep(200000))
    conn:read_until "ready 127.0.0.1\n"
    assert.equal("end the line is too long\n", conn:read_until "long\n")
  end)

  it("sends a response first when one was set", function()
    local conn = open "/after"
    local response = conn:response()
    assert.equal(201, response.status)
    assert.equal("answered", response.body)
    assert.equal("raw", conn:read_all())
  end)

  it("is under no timeout but its own", function()
    local conn = open "/timeout"
    assert.equal("nil timeout\n", conn:read_until "\n")
    assert.is_false(conn:is_closed(0.15))
    conn:send "late"
    assert.equal("then late", conn:read_all())
  end)

  it("is read and written by two tasks at once", function()
    local conn = open "/duplex"
    for _ = 1, 20 do conn:send(("z"):rep(50000)) end
    local bytes = #conn:read(5000000)
    conn:half_close()
    assert.equal(5000000, bytes)
    wait_for(function() return s:stdout():find("read 1000000", 1, true) ~= nil end)
  end)

  it("is closed after an error, which is logged", function()
    assert.equal("", open("/fault"):read_all())
    wait_for(function() return s:stderr():find("hijacked fault", 1, true) ~= nil end)
  end)

  it("says so when it is closed, and the ctx is over", function()
    open("/kept"):read_all()
    wait_for(function() return s:stdout():find("ctx\tfalse", 1, true) ~= nil end)
    assert.matches("write\tnil\tclosed\nread\tnil\tclosed", s:stdout())
  end)

  it("ends when the client resets it", function()
    local conn = open "/lines"
    conn:read_until "\n"
    conn:reset()
    assert.equal(200, s:get("/").status)
  end)

  it("is upgraded when the client asks for the protocol", function()
    local conn = open("/echo", "abc", "Upgrade: other, ECHO\r\nConnection: keep-alive, Upgrade\r\n")
    local response = conn:response()
    assert.equal(101, response.status)
    assert.equal("echo", response.headers.upgrade)
    assert.equal("Upgrade", response.headers.connection)
    assert.is_nil(response.headers["content-length"])
    assert.equal("abc", conn:read(3))
    conn:send "def"
    assert.equal("def", conn:read(3))
    conn:half_close()
    assert.equal("", conn:read_all())
  end)

  it("is answered 426 when the client does not ask for it", function()
    local response = open("/echo"):response()
    assert.equal(426, response.status)
    assert.equal("echo", response.headers.upgrade)
  end)
end)
