-- br: streams as others write them.
local coding = require "spec.support.coding"
local C = coding.C

describe("the br coder", function()
  local pool

  before_each(function() pool = coding.pool() end)
  after_each(function() pool:close() end)

  it("reads what brotli writes, also with the largest window", function()
    -- brotli -c -w 24 and -w 10 of "hello hello hello hello\n"
    local function unhex(text)
      return (text:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
    end
    assert.equal("hello", (pool:decode("br", unhex "0b028068656c6c6f03")))
    assert.equal("hello", (pool:decode("br", unhex "0f028068656c6c6f03")))
  end)

  it("refuses windows larger than 16 MiB", function()
    assert.equal(C.JH_EPROTO, select(2, pool:decode("br", "\17\25\3\3\3\3\3\3")))
  end)

  it("reads one stream only", function()
    local coded = pool:encode("br", "one")
    assert.equal(C.JH_EPROTO, select(2, pool:decode("br", coded .. coded)))
    assert.equal(C.JH_EPROTO, select(2, pool:decode("br", coded .. coded, { in_step = #coded })))
    assert.equal(0, select(2, pool:decode("br", coded, { in_step = 1 })))
  end)

  it("holds its window at 256 KiB", function()
    -- Noise that repeats after 300 KiB is out of reach, after 100 KiB it is not.
    local noise = coding.noise(307200)
    assert.is_true(#pool:encode("br", noise .. noise) > 600000)
    assert.is_true(#pool:encode("br", noise:sub(1, 102400):rep(2), { level = 5 }) < 110000)
  end)
end)
