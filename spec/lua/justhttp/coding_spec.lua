-- coding.lua: coders of the core, from Lua.
local door = require "justhttp.door"
local coding = require "justhttp.coding"

describe("coding", function()
  setup(function()
    if not door.generation then door.attach(door.C.jh_standalone_open()) end
  end)

  it("encodes and decodes whole texts of any size", function()
    for name, kind in pairs(coding.KINDS) do
      for _, text in ipairs { "", "x", ("page "):rep(50000) } do
        assert.is_true(text == coding.decode(coding.encode(text, kind), kind, 1e6), name)
      end
    end
  end)

  it("flushes so that the receiver can go on", function()
    for name, kind in pairs(coding.KINDS) do
      local encoder, decoder = coding.encoder(kind), coding.decoder(kind, 1000)
      assert.equal("one", decoder:push(encoder:flush "one"), name)
      assert.equal("two", decoder:push(encoder:flush "two"), name)
      assert.equal("", decoder:finish(encoder:finish ""), name)
      encoder:close()
      decoder:close()
      decoder:close()
    end
  end)

  it("says what is wrong by a code", function()
    local text, code = coding.decode("nonsense", coding.KINDS.gzip, 100)
    assert.is_nil(text)
    assert.equal(tonumber(door.C.JH_EPROTO), code)
    text, code = coding.decode(coding.encode(("x"):rep(101), coding.KINDS.br), coding.KINDS.br, 100)
    assert.is_nil(text)
    assert.equal(tonumber(door.C.JH_ELIMIT), code)
  end)
end)
