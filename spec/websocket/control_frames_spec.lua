-- control_frames_spec.lua: pings, reserved bits, opcodes and fragments (RFC 6455 §5.2 to §5.5; what
-- Autobahn's sections 2 to 5 ask for).
local echo = require "spec.websocket.echo"
local websocket = require "spec.support.websocket"

local TEXT, BINARY, PING, PONG = 1, 2, 9, 10

describe("control frames", function()
  local s
  setup(function() s = echo.start() end)
  teardown(function() s:stop() end)

  local function connect(path) return websocket.connect(s, path or "/task") end

  -- What the server does with frames: its answers, then the close code.
  local function answers(frames, path)
    local c = connect(path)
    for _, frame in ipairs(frames) do c:frame(frame) end
    local got = {}
    while true do
      local frame = c:read_frame()
      if frame.opcode == 8 then
        got[#got + 1] = frame.code
        c.conn:expect_closed()
        c:close()
        return got
      end
      got[#got + 1] = (frame.opcode == PONG and "pong " or "") .. frame.payload
    end
  end

  describe("ping and pong", function()
    it("pings are answered with their payload", function()
      local c = connect()
      for _, payload in ipairs { "", "Hello, world!", "\0\xff\xfe\xfd\xfc\xfb\0\xff",
        ("\xfe"):rep(125) } do
        c:ping(payload)
        local frame = c:read_frame()
        assert.are.same({ PONG, payload, true, 0, false },
          { frame.opcode, frame.payload, frame.fin, frame.rsv, frame.is_masked })
      end
      c:close()
    end)

    it("a ping of more than 125 bytes is an error", function()
      assert.are.same({ 1002 }, answers { { opcode = PING, payload = ("\xfe"):rep(126) } })
    end)

    it("ten pings are answered with ten pongs", function()
      local c = connect "/table"
      local frames = {}
      for i = 1, 10 do
        frames[i] = websocket.encode { opcode = PING, payload = "payload-" .. i }
      end
      c:send(table.concat(frames))
      for i = 1, 10 do assert.are.equal("payload-" .. i, c:read_frame().payload) end
      c.conn:send_slowly(table.concat(frames), { pause = 0.0002 })
      for i = 1, 10 do assert.are.equal("payload-" .. i, c:read_frame().payload) end
      c:close()
    end)

    it("pongs that nobody asked for are ignored", function()
      local c = connect()
      c:pong "unsolicited"
      c:pong ""
      c:ping "x"
      assert.are.same({ PONG, "x" }, { c:read_frame().opcode, "x" })
      c:close()
    end)

    it("pings are answered while a handler is at work", function()
      local server = require "spec.support.server"
      local other = server.start { code = [[
        local http = require "justhttp"
        local app = http.app()
        app:websocket("/", function(ws)
          ws:receive()
          http.sleep(0.3)
          ws:send "done"
          ws:receive()
        end)
        return app ]] }
      local c = websocket.connect(other, "/")
      c:text "go"
      c:ping "1"
      assert.are.equal(PONG, c:read_frame().opcode)
      assert.are.equal("done", (c:receive()))
      c:close()
      other:stop()
    end)
  end)

  describe("reserved bits", function()
    for rsv = 1, 7 do
      it(("are refused: %d"):format(rsv), function()
        assert.are.same({ 1002 }, answers { { opcode = TEXT, rsv = rsv, payload = "Hello" } })
        assert.are.same({ "first", 1002 }, answers({ { opcode = TEXT, payload = "first" },
          { opcode = BINARY, rsv = rsv, payload = "x" } }, "/table"))
        for _, opcode in ipairs { 8, PING, PONG } do
          assert.are.same({ 1002 }, answers { { opcode = opcode, rsv = rsv } })
        end
      end)
    end
  end)

  describe("unknown opcodes", function()
    for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
      it(("are refused: %d"):format(opcode), function()
        assert.are.same({ 1002 }, answers { { opcode = opcode } })
        assert.are.same({ 1002 }, answers { { opcode = opcode, payload = "reserved" } })
        assert.are.same({ "Hello", 1002 }, answers({ { opcode = TEXT, payload = "Hello" },
          { opcode = opcode, payload = "x" }, { opcode = PING } }, "/table"))
      end)
    end
  end)

  describe("fragments", function()
    it("of control frames are refused", function()
      assert.are.same({ 1002 }, answers { { opcode = PING, fin = false, payload = "a" },
        { opcode = 0, payload = "b" } })
      assert.are.same({ 1002 }, answers { { opcode = PONG, fin = false, payload = "a" } })
      assert.are.same({ 1002 }, answers { { opcode = 8, fin = false, payload = "\3\xe8" } })
    end)

    it("make a message, with pings answered between them", function()
      for _, path in ipairs(echo.paths) do
        local c = connect(path)
        c:frame { opcode = TEXT, fin = false, payload = "fragment1" }
        c:ping "ping"
        local frame = c:read_frame()
        assert.are.same({ PONG, "ping" }, { frame.opcode, frame.payload })
        c:frame { opcode = 0, fin = false, payload = "fragment2" }
        c:pong "x"
        c:frame { opcode = 0, fin = false }
        c:frame { opcode = 0, payload = "fragment3" }
        assert.are.equal("fragment1fragment2fragment3", (c:receive()))
        c:frame { opcode = BINARY, fin = false }
        c:frame { opcode = 0 }
        assert.are.same({ "", "binary" }, { c:receive() })
        c:close()
      end
    end)

    it("out of order are refused", function()
      assert.are.same({ 1002 }, answers { { opcode = 0, payload = "nothing to continue" } })
      assert.are.same({ 1002 }, answers { { opcode = 0, fin = false, payload = "x" } })
      assert.are.same({ "ab", 1002 }, answers { { opcode = TEXT, fin = false, payload = "a" },
        { opcode = 0, payload = "b" }, { opcode = 0, payload = "c" } })
      assert.are.same({ 1002 }, answers { { opcode = TEXT, fin = false, payload = "a" },
        { opcode = TEXT, payload = "b" } })
      assert.are.same({ 1002 }, answers { { opcode = TEXT, fin = false, payload = "a" },
        { opcode = BINARY, fin = false, payload = "b" } })
    end)
  end)

  it("frames without a mask are refused", function()
    assert.are.same({ 1002 }, answers { { opcode = TEXT, payload = "bare", mask = false } })
    assert.are.same({ 1002 }, answers { { opcode = PING, mask = false } })
  end)

  it("lengths that are not in their shortest form are refused", function()
    assert.are.same({ 1002 }, answers { { opcode = TEXT, payload = "x", length_bytes = 2 } })
    assert.are.same({ 1002 }, answers { { opcode = TEXT, payload = "x", length_bytes = 8 } })
  end)
end)
