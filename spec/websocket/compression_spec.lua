-- compression_spec.lua: permessage-deflate between a server and a client that knows RFC 7692 (what
-- Autobahn's sections 12 and 13 ask for): windows that live on and windows that do not.
local ffi = require "ffi"
local core = require "spec.support.core"
local echo = require "spec.websocket.echo"
local websocket = require "spec.support.websocket"
local C = core.load("http/websocket_deflate.h", "base/alloc.h")

local function deflater(bits)
  return ffi.gc(C.jh_websocket_deflater_try_new(bits or 15, 6), C.jh_websocket_deflater_free)
end

local function inflater(bits)
  return ffi.gc(C.jh_websocket_inflater_try_new(bits or 15), C.jh_websocket_inflater_free)
end

local function deflate(coder, text, is_last)
  local room = tonumber(C.jh_websocket_deflate_bound(coder, #text))
  local memory = ffi.new("char[?]", room)
  local count = C.jh_websocket_deflate_piece(coder, ffi.new("jh_str", { text, #text }), memory,
    room, is_last ~= false)
  assert(count >= 0)
  return ffi.string(memory, count)
end

local function inflate(coder, bytes)
  local memory, io = ffi.new("char[?]", 65536), ffi.new "jh_coding_io"
  local out = {}
  io.input, io.input_bytes = bytes, #bytes
  local code
  repeat
    io.output, io.output_bytes = memory, 65536
    code = C.jh_websocket_inflate_piece(coder, io, true)
    assert(code >= 0, "what the server sent cannot be inflated")
    out[#out + 1] = ffi.string(memory, io.output - memory)
  until code == 0
  return table.concat(out)
end

local function sample(size)
  local words = { "alpha ", "beta ", "gamma ", "delta ", "epsilon ", "{\"id\": ", "}, " }
  local out, have = {}, 0
  math.randomseed(size)
  while have < size do
    local word = words[math.random(#words)] .. math.random(1000)
    out[#out + 1], have = word, have + #word
  end
  return table.concat(out):sub(1, size)
end

local NONE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

describe("permessage-deflate", function()
  local s
  setup(function() s = echo.start() end)
  teardown(function() s:stop() end)

  local function connect(path, extensions)
    local c = websocket.connect(s, path, { extensions = extensions })
    return c, c.response.headers["sec-websocket-extensions"]
  end

  it("is agreed on when route and client want it", function()
    local cases = {
      { "/task", "permessage-deflate", nil },
      { "/compressed", nil, nil },
      { "/compressed", "permessage-deflate", NONE },
      { "/compressed", "permessage-deflate; client_max_window_bits", NONE },
      { "/compressed", "x-other, permessage-deflate; unknown=1", nil },
      { "/compressed", "permessage-deflate; server_max_window_bits=8", nil },
      { "/compressed", "permessage-deflate; server_max_window_bits=11",
        NONE .. "; server_max_window_bits=11" },
      { "/compressed-table", "permessage-deflate; client_max_window_bits", "permessage-deflate" },
      { "/compressed-table", "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover" },
      { "/small-window", "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9" },
    }
    for _, case in ipairs(cases) do
      local c, answer = connect(case[1], case[2])
      assert.are.equal(case[3], answer)
      c:text "plain"
      assert.are.equal(1, c:read_frame().opcode)
      c:close()
    end
  end)

  local function goes_there_and_back(path, extensions, options)
    local c, answer = connect(path, extensions)
    assert.is_string(answer)
    local to, from = deflater(options.client_bits), inflater(options.server_bits)
    for round = 1, options.rounds or 30 do
      for _, size in ipairs(options.sizes) do
        local text = sample(size + round)
        if options.resets then
          C.jh_websocket_deflater_reset(to)
          C.jh_websocket_inflater_reset(from)
        end
        c:frame { opcode = 1, rsv = 4, payload = deflate(to, text) }
        local frame = c:read_frame()
        local got = frame.rsv == 4 and inflate(from, frame.payload) or frame.payload
        assert.is_true(got == text)
        if size >= 1024 then
          assert.are.equal(4, frame.rsv)
          assert.is_true(#frame.payload < size)
        end
      end
    end
    c:close_frame(1000)
    assert.are.equal(1000, (c:expect_close()))
  end

  local SIZES = { 0, 1, 16, 64, 256, 1024, 4096, 16384, 65536, 131072 }

  it("carries messages whose windows end with them", function()
    goes_there_and_back("/compressed", "permessage-deflate",
      { sizes = SIZES, resets = true, rounds = 5 })
  end)

  it("carries messages whose windows live on", function()
    goes_there_and_back("/compressed-table", "permessage-deflate", { sizes = SIZES, rounds = 5 })
  end)

  it("carries messages with the smallest windows", function()
    goes_there_and_back("/small-window", "permessage-deflate; client_max_window_bits",
      { sizes = SIZES, client_bits = 9, server_bits = 9, rounds = 3 })
    goes_there_and_back("/compressed", "permessage-deflate; server_max_window_bits=9",
      { sizes = SIZES, server_bits = 9, resets = true, rounds = 3 })
  end)

  it("takes compressed and plain messages in turn, fragments, and pings between them", function()
    local c = connect("/compressed-table", "permessage-deflate")
    local to, from = deflater(), inflater()
    for round = 1, 5 do
      local text = sample(3000 + round)
      c:text "plain"
      local frame = c:read_frame()
      assert.are.equal("plain", frame.rsv == 4 and inflate(from, frame.payload) or frame.payload)
      local bytes = deflate(to, text)
      c:frame { opcode = 1, rsv = 4, fin = false, payload = bytes:sub(1, 10) }
      c:ping "between"
      assert.are.equal("between", c:read_frame().payload)
      c:frame { opcode = 0, fin = false, payload = bytes:sub(11, 11) }
      c:frame { opcode = 0, fin = false }
      c:frame { opcode = 0, payload = bytes:sub(12) }
      assert.is_true(inflate(from, c:read_frame().payload) == text)
    end
    c:close()
  end)

  it("keeps messages of several connections apart while they are on their way", function()
    local a, b = connect("/compressed", "permessage-deflate"),
      connect("/compressed", "permessage-deflate")
    local text_a, text_b = sample(5000), sample(5001)
    local bytes_a, bytes_b = deflate(deflater(), text_a), deflate(deflater(), text_b)
    a:frame { opcode = 1, rsv = 4, fin = false, payload = bytes_a:sub(1, 300) }
    b:frame { opcode = 1, rsv = 4, fin = false, payload = bytes_b:sub(1, 200) }
    a:ping "" b:ping ""
    a:read_frame() b:read_frame()
    b:frame { opcode = 0, payload = bytes_b:sub(201) }
    a:frame { opcode = 0, payload = bytes_a:sub(301) }
    assert.is_true(inflate(inflater(), a:read_frame().payload) == text_a)
    assert.is_true(inflate(inflater(), b:read_frame().payload) == text_b)
    a:frame { opcode = 1, rsv = 4, fin = false, payload = bytes_a:sub(1, 300) }
    a:ping ""
    a:read_frame()
    a:close()
    b:frame { opcode = 1, rsv = 4, payload = bytes_b }
    assert.is_true(inflate(inflater(), b:read_frame().payload) == text_b)
    b:close()
  end)

  it("refuses what is damaged", function()
    for _, payload in ipairs { "\xff\xff\xff", deflate(deflater(), sample(500)):sub(1, -10) } do
      local c = connect("/compressed", "permessage-deflate")
      c:frame { opcode = 1, rsv = 4, payload = payload }
      assert.are.equal(1007, (c:expect_close()))
    end
  end)

  it("refuses text that is no UTF-8 when it is inflated", function()
    local c = connect("/compressed", "permessage-deflate")
    c:frame { opcode = 1, rsv = 4, payload = deflate(deflater(), ("x"):rep(500) .. "\xff") }
    assert.are.equal(1007, (c:expect_close()))
    c = connect("/compressed", "permessage-deflate")
    c:frame { opcode = 2, rsv = 4, payload = deflate(deflater(), ("x"):rep(500) .. "\xff") }
    assert.are.equal(2, c:read_frame().opcode)
    c:close()
  end)

  it("does not inflate beyond the limit: a bomb of megabytes", function()
    local coder = deflater()
    local bomb = deflate(coder, ("\0"):rep(4000000))
    local c = connect("/limited", "permessage-deflate")
    c:frame { opcode = 2, rsv = 4, fin = false, payload = bomb:sub(1, 500) }
    assert.are.equal(1009, (c:expect_close()))
    c = connect("/limited", "permessage-deflate")
    c:frame { opcode = 2, rsv = 4, payload = deflate(deflater(), ("\0"):rep(1000)) }
    assert.are.equal(2, c:read_frame().opcode)
    c:frame { opcode = 2, rsv = 4, payload = deflate(deflater(), ("\0"):rep(1001)) }
    assert.are.equal(1009, (c:expect_close()))
  end)
end)
