-- websocket_frame_spec.lua: every rule of RFC 6455 about single frames and their order.
--
-- Whatever is fed is fed whole and byte by byte, from memory that ends where it does.
local ffi = require "ffi"
local core = require "spec.support.core"
local ws = require "spec.support.websocket"
local C = core.load("http/websocket_frame.h", "base/alloc.h")

local encode = ws.encode

local function note(events, event)
  local kind = event.opcode
  local text = event.len > 0 and ffi.string(event.ptr, event.len) or ""
  if kind == C.JH_WEBSOCKET_CLOSE then
    events[#events + 1] = ("close %d %s"):format(event.close_code, text)
  elseif kind >= 8 then
    events[#events + 1] = (kind == C.JH_WEBSOCKET_PING and "ping " or "pong ") .. text
  else
    if event.is_first then
      events.message = kind == C.JH_WEBSOCKET_TEXT and "text " or "binary "
      if event.is_compressed then events.message = "compressed " .. events.message end
    end
    events.message = events.message .. text
    if event.is_last then
      events[#events + 1], events.message = events.message, nil
    end
  end
end

-- What a reader makes of the bytes when they come `step` at a time. A list of events, the last of
-- them "code reason" after an error.
local function read(bytes, options, step)
  options = options or {}
  local reader = ffi.new("jh_websocket_reader")
  C.jh_websocket_reader_init(reader, options.max_message or 0, options.max_frame or 0)
  reader.is_client = options.is_client or false
  reader.takes_compressed = options.takes_compressed or false
  local events, event, used = {}, ffi.new "jh_websocket_event", ffi.new "size_t[1]"
  local rest, at, code = "", 0
  repeat
    local piece = rest .. bytes:sub(at + 1, at + step)
    at = at + step
    local memory = ffi.cast("char *", C.jh_alloc(math.max(#piece, 1)))
    ffi.copy(memory, piece, #piece)
    local done = 0
    repeat
      code = C.jh_websocket_reader_next(reader, memory + done, #piece - done, used, event)
      done = done + tonumber(used[0])
      if code == 1 then note(events, event) end
    until code <= 0
    rest = ffi.string(memory + done, #piece - done)
    C.jh_free(memory)
    assert(code < 0 or #rest < 14 + 125)
  until code < 0 or at >= #bytes
  if code < 0 then events[#events + 1] = reader.close_code .. " " .. ffi.string(reader.reason) end
  events.message = nil
  return events
end

local function gives(want, bytes, options)
  for _, step in ipairs { math.max(#bytes, 1), 1, 3, 7 } do
    if step >= 7 or #bytes < 5000 then
      assert.are.same(want, read(bytes, options, step), "in pieces of " .. step)
    end
  end
end

local function last_is(want, bytes, options)
  for _, step in ipairs { #bytes, 1 } do
    local events = read(bytes, options, step)
    assert.are.equal(want, events[#events])
  end
end

describe("the writer of frames", function()
  local function head(first, len, mask)
    local out = ffi.new("char[14]")
    local key = mask and ffi.cast("const uint8_t *", mask)
    return ffi.string(out, C.jh_websocket_write_head(out, first, len, key))
  end

  it("takes the shortest form of a length", function()
    assert.are.equal("\x81\0", head(0x81, 0))
    assert.are.equal("\x81\x7d", head(0x81, 125))
    assert.are.equal("\x82\x7e\0\x7e", head(0x82, 126))
    assert.are.equal("\x82\x7e\xff\xff", head(0x82, 65535))
    assert.are.equal("\x82\x7f\0\0\0\0\0\1\0\0", head(0x82, 65536))
    assert.are.equal("\x82\x7f\0\0\1\0\0\0\0\0", head(0x82, 2 ^ 40))
  end)

  it("puts a mask behind it", function()
    assert.are.equal("\x89\x80\1\2\3\4", head(0x89, 0, "\1\2\3\4"))
    assert.are.equal("\x81\xfe\1\0\1\2\3\4", head(0x81, 256, "\1\2\3\4"))
  end)

  it("masks any number of bytes from any phase", function()
    local text = ("The quick brown fox jumps over the lazy dog. "):rep(4)
    for len = 0, 150 do
      local memory = ffi.cast("char *", C.jh_alloc(len + 1))
      ffi.copy(memory, text, len)
      local first = math.floor(len / 3)
      local key = ffi.new("uint32_t[1]")
      ffi.copy(key, "\x37\xfa\x21\x3d", 4)
      local turned = C.jh_websocket_mask(memory, first, key[0])
      C.jh_websocket_mask(memory + first, len - first, turned)
      assert.are.equal(ws.mask(text:sub(1, len), "\x37\xfa\x21\x3d"), ffi.string(memory, len))
      C.jh_free(memory)
    end
  end)

  it("cuts the reason of a close between characters", function()
    local out = ffi.new("char[125]")
    local function close(code, reason)
      local len = C.jh_websocket_write_close(out, code, ffi.new("jh_str", { reason, #reason }))
      return ffi.string(out, len)
    end
    assert.are.equal("", close(1005, "x"))
    assert.are.equal("\3\xe8", close(1000, ""))
    assert.are.equal("\3\xe8bye", close(1000, "bye"))
    assert.are.equal("\3\xe8" .. ("a"):rep(123), close(1000, ("a"):rep(200)))
    assert.are.equal("\3\xe8" .. ("a"):rep(122), close(1000, ("a"):rep(122) .. "é"))
    assert.are.equal("\3\xe8" .. ("a"):rep(121) .. "é", close(1000, ("a"):rep(121) .. "éa"))
    assert.are.equal("\3\xe8a", close(1000, "a\xff"))
  end)
end)

describe("the reader of frames", function()
  it("gives the examples of the RFC", function()
    gives({ "text Hello" }, "\x81\x05Hello", { is_client = true })
    gives({ "text Hello" }, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
    gives({ "text Hello" }, "\x01\x03Hel\x80\x02lo", { is_client = true })
    gives({ "ping Hello" }, "\x89\x05Hello", { is_client = true })
    gives({ "pong Hello" }, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
    gives({ "binary " .. ("x"):rep(256) }, "\x82\x7e\1\0" .. ("x"):rep(256), { is_client = true })
    gives({ "binary " .. ("x"):rep(65536) }, "\x82\x7f\0\0\0\0\0\1\0\0" .. ("x"):rep(65536),
      { is_client = true })
  end)

  it("takes messages of every size", function()
    for _, size in ipairs { 0, 1, 124, 125, 126, 127, 128, 65535, 65536, 70000 } do
      local text = ("*"):rep(size)
      gives({ "text " .. text, "binary " .. text },
        encode { opcode = 1, payload = text } .. encode { opcode = 2, payload = text })
    end
  end)

  it("joins fragments, with control frames between them", function()
    gives({ "ping a", "pong b", "text onetwothree", "binary " },
      encode { opcode = 1, fin = false, payload = "one" } .. encode { opcode = 9, payload = "a" }
      .. encode { opcode = 0, fin = false, payload = "two" }
      .. encode { opcode = 10, payload = "b" }
      .. encode { opcode = 0, payload = "three" } .. encode { opcode = 2 })
    gives({ "text " }, encode { opcode = 1, fin = false } .. encode { opcode = 0, fin = false }
      .. encode { opcode = 0 })
    gives({ "text x" }, encode { opcode = 1, fin = false } .. encode { opcode = 0, payload = "x" })
  end)

  it("refuses fragments out of order", function()
    last_is("1002 a continuation of nothing", encode { opcode = 0, payload = "x" })
    last_is("1002 a continuation of nothing", encode { opcode = 0, fin = false, payload = "x" })
    last_is("1002 a continuation of nothing",
      encode { opcode = 1, payload = "x" } .. encode { opcode = 0, payload = "x" })
    last_is("1002 a message within another one",
      encode { opcode = 1, fin = false, payload = "x" } .. encode { opcode = 1, payload = "x" })
    last_is("1002 a message within another one",
      encode { opcode = 2, fin = false, payload = "x" } .. encode { opcode = 1, fin = false })
  end)

  it("refuses reserved bits, but for the first one of a compressed message", function()
    for rsv = 1, 7 do
      for _, opcode in ipairs { 1, 2, 8, 9, 10 } do
        local bytes = encode { opcode = opcode, rsv = rsv, payload = "" }
        local events = read(bytes, nil, #bytes)
        assert.are.equal("1002", events[#events]:sub(1, 4))
      end
    end
    local compressed = { takes_compressed = true }
    gives({ "compressed text ab" }, encode { opcode = 1, fin = false, rsv = 4, payload = "a" }
      .. encode { opcode = 0, payload = "b" }, compressed)
    last_is("1002 a reserved bit is set in a continuation",
      encode { opcode = 1, fin = false, rsv = 4 } .. encode { opcode = 0, rsv = 4 }, compressed)
    last_is("1002 a reserved bit is set", encode { opcode = 1, rsv = 2 }, compressed)
    last_is("1002 a compressed control frame", encode { opcode = 9, rsv = 4 }, compressed)
  end)

  it("refuses unknown opcodes", function()
    for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
      last_is("1002 an unknown opcode", encode { opcode = opcode, payload = "x" })
      gives({ "text a", "1002 an unknown opcode" },
        encode { opcode = 1, payload = "a" } .. encode { opcode = opcode })
    end
  end)

  it("refuses control frames that are long or in fragments", function()
    gives({ "ping " .. ("x"):rep(125) }, encode { opcode = 9, payload = ("x"):rep(125) })
    for _, opcode in ipairs { 8, 9, 10 } do
      last_is("1002 a control frame is too long",
        encode { opcode = opcode, payload = ("x"):rep(126) })
      last_is("1002 a control frame is too long",
        encode { opcode = opcode, payload = "x", length_bytes = 8 })
      last_is("1002 a control frame in fragments", encode { opcode = opcode, fin = false })
    end
  end)

  it("refuses lengths that are not in their shortest form", function()
    last_is("1002 a length is not in its shortest form",
      encode { opcode = 1, payload = ("x"):rep(125), length_bytes = 2 })
    last_is("1002 a length is not in its shortest form",
      encode { opcode = 1, payload = ("x"):rep(65535), length_bytes = 8 })
    last_is("1002 a length above 2^63", "\x82\xff\x80\0\0\0\0\0\0\0\1\2\3\4")
  end)

  it("wants a mask from clients and none from servers", function()
    last_is("1002 a frame of the client is not masked", encode { opcode = 1, mask = false })
    last_is("1002 a frame of the server is masked", encode { opcode = 1 }, { is_client = true })
    last_is("1002 a frame of the server is masked", encode { opcode = 9 }, { is_client = true })
  end)

  it("holds the limits, of frames and of all fragments together", function()
    local limits = { max_message = 10, max_frame = 6 }
    gives({ "text 123456" }, encode { opcode = 1, payload = "123456" }, limits)
    last_is("1009 a frame is too big", encode { opcode = 1, payload = "1234567" }, limits)
    gives({ "text 1234567890" }, encode { opcode = 1, fin = false, payload = "12345" }
      .. encode { opcode = 0, payload = "67890" }, limits)
    last_is("1009 the message is too big", encode { opcode = 1, fin = false, payload = "123456" }
      .. encode { opcode = 0, payload = "12345" }, limits)
    -- Nothing of a message that claims too much is waited for.
    last_is("1009 the message is too big",
      encode { opcode = 2, payload = "", length = 2 ^ 52, length_bytes = 8 }, { max_message = 10 })
    gives({ "ping 1234567" }, encode { opcode = 9, payload = "1234567" }, limits)
  end)

  describe("with a close", function()
    it("gives code and reason", function()
      gives({ "close 1005 " }, encode { opcode = 8 })
      gives({ "close 1000 " }, encode { opcode = 8, payload = "\3\xe8" })
      gives({ "close 1000 bye" }, encode { opcode = 8, payload = "\3\xe8bye" })
      gives({ "close 4999 " .. ("é"):rep(61) .. "x" },
        encode { opcode = 8, payload = "\x13\x87" .. ("é"):rep(61) .. "x" })
    end)

    it("takes the codes of the RFC and its registries, and no others", function()
      local function close(code)
        local payload = string.char(math.floor(code / 256), code % 256)
        local bytes = encode { opcode = 8, payload = payload }
        return read(bytes, nil, #bytes)[1]
      end
      for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
        1014, 3000, 3999, 4000, 4999 } do
        assert.are.equal(("close %d "):format(code), close(code))
      end
      for _, code in ipairs { 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000,
        65535 } do
        assert.are.equal("1002 no close code", close(code))
      end
    end)

    it("refuses half a code and reasons that are no UTF-8", function()
      last_is("1002 half a close code", encode { opcode = 8, payload = "\3" })
      last_is("1007 the reason of a close is no UTF-8",
        encode { opcode = 8, payload = "\3\xe8\xce\xba\xe1\xbd" })
    end)
  end)

  describe("with text", function()
    local function text_is(want, text)
      gives({ want == "valid" and "text " .. text or want }, encode { opcode = 1, payload = text })
      local fragments = {}
      for i = 1, #text do
        fragments[i] = encode { opcode = i == 1 and 1 or 0, fin = i == #text,
                                payload = text:sub(i, i) }
      end
      last_is(want == "valid" and "text " .. text or want, table.concat(fragments))
    end

    it("takes UTF-8 in pieces that end anywhere", function()
      for _, text in ipairs { "κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "\0", "\x7f", "\xc2\x80",
        "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", ("a"):rep(40) .. "é" .. ("b"):rep(33) } do
        text_is("valid", text)
      end
    end)

    it("refuses what is no UTF-8", function()
      for _, text in ipairs { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
        "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xed\xa0\x80\xed\xb0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80",
        "\xfe", "\xff", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        "\xc3a", "\xe2\x82a", ("a"):rep(33) .. "\xff" } do
        text_is("1007 the text is no UTF-8", text)
      end
      for _, text in ipairs { "\xc3", "\xe2", "\xe2\x82", "\xf0\x9d\x84", "abc\xf0" } do
        text_is("1007 the text ends in a character", text)
      end
    end)

    it("refuses the first wrong byte of a message that goes on", function()
      local bytes = encode { opcode = 1, fin = false, payload = "\xce\xba\xe1\xbd\xb9\xf4\x90" }
      assert.are.same({ "1007 the text is no UTF-8" }, read(bytes, nil, #bytes))
      bytes = encode { opcode = 1, payload = "ab\xff" .. ("x"):rep(1000) }:sub(1, 11)
      assert.are.same({ "1007 the text is no UTF-8" }, read(bytes, nil, 1))
    end)

    it("lets binary messages hold anything", function()
      gives({ "binary \xff\xfe" }, encode { opcode = 2, payload = "\xff\xfe" })
    end)
  end)
end)
