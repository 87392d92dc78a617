-- hub_spec.lua: topics: who hears what, in which order, across workers; and slow listeners.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"
local websocket = require "spec.support.websocket"
local wire = require "spec.support.wire"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local reasons = {}

app:websocket("/room/:room", {
  open = function(ws, ctx)
    ws.room = ctx.params.room
    local slow = ctx.query.slow
    assert(ws:subscribe(ws.room, { slow = slow,
      max_backlog_bytes = tonumber(ctx.query.bytes) }))
    ws:send "in"
  end,
  message = function(ws, message, kind)
    if message == "leave" then
      ws:send(tostring(ws:unsubscribe(ws.room)) .. tostring(ws:unsubscribe(ws.room)))
    elseif message == "others" then
      ws:send(tostring(ws:publish(ws.room, "from another")))
    elseif message == "order" then
      app:publish(ws.room, "one")
      ws:send "two"
      app:publish(ws.room, "three")
      app:publish(ws.room, "four")
      ws:send "five"
    elseif message == "burst" then
      for _ = 1, 10 do app:publish(ws.room, ("y"):rep(20000)) end
    elseif message == "close" then
      app:publish(ws.room, "last words")
      ws:close(4000)
    else
      app:publish(ws.room, message, kind)
    end
  end,
  close = function(ws, code, reason) reasons[#reasons + 1] = code .. reason end,
  compress = true,
  max_message_bytes = 4000000,
})
app:get("/events/:room", function(ctx)
  ctx:events(function(events)
    assert(events:subscribe(ctx.params.room))
    events:send "in"
    if ctx.query.once then return end
    events:wait()
  end)
end)
app:post("/publish/:room", http.middleware.limits { body = "20m" }, function(ctx)
  return app:publish(ctx.params.room, ctx.body, ctx.query.kind) .. ""
end)
app:get("/count/:room", function(ctx) return app:listeners(ctx.params.room) .. "" end)
app:get("/reasons", function() return table.concat(reasons, " ") end)
app:get("/pid", function() return http.json and tostring(reasons) end)
app:get("/misuse", function()
  local out = {}
  local function try(...) out[#out + 1] = select(2, pcall(...)) end
  try(app.publish, app, "", "x")
  try(app.publish, app, ("x"):rep(256), "x")
  try(app.publish, app, 7, "x")
  try(app.publish, app, "t", {})
  try(app.publish, app, "t", "\xff")
  try(app.publish, app, "t", "x", "blob")
  return table.concat(out, "\n")
end)
return app ]]

