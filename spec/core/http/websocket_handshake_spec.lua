-- websocket_handshake_spec.lua: keys and the answers to them (RFC 6455 §4).
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/websocket_handshake.h")

local function accept(key)
  local out = ffi.new("char[28]")
  local code = C.jh_websocket_write_accept(ffi.new("jh_str", { key, #key }), out)
  return code == 0 and ffi.string(out, 28) or code
end

describe("websocket_handshake", function()
  it("answers the key of the RFC as the RFC does", function()
    assert.are.equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", accept "dGhlIHNhbXBsZSBub25jZQ==")
  end)

  it("takes 16 bytes of base64 and nothing else", function()
    assert.are.equal("string", type(accept "AQIDBAUGBwgJCgsMDQ4PEA=="))
    assert.are.equal("string", type(accept "//////////+++++++++++w=="))
    for _, key in ipairs { "", "=", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ",
      "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25j ZQ=", "dGhlIHNhbXBsZSBub25jZQ=A",
      "dGhlIHNhbXBsZSBub25j-Q==", "dGhlIHNhbXBs\0SBub25jZQ==", "SGVsbG8sIHdvcmxkIQ==" } do
      assert.are.equal(C.JH_EINVAL, accept(key), key)
    end
  end)

  it("writes keys", function()
    local key = ffi.new("char[24]")
    C.jh_websocket_write_key(ffi.cast("const uint8_t *", "the sample nonce"), key)
    assert.are.equal("dGhlIHNhbXBsZSBub25jZQ==", ffi.string(key, 24))
  end)
end)
