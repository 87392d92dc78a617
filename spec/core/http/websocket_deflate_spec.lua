-- websocket_deflate_spec.lua: RFC 7692: offers and answers, and the bytes of messages.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/websocket_deflate.h", "base/alloc.h")

local function str(text) return ffi.new("jh_str", { text, #text }) end

local function wish(fields)
  fields = fields or {}
  return ffi.new("jh_websocket_deflate", {
    fields.server or 15, fields.client or 15, fields.server_over or false,
    fields.client_over or false,
  })
end

local function shown(deflate)
  return ("%d%s %d%s"):format(deflate.server_bits, deflate.server_takes_over and "+" or "",
    deflate.client_bits, deflate.client_takes_over and "+" or "")
end

local function choose(offers, fields)
  local chosen = ffi.new "jh_websocket_deflate"
  if not C.jh_websocket_deflate_choose(str(offers), wish(fields), chosen) then return nil end
  local out = ffi.new("char[160]")
  return shown(chosen), ffi.string(out, C.jh_websocket_deflate_write_answer(chosen, out))
end

local OVER = { server_over = true, client_over = true }

describe("the negotiation of permessage-deflate", function()
  it("answers the offers of the RFC", function()
    local chosen, answer = choose("permessage-deflate", OVER)
    assert.are.same({ "15+ 15+", "permessage-deflate" }, { chosen, answer })
    chosen, answer = choose "permessage-deflate"
    assert.are.same({ "15 15",
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover" },
      { chosen, answer })
    chosen, answer = choose("permessage-deflate; client_max_window_bits; server_max_window_bits=10",
      OVER)
    assert.are.same({ "10+ 15+", "permessage-deflate; server_max_window_bits=10" },
      { chosen, answer })
    assert.are.equal("10+ 15+", (choose("permessage-deflate; server_max_window_bits=\"10\"", OVER)))
    assert.are.equal("15 15+", (choose("permessage-deflate; server_no_context_takeover", OVER)))
    assert.are.equal("15+ 15", (choose("permessage-deflate; client_no_context_takeover", OVER)))
  end)

  it("bounds the client's window where the client knows of it", function()
    local fields = { client = 10, client_over = true, server_over = true }
    local chosen, answer = choose("permessage-deflate; client_max_window_bits", fields)
    assert.are.same({ "15+ 10+", "permessage-deflate; client_max_window_bits=10" },
      { chosen, answer })
    assert.are.equal("15+ 9+", (choose("permessage-deflate; client_max_window_bits=9", fields)))
    assert.are.equal("15+ 15+", (choose("permessage-deflate", fields)))
  end)

  it("takes the first offer that it can meet", function()
    assert.are.equal("12+ 15+", (choose("permessage-deflate; server_max_window_bits=8, "
      .. "permessage-deflate; server_max_window_bits=12, permessage-deflate", OVER)))
    assert.are.equal("15+ 15+", (choose("x-webkit-deflate-frame, permessage-deflate;foo, "
      .. "permessage-bzip2; a=\"x, permessage-deflate\", PERMESSAGE-DEFLATE", OVER)))
  end)

  it("declines what it does not understand", function()
    for _, offers in ipairs { "", "x", "permessage-deflate; unknown", ", ,",
      "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=8",
      "permessage-deflate; server_max_window_bits=16",
      "permessage-deflate; server_max_window_bits=",
      "permessage-deflate; server_max_window_bits=010",
      "permessage-deflate; client_max_window_bits=7",
      "permessage-deflate; server_no_context_takeover=1",
      "permessage-deflate; client_max_window_bits=x",
      "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
      "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
      "permessage-deflate; server_max_window_bits=1000000000000000000000" } do
      assert.is_nil(choose(offers, OVER), offers)
    end
  end)

  local function read_answer(answer, fields)
    local chosen = ffi.new "jh_websocket_deflate"
    local result = C.jh_websocket_deflate_read_answer(str(answer), wish(fields), chosen)
    return result == 1 and shown(chosen) or result
  end

  it("is offered by a client", function()
    local out = ffi.new("char[160]")
    local function offer(fields)
      return ffi.string(out, C.jh_websocket_deflate_write_offer(wish(fields), out))
    end
    assert.are.equal("permessage-deflate; client_max_window_bits", offer(OVER))
    assert.are.equal("permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
      .. "server_max_window_bits=10; client_max_window_bits=9", offer { server = 10, client = 9 })
  end)

  it("has its answer checked by the client", function()
    assert.are.equal(0, read_answer("", OVER))
    assert.are.equal("15+ 15+", read_answer("permessage-deflate", OVER))
    assert.are.equal("10 9", read_answer("permessage-deflate; server_no_context_takeover; "
      .. "client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9", OVER))
    assert.are.equal(C.JH_EPROTO, read_answer("permessage-deflate"))
    assert.are.equal(C.JH_EPROTO, read_answer("permessage-deflate", { server = 10,
      server_over = true }))
    for _, answer in ipairs { "x", "permessage-deflate; x",
      "permessage-deflate, permessage-deflate", "permessage-deflate; client_max_window_bits",
      "permessage-deflate; server_max_window_bits=0" } do
      assert.are.equal(C.JH_EPROTO, read_answer(answer, OVER), answer)
    end
  end)
end)

describe("the coders of permessage-deflate", function()
  local function inflater(bits)
    return ffi.gc(C.jh_websocket_inflater_try_new(bits or 15), C.jh_websocket_inflater_free)
  end

  local function deflater(bits, level)
    return ffi.gc(C.jh_websocket_deflater_try_new(bits or 15, level or 6),
      C.jh_websocket_deflater_free)
  end

  -- The message, or a code; with room for `room` bytes per call, input in pieces of `step`.
  local function inflate(coder, bytes, room, step)
    local out, io = {}, ffi.new "jh_coding_io"
    local memory = ffi.new("char[?]", room or 65536)
    step = step or math.max(#bytes, 1)
    local at = 0
    repeat
      local piece = bytes:sub(at + 1, at + step)
      at = at + step
      io.input, io.input_bytes = piece, #piece
      local code
      repeat
        io.output, io.output_bytes = memory, room or 65536
        code = C.jh_websocket_inflate_piece(coder, io, at >= #bytes)
        out[#out + 1] = ffi.string(memory, io.output - memory)
        if code < 0 then return code end
      until code == C.JH_CODING_DONE
    until at >= #bytes
    return table.concat(out)
  end

  local function deflate(coder, text, is_last)
    local room = C.jh_websocket_deflate_bound(coder, #text)
    local memory = ffi.cast("char *", C.jh_alloc(room))
    local count = tonumber(C.jh_websocket_deflate_piece(coder, str(text), memory, room,
      is_last ~= false))
    assert(count >= 0)
    local bytes = ffi.string(memory, count)
    C.jh_free(memory)
    return bytes
  end

  it("give the examples of the RFC", function()
    assert.are.equal("\xf2\x48\xcd\xc9\xc9\x07\x00", deflate(deflater(), "Hello"))
    local coder = deflater()
    deflate(coder, "Hello")
    assert.are.equal("\xf2\x00\x11\x00\x00", deflate(coder, "Hello"))
    coder = inflater()
    assert.are.equal("Hello", inflate(coder, "\xf2\x48\xcd\xc9\xc9\x07\x00"))
    assert.are.equal("Hello", inflate(coder, "\xf2\x00\x11\x00\x00"))
    -- No compression; a last block; two blocks.
    assert.are.equal("Hello", inflate(coder, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"))
    assert.are.equal("Hello", inflate(coder, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))
    assert.are.equal("Hello",
      inflate(coder, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"))
    assert.are.equal("", inflate(coder, "\x00"))
  end)

  it("keep the window after a last block", function()
    local coder = inflater()
    assert.are.equal("Hello", inflate(coder, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))
    assert.are.equal("Hello", inflate(coder, "\xf2\x00\x11\x00\x00"))
  end)

  it("make an empty message of one byte", function()
    local coder = deflater()
    for _ = 1, 3 do
      local bytes = deflate(coder, "")
      assert.are.equal("", inflate(inflater(), bytes))
      assert.is_true(#bytes <= 2)
    end
  end)

  it("go there and back, with every window, room and piece", function()
    local random = {}
    math.randomseed(7)
    for i = 1, 3000 do random[i] = string.char(math.random(0, 255)) end
    local texts = { "", "a", ("abc "):rep(500), table.concat(random), ("\0"):rep(100000) }
    for bits = 9, 15 do
      local from, to = deflater(bits), inflater(bits)
      for _, text in ipairs(texts) do
        local bytes = deflate(from, text)
        assert.are.equal(text, inflate(to, bytes, bits * 7, bits))
        assert.are.equal(text, inflate(to, deflate(from, text), 1000))
      end
    end
  end)

  it("give all of the output where the input ends before there is room for it", function()
    local text = ("abc "):rep(5000)
    local bytes = deflate(deflater(), text)
    for room = 1, 600 do assert.is_true(text == inflate(inflater(), bytes, room)) end
  end)

  it("compress a message in fragments", function()
    local from, to = deflater(), inflater()
    local bytes = deflate(from, "one ", false) .. deflate(from, "", false)
      .. deflate(from, "two ", false) .. deflate(from, "three")
    assert.are.equal("one two three", inflate(to, bytes, 100, 2))
    bytes = deflate(from, "one ", false) .. deflate(from, "")
    assert.are.equal("one ", inflate(to, bytes))
  end)

  it("forget the window when they are reset", function()
    local from = deflater()
    local first = deflate(from, "Hello")
    C.jh_websocket_deflater_reset(from)
    assert.are.equal(first, deflate(from, "Hello"))
    local to = inflater()
    inflate(to, first)
    C.jh_websocket_inflater_reset(to)
    assert.are.equal(C.JH_EPROTO, inflate(to, "\xf2\x00\x11\x00\x00"))
  end)

  it("refuse what is damaged or cut off", function()
    assert.are.equal(C.JH_EPROTO, inflate(inflater(), "\xff\xff\xff"))
    assert.are.equal(C.JH_EPROTO, inflate(inflater(), "\xf2\x48\xcd\xc9"))
    local bytes = deflate(deflater(), ("some text "):rep(30) .. "and its end")
    for len = 1, #bytes - 1 do
      assert.are.equal(C.JH_EPROTO, inflate(inflater(), bytes:sub(1, len)), tostring(len))
    end
  end)

  it("refuse a window larger than the one agreed on", function()
    local random = {}
    math.randomseed(3)
    for i = 1, 2000 do random[i] = string.char(math.random(0, 255)) end
    local text = table.concat(random)
    assert.are.equal(C.JH_EPROTO, inflate(inflater(9), deflate(deflater(15), text .. text),
      256))
  end)
end)
