-- Content codings: what holds for gzip, br and zstd alike.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local coding = require "spec.support.coding"
local core = require "spec.support.core"
local C = core.load("http/coding.h", "base/alloc.h")

local function words(count)
  local list, seed = {}, 7
  for i = 1, count do
    seed = seed * 16807 % 2147483647
    list[i] = ("word%d"):format(seed % 997)
  end
  return table.concat(list, " ")
end

local samples = {
  empty = "", byte = "x", short = "Hello, World!", page = words(2000), same = ("a"):rep(100000),
  noise = coding.noise(70000),
}

describe("names of content codings", function()
  it("are found in any case, with the old name of gzip", function()
    local function find(name) return C.jh_coding_find(ffi.new("jh_str", name, #name)) end
    assert.equal(C.JH_CODING_GZIP, find "gzip")
    assert.equal(C.JH_CODING_GZIP, find "X-GZip")
    assert.equal(C.JH_CODING_BROTLI, find "BR")
    assert.equal(C.JH_CODING_ZSTD, find "zstd")
    assert.equal(C.JH_CODING_IDENTITY, find "identity")
    for _, name in ipairs { "", "deflate", "gzi", "gzipp", "*" } do assert.equal(-1, find(name)) end
  end)

  it("are what the header fields say", function()
    local function name(which)
      local str = C.jh_coding_name(which)
      return ffi.string(str.ptr, str.len)
    end
    assert.equal("gzip", name(C.JH_CODING_GZIP))
    assert.equal("br", name(C.JH_CODING_BROTLI))
    assert.equal("zstd", name(C.JH_CODING_ZSTD))
    assert.equal("identity", name(C.JH_CODING_IDENTITY))
  end)
end)

for _, name in ipairs(coding.all) do
  describe("the coding " .. name, function()
    local pool

    before_each(function() pool = coding.pool() end)

    after_each(function()
      C.jh_alloc_fail_nth(0)
      pool:close()
    end)

    it("gives back what went in", function()
      for what, text in pairs(samples) do
        local back, result = pool:decode(name, pool:encode(name, text))
        assert.equal(0, result, what)
        assert.is_true(text == back, what)
      end
    end)

    it("makes text shorter, and noise hardly longer", function()
      assert.is_true(#pool:encode(name, samples.page) < #samples.page / 2)
      assert.is_true(#pool:encode(name, samples.same) < 500)
      assert.is_true(#pool:encode(name, samples.noise) < #samples.noise + 100)
    end)

    it("does not care how input and output are cut", function()
      local text = samples.page:sub(1, 3000)
      local whole = pool:encode(name, text)
      for _, steps in ipairs { { 1, 1 }, { 1, 100 }, { 100, 1 }, { 7, 13 }, { 1000, 64 } } do
        local coded = pool:encode(name, text, { in_step = steps[1], out_step = steps[2] })
        assert.is_true(text == pool:decode(name, coded))
        local back, result = pool:decode(name, whole, { in_step = steps[1], out_step = steps[2] })
        assert.equal(0, result)
        assert.is_true(text == back)
      end
    end)

    it("flushes so that all that was pushed can be decoded, in any room", function()
      for _, out_step in ipairs { 1, 5, 4096 } do
        local encoder, decoder = pool:encoder(name), pool:decoder(name)
        local seen = {}
        for i = 1, 20 do
          local event, coded = ("data: event %d\n\n"):format(i), {}
          assert.equal(0, coding.run(C.jh_encoder_flush, encoder, event, out_step, coded))
          coded = table.concat(coded)
          assert.is_true(#coded > 0 and #coded < 100)
          assert.equal(0, coding.run(C.jh_decoder_push, decoder, coded, 4096, seen))
          assert.equal(event, table.concat(seen))
          seen = {}
        end
        assert.equal(C.JH_EPROTO, C.jh_decoder_finish(decoder))
        C.jh_encoder_release(pool.c, encoder)
        C.jh_decoder_release(pool.c, decoder)
      end
    end)

    it("flushes nothing where nothing is new", function()
      local encoder, parts = pool:encoder(name), {}
      coding.run(C.jh_encoder_flush, encoder, "a", 4096, parts)
      parts = {}
      coding.run(C.jh_encoder_flush, encoder, "", 4096, parts)
      assert.equal("", table.concat(parts))
      C.jh_encoder_release(pool.c, encoder)
    end)

    it("takes every level there is, and the nearest for those there are not", function()
      local text = samples.page:sub(1, 2000)
      for _, level in ipairs { -1, 0, 1, 2, 5, 9, 11, 19, 100, -100 } do
        local coded = pool:encode(name, text, { level = level })
        assert.is_true(text == pool:decode(name, coded), "level " .. level)
      end
      assert.equal(pool:encode(name, text, { level = -100 }),
        pool:encode(name, text, { level = 0 }))
      assert.is_true(#pool:encode(name, samples.page, { level = 9 })
        < #pool:encode(name, samples.page, { level = 1 }))
    end)

    it("stops exactly at the limit", function()
      for _, what in ipairs { "short", "page", "same" } do
        local text = samples[what]
        local coded = pool:encode(name, text)
        for _, steps in ipairs { {}, { in_step = 1, out_step = 1 }, { out_step = 1000 } } do
          if what ~= "same" or not steps.in_step then
            steps.max = #text
            local back, result = pool:decode(name, coded, steps)
            assert.equal(0, result)
            assert.is_true(text == back)
            steps.max = #text - 1
            back, result = pool:decode(name, coded, steps)
            assert.equal(C.JH_ELIMIT, result)
            assert.is_true(#back <= #text - 1)
          end
        end
      end
      assert.equal(0, select(2, pool:decode(name, pool:encode(name, ""), { max = 0 })))
      assert.equal(C.JH_ELIMIT, select(2, pool:decode(name, pool:encode(name, "a"), { max = 0 })))
    end)

    it("stops a bomb at once", function()
      local coded = pool:encode(name, ("\0"):rep(64 * 1024 * 1024))
      assert.is_true(#coded < 70000)
      local start = os.clock()
      local back, result = pool:decode(name, coded, { max = 100000 })
      assert.equal(C.JH_ELIMIT, result)
      assert.is_true(#back <= 100000)
      assert.is_true(os.clock() - start < 0.5)
    end)

    it("tells a body that was cut off, wherever it was", function()
      local text = samples.page:sub(1, 300)
      local coded = pool:encode(name, text)
      for len = 1, #coded - 1 do
        local back, result = pool:decode(name, coded:sub(1, len))
        assert.equal(C.JH_EPROTO, result, "after " .. len .. " bytes")
        assert.equal(text:sub(1, #back), back)
      end
    end)

    it("takes no input at all for an empty body", function()
      local back, result = pool:decode(name, "")
      assert.equal("", back)
      assert.equal(0, result)
    end)

    it("refuses what is something else", function()
      for _, text in ipairs { "Hello, World!", ("\255"):rep(100), ("<html>"):rep(50) } do
        local _, result = pool:decode(name, text)
        assert.is_true(result == C.JH_EPROTO or result == C.JH_ELIMIT)
      end
    end)

    it("refuses junk behind the end", function()
      local coded = pool:encode(name, "text")
      for _, how in ipairs { {}, { in_step = 1 } } do
        assert.equal(C.JH_EPROTO, select(2, pool:decode(name, coded .. "junk", how)))
      end
    end)

    it("survives every corrupted byte", function()
      local text = samples.page:sub(1, 400)
      local coded = pool:encode(name, text)
      for at = 1, #coded do
        for _, flip in ipairs { 1, 128, 255 } do
          local bad = coded:sub(1, at - 1)
            .. string.char(bit.bxor(coded:byte(at), flip)) .. coded:sub(at + 1)
          local back, result = pool:decode(name, bad, { max = 10000 })
          assert.is_true(result <= 0)
          assert.is_true(#back <= 10000)
        end
      end
    end)

    it("stays failed after an error", function()
      local decoder = pool:decoder(name)
      local first = coding.run(C.jh_decoder_push, decoder, ("\255"):rep(30), 100, {})
      assert.is_true(first < 0)
      assert.equal(first, coding.run(C.jh_decoder_push, decoder, "x", 100, {}))
      assert.equal(first, C.jh_decoder_finish(decoder))
      C.jh_decoder_release(pool.c, decoder)
      assert.equal(0, select(2, pool:decode(name, pool:encode(name, "x"))))
    end)

    it("starts afresh with a coder that was given back in the middle", function()
      local encoder, decoder = pool:encoder(name, 9), pool:decoder(name, 5)
      coding.run(C.jh_encoder_push, encoder, samples.page, 100, {})
      coding.run(C.jh_decoder_push, decoder, pool:encode(name, samples.page):sub(1, 500), 100, {})
      C.jh_encoder_release(pool.c, encoder)
      C.jh_decoder_release(pool.c, decoder)
      local fresh = coding.pool()
      local coded = pool:encode(name, samples.page)
      assert.is_true(coded == fresh:encode(name, samples.page))
      assert.is_true(samples.page == pool:decode(name, coded))
      fresh:close()
    end)

    it("keeps as many coders as it may", function()
      local coders = {}
      for i = 1, 3 do coders[i] = pool:encoder(name) end
      assert.equal(3, pool.c.in_use)
      for i = 1, 3 do C.jh_encoder_release(pool.c, coders[i]) end
      assert.equal(0, pool.c.in_use)
      assert.equal(1, pool.c.encoder_counts[C.jh_coding_find(ffi.new("jh_str", name, #name))])
      C.jh_encoder_release(pool.c, nil)
      C.jh_decoder_release(pool.c, nil)
    end)

    it("survives every failing allocation", function()
      local text = samples.page:sub(1, 5000)
      local coded = pool:encode(name, text)
      local failed = alloc.fail_each(function()
        local own = coding.pool()
        local encoder, decoder = own:encoder(name), own:decoder(name)
        if encoder ~= nil then
          local result = coding.run(C.jh_encoder_finish, encoder, text, 4096, {})
          assert(result == 0 or result == C.JH_ENOMEM)
        end
        if decoder ~= nil then
          local result = coding.run(C.jh_decoder_push, decoder, coded, 4096, {})
          assert(result == 0 or result == C.JH_ENOMEM, result)
        end
        C.jh_encoder_release(own.c, encoder)
        C.jh_decoder_release(own.c, decoder)
        own:close()
      end)
      assert.is_true(failed >= 2)
    end)

    it("leaks nothing", function()
      assert.is_true(alloc.is_balanced(function()
        local own = coding.pool()
        own:decode(name, own:encode(name, samples.page))
        own:close()
      end))
    end)
  end)
end
