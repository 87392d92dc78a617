-- close_spec.lua: how a connection ends (RFC 6455 §5.5.1, §7; what Autobahn's section 7 asks for).
local server = require "spec.support.server"
local websocket = require "spec.support.websocket"
local wait_for = require "spec.support.wait"

local CODE = [[
local http = require "justhttp"
local app = http.app()
local log = {}
local function note(...) log[#log + 1] = table.concat({ ... }, " ") end

app:websocket("/task", function(ws)
  for message in ws:messages() do ws:send(message) end
  local _, why, code, reason = ws:receive()
  note("task", why, code or "-", reason or "-")
end)
app:websocket("/table", {
  message = function(ws, message) ws:send(message) end,
  close = function(ws, code, reason) note("table", code, reason) end,
})
app:websocket("/quiet", { message = function() end })
app:websocket("/closes", function(ws)
  local code, reason = ws:receive():match "^(%d+) ?(.*)$"
  ws:close(tonumber(code), reason)
  note("send after close", tostring(ws:send "x"), tostring(select(2, ws:send "x")))
  note("second close", tostring(ws:close()), tostring(ws:is_open()))
  note("receive", tostring(ws:receive()), select(2, ws:receive()))
end)
app:websocket("/returns", function(ws) ws:send "bye" end)
app:websocket("/raises", function(ws) error "on purpose" end)
app:websocket("/raises-in-table", { message = function(ws) error "in a message" end })
app:websocket("/raises-in-open", { open = function(ws) error "in open" end })
app:websocket("/misuse", function(ws)
  for _, code in ipairs { 999, 1004, 1005.5, 1006, 1015, 2999, 5000 } do
    ws:send(tostring(pcall(ws.close, ws, code)))
  end
  ws:send(tostring(pcall(ws.close, ws, 1000, "\xff")))
end)
app:get("/log", function()
  local text = table.concat(log, "\n")
  log = {}
  return text
end)
return app ]]

describe("a close", function()
  local s
  setup(function() s = server.start { code = CODE } end)
  teardown(function() s:stop() end)

  local function log_is(want)
    local got = ""
    wait_for(function()
      got = got .. s:get("/log").body
      return got == want
    end, 2, "the log " .. want)
  end

  it("of the client is answered with its code, and the connection ends", function()
    for _, path in ipairs { "/task", "/table" } do
      local c = websocket.connect(s, path)
      c:close_frame(1000, "bye")
      assert.are.same({ 1000, "bye" }, { c:expect_close() })
      c:close()
      log_is(path == "/task" and "task closed 1000 bye" or "table 1000 bye")
      c = websocket.connect(s, path)
      c:close_frame()
      assert.is_nil((c:expect_close()))
      c:close()
      log_is(path == "/task" and "task closed 1005 " or "table 1005 ")
    end
  end)

  it("comes after the answers to what came before it, and ends all that comes behind", function()
    local c = websocket.connect(s, "/table")
    c:send(websocket.encode { opcode = 1, payload = "one" }
      .. websocket.encode { opcode = 8, payload = "\3\xe8" }
      .. websocket.encode { opcode = 1, payload = "two" } .. websocket.encode { opcode = 9 })
    assert.are.equal("one", (c:receive()))
    assert.are.equal(1000, (c:expect_close()))
    c:close()
    log_is "table 1000 "
  end)

  it("in the middle of a message ends it", function()
    local c = websocket.connect(s, "/table")
    c:frame { opcode = 1, fin = false, payload = "unfinished" }
    c:close_frame(1000)
    assert.are.equal(1000, (c:expect_close()))
    c:close()
    log_is "table 1000 "
  end)

  it("may have every code that the RFC and its registries know", function()
    for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
      3000, 3999, 4000, 4999 } do
      local c = websocket.connect(s, "/table")
      c:close_frame(code, "a reason")
      assert.are.equal(code, (c:expect_close()))
      c:close()
      log_is(("table %d a reason"):format(code))
    end
  end)

  it("with another code, half a one, or too long is an error", function()
    for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535 } do
      local c = websocket.connect(s, "/quiet")
      c:close_frame(code)
      assert.are.equal(1002, (c:expect_close()))
      c:close()
    end
    local c = websocket.connect(s, "/quiet")
    c:frame { opcode = 8, payload = "\3" }
    assert.are.equal(1002, (c:expect_close()))
    c = websocket.connect(s, "/quiet")
    c:close_frame(1000, ("*"):rep(124))
    assert.are.equal(1002, (c:expect_close()))
    c = websocket.connect(s, "/quiet")
    c:close_frame(1000, ("*"):rep(123))
    assert.are.equal(1000, (c:expect_close()))
    c = websocket.connect(s, "/quiet")
    c:close_frame(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80")
    assert.are.equal(1007, (c:expect_close()))
  end)

  it("frame is not there: 1006", function()
    local c = websocket.connect(s, "/table")
    c:close()
    log_is "table 1006 "
    c = websocket.connect(s, "/task")
    c:frame { opcode = 1, fin = false, payload = "half" }
    c.conn:reset()
    log_is "task closed 1006 "
  end)

  it("of the app is sent with its code and reason, and waits for the answer", function()
    for _, how in ipairs { "1000 ", "4001 enough", "3000 ü", "1012 " } do
      local c = websocket.connect(s, "/closes")
      c:text(how)
      local frame = c:read_frame()
      local code, reason = how:match "^(%d+) ?(.*)$"
      assert.are.same({ 8, tonumber(code), reason }, { frame.opcode, frame.code, frame.reason })
      assert.is_true(c.conn:is_quiet(0.05))
      c:text "ignored"
      c:ping "ignored"
      c:close_frame(tonumber(code))
      c.conn:expect_closed()
      c:close()
      log_is("send after close nil closed\nsecond close nil false\nreceive nil closed "
        .. how:gsub(" $", ""):gsub("^%d+$", "%0 "))
    end
  end)

  it("is sent when the handler returns, with 1000", function()
    local c = websocket.connect(s, "/returns")
    assert.are.equal("bye", (c:receive()))
    local frame = c:read_frame()
    assert.are.same({ 8, 1000 }, { frame.opcode, frame.code })
    c:close_frame(1000)
    c.conn:expect_closed()
    c:close()
  end)

  it("is sent with 1011 when the handler raises, and the error is logged", function()
    for path, text in pairs { ["/raises"] = "on purpose", ["/raises-in-table"] = "in a message",
      ["/raises-in-open"] = "in open" } do
      local c = websocket.connect(s, path)
      if path == "/raises-in-table" then c:text "x" end
      local frame = c:read_frame()
      assert.are.same({ 8, 1011 }, { frame.opcode, frame.code })
      c:close()
      wait_for(function() return s:stderr():find(text, 1, true) end)
    end
  end)

  it("of the app with what cannot be sent raises", function()
    local c = websocket.connect(s, "/misuse")
    for _ = 1, 8 do assert.are.equal("false", (c:receive())) end
    c:close()
  end)

  it("that the client does not answer ends after some seconds", function()
    local c = websocket.connect(s, "/returns")
    c.conn.patience = 8
    assert.are.equal("bye", (c:receive()))
    assert.are.equal(8, c:read_frame().opcode)
    c.conn:expect_closed()
    c:close()
  end)
end)
