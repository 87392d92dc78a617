-- utf8_spec.lua: text is UTF-8 or the connection ends with 1007, at the first wrong byte (RFC 6455
-- §8.1; what Autobahn's section 6 asks for, after Markus Kuhn's test file).
local echo = require "spec.websocket.echo"
local websocket = require "spec.support.websocket"

local VALID = {
  ["plain text"] = "Hello-µ@ßöäüàá-UTF-8!!",
  ["Greek"] = "κόσμε",
  ["nothing"] = "",
  ["first of one byte"] = "\0", ["first of two"] = "\xc2\x80", ["first of three"] = "\xe0\xa0\x80",
  ["first of four"] = "\xf0\x90\x80\x80",
  ["last of one byte"] = "\x7f", ["last of two"] = "\xdf\xbf", ["last of three"] = "\xef\xbf\xbf",
  ["last of four"] = "\xf4\x8f\xbf\xbf",
  ["below the surrogates"] = "\xed\x9f\xbf", ["above the surrogates"] = "\xee\x80\x80",
  ["the replacement character"] = "\xef\xbf\xbd",
  ["noncharacters"] = "\xef\xbf\xbe\xf0\x9f\xbf\xbe\xf0\x9f\xbf\xbf\xf4\x8f\xbf\xbe",
}

local INVALID = {
  ["a continuation byte"] = "\x80", ["the last continuation byte"] = "\xbf",
  ["several of them"] = "\x80\xbf\x80\xbf", ["one in a text"] = "κόσμε\x80edited",
  ["two bytes' start alone"] = "\xc3 ", ["three bytes' start alone"] = "\xe2\x82 ",
  ["four bytes' start alone"] = "\xf0\x9d\x84 ", ["all starts"] = "\xc2\xe0\xf0\xf4",
  ["a text cut in a character"] = "\xce\xba\xe1\xbd", ["one byte of two"] = "\xdf",
  ["two bytes of three"] = "\xef\xbf", ["three bytes of four"] = "\xf7\xbf\xbf",
  ["five bytes"] = "\xf8\x88\x80\x80\x80", ["six bytes"] = "\xfc\x84\x80\x80\x80\x80",
  ["above the last code point"] = "\xf4\x90\x80\x80", ["far above it"] = "\xf7\xbf\xbf\xbf",
  ["0xfe"] = "\xfe", ["0xff"] = "\xff", ["both"] = "\xfe\xfe\xff\xff",
  ["an overlong slash of two"] = "\xc0\xaf", ["of three"] = "\xe0\x80\xaf",
  ["of four"] = "\xf0\x80\x80\xaf", ["of five"] = "\xf8\x80\x80\x80\xaf",
  ["of six"] = "\xfc\x80\x80\x80\x80\xaf",
  ["the longest overlong of two"] = "\xc1\xbf", ["longest of three"] = "\xe0\x9f\xbf",
  ["longest of four"] = "\xf0\x8f\xbf\xbf", ["an overlong NUL"] = "\xc0\x80",
  ["a high surrogate"] = "\xed\xa0\x80", ["the last high surrogate"] = "\xed\xaf\xbf",
  ["a low surrogate"] = "\xed\xb0\x80", ["the last low surrogate"] = "\xed\xbf\xbf",
  ["a pair of surrogates"] = "\xed\xa0\x80\xed\xb0\x80",
  ["another pair"] = "\xed\xaf\xbf\xed\xbf\xbf",
}

describe("text", function()
  local s
  setup(function() s = echo.start() end)
  teardown(function() s:stop() end)

  local function send_in_pieces(c, text)
    for i = 1, math.max(#text, 1) do
      c:frame { opcode = i == 1 and 1 or 0, fin = i >= #text, payload = text:sub(i, i) }
    end
  end

  local ways = {
    ["in one frame"] = function(c, text) c:text(text) end,
    ["in a frame per byte"] = send_in_pieces,
    ["chopped"] = function(c, text)
      c.conn:send_slowly(websocket.encode { opcode = 1, payload = text }, { pause = 0.0002 })
    end,
    ["behind other text"] = function(c, text) c:text(("x"):rep(50) .. text) end,
  }

  for how, send in pairs(ways) do
    it("comes back when it is UTF-8, " .. how, function()
      local c = websocket.connect(s, how == "chopped" and "/table" or "/task")
      for what, text in pairs(VALID) do
        send(c, text)
        local got = c:receive()
        assert.are.equal(text, got:sub(-#text - 1):gsub("^x", ""), what)
      end
      c:close()
    end)

    it("ends the connection when it is none, " .. how, function()
      for what, text in pairs(INVALID) do
        local c = websocket.connect(s, how == "chopped" and "/table" or "/task")
        pcall(send, c, text)
        local frame = c:read_frame()
        assert.are.same({ 8, 1007 }, { frame.opcode, frame.code }, what)
        c:close()
      end
    end)
  end

  it("is refused at the first wrong byte, not at its end", function()
    local c = websocket.connect(s, "/task")
    local bytes = websocket.encode { opcode = 1, payload = "κόσμε\xf4\x90" .. ("x"):rep(100) }
    c:send(bytes:sub(1, 6 + 12))
    assert.are.equal(1007, (c:expect_close()))
    c = websocket.connect(s, "/task")
    c:frame { opcode = 1, fin = false, payload = "κόσμε" }
    c:frame { opcode = 0, fin = false, payload = "\xf4\x90" }
    assert.are.equal(1007, (c:expect_close()))
  end)

  it("may be anything when it is binary", function()
    local c = websocket.connect(s, "/table")
    for _, text in pairs(INVALID) do
      c:binary(text)
      assert.are.equal(text, (c:receive()))
    end
    c:close()
  end)

  it("that an app sends is checked too", function()
    local server = require "spec.support.server"
    local other = server.start { code = [[
      local http = require "justhttp"
      local app = http.app()
      app:websocket("/", function(ws)
        local ok, err = pcall(ws.send, ws, "a\xff")
        ws:send(tostring(ok) .. " " .. tostring(err):match "ws:send.*")
        ws:send("a\xff", "binary")
        local pieces = { "\xe2\x82", "\xac" }
        local i = 0
        ws:send(function() i = i + 1 return pieces[i] end)
      end)
      return app ]] }
    local c = websocket.connect(other, "/")
    assert.are.equal('false ws:send: this text is no UTF-8; send it as ws:send(data, "binary")',
      (c:receive()))
    assert.are.same({ "a\xff", "binary" }, { c:receive() })
    assert.are.equal("€", (c:receive()))
    c:close()
    other:stop()
  end)
end)
