-- framing_spec.lua: messages of every size, chopped in every way, come back as they were (RFC 6455
-- §5.2, §5.6; what Autobahn's section 1 asks for).
local echo = require "spec.websocket.echo"
local websocket = require "spec.support.websocket"
local wire = require "spec.support.wire"

local SIZES = { 0, 1, 124, 125, 126, 127, 128, 65535, 65536, 65537 }

describe("messages", function()
  local s
  setup(function() s = echo.start() end)
  teardown(function() s:stop() end)

  for _, path in ipairs(echo.paths) do
    it("of every size come back, by " .. path, function()
      local c = websocket.connect(s, path)
      for _, size in ipairs(SIZES) do
        local text, bytes = ("*"):rep(size), ("\xfe"):rep(size)
        c:text(text)
        assert.are.same({ text, "text" }, { c:receive() })
        c:binary(bytes)
        assert.are.same({ bytes, "binary" }, { c:receive() })
      end
      c:close_frame(1000)
      assert.are.equal(1000, (c:expect_close()))
    end)

    it("come back however the bytes are chopped, by " .. path, function()
      local c = websocket.connect(s, path)
      local text = ("abcdefghij"):rep(30)
      local bytes = websocket.encode { opcode = 1, payload = text }
        .. websocket.encode { opcode = 9, payload = "p" }
        .. websocket.encode { opcode = 2, payload = "\0\1" }
      c.conn:send_slowly(bytes, { bytes = 7, pause = 0.0005 })
      local pong
      local got = {}
      for _ = 1, 3 do
        local frame = c:read_frame()
        if frame.opcode == 10 then pong = frame.payload else got[#got + 1] = frame.payload end
      end
      assert.are.equal("p", pong)
      assert.are.same({ text, "\0\1" }, got)
      c:close()
    end)

    it("that come together are answered in order, by " .. path, function()
      local c = websocket.connect(s, path)
      local frames, want = {}, {}
      for i = 1, 2000 do
        want[i] = "message " .. i
        frames[i] = websocket.encode { opcode = 1, payload = want[i] }
      end
      c:send(table.concat(frames))
      for i = 1, 2000 do assert.are.equal(want[i], (c:receive())) end
      c:close()
    end)

    it("behind the handshake in the same packet are answered, by " .. path, function()
      local conn = wire.connect(s)
      conn:send(websocket.handshake(path) .. websocket.encode { opcode = 1, payload = "early" })
      assert.are.equal(101, conn:response().status)
      assert.are.equal("\x81\x05early", conn:read(7))
      conn:close()
    end)
  end

  it("of megabytes come back, in one frame and in many", function()
    local c = websocket.connect(s, "/large")
    local text = ("0123456789abcdef"):rep(262144)
    c:binary(text)
    assert.is_true(text == c:receive())
    for _, piece in ipairs { 64, 256, 1024, 4096, 65536 } do
      local count = math.min(#text / piece, 2000)
      local frames = {}
      for i = 1, count do
        frames[i] = websocket.encode { opcode = i == 1 and 2 or 0, fin = i == count,
                                       payload = text:sub((i - 1) * piece + 1, i * piece) }
      end
      c:send(table.concat(frames))
      assert.is_true(text:sub(1, count * piece) == c:receive())
    end
    c:close()
  end)
end)
