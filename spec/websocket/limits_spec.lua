-- limits_spec.lua: sizes, silence, slow readers and shutdown.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local websocket = require "spec.support.websocket"
local wait_for = require "spec.support.wait"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local sent, ended = 0, {}
app:websocket("/limited", { message = function(ws, message) ws:send(message) end,
  max_message_bytes = 1000, max_frame_bytes = 600 })
app:websocket("/pings", { message = function(ws, message) ws:send(message) end,
  close = function(ws, code) ended[#ended + 1] = code end, ping_interval = 0.1,
  idle_timeout = 0.5 })
app:websocket("/flood", function(ws)
  local piece = ("x"):rep(10000)
  for _ = 1, 5000 do
    if not ws:send(piece, "binary") then break end
    sent = sent + 1
  end
  ws:receive()
end)
app:websocket("/slow-handler", { message = function(ws, message)
  http.sleep(0.05)
  ws:send(message)
end })
app:websocket("/timeout", function(ws)
  local message, err = ws:receive(0.05)
  ws:send(tostring(message) .. " " .. err)
  ws:send((ws:receive(5)))
end)
app:websocket("/two-tasks", function(ws)
  local reader = http.spawn(function()
    local count = 0
    for _ in ws:messages() do count = count + 1 end
    ended[#ended + 1] = "read " .. count
  end)
  for i = 1, 100 do
    ws:send(tostring(i))
    if i % 10 == 0 then http.sleep(0) end
  end
  http.wait(reader)
end)
app:websocket("/busy", function(ws)
  local is_first = true
  local function pieces()
    if is_first then is_first = false return "piece" end
    http.sleep(0.1)
  end
  local other = http.spawn(function() return ws:send(pieces) end)
  http.sleep(0.02)
  local ok, err = ws:send "in between"
  http.wait(other)
  ws:send(tostring(ok) .. " " .. err)
  local reader = http.spawn(function() return ws:receive() end)
  http.sleep(0)
  ws:send(tostring(select(2, ws:receive())))
  ws:send((http.wait(reader)))
end)
app:websocket("/stays", function(ws)
  local message, why, code = ws:receive()
  ended[#ended + 1] = tostring(message) .. why .. code
end)
app:on_stop(function() io.stderr:write("ended: ", table.concat(ended, " "), "\n") end)
app:get("/sent", function() return tostring(sent) end)
app:get("/ended", function() return table.concat(ended, " ") end)
return app ]]

describe("a WebSocket", function()
  local s
  setup(function() s = server.start { code = CODE } end)
  teardown(function() s:stop() end)

  it("refuses messages and frames above its limits with 1009", function()
    local c = websocket.connect(s, "/limited")
    c:text(("x"):rep(600))
    assert.are.equal(600, #c:receive())
    c:frame { opcode = 1, fin = false, payload = ("x"):rep(500) }
    c:frame { opcode = 0, payload = ("x"):rep(500) }
    assert.are.equal(1000, #c:receive())
    c:text(("x"):rep(601))
    assert.are.equal(1009, (c:expect_close()))
    c = websocket.connect(s, "/limited")
    c:frame { opcode = 1, fin = false, payload = ("x"):rep(501) }
    c:frame { opcode = 0, fin = false, payload = ("x"):rep(500) }
    assert.are.equal(1009, (c:expect_close()))
  end)

  it("refuses them before they have come", function()
    local c = websocket.connect(s, "/limited")
    c:send("\x82\xff\0\0\0\1\0\0\0\0\1\2\3\4")
    assert.are.equal(1009, (c:expect_close()))
  end)

  it("pings a silent client, and takes one that does not answer for dead", function()
    local c = websocket.connect(s, "/pings")
    for _ = 1, 8 do
      local frame = c:read_frame()
      assert.are.equal(9, frame.opcode)
      c:pong(frame.payload)
    end
    c:text "still here"
    assert.are.equal("still here", (c:receive()))
    c.conn:read_all()
    wait_for(function() return s:get("/ended").body:find "1006" end)
    c:close()
  end)

  it("makes the writer wait for a slow reader", function()
    local c = websocket.connect({ port = s.port, receive_bytes = 4096 }, "/flood")
    local last = -1
    wait_for(function()
      local now = tonumber(s:get("/sent").body)
      sys.sleep(0.02)
      local is_still = now == last
      last = now
      return is_still and now > 0
    end)
    assert.is_true(last < 4900, "sent " .. last)
    for _ = 1, 5000 do c:receive() end
    assert.are.equal("5000", s:get("/sent").body)
    c:close()
  end)

  it("does not read ahead of a slow handler", function()
    local c = websocket.connect({ port = s.port, send_bytes = 4096 }, "/slow-handler")
    local message = websocket.encode { opcode = 2, payload = ("y"):rep(60000) }
    c.conn.patience = 0.3
    local ok, _, count = c.conn:try_send(message:rep(400))
    assert.is_nil(ok)
    assert.is_true(count < 400 * 60000)
    c:close()
  end)

  it("may wait for a message for some time only", function()
    local c = websocket.connect(s, "/timeout")
    assert.are.equal("nil timeout", (c:receive()))
    c:text "late"
    assert.are.equal("late", (c:receive()))
    c:close()
  end)

  it("is read by one task and written by another", function()
    local c = websocket.connect(s, "/two-tasks")
    for i = 1, 100 do c:text(tostring(i)) end
    for i = 1, 100 do assert.are.equal(tostring(i), (c:receive())) end
    c:close_frame(1000)
    assert.are.equal(1000, (c:expect_close()))
    wait_for(function() return s:get("/ended").body:find("read 100", 1, true) end)
  end)

  it("tells two tasks that do the same at once", function()
    local c = websocket.connect(s, "/busy")
    assert.are.equal("piece", (c:receive()))
    assert.are.equal("nil another task is at it already", (c:receive()))
    assert.are.equal("another task is at it already", (c:receive()))
    c:text "for the first"
    assert.are.equal("for the first", (c:receive()))
    c:close()
  end)

  it("is closed with 1001 when the server stops", function()
    local other = server.start { code = CODE }
    local a, b = websocket.connect(other, "/stays"), websocket.connect(other, "/limited")
    other:signal(sys.SIGTERM)
    for _, c in ipairs { a, b } do
      local frame = c:read_frame()
      assert.are.same({ 8, 1001, "the server stops" }, { frame.opcode, frame.code, frame.reason })
      c:close_frame(1001)
      c.conn:expect_closed()
      c:close()
    end
    assert.are.equal(0, (other:wait(5)))
    assert.is_truthy(other:stderr():find("ended: nilclosed1001", 1, true), other:stderr())
  end)
end)
