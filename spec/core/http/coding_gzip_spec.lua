-- gzip: frames as others write them, and memory.
local alloc = require "spec.support.alloc"
local coding = require "spec.support.coding"
local C = coding.C

-- Bytes of `text` as gzip(1) writes them.
local function gzip(text, arguments)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  local pipe = assert(io.popen(("gzip -c %s < %s"):format(arguments or "", path)))
  local coded = pipe:read("*a")
  pipe:close()
  os.remove(path)
  return coded
end

describe("the gzip coder", function()
  local pool

  before_each(function() pool = coding.pool() end)
  after_each(function() pool:close() end)

  it("reads what gzip writes", function()
    for _, arguments in ipairs { "", "-1", "-9 -N" } do
      assert.equal("some text", (pool:decode("gzip", gzip("some text", arguments))))
    end
  end)

  it("writes frames without a time, so that equal bodies are equal", function()
    local coded = pool:encode("gzip", "text")
    assert.equal("\31\139\8\0\0\0\0\0", coded:sub(1, 8))
  end)

  it("reads several members one after the other", function()
    local coded = gzip "one " .. pool:encode("gzip", "") .. gzip "two"
    for _, how in ipairs { {}, { in_step = 1, out_step = 1 }, { max = 7 } } do
      local text, result = pool:decode("gzip", coded, how)
      assert.equal("one two", text)
      assert.equal(0, result)
    end
    assert.equal(C.JH_ELIMIT, select(2, pool:decode("gzip", coded, { max = 6 })))
    assert.equal(C.JH_EPROTO, select(2, pool:decode("gzip", coded:sub(1, -2))))
  end)

  it("holds checksum and length to what was decoded", function()
    local coded = pool:encode("gzip", "text")
    for at = #coded - 7, #coded do
      local byte = string.char((coded:byte(at) + 1) % 256)
      local bad = coded:sub(1, at - 1) .. byte .. coded:sub(at + 1)
      assert.equal(C.JH_EPROTO, select(2, pool:decode("gzip", bad)))
    end
  end)

  it("refuses zlib's own frame and raw deflate", function()
    assert.equal(C.JH_EPROTO, select(2, pool:decode("gzip", "\120\156\75\4\0\0\98\0\98")))
    assert.equal(C.JH_EPROTO, select(2, pool:decode("gzip", "\75\4\0")))
  end)

  it("allocates nothing once its coders are warm, whatever the level", function()
    local text = ("some text "):rep(1000)
    local coded = pool:encode("gzip", text)
    pool:decode("gzip", coded)
    assert.equal(0, alloc.count(function()
      for level = 1, 9 do pool:encode("gzip", text, { level = level }) end
      pool:decode("gzip", coded)
    end))
  end)
end)
