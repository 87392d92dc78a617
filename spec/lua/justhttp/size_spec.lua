-- Sizes as people write them.
local size = require "justhttp.size"

describe("a size", function()
  it("is a number, or text with a unit", function()
    local cases = { [0] = 0, [65536] = 65536, ["0"] = 0, ["1000"] = 1000, ["1k"] = 1024,
      ["3K"] = 3072, ["2m"] = 2 * 2 ^ 20, ["2g"] = 2 ^ 31, ["1T"] = 2 ^ 40 }
    for value, bytes in pairs(cases) do assert.equal(bytes, size.bytes(value)) end
  end)

  it("is nothing else", function()
    for _, value in ipairs { -1, 1.5, "", "k", "1kb", "1.5m", " 1", "-1", "0x10", "99999t", true,
      {},
      math.huge, 0 / 0 } do
      assert.is_nil(size.bytes(value))
    end
  end)

  it("is asked for by name", function()
    assert.equal(1024, size.check("x", "1k", 1))
    assert.error_matches(function() size.check("limits: body", "1kb", 1) end,
      'limits: body: give a number of bytes or text such as "64k" or "2g", got "1kb"')
    assert.error_matches(function() size.check("limits: body", nil, 1) end, "got nil")
  end)
end)
