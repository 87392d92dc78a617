-- The hash of keys: known values, and that it spreads.
local hash = require "justhttp.balancer.hash"

describe("the hash of a key", function()
  it("is FNV-1a with MurmurHash3's mixing", function()
    -- Computed by another program.
    assert.equal(2872998923, hash "")
    assert.equal(444641715, hash "a")
    assert.equal(202221276, hash "foobar")
  end)

  it("is a whole number of 32 bits, for any bytes", function()
    for _, text in ipairs { "", "\0", "\255\254", ("x"):rep(1000) } do
      local value = hash(text)
      assert.is_true(value >= 0 and value < 4294967296 and value % 1 == 0)
    end
  end)

  it("spreads keys that are alike", function()
    local buckets = {}
    for i = 0, 15 do buckets[i] = 0 end
    for i = 1, 16000 do
      local bucket = math.floor(hash("user:" .. i) / 2 ^ 28)
      buckets[bucket] = buckets[bucket] + 1
    end
    for i = 0, 15 do assert.is_true(math.abs(buckets[i] - 1000) < 150, buckets[i]) end
  end)
end)