describe("the hub", function()
  local s
  setup(function() s = server.start { code = CODE } end)
  teardown(function() s:stop() end)

  local function join(path, options)
    local c = websocket.connect(s, path, options)
    assert.are.equal("in", (c:receive()))
    return c
  end

  local function publish(room, body, kind)
    return tonumber(wire.request(s, { method = "POST", path = "/publish/" .. room
      .. (kind and "?kind=" .. kind or ""), body = body }).body)
  end

  it("sends what is published to all who listen to the topic, and to nobody else", function()
    local a, b, other = join "/room/x", join "/room/x", join "/room/y"
    a:text "hello"
    for _, c in ipairs { a, b } do assert.are.same({ "hello", "text" }, { c:receive() }) end
    a:binary "\0\xff"
    for _, c in ipairs { a, b } do assert.are.same({ "\0\xff", "binary" }, { c:receive() }) end
    assert.are.equal(2, publish("x", "from outside"))
    for _, c in ipairs { a, b } do assert.are.equal("from outside", (c:receive())) end
    assert.is_true(other.conn:is_quiet(0.05))
    assert.are.equal(0, publish("nobody", "x"))
    for _, c in ipairs { a, b, other } do c:close() end
  end)

  it("keeps the order of what one turn publishes and sends", function()
    local c = join "/room/order"
    c:text "order"
    for _, want in ipairs { "one", "two", "three", "four", "five" } do
      assert.are.equal(want, (c:receive()))
    end
    c:text "close"
    assert.are.equal("last words", (c:receive()))
    assert.are.equal(4000, c:read_frame().code)
    c:close()
  end)

  it("leaves the publisher out when it is to", function()
    local a, b = join "/room/others", join "/room/others"
    a:text "others"
    assert.are.equal("from another", (b:receive()))
    assert.are.equal("1", (a:receive()))
    assert.is_true(a.conn:is_quiet(0.03))
    a:close() b:close()
  end)

  it("forgets who leaves, by a call or by closing", function()
    local a, b = join "/room/gone", join "/room/gone"
    a:text "leave"
    assert.are.equal("truefalse", (a:receive()))
    assert.are.equal(1, publish("gone", "x"))
    assert.are.equal("x", (b:receive()))
    b:close()
    wait_for(function() return s:get("/count/gone").body == "0" end)
    a:close()
  end)

  it("compresses once for all who agreed on that", function()
    local extensions = { extensions = "permessage-deflate" }
    local a, b, plain = join("/room/z", extensions), join("/room/z", extensions), join "/room/z"
    local text = ("compress me "):rep(100)
    assert.are.equal(3, publish("z", text))
    local frame_a, frame_b = a:read_frame(), b:read_frame()
    assert.are.equal(4, frame_a.rsv)
    assert.are.equal(frame_a.payload, frame_b.payload)
    assert.is_true(#frame_a.payload < 100)
    assert.are.equal(text, (plain:receive()))
    for _, c in ipairs { a, b, plain } do c:close() end
  end)

  it("reaches streams of server-sent events, text only", function()
    local c = s:connect()
    c:send "GET /events/x HTTP/1.1\r\nHost: a\r\n\r\n"
    c:read_until "data: in\n\n\r\n"
    assert.are.equal(1, publish("x", "one\ntwo\r\nthree\r"))
    assert.are.equal("28\r\ndata: one\ndata: two\ndata: three\ndata: \n\n\r\n",
      (c:read_until "\n\n\r\n"))
    assert.are.equal(1, publish("x", ""))
    assert.are.equal("8\r\ndata: \n\n\r\n", (c:read_until "\n\n\r\n"))
    publish("x", "\0\1", "binary")
    publish("x", "after")
    assert.are.equal("d\r\ndata: after\n\n\r\n", (c:read_until "\n\n\r\n"))
    c:close()
    wait_for(function() return s:get("/count/x").body == "0" end)
    c = s:connect()
    c:send "GET /events/old HTTP/1.0\r\n\r\n"
    c:read_until "data: in\n\n"
    publish("old", "plain")
    assert.are.equal("data: plain\n\n", (c:read_until "\n\n"))
    c:close()
  end)

  it("lets go of a stream that ends, and its connection goes on", function()
    local c = s:connect()
    c:send "GET /events/once?once=1 HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.are.equal("data: in\n\n", c:response().body)
    assert.are.equal(0, publish("once", "x"))
    c:send "GET /count/once HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.are.equal("0", c:response().body)
    c:close()
  end)

  it("ends streams that wait when the server stops", function()
    local other = server.start { code = CODE }
    local c = other:connect()
    c:send "GET /events/x HTTP/1.1\r\nHost: a\r\n\r\n"
    c:read_until "data: in\n\n\r\n"
    other:signal(sys.SIGTERM)
    assert.are.equal("0\r\n\r\n", c:read_until "0\r\n\r\n")
    assert.are.equal(0, (other:wait(5)))
    c:close()
  end)

  local function flood(room, count)
    for i = 1, count do publish(room, ("%05d"):format(i) .. ("x"):rep(9995)) end
  end

  -- The numbers of what comes, up to the one that is asked for.
  local function read_up_to(c, last)
    local numbers = {}
    c.conn.patience = 5
    repeat
      local message = c:receive()
      numbers[#numbers + 1] = tonumber(message:sub(1, 5))
    until numbers[#numbers] == last
    return numbers
  end

  local function slow(path)
    local c = websocket.connect({ port = s.port, receive_bytes = 2048 }, path)
    assert.are.equal("in", (c:receive()))
    return c
  end

  it("disconnects who is too slow", function()
    local c = slow "/room/slow?bytes=100000"
    for i = 1, 200 do
      flood("slow", 20)
      if s:get("/count/slow").body == "0" then break end
      assert.is_true(i < 200)
    end
    wait_for(function() return s:get("/reasons").body:find "1006" end)
    c:close()
  end)

  it("keeps who reads, however much one turn publishes", function()
    local c = join "/room/burst?bytes=50000"
    c:text "burst"
    for _ = 1, 10 do assert.are.equal(20000, #c:receive()) end
    c:close()
  end)

  it("drops the oldest for who is too slow, and never half a message", function()
    local c = slow "/room/oldest?slow=drop_oldest&bytes=100000"
    flood("oldest", 700)
    local numbers = read_up_to(c, 700)
    assert.are.equal(1, numbers[1])
    for i = 2, #numbers do assert.is_true(numbers[i] > numbers[i - 1]) end
    assert.is_true(#numbers < 700, "all of them fitted")
    for i = 1, 6 do assert.are.equal(700 - i, numbers[#numbers - i]) end
    c:text "again"
    assert.are.equal("again", (c:receive()))
    c:close()
  end)

  it("keeps the newest only for who is too slow, where that is wanted", function()
    local c = slow "/room/newest?slow=coalesce"
    flood("newest", 700)
    local numbers = read_up_to(c, 700)
    assert.is_true(#numbers < 700, "all of them fitted")
    for i = 2, #numbers do assert.is_true(numbers[i] > numbers[i - 1]) end
    c:close()
  end)

  it("loses nothing while everybody reads", function()
    local listeners = {}
    for i = 1, 20 do listeners[i] = join "/room/all" end
    for i = 1, 100 do publish("all", tostring(i)) end
    for i = 1, 20 do
      for n = 1, 100 do assert.are.equal(tostring(n), (listeners[i]:receive())) end
      listeners[i]:close()
    end
  end)

  it("says what is wrong with its arguments", function()
    local lines = {}
    for line in s:get("/misuse").body:gmatch "[^\n]+" do lines[#lines + 1] = line end
    for i, want in ipairs { "a topic is a string of 1 to 255 bytes, got 0 bytes", "got 256 bytes",
      "got a number", "give a string, got a table", "no UTF-8",
      'is "text" or "binary", not blob' } do
      assert.is_truthy(lines[i]:find(want, 1, true), lines[i])
    end
  end)
end)

describe("the hub of several workers", function()
  local s
  setup(function() s = server.start { code = CODE, workers = 3 } end)
  teardown(function() s:stop() end)

  -- Listeners at every worker: each worker knows only its own.
  local function join_everywhere(room, want)
    local clients = {}
    for i = 1, 24 do
      clients[i] = websocket.connect(s, "/room/" .. room)
      assert.are.equal("in", (clients[i]:receive()))
    end
    assert.are.equal(24, want or 24)
    return clients
  end

  local function publish(room, body)
    return tonumber(wire.request(s, { method = "POST", path = "/publish/" .. room,
      body = body }).body)
  end

  it("reaches listeners at all of them, in order", function()
    local clients = join_everywhere "far"
    local c = s:connect()
    local local_count
    for i = 1, 50 do
      local r = c:request { method = "POST", path = "/publish/far", body = "message " .. i }
      local_count = tonumber(r.body)
    end
    assert.is_true(local_count < 24)
    for _, client in ipairs(clients) do
      for i = 1, 50 do assert.are.equal("message " .. i, (client:receive())) end
      client:close()
    end
    c:close()
  end)

  it("carries messages that are longer than a datagram", function()
    local clients = join_everywhere "long"
    local text = ("0123456789"):rep(300000)
    local c = s:connect() -- one worker: messages of several come in no order
    c:request { method = "POST", path = "/publish/long", body = text }
    c:request { method = "POST", path = "/publish/long", body = "after it" }
    c:close()
    for _, client in ipairs(clients) do
      assert.is_true(text == client:receive())
      assert.are.equal("after it", (client:receive()))
      client:close()
    end
  end)

  it("goes on when a worker was restarted", function()
    local before = s:workers()
    s:signal(sys.SIGKILL, before[2])
    wait_for(function()
      local now = s:workers()
      return #now == 3 and now[2] ~= before[2] and now[3] ~= before[2] and s:get("/count/x")
    end)
    local clients = join_everywhere "again"
    publish("again", "still here")
    for _, client in ipairs(clients) do
      assert.are.equal("still here", (client:receive()))
      client:close()
    end
  end)
end)
