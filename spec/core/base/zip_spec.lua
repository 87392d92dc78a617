-- ZIP archives that are read, from well-meaning and other programs.
local bit = require "bit"
local ffi = require "ffi"
local core = require "spec.support.core"
local sys = require "spec.support.sys"
local C = core.load("base/zip.h", "base/alloc.h")

local EINVAL, EUNSUPPORTED = tonumber(C.JH_EINVAL), tonumber(C.JH_EUNSUPPORTED)
local ELIMIT, ENOTFOUND = tonumber(C.JH_ELIMIT), tonumber(C.JH_ENOTFOUND)

local function u16(n) return string.char(n % 256, math.floor(n / 256) % 256) end
local function u32(n) return u16(n % 65536) .. u16(math.floor(n / 65536)) end
local function str(text) return ffi.new("jh_str", text, #text) end

local function crc32(text)
  local sum = bit.bnot(0)
  for i = 1, #text do
    sum = bit.bxor(sum, text:byte(i))
    for _ = 1, 8 do
      sum = bit.bxor(bit.rshift(sum, 1), bit.band(0xedb88320, -bit.band(sum, 1)))
    end
  end
  return bit.bnot(sum) % 4294967296
end

-- An archive of entries { name, bytes, …what differs from a good one }.
local function archive(entries, end_record)
  local body, directory = "", ""
  for _, entry in ipairs(entries) do
    local name, bytes = entry[1], entry[2]
    local common = u16(20) .. u16(entry.flags or 0) .. u16(entry.method or 0) .. u16(0) .. u16(0)
      .. u32(entry.crc or crc32(bytes)) .. u32(entry.stored or #bytes) .. u32(entry.size or #bytes)
    local offset = entry.offset or #body
    directory = directory .. u32(0x02014b50) .. u16(20) .. common .. u16(#name) .. u16(0) .. u16(0)
      .. u16(0) .. u16(0) .. u32(0) .. u32(offset) .. name
    body = body .. u32(0x04034b50) .. common .. u16(#(entry.local_name or name)) .. u16(0)
      .. (entry.local_name or name) .. bytes
  end
  local given = end_record or {}
  local count = given.count or #entries
  return (given.before or "")
    .. body .. directory .. u32(0x06054b50) .. u16(given.disk or 0)
    .. u16(0) .. u16(count) .. u16(count) .. u32(given.bytes or #directory)
    .. u32(given.offset or #body)
    .. u16(#(given.comment or "")) .. (given.comment or "") .. (given.after or "")
end

describe("a ZIP archive", function()
  local zip, anchor
  local text = ffi.new "char[256]"

  local function open(bytes)
    if zip then C.jh_zip_close(zip) end
    zip = zip or ffi.new "jh_zip"
    anchor = ffi.new("char[?]", #bytes + 1) -- its own block, for the address sanitizer
    ffi.copy(anchor, bytes, #bytes)
    ffi.fill(text, 256)
    local result = C.jh_zip_open(zip, anchor, #bytes, text, 256)
    return result, ffi.string(text)
  end

  after_each(function()
    if zip then C.jh_zip_close(zip) end
    zip = nil
  end)

  local function contents(name)
    local entry = C.jh_zip_find(zip, str(name))
    if entry == nil then return nil end
    local out = ffi.new("char[?]", tonumber(entry.size) + 1)
    local result = C.jh_zip_extract(entry, out)
    if result < 0 then return result end
    return ffi.string(out, tonumber(entry.size))
  end

  it("gives its entries by name, and in the order of names", function()
    assert.equal(0, open(archive({ { "b/c.html", "two" }, { "b/", "" }, { "a.lua", "one" },
      { "e", "" } }, { comment = "said" })))
    assert.equal(3, tonumber(zip.count))
    assert.equal("a.lua", ffi.string(zip.entries[0].name.ptr, zip.entries[0].name.len))
    assert.equal("one", contents "a.lua")
    assert.equal("two", contents "b/c.html")
    assert.equal("", contents "e")
    assert.is_nil(contents "b/")
    assert.is_nil(contents "c.html")
    assert.equal("said", ffi.string(zip.comment.ptr, zip.comment.len))
  end)

  it("may stand behind other bytes, counted or not", function()
    local body = archive { { "a", "one" } }
    assert.equal(0, open(("x"):rep(777) .. body))
    assert.equal("one", contents "a")
    assert.equal(777, tonumber(zip.start))
    assert.equal(777 + 31, tonumber(zip.entries[0].file_offset))
    local counted = archive({ { "a", "one", offset = 3 } }, { before = "xyz", offset = 3 + 34 })
    assert.equal(0, open(counted))
    assert.equal("one", contents "a")
  end)

  it("made by zip is inflated", function()
    local dir = sys.temp_dir()
    local long = ("all work and no play\n"):rep(500)
    sys.write_file(dir .. "/app.lua", long)
    os.execute("cd " .. dir .. " && touch -d @1700000000 app.lua && zip -q a.zip app.lua")
    local bytes = sys.read_file(dir .. "/a.zip")
    sys.remove(dir)
    assert.equal(0, open(bytes))
    assert.is_true(zip.entries[0].is_deflated)
    assert.equal(1700000000, tonumber(zip.entries[0].modified_s))
    assert.equal(long, contents "app.lua")
  end)

  it("is not found where none is", function()
    for _, bytes in ipairs { "", "x", ("x"):rep(100000), archive({}, { after = "x" }),
      u32(0x06054b50) } do
      assert.equal(ENOTFOUND, (open(bytes)))
    end
    assert.equal(0, open(archive {}))
  end)

  local function refuses(code, words, entries, end_record)
    local result, why = open(archive(entries, end_record))
    assert.equal(code, result)
    assert.matches(words, why)
  end

  it("is refused with names that lead elsewhere or are there twice", function()
    for _, name in ipairs { "", "/etc/passwd", "../a", "a/../b", "a//b", ".", "a\\b", "a\0b" } do
      refuses(EINVAL, "name that is not allowed", { { name, "x" } })
    end
    refuses(EINVAL, "a: is there twice", { { "a", "x" }, { "b", "x" }, { "a", "y" } })
    refuses(EINVAL, "differs from its header", { { "a", "x", local_name = "b" } })
  end)

  it("is refused when entries overlap or leave the file", function()
    refuses(EINVAL, "overlaps", { { "a", "x" }, { "a", "x", offset = 0 } })
    refuses(EINVAL, "not within", { { "a", "x", offset = 1 } })
    refuses(EINVAL, "not within", { { "a", "x", offset = 100000 } })
    refuses(EINVAL, "not within", { { "a", "x", stored = 5000, size = 5000 } })
    refuses(EINVAL, "directory is not within", { { "a", "x" } }, { bytes = 100000 })
    refuses(EINVAL, "directory is damaged", { { "a", "x" } }, { count = 2 })
    refuses(EINVAL, "directory is damaged", { { "a", "x" } }, { count = 0 })
  end)

  it("is refused when it is encrypted, zip64, split or compressed otherwise", function()
    refuses(EUNSUPPORTED, "encrypted", { { "a", "x", flags = 1 } })
    refuses(EUNSUPPORTED, "zip64", { { "a", "x", size = 4294967295 } })
    refuses(EUNSUPPORTED, "zip64", {}, { count = 65535 })
    refuses(EUNSUPPORTED, "several parts", {}, { disk = 1 })
    refuses(EUNSUPPORTED, "method 12", { { "a", "x", method = 12 } })
    refuses(EINVAL, "two sizes", { { "a", "x", size = 2 } })
  end)

  it("is refused when it would inflate without bounds", function()
    refuses(ELIMIT, "cannot be that large", { { "a", "x", method = 8, size = 100000 } })
    local entries = {}
    for i = 1, 3 do
      entries[i] = { "f" .. i, ("x"):rep(100000), method = 8, size = 100000000, crc = 0 }
    end
    refuses(ELIMIT, "more than 256 MiB", entries)
  end)

  it("does not give damaged bytes out", function()
    assert.equal(0, open(archive { { "a", "x", crc = 1 }, { "b", "xyz", method = 8 } }))
    assert.equal(EINVAL, contents "a")
    assert.equal(EINVAL, contents "b")
  end)

  it("that is cut off or changed anywhere is read within its bounds", function()
    local whole = archive { { "a.lua", "one" }, { "b.lua", "two" } }
    for len = 0, #whole - 1 do assert.is_true(open(whole:sub(1, len)) < 0) end
    for at = 1, #whole do
      for _, byte in ipairs { 0, 1, 127, 255 } do
        open(whole:sub(1, at - 1) .. string.char(byte) .. whole:sub(at + 1))
      end
    end
  end)

  it("says when memory is out", function()
    C.jh_alloc_fail_nth(1)
    assert.equal(tonumber(C.JH_ENOMEM), (open(archive { { "a", "x" } })))
    C.jh_alloc_fail_nth(0)
  end)
end)
