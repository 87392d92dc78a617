-- range_spec.lua: Range fields, from the examples of RFC 9110 §14 to those meant to do harm.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/range.h", "base/alloc.h")

local function str(text) return ffi.new("jh_str", { text, #text }) end

-- A slice whose memory ends where the text does, so that AddressSanitizer sees a read beyond it.
local function exact(text)
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#text, 1))), C.jh_free)
  ffi.copy(memory, text, #text)
  return ffi.new("jh_str", { memory, #text }), memory
end

-- "first-last first-last", or the number of the result.
local function parse(field, size)
  local slice, memory = exact(field)
  local set = ffi.new "jh_range_set"
  local result = tonumber(C.jh_range_parse(slice, size, set))
  if result ~= C.JH_RANGE_PARTIAL then return result, memory end
  local ranges = {}
  for i = 0, set.count - 1 do
    local range = set.ranges[i]
    ranges[i + 1] = ("%d-%d"):format(tonumber(range.first), tonumber(range.first + range.len - 1))
  end
  return table.concat(ranges, " "), memory
end

local function gives(size, cases)
  for field, want in pairs(cases) do assert.are.equal(want, (parse(field, size)), field) end
end

local NONE, UNSATISFIABLE = 0, 416

describe("range", function()
  it("reads single ranges", function()
    gives(10000, {
      ["bytes=0-499"] = "0-499", ["bytes=500-999"] = "500-999", ["bytes=-500"] = "9500-9999",
      ["bytes=9500-"] = "9500-9999", ["bytes=0-"] = "0-9999", ["bytes=0-0"] = "0-0",
      ["bytes=-1"] = "9999-9999", ["bytes=9999-"] = "9999-9999", ["bytes=00005-007"] = "5-7",
    })
  end)

  it("clamps to the representation", function()
    gives(10, {
      ["bytes=5-99"] = "5-9", ["bytes=-99"] = "0-9", ["bytes=0-18446744073709551615"] = "0-9",
      ["bytes=0-18446744073709551616"] = "0-9", ["bytes=-99999999999999999999999"] = "0-9",
      ["bytes=9-9"] = "9-9", ["bytes=9-10"] = "9-9",
    })
  end)

  it("reads several, in the order they were asked for", function()
    gives(10000, {
      ["bytes=0-0,-1"] = "0-0 9999-9999", ["bytes=500-600,700-999"] = "500-600 700-999",
      ["bytes=9-9, 5-5 ,\t1-1"] = "9-9 5-5 1-1", ["bytes=1-1,,3-3,"] = "1-1 3-3",
      ["bytes=,1-1"] = "1-1", ["bytes=1-1,99999-,3-3"] = "1-1 3-3",
    })
  end)

  it("takes the unit in any case", function()
    gives(10, { ["BYTES=1-2"] = "1-2", ["Bytes=1-2"] = "1-2" })
  end)

  it("says when nothing can be satisfied", function()
    gives(10, {
      ["bytes=10-"] = UNSATISFIABLE, ["bytes=10-20"] = UNSATISFIABLE, ["bytes=-0"] = UNSATISFIABLE,
      ["bytes=99-,50-60"] = UNSATISFIABLE, ["bytes=18446744073709551615-"] = UNSATISFIABLE,
      ["bytes=18446744073709551616-"] = UNSATISFIABLE,
      ["bytes=99999999999999999999-99999999999999999999"] = UNSATISFIABLE,
    })
  end)

  it("ignores fields that are malformed or in another unit", function()
    for _, field in ipairs {
      "0-1", "0-1,2-3",
      "", "bytes", "bytes=", "bytes=,", "bytes= ", "bytes=-", "bytes=a-b", "bytes=1", "bytes=1-2-3",
      "bytes=2-1", "bytes=1-2,5-4", "bytes=1-2,x", "bytes=1 - 2", "bytes=1- 2", "bytes=+1-2",
      "bytes=--1", "bytes=0x1-2", "bytes=1-2;", "bytes =1-2", "byte=1-2", "bytess=1-2", "items=1-2",
      "none", " bytes=1-2", "bytes:1-2", "bytes=1-\0002", "bytes=\xd9\xa1-", "bytes=1-2\n",
      "bytes=99999999999999999999-1", "bytes=1.0-2",
    } do
      assert.are.equal(NONE, (parse(field, 10)), field)
    end
  end)

  it("ignores the field for an empty representation", function()
    for _, field in ipairs { "bytes=0-", "bytes=-5", "bytes=0-0", "bytes=5-" } do
      assert.are.equal(NONE, (parse(field, 0)))
    end
  end)

  it("joins ranges that overlap or touch, in the place of the earliest", function()
    gives(10000, {
      ["bytes=0-10,5-20"] = "0-20", ["bytes=500-600,601-999"] = "500-999",
      ["bytes=5-5,4-4,3-3"] = "3-5", ["bytes=10-20,0-5,15-30"] = "10-30 0-5",
      ["bytes=0-5,10-15,4-12"] = "0-15", ["bytes=0-1,4-5,8-9,2-3,6-7"] = "0-9",
      ["bytes=90-99,1-1,50-60,55-95"] = "50-99 1-1", ["bytes=1-1,3-3"] = "1-1 3-3",
      ["bytes=20-29,0-0,10-19,2-2"] = "10-29 0-0 2-2",
    })
  end)

  it("ignores fields that ask for more than there is", function()
    gives(100, {
      ["bytes=0-,0-0"] = NONE, ["bytes=0-49,50-99"] = "0-99", ["bytes=0-50,50-99"] = NONE,
      ["bytes=-100,-1"] = NONE, ["bytes=0-,0-,0-"] = NONE, ["bytes=0-99,200-"] = "0-99",
    })
  end)

  it("takes 16 ranges and ignores fields with more", function()
    local specs = {}
    for i = 1, 16 do specs[i] = ("%d-%d"):format(i * 4, i * 4) end
    local field = "bytes=" .. table.concat(specs, ",")
    assert.are.equal(table.concat(specs, " "), (parse(field, 100)))
    assert.are.equal(NONE, (parse(field .. ",0-0", 100)))
    assert.are.equal(NONE, (parse(field .. ",200-", 100)))
    assert.are.equal(NONE, (parse("bytes=" .. ("5-5,"):rep(1300), 10000)))
    assert.are.equal("4-4", (parse("bytes=" .. (","):rep(1000) .. "4-4", 100)))
  end)

  it("does not overflow at the largest sizes", function()
    local most = 0xffffffffffffffffULL
    local set = ffi.new "jh_range_set"
    local function first_of(field)
      assert.are.equal(206, tonumber(C.jh_range_parse(str(field), most, set)), field)
      return set.ranges[0].first, set.ranges[0].len
    end
    local first, len = first_of "bytes=0-"
    assert.is_true(first == 0 and len == most)
    first, len = first_of "bytes=18446744073709551614-18446744073709551615"
    assert.is_true(first == most - 1 and len == 1)
    first, len = first_of "bytes=18446744073709551613-,0-0"
    assert.is_true(first == most - 2 and len == 2 and set.count == 2)
  end)
end)

describe("Content-Range", function()
  local function content_range(range, size)
    local out = ffi.gc(ffi.cast("char *", C.jh_alloc(C.JH_RANGE_TEXT_BYTES)), C.jh_free)
    return ffi.string(out, C.jh_range_write_content_range(range, size, out))
  end

  it("names the range and the size", function()
    assert.are.equal("bytes 0-499/1234", content_range(ffi.new("jh_range", { 0, 500 }), 1234))
    assert.are.equal("bytes 9-9/10", content_range(ffi.new("jh_range", { 9, 1 }), 10))
    assert.are.equal("bytes */1234", content_range(nil, 1234))
    local most = 0xffffffffffffffffULL
    assert.are.equal("bytes 18446744073709551614-18446744073709551614/18446744073709551615",
      content_range(ffi.new("jh_range", { most - 1, 1 }), most))
  end)
end)

describe("multipart/byteranges", function()
  local function body_of(content, field, boundary, content_type)
    local set = ffi.new "jh_range_set"
    local parts = ffi.new("jh_range_parts", { str(boundary), str(content_type), #content })
    local out = ffi.gc(ffi.cast("char *", C.jh_alloc(C.JH_RANGE_PART_BYTES_MAX)), C.jh_free)
    assert.are.equal(206, tonumber(C.jh_range_parse(str(field), #content, set)))
    local body = {}
    for i = 0, set.count - 1 do
      local range = set.ranges[i]
      body[#body + 1] = ffi.string(out, C.jh_range_write_part(parts, set, i, out))
      body[#body + 1] = content:sub(tonumber(range.first) + 1, tonumber(range.first + range.len))
    end
    body[#body + 1] = ffi.string(out, C.jh_range_write_end(parts, out))
    local text = table.concat(body)
    assert.are.equal(#text, tonumber(C.jh_range_body_bytes(parts, set)))
    return text
  end

  it("frames every part", function()
    assert.are.equal("--THIS\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01"
      .. "\r\n--THIS\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89"
      .. "\r\n--THIS--\r\n", body_of("0123456789", "bytes=0-1,-2", "THIS", "text/plain"))
    assert.are.equal("--b\r\nContent-Range: bytes 5-5/10\r\n\r\n5\r\n--b\r\nContent-Range: "
      .. "bytes 0-0/10\r\n\r\n0\r\n--b--\r\n", body_of("0123456789", "bytes=5-5,0-0", "b", ""))
  end)

  it("has room for the longest parts", function()
    body_of("0123456789", "bytes=0-1,-2", ("b"):rep(70), ("t"):rep(255))
    local most = 0xffffffffffffffffULL
    local set = ffi.new("jh_range_set", { 2, { { most - 9, 1 }, { most - 1, 1 } } })
    local out = ffi.gc(ffi.cast("char *", C.jh_alloc(C.JH_RANGE_PART_BYTES_MAX)), C.jh_free)
    local parts = ffi.new("jh_range_parts", { str(("b"):rep(70)), str(("t"):rep(255)), most })
    assert.is_true(C.jh_range_write_part(parts, set, 1, out) < C.JH_RANGE_PART_BYTES_MAX)
  end)

  it("refuses boundaries and types that are too long", function()
    local set = ffi.new("jh_range_set", { 1, { { 0, 1 } } })
    local out = ffi.new("char[?]", C.JH_RANGE_PART_BYTES_MAX)
    for _, parts in ipairs {
      ffi.new("jh_range_parts", { str(("b"):rep(71)), str "", 10 }),
      ffi.new("jh_range_parts", { str "b", str(("t"):rep(256)), 10 }),
    } do
      assert.are.equal(C.JH_ERANGE, C.jh_range_write_part(parts, set, 0, out))
      assert.are.equal(C.JH_ERANGE, C.jh_range_write_end(parts, out))
      assert.are.equal(0, tonumber(C.jh_range_body_bytes(parts, set)))
    end
  end)
end)
