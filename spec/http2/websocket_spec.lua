-- websocket_spec.lua: WebSockets over HTTP/2 (RFC 8441). What holds over HTTP/1.1 holds here: the
-- specs of spec/websocket/ run once more. Then what is of HTTP/2: the handshake, windows, many on
-- one connection, and how streams end.
local http2 = require "spec.support.http2"
local server = require "spec.support.server"
local stream = require "spec.support.websocket_stream"
local wait_for = require "spec.support.wait"
local websocket = require "spec.support.websocket"

local NAMES = { "framing", "control_frames", "utf8", "close", "limits", "compression",
  "random_client" }

describe("over HTTP/2", function()
  setup(function() websocket.over_http2 = true end)
  teardown(function() websocket.over_http2 = nil end)
  for _, name in ipairs(NAMES) do
    local chunk = assert(loadfile("spec/websocket/" .. name .. "_spec.lua"))
    setfenv(chunk, getfenv())()
  end
end)

local APP = [[
local http = require "justhttp"
local app = http.app()
local ended, open = {}, 0
app:websocket("/echo", { message = function(ws, m, kind) ws:send(m, kind) end })
app:websocket("/task", function(ws)
  open = open + 1
  for m, kind in ws:messages() do ws:send(m, kind) end
  open = open - 1
  local _, _, code = ws:receive()
  ended[#ended + 1] = tostring(code)
end)
app:websocket("/about/:name", { message = function() end, open = function(ws, ctx)
  ws:send(table.concat({ ctx.method, ctx.path, ctx.params.name, ctx.query.a, ctx.scheme, ctx.host,
    ctx.headers.upgrade, ctx.headers["sec-websocket-version"] }, " "))
end })
app:websocket("/chat", { protocols = { "v2" }, message = function(ws, m) ws:send(ws.protocol) end })
app:websocket("/room", { compress = true, open = function(ws) ws:subscribe "room" end,
  message = function(ws, m) app:publish("room", m) end })
local sent = 0
app:websocket("/flood", function(ws)
  for _ = 1, 400 do
    ws:send(("x"):rep(10000), "binary")
    sent = sent + 10000
  end
  ws:receive()
end)
app:websocket("/deaf", function(ws) http.sleep(30) end)
app:websocket("/slow", function(ws)
  ws:receive()
  http.sleep(0.3)
  local bytes = 0
  while bytes < 1000000 do bytes = bytes + #ws:receive() end
  ws:send(tostring(bytes))
  ws:receive()
end)
app:get("/sent", function() return tostring(sent) end)
app:get("/open", function() return tostring(open) end)
app:get("/ended", function() return table.concat(ended, " ") end)
app:get("/plain", function() return "plain" end)
app:get("/upgrade", function(ctx) return ctx:upgrade("websocket", function() end) end)
app:get("/mine", function(ctx)
  return ctx:websocket({ message = function(ws, m) ws:send("mine " .. m) end })
end)
return app
]]

describe("an extended CONNECT", function()
  local s, h2

  before_each(function()
    s = server.start { code = APP, workers = 1 }
    h2 = http2.connect(s)
  end)
  after_each(function()
    h2:close()
    s:stop()
  end)

  local function connect(path, options)
    options = options or {}
    options.on = h2
    return websocket.connect_http2(s, path, options)
  end

  local function status(path, options)
    options = options or {}
    options.on = h2
    local _, response = stream.connect(s, path, options)
    return response.status
  end

  it("is announced, and looks to its handler as over HTTP/1.1", function()
    local c = connect "/about/blue?a=1"
    assert.are.equal("GET /about/blue blue 1 http localhost websocket 13", (c:receive()))
    assert.is_nil(c.response.headers["sec-websocket-accept"])
    assert.is_nil(c.response.headers.upgrade)
    c = connect("/chat", { protocols = "v1, v2" })
    assert.are.equal("v2", c.response.headers["sec-websocket-protocol"])
    assert.are.equal("v2", (c:text("x"):receive()))
    c = connect "/mine"
    assert.are.equal("mine x", (c:text("x"):receive()))
  end)

  it("is refused where there is no WebSocket", function()
    assert.are.equal(404, status "/nowhere")
    assert.are.equal(501, status "/plain")
    assert.are.equal(501, status "/upgrade")
    assert.are.equal(403, status("/echo", { headers = { Origin = "https://other.example" } }))
    assert.are.equal(426, status("/echo", { headers = { ["Sec-WebSocket-Version"] = "8" } }))
    assert.are.equal("plain", h2:request({ path = "/plain" }).body)
    assert.are.equal(426, h2:request({ path = "/echo" }).status)
  end)

  it("for a protocol we do not know is refused with 501, and an ordinary one as before", function()
    assert.are.equal(501, status("/echo", { protocol = "connect-udp" }))
    local id = h2:open { fields = { { ":method", "CONNECT" }, { ":authority", "localhost:80" } },
      ends = true }
    assert.is_true(h2:response(id).status >= 400)
    id = h2:open { fields = { { ":method", "GET" }, { ":protocol", "websocket" },
      { ":scheme", "http" }, { ":authority", "localhost" }, { ":path", "/echo" } }, ends = true }
    assert.are.equal(http2.PROTOCOL_ERROR, h2:response(id).reset)
    id = h2:open { fields = stream.fields "/echo", ends = true }
    assert.are.equal(400, h2:response(id).status)
    assert.is_true(h2:ping())
  end)

  it("comes many times over one connection, beside requests", function()
    local all = {}
    for i = 1, 100 do all[i] = connect(i % 2 == 0 and "/echo" or "/task") end
    for round = 1, 3 do
      for i, c in ipairs(all) do c:text(round .. " " .. i) end
      for i, c in ipairs(all) do assert.are.equal(round .. " " .. i, (c:receive())) end
      assert.are.equal("50", h2:request({ path = "/open" }).body)
    end
    for i, c in ipairs(all) do
      if i % 3 == 0 then c:close_frame(1000):expect_close() end
    end
    for i, c in ipairs(all) do
      if i % 3 ~= 0 then assert.are.equal("still", (c:text("still"):receive())) end
    end
  end)

  it("listens to topics", function()
    local one, other = connect("/room"), connect("/room", { extensions = "permessage-deflate" })
    local third = websocket.connect(s, "/room")
    one:text(("hello "):rep(50))
    assert.are.equal(("hello "):rep(50), (one:receive()))
    assert.are.equal(("hello "):rep(50), (third:receive()))
    assert.are.equal(4, other:read_frame().rsv)
    third:close()
  end)

  it("ends when its stream is reset, ends, or the connection closes", function()
    local c = connect "/task"
    c.conn:reset()
    wait_for(function() return h2:request({ path = "/ended" }).body == "1006" end)
    c = connect "/task"
    c.conn:half_close()
    c.conn:expect_closed()
    wait_for(function() return h2:request({ path = "/ended" }).body == "1006 1006" end)
    connect "/task"
    h2:close()
    wait_for(function() return s:get("/ended").body == "1006 1006 1006" end)
    assert.are.equal("0", s:get("/open").body)
    h2 = http2.connect(s)
  end)

  it("has its writer wait while the client's window is closed", function()
    local reader = http2.connect(s, { is_passive = true })
    reader:read_until(function() return reader.settings[8] end, "SETTINGS")
    local id = reader:open { fields = stream.fields "/flood", ends = false }
    local before
    wait_for(function()
      local now = s:get("/sent").body
      local is_still = now == before and now ~= "0"
      before = now
      return is_still
    end)
    assert.is_true(tonumber(before) < 400000, before)
    reader.is_passive = false
    reader:frame(http2.WINDOW_UPDATE, 0, 0, http2.number(2 ^ 24, 4))
    reader:frame(http2.WINDOW_UPDATE, 0, id, http2.number(2 ^ 24, 4))
    local bytes = 0
    reader:read_until(function()
      local pieces = reader:stream(id).pieces
      for i = #pieces, 1, -1 do
        bytes = bytes + #pieces[i]
        pieces[i] = nil
      end
      return bytes == 400 * 10004
    end, "the whole flood")
    reader:close()
  end)

  it("has the client wait while nobody reads, and others not", function()
    local deaf, slow = connect "/deaf", connect "/slow"
    slow:binary "begin"
    local window = deaf.conn.stream.send_window
    local frame = websocket.encode { opcode = 2, payload = ("x"):rep(4000) }
    while deaf.conn.stream.send_window >= #frame do deaf:send(frame) end
    assert.is_true(h2:ping())
    assert.are.equal("plain", h2:request({ path = "/plain" }).body)
    assert.is_true(deaf.conn.stream.send_window < #frame and window <= 262144)
    for _ = 1, 250 do slow:binary(("x"):rep(4000)) end
    assert.are.equal("1000000", (slow:receive()))
  end)

  it("is told when the server stops", function()
    local c = connect "/task"
    s:signal(require "spec.support.sys".SIGTERM)
    assert.are.equal(1001, c:read_frame().code)
    c:close_frame(1001)
    c.conn:half_close()
    c.conn:expect_closed()
    h2:wait_end()
    assert.are.equal(0, (s:wait(5)))
  end)
end)
