-- Base64.
local base64 = require "justhttp.base64"

describe("base64", function()
  it("agrees with the vectors of RFC 4648", function()
    local vectors = {
      [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=",
      foobar = "Zm9vYmFy",
    }
    for plain, encoded in pairs(vectors) do
      assert.equal(encoded, base64.encode(plain))
      assert.equal(plain, base64.decode(encoded))
    end
  end)

  it("carries every byte", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    local all = table.concat(bytes)
    for cut = 250, 256 do
      assert.equal(all:sub(1, cut), base64.decode(base64.encode(all:sub(1, cut))))
    end
  end)

  it("decodes without padding and refuses what is no base64", function()
    assert.equal("fo", base64.decode("Zm8"))
    for _, bad in ipairs { "Z", "Zm9vY", "Zm 8", "Zm8===", "Zm-_", "Z=m8" } do
      assert.is_nil(base64.decode(bad))
    end
  end)
end)
