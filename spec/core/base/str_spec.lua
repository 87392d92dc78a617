-- str_spec.lua: slices are compared, cut and read byte by byte, in no locale.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "base/str.h"

local function str(text) return C.jh_str_make(text, #text) end
local function text_of(slice) return ffi.string(slice.ptr, slice.len) end

describe("str", function()
  it("makes slices of bytes and of NUL-terminated strings", function()
    assert.are.equal("a\0b", text_of(str("a\0b")))
    assert.are.equal("gzip", text_of(C.jh_str_of("gzip")))
    assert.are.equal(0, tonumber(C.jh_str_of(nil).len))
  end)

  it("compares bytes", function()
    assert.is_true(C.jh_str_equal(str "a\0b", str "a\0b"))
    assert.is_false(C.jh_str_equal(str "abc", str "abd"))
    assert.is_false(C.jh_str_equal(str "abc", str "ab"))
    assert.is_false(C.jh_str_equal(str "abc", str "ABC"))
    assert.is_true(C.jh_str_equal(C.jh_str_of(nil), str ""))
  end)

  it("takes only A-Z and a-z for the same letters", function()
    assert.is_true(C.jh_str_equal_nocase(str "Content-Length", str "cONTENT-lENGTH"))
    assert.is_false(C.jh_str_equal_nocase(str "host", str "hosts"))
    -- 32 apart, as 'A' and 'a' are, but no letters
    assert.is_false(C.jh_str_equal_nocase(str "@", str "`"))
    assert.is_false(C.jh_str_equal_nocase(str "[", str "{"))
    assert.is_false(C.jh_str_equal_nocase(str "\r", str "-"))
    assert.is_false(C.jh_str_equal_nocase(str "\xc3\x84", str "\xc3\xa4"))
  end)

  it("trims spaces and tabs, nothing else", function()
    assert.are.equal("a b", text_of(C.jh_str_trim(str " \t a b\t ")))
    assert.are.equal("\na\r", text_of(C.jh_str_trim(str "\na\r")))
    assert.are.equal("", text_of(C.jh_str_trim(str " \t ")))
    assert.are.equal(0, tonumber(C.jh_str_trim(C.jh_str_of(nil)).len))
  end)

  describe("parse_u64", function()
    local value

    local function parse(text)
      value = ffi.new("uint64_t[1]", 42)
      return C.jh_str_parse_u64(str(text), value)
    end

    it("reads decimal digits", function()
      for text, expected in pairs {
        ["0"] = 0ULL,
        ["007"] = 7ULL,
        ["18446744073709551615"] = 18446744073709551615ULL,
        ["000000000000000000000000001"] = 1ULL,
      } do
        assert.are.equal(0, parse(text))
        assert.are.equal(expected, value[0])
      end
    end)

    it("refuses what is not only digits", function()
      local arabic_one = "\xd9\xa1"
      for _, text in ipairs { "", "-1", "+1", " 1", "1 ", "0x10", "1e3", "1\0", arabic_one } do
        assert.are.equal(C.JH_EINVAL, parse(text))
        assert.are.equal(42ULL, value[0])
      end
    end)

    it("refuses what 64 bits do not hold", function()
      for _, text in ipairs { "18446744073709551616", "99999999999999999999", ("9"):rep(100) } do
        assert.are.equal(C.JH_ERANGE, parse(text))
        assert.are.equal(42ULL, value[0])
      end
      assert.are.equal(C.JH_EINVAL, parse("99999999999999999999x"))
    end)
  end)

  it("hashes as FNV-1a does", function()
    assert.are.equal(0xcbf29ce484222325ULL, C.jh_str_hash(str ""))
    assert.are.equal(0xaf63dc4c8601ec8cULL, C.jh_str_hash(str "a"))
    assert.are.equal(0x85944171f73967e8ULL, C.jh_str_hash(str "foobar"))
  end)
end)
