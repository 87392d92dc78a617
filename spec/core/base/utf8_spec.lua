-- utf8_spec.lua: which bytes are well-formed UTF-8, after table 3-7 of the Unicode standard.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("base/utf8.h", "base/alloc.h")

-- Memory that ends where the text does, so that AddressSanitizer sees a read beyond it.
local function exact(text)
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#text, 1))), C.jh_free)
  ffi.copy(memory, text, #text)
  return memory
end

local function decode(text)
  local code_point = ffi.new "uint32_t[1]"
  local len = tonumber(C.jh_utf8_decode(exact(text), #text, code_point))
  return len, len > 0 and code_point[0] or nil
end

local function is_valid(text)
  local memory = exact(text)
  return C.jh_utf8_is_valid(ffi.new("jh_str", { memory, #text }))
end

describe("utf8", function()
  it("decodes the first and last code points of every length", function()
    for text, want in pairs {
      ["\0"] = 0, ["\x7f"] = 0x7f, ["\xc2\x80"] = 0x80, ["\xdf\xbf"] = 0x7ff,
      ["\xe0\xa0\x80"] = 0x800, ["\xed\x9f\xbf"] = 0xd7ff, ["\xee\x80\x80"] = 0xe000,
      ["\xef\xbf\xbf"] = 0xffff, ["\xf0\x90\x80\x80"] = 0x10000, ["\xf4\x8f\xbf\xbf"] = 0x10ffff,
    } do
      local len, code_point = decode(text)
      assert.are.same({ #text, want }, { len, code_point })
      assert.are.equal(#text, (decode(text .. "\x80")))
      assert.is_true(is_valid(text))
    end
  end)

  it("refuses overlong forms, surrogates and what is above the last code point", function()
    for _, text in ipairs {
      "\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80",
      "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80",
      "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfc", "\xfe", "\xff",
    } do
      assert.are.equal(0, (decode(text)))
      assert.is_false(is_valid(text))
    end
  end)

  it("refuses continuation bytes alone and sequences that end early", function()
    for byte = 0x80, 0xbf do assert.are.equal(0, (decode(string.char(byte)))) end
    for _, text in ipairs { "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80" } do
      for len = 1, #text - 1 do
        assert.are.equal(0, (decode(text:sub(1, len))))
        assert.are.equal(0, (decode(text:sub(1, len) .. "a")))
        assert.are.equal(0, (decode(text:sub(1, len) .. "\xc3")))
      end
    end
    assert.are.equal(0, (decode("")))
  end)

  it("finds one bad byte anywhere in a text", function()
    assert.is_true(is_valid(""))
    for before = 0, 20 do
      for after = 0, 20 do
        local text = ("x"):rep(before) .. "%s" .. ("y"):rep(after)
        assert.is_true(is_valid(text:format("\xc3\xbc")))
        assert.is_false(is_valid(text:format("\xfc")))
        assert.is_false(is_valid(text:format("\xc3")))
      end
    end
  end)

  it("judges pieces as it judges the whole, wherever they end", function()
    local function feed(text, cut)
      local state = ffi.new "jh_utf8_state"
      for _, piece in ipairs { text:sub(1, cut), text:sub(cut + 1) } do
        local memory = exact(piece)
        if not C.jh_utf8_feed(state, ffi.new("jh_str", { memory, #piece })) then return false end
      end
      return state.left == 0
    end
    local texts = { "", "plain", "é", "€", "𝄞", ("a"):rep(31) .. "€" .. ("b"):rep(40), "a\xff",
      ("x"):rep(20) .. "\xe2\x82", "\xed\xa0\x80", "\xe0\x9f\xbf", "\xf4\x90\x80\x80" }
    for first = 0x7f, 0xff do
      for _, second in ipairs { 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0 } do
        texts[#texts + 1] = string.char(first, second)
        texts[#texts + 1] = string.char(first, second, 0x80)
        texts[#texts + 1] = string.char(first, second, 0xbf, 0x80)
      end
    end
    for _, text in ipairs(texts) do
      for cut = 0, #text do assert.are.equal(is_valid(text), feed(text, cut)) end
    end
  end)
end)
