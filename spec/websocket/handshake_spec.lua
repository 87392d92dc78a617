-- handshake_spec.lua: which requests become WebSockets, and what their handlers know of them (RFC
-- 6455 §4).
local server = require "spec.support.server"
local websocket = require "spec.support.websocket"
local wire = require "spec.support.wire"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local closed = {}

local function guard(ctx, next)
  if ctx.query.token == "wrong" then return 401 end
  ctx.values.user = "ann"
  ctx.values.thing = setmetatable({}, { __close = function() closed[#closed + 1] = "thing" end })
  ctx:set("X-Seen", "middleware")
  return next()
end

app:websocket("/plain", function(ws) ws:send "hi" end)
app:websocket("/about/:room", guard, function(ws, ctx)
  http.sleep(0)
  ws:send(table.concat({ ctx.params.room, ctx.query.a, ctx.values.user, ws.values.user, ctx.path,
    ctx.headers["X-My-Header"], ctx.headers["x-my-header"], ctx.cookies.c, ctx.method, ctx.host,
    ctx.ip, #closed, tostring(ctx.headers.nothing), tostring(ctx.cookies.none) }, " "))
  ws:receive()
  local ok, err = pcall(ctx.text, ctx, "x")
  ws:send(err)
end)
app:websocket("/table/:room", guard, {
  open = function(ws, ctx) ws.room = ctx.params.room ws:send("in " .. ws.room) end,
  message = function(ws, message) ws:send(ws.room .. ws.values.user .. message) end,
})
app:websocket("/chat", function(ws) ws:send(tostring(ws.protocol)) end,
  { protocols = { "chat.v2", "chat.v1" } })
app:websocket("/friends", function(ws) ws:send "hi" end, { origins = { "https://friend.example" } })
app:websocket("/any", function(ws) ws:send "hi" end, { origins = "*" })
app:websocket("/asks", { open = function(ws) ws:send "hi" end,
  origins = function(origin, ctx) return origin == "null" and ctx.query.x == "1" end })
app:get("/own", function(ctx)
  ctx:set("X-Own", "yes")
  return ctx:websocket(function(ws) ws:send "own" end)
end)
app:get("/closed", function() return #closed .. "" end)
return app ]]

describe("a handshake", function()
  local s
  setup(function() s = server.start { code = CODE } end)
  teardown(function() s:stop() end)

  local function ask(path, options)
    local c = wire.connect(s)
    local r = c:send(websocket.handshake(path, options)):response()
    c:close()
    return r
  end

  it("is answered with 101 and the hash of its key", function()
    local r = ask "/plain"
    assert.are.equal(101, r.status)
    assert.are.equal("websocket", r.headers.upgrade)
    assert.are.equal("Upgrade", r.headers.connection)
    assert.are.equal(websocket.ACCEPT, r.headers["sec-websocket-accept"])
    assert.is_nil(r.headers["sec-websocket-protocol"])
    assert.is_nil(r.headers["sec-websocket-extensions"])
    assert.is_nil(r.headers["content-length"])
    assert.is_nil(r.headers["transfer-encoding"])
  end)

  it("may have its words in any case, and among others", function()
    local r = ask("/plain",
      { headers = { Upgrade = "WebSocket", Connection = "keep-alive, UPGRADE" } })
    assert.are.equal(101, r.status)
    r = ask("/plain", { headers = { Upgrade = "h2c, websocket" } })
    assert.are.equal(101, r.status)
  end)

  it("that is none is answered with 426 and what is spoken here", function()
    for _, options in ipairs {
      { headers = { Upgrade = false } }, { headers = { Connection = false } },
      { headers = { Upgrade = "h2c" } }, { headers = { Connection = "keep-alive" } },
      { headers = { ["Sec-WebSocket-Version"] = "8" } }, { version = "1.0" },
      { headers = { ["Sec-WebSocket-Version"] = false } },
    } do
      local r = ask("/plain", options)
      assert.are.same({ 426, "websocket", "13" },
        { r.status, r.headers.upgrade, r.headers["sec-websocket-version"] })
    end
    local r = s:get "/plain"
    assert.are.equal(426, r.status)
    assert.are.equal(405, wire.request(s, { method = "POST", path = "/plain" }).status)
  end)

  it("without a key, or with a strange one, is answered with 400", function()
    for _, key in ipairs { false, "", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZQ==" } do
      local r = ask("/plain", { headers = { ["Sec-WebSocket-Key"] = key } })
      assert.are.equal(400, r.status)
    end
  end)

  it("comes behind the middleware of its route, which may refuse it", function()
    assert.are.equal(401, ask("/about/x?token=wrong").status)
    local r = ask "/about/x?a=1"
    assert.are.equal("middleware", r.headers["x-seen"])
  end)

  it("leaves the request readable for the handler", function()
    local c = websocket.connect(s, "/about/blue?a=1",
      { headers = { ["X-My-Header"] = "mine", Cookie = "c=d" } })
    assert.are.equal("blue 1 ann ann /about/blue mine mine d GET localhost 127.0.0.1 0 nil nil",
      ((c:receive()):gsub(" %d+ nil", " 0 nil")))
    c:text "go"
    assert.is_truthy((c:receive()):find("after its response was sent", 1, true))
    c:close()
    c = websocket.connect(s, "/table/green")
    assert.are.equal("in green", (c:receive()))
    c:text "!"
    assert.are.equal("greenann!", (c:receive()))
    c:close()
  end)

  it("keeps the values until the WebSocket is over", function()
    local before = tonumber(s:get("/closed").body)
    local c = websocket.connect(s, "/table/x")
    c:receive()
    assert.are.equal(before, tonumber(s:get("/closed").body))
    c:close_frame(1000)
    c:expect_close()
    assert.are.equal(before + 1, tonumber(s:get("/closed").body))
  end)

  it("agrees on the client's first protocol that the app knows", function()
    for protocols, want in pairs {
      ["chat.v1"] = "chat.v1", ["chat.v1, chat.v2"] = "chat.v1", ["x, chat.v2,chat.v1"] = "chat.v2",
      ["x"] = "nil", ["CHAT.V1"] = "nil",
    } do
      local c = websocket.connect(s, "/chat", { protocols = protocols })
      assert.are.equal(want, (c:receive()))
      assert.are.equal(want ~= "nil" and want or nil,
        c.response.headers["sec-websocket-protocol"])
      c:close()
    end
  end)

  it("of a page is taken from the same host only, unless others are named", function()
    local function status(path, origin, host)
      return ask(path, { headers = { Origin = origin, Host = host } }).status
    end
    assert.are.equal(101, status("/plain", false))
    assert.are.equal(101, status("/plain", "http://localhost"))
    assert.are.equal(101, status("/plain", "https://LOCALHOST"))
    assert.are.equal(101, status("/plain", "http://a.example:8080", "a.example:8080"))
    assert.are.equal(403, status("/plain", "http://a.example", "a.example:8080"))
    assert.are.equal(403, status("/plain", "https://evil.example"))
    assert.are.equal(403, status("/plain", "https://localhost.evil.example"))
    assert.are.equal(403, status("/plain", "null"))
    assert.are.equal(403, status("/plain", ""))
    assert.are.equal(101, status("/friends", "https://friend.example"))
    assert.are.equal(403, status("/friends", "http://friend.example"))
    assert.are.equal(101, status("/friends", "http://localhost"))
    assert.are.equal(101, status("/any", "https://evil.example"))
    assert.are.equal(403, status("/asks", "null"))
    assert.are.equal(101, status("/asks?x=1", "null"))
  end)

  it("may be answered by a handler of another kind", function()
    local c = websocket.connect(s, "/own")
    assert.are.equal("yes", c.response.headers["x-own"])
    assert.are.equal("own", (c:receive()))
    c:close()
  end)
end)
