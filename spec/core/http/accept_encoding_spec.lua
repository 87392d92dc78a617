-- accept_encoding_spec.lua: the coding that is chosen for what clients say they accept.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/accept_encoding.h", "base/alloc.h")

local codings = {
  identity = C.JH_CODING_IDENTITY, gzip = C.JH_CODING_GZIP, br = C.JH_CODING_BROTLI,
  zstd = C.JH_CODING_ZSTD,
}
local names = {}
for name, coding in pairs(codings) do names[tonumber(coding)] = name end

-- The name of the choice, or "none". Everything is available unless said otherwise.
local function choose(field, ...)
  local available = 0
  for _, name in ipairs { ... } do available = available + 2 ^ tonumber(codings[name]) end
  if available == 0 then available = 15 end
  local slice, memory = ffi.new("jh_str", { nil, 0 }), nil
  if field then
    memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#field, 1))), C.jh_free)
    ffi.copy(memory, field, #field)
    slice = ffi.new("jh_str", { memory, #field })
  end
  local choice = C.jh_accept_encoding_choose(slice, available)
  assert(choice >= 0 or choice == C.JH_ENOTFOUND)
  return names[choice] or "none", memory
end

local function chooses(cases)
  for field, want in pairs(cases) do assert.are.equal(want, (choose(field)), field) end
end

describe("accept encoding", function()
  it("chooses what is liked most, by size among equals", function()
    chooses {
      ["gzip, deflate, br, zstd"] = "br", ["gzip, deflate, br"] = "br", ["gzip, zstd"] = "zstd",
      ["gzip"] = "gzip", ["gzip;q=1.0, br;q=0.9"] = "gzip", ["br;q=0.5,zstd;q=0.501"] = "zstd",
      ["gzip;q=0.001"] = "gzip", ["identity, gzip"] = "gzip", ["identity"] = "identity",
      ["gzip;q=0.5, identity"] = "identity", ["gzip;q=0.5, identity;q=0.5"] = "gzip",
      ["compress, gzip"] = "gzip", ["x-gzip"] = "gzip", ["deflate"] = "identity",
    }
  end)

  it("takes only what is available", function()
    assert.are.equal("gzip", (choose("gzip, br, zstd", "identity", "gzip")))
    assert.are.equal("identity", (choose("br", "identity", "gzip")))
    assert.are.equal("identity", (choose("br, gzip", "identity")))
    assert.are.equal("none", (choose("br", "gzip")))
    assert.are.equal("gzip", (choose(nil, "gzip")))
    assert.are.equal("br", (choose("*", "br", "gzip")))
  end)

  it("chooses identity when nothing is said", function()
    assert.are.equal("identity", (choose(nil)))
    chooses { [""] = "identity", [" , ,"] = "identity" }
  end)

  it("never chooses what has weight 0", function()
    chooses {
      ["gzip;q=0"] = "identity", ["gzip;q=0, br"] = "br", ["br;q=0.000, gzip;q=0.1"] = "gzip",
      ["identity;q=0"] = "none", ["identity;q=0, gzip"] = "gzip", ["*;q=0"] = "none",
      ["gzip, *;q=0"] = "gzip", ["identity, *;q=0"] = "identity", ["*;q=0, identity;q=0"] = "none",
      ["identity;q=0, *"] = "br",
    }
    assert.are.equal("none", (choose("identity;q=0, br", "identity", "gzip")))
    assert.are.equal("none", (choose("gzip;q=0", "gzip")))
  end)

  it("takes the asterisk for everything that is not named", function()
    chooses {
      ["*"] = "br", ["*;q=0.5, gzip"] = "gzip", ["br;q=0, *"] = "zstd",
      ["br;q=0, zstd;q=0, *;q=0.1"] = "gzip", ["identity;q=0.5, *;q=0.1"] = "identity",
      ["gzip;q=0.1, *;q=0.1"] = "br",
    }
  end)

  it("does not mind case and white space", function()
    chooses {
      ["GZIP"] = "gzip", ["\tBr\t;\tQ=0.5 ,gzip ; q=0.4"] = "br", ["gzip ;q=0"] = "identity",
      [",,gzip,,"] = "gzip", ["gzip; q=0.5,zstd;q=0.4"] = "gzip",
    }
  end)

  it("reads weights of up to three digits behind the point and skips others", function()
    for _, good in ipairs {
      "0.1", "0.12", "0.123", "0.9", "0.09", "0.009", "1", "1.", "1.0", "1.00", "1.000",
    } do
      assert.are.equal("gzip", (choose("gzip;q=" .. good)), good)
    end
    for _, zero in ipairs { "0", "0.", "0.0", "0.00", "0.000" } do
      assert.are.equal("identity", (choose("gzip;q=" .. zero)), zero)
    end
    for _, bad in ipairs {
      "", "2", "1.1", "1.001", "0.1234", "-1", "+1", ".5", "0,5", "00", "01", "1e0", "0.5x", " 1",
      "0x1", "1.0000", "0.-1", "\0", "0 .5", "0. 5",
      "0.5/", "0.0:", "0./", "0.:",
    } do
      assert.are.equal("identity", (choose("gzip;q=" .. bad)), bad)
    end
  end)

  it("skips members that are malformed", function()
    for _, member in ipairs {
      ";q=1", "gzip;", "gzip;q", "gzip;x=1", "gzip;q=1;x=1", "gzip q=1", "gz ip", "gzip/1",
      "gzip=1", '"gzip"', "gzip;q==1", "g\0zip", "gzip\0", "gzip;q =1", "(gzip)", "gzip:1",
    } do
      assert.are.equal("identity", (choose(member)), member)
      assert.are.equal("zstd", (choose(member .. ", zstd;q=0.1")), member)
    end
  end)

  it("takes a coding that comes twice at its lower weight", function()
    chooses {
      ["gzip, gzip;q=0"] = "identity", ["gzip;q=0, gzip"] = "identity",
      ["br;q=0.1, zstd;q=0.2, br"] = "zstd", ["gzip, x-gzip;q=0"] = "identity",
    }
  end)

  it("names the codings as Content-Encoding does", function()
    local function name(coding)
      local text = C.jh_accept_encoding_name(coding)
      return ffi.string(text.ptr, text.len)
    end
    assert.are.same({ "", "gzip", "br", "zstd" }, {
      name(codings.identity), name(codings.gzip), name(codings.br), name(codings.zstd),
    })
    assert.are.equal("", name(C.JH_ENOTFOUND))
    assert.are.equal("", name(C.JH_CODING_COUNT))
  end)
end)
