-- sha1_spec.lua: the examples of RFC 3174, and every length around a block's end.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("base/sha1.h")

local function sha1(text)
  local hash = ffi.new("uint8_t[20]")
  C.jh_sha1(ffi.new("jh_str", { text, #text }), hash)
  return (ffi.string(hash, 20):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

describe("sha1", function()
  it("gives what the RFC gives", function()
    assert.are.equal("a9993e364706816aba3e25717850c26c9cd0d89d", sha1 "abc")
    assert.are.equal("84983e441c3bd26ebaae4aa1f95129e5e54670f1",
      sha1 "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
    assert.are.equal("34aa973cd4c4daa4f61eeb2bdbad27316534016f", sha1(("a"):rep(1000000)))
    assert.are.equal("dea356a2cddd90c7a7ecedc5ebb563934f460452", sha1(("01234567"):rep(80)))
  end)

  it("pads texts of every length", function()
    assert.are.equal("da39a3ee5e6b4b0d3255bfef95601890afd80709", sha1 "")
    assert.are.equal("c1c8bbdc22796e28c0e15163d20899b65621d65a", sha1(("a"):rep(55)))
    assert.are.equal("c2db330f6083854c99d4b5bfb6e8f29f201be699", sha1(("a"):rep(56)))
    assert.are.equal("03f09f5b158a7a8cdad920bddc29b81c18a551f5", sha1(("a"):rep(63)))
    assert.are.equal("0098ba824b5c16427bd7a1122a5a442a25ec644d", sha1(("a"):rep(64)))
    assert.are.equal("11655326c708d70319be2610e8a57d9a5b959d3b", sha1(("a"):rep(65)))
    assert.are.equal("ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56", sha1(("a"):rep(119)))
  end)
end)
