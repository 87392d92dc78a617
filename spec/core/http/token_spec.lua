-- token_spec.lua: the byte classes are those of RFC 9110, for every byte.
local ffi = require "ffi"
local bit = require "bit"
local core = require "spec.support.core"
local C = core.load("http/token.h", "base/str.h")

local function str(text) return ffi.new("jh_str", { text, #text }) end

local function class_of(byte) return C.jh_token_classes[byte] end

describe("token", function()
  it("knows the bytes of a token", function()
    for byte = 0, 255 do
      local is_token = byte < 128 and string.char(byte):find("[%w!#$%%&'*+.^_`|~-]") ~= nil
      assert.are.equal(is_token, bit.band(class_of(byte), C.JH_BYTE_TOKEN) ~= 0, "byte " .. byte)
    end
  end)

  it("knows the bytes of a value", function()
    for byte = 0, 255 do
      local is_value = byte == 9 or (byte >= 32 and byte ~= 127)
      assert.are.equal(is_value, bit.band(class_of(byte), C.JH_BYTE_VALUE) ~= 0, "byte " .. byte)
    end
  end)

  it("knows hexadecimal digits", function()
    for byte = 0, 255 do
      local is_hex = byte < 128 and string.char(byte):find("%x") ~= nil
      assert.are.equal(is_hex, bit.band(class_of(byte), C.JH_BYTE_HEX) ~= 0, "byte " .. byte)
    end
  end)

  it("knows the bytes of a registered name", function()
    for byte = 0, 255 do
      local is_host = byte < 128 and string.char(byte):find("[%w._~!$&'()*+,;=-]") ~= nil
      assert.are.equal(is_host, bit.band(class_of(byte), C.JH_BYTE_HOST) ~= 0, "byte " .. byte)
    end
  end)

  it("takes names that are tokens, and no others", function()
    for _, name in ipairs { "Host", "X-Request-Id", "a", "!#$%&'*+-.^_`|~" } do
      assert.is_true(C.jh_token_is_valid(str(name)), name)
    end
    for _, name in ipairs { "", "a b", "a:", "a\r\n", "a\0", "\195\188", "a(b)" } do
      assert.is_false(C.jh_token_is_valid(str(name)), name)
    end
  end)

  it("takes values that cannot end their line, and no others", function()
    for _, value in ipairs { "", "text/html; q=0.5", "a\tb", "\195\188" } do
      assert.is_true(C.jh_token_value_is_valid(str(value)), value)
    end
    for _, value in ipairs { "a\r\nB: c", "a\nb", "a\0", "\127" } do
      assert.is_false(C.jh_token_value_is_valid(str(value)), value)
    end
  end)
end)
