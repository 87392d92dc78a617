-- zstd: frames as others write them, windows, and memory.
local alloc = require "spec.support.alloc"
local coding = require "spec.support.coding"
local C = coding.C

local magic = "\40\181\47\253"

-- A frame without content size: window of 2^bits bytes, one raw block.
local function frame(bits, text)
  local block = bit.bor(1, bit.lshift(#text, 3))
  return magic .. "\0" .. string.char(bit.lshift(bits - 10, 3))
    .. string.char(bit.band(block, 255), bit.band(bit.rshift(block, 8), 255), bit.rshift(block, 16))
    .. text
end

describe("the zstd coder", function()
  local pool

  before_each(function() pool = coding.pool() end)
  after_each(function() pool:close() end)

  it("reads windows of 8 MiB and refuses larger ones as too much", function()
    assert.equal("text", (pool:decode("zstd", frame(23, "text"))))
    local _, result = pool:decode("zstd", frame(24, "text"))
    assert.equal(C.JH_ELIMIT, result)
    _, result = pool:decode("zstd", frame(31, "text"))
    assert.equal(C.JH_ELIMIT, result)
  end)

  it("reads several frames, and skips those that may be skipped", function()
    local skippable = "\80\42\77\24\3\0\0\0abc"
    local coded = frame(10, "one ") .. skippable .. pool:encode("zstd", "") .. frame(12, "two")
    for _, how in ipairs { {}, { in_step = 1, out_step = 1 }, { max = 7 } } do
      local text, result = pool:decode("zstd", coded, how)
      assert.equal("one two", text)
      assert.equal(0, result)
    end
    assert.equal(C.JH_ELIMIT, select(2, pool:decode("zstd", coded, { max = 6 })))
    assert.equal(C.JH_EPROTO, select(2, pool:decode("zstd", coded .. magic)))
  end)

  it("refuses a frame that wants a dictionary", function()
    assert.equal(C.JH_EPROTO, select(2, pool:decode("zstd", magic .. "\1\0\7\1\0\0")))
  end)

  it("does not keep a decoder that held a large window", function()
    pool:decode("zstd", frame(10, "text"))
    assert.equal(1, pool.c.decoder_counts[C.JH_CODING_ZSTD])
    pool:decode("zstd", frame(23, "text"))
    assert.equal(0, pool.c.decoder_counts[C.JH_CODING_ZSTD])
  end)

  it("takes many calls without input or output", function()
    local coded = frame(10, "text")
    local decoder, parts = pool:decoder "zstd", {}
    coding.run(C.jh_decoder_push, decoder, coded:sub(1, 8), 10, parts)
    for _ = 1, 100 do assert.equal(0, coding.run(C.jh_decoder_push, decoder, "", 10, parts)) end
    assert.equal(0, coding.run(C.jh_decoder_push, decoder, coded:sub(9), 10, parts))
    assert.equal("text", table.concat(parts))
    assert.equal(0, C.jh_decoder_finish(decoder))
    C.jh_decoder_release(pool.c, decoder)
  end)

  it("allocates nothing once its coders are warm", function()
    local text = ("some text "):rep(1000)
    local coded = pool:encode("zstd", text)
    pool:decode("zstd", coded)
    assert.is_true(alloc.is_balanced(function()
      pool:encode("zstd", text)
      pool:decode("zstd", coded)
    end))
  end)
end)
