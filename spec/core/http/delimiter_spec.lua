-- delimiter_spec.lua: the delimiter of a multipart body is found wherever it stands and however
-- much looks like it, as a plain search would find it.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/delimiter.h", "base/alloc.h")

local function str(text) return ffi.new("jh_str", { text, #text }) end

-- Memory that ends where the text does, so that AddressSanitizer sees a read beyond it.
local function exact(text)
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#text, 1))), C.jh_free)
  ffi.copy(memory, text, #text)
  return memory
end

local function delimiter(boundary)
  local it = ffi.new "jh_delimiter"
  assert.are.equal(0, C.jh_delimiter_init(it, str(boundary)))
  return it
end

local function find(it, data)
  local matched = ffi.new "size_t[1]"
  local at = C.jh_delimiter_find(it, exact(data), #data, matched)
  return tonumber(at), tonumber(matched[0])
end

-- The same by trying every place.
local function find_slowly(boundary, data)
  local text = "\r\n--" .. boundary
  for at = 1, #data do
    local there = data:sub(at, at + #text - 1)
    if there == text:sub(1, #there) then return at - 1, #there end
  end
  return #data, 0
end

describe("delimiter", function()
  it("takes boundaries of 1 to 70 allowed bytes", function()
    local function is_valid(boundary) return C.jh_delimiter_boundary_is_valid(str(boundary)) end
    local allowed = "'()+_,-./:=? "
    for byte = 0, 255 do
      local char = string.char(byte)
      local is_allowed = char:find("^[%w]$") ~= nil or allowed:find(char, 1, true) ~= nil
      assert.are.equal(is_allowed and byte < 128, is_valid("a" .. char .. "b"), byte)
    end
    assert.is_true(is_valid("a"))
    assert.is_true(is_valid(("a"):rep(70)))
    assert.is_false(is_valid(("a"):rep(71)))
    assert.is_false(is_valid(""))
    assert.is_false(is_valid("a "))
    assert.is_true(is_valid(" a"))
    assert.are.equal(C.JH_EINVAL, C.jh_delimiter_init(ffi.new "jh_delimiter", str ""))
  end)

  it("is found at every place", function()
    for _, boundary in ipairs { "b", "----WebKitFormBoundaryABC", ("-"):rep(70) } do
      local it = delimiter(boundary)
      for before = 0, 80 do
        for _, after in ipairs { 0, 1, 40 } do
          local data = ("x"):rep(before) .. "\r\n--" .. boundary .. ("y"):rep(after)
          assert.are.same({ before, #boundary + 4 }, { find(it, data) })
        end
      end
    end
  end)

  it("is found where it may begin at the end of the data", function()
    local text = "\r\n--boundary"
    local it = delimiter "boundary"
    for before = 0, 70 do
      for len = 0, #text do
        local data = ("x"):rep(before) .. text:sub(1, len)
        assert.are.same({ before, len }, { find(it, data) })
      end
    end
  end)

  it("is not taken for what only begins like it", function()
    local it = delimiter "--b-"
    for _, data in ipairs {
      "", "x", "\n--", "--b", "\r\r\n--x", "\r\n--\r\n--\r\n--x", "\r\n--b\r\n--b-x",
      "\r\n---\r\n----\r\n----b\r\n----b-", ("\r"):rep(70), ("\r\n"):rep(40), ("\r\n--"):rep(30),
      ("\r\n----b"):rep(20) .. "-", ("\r\n----b.-"):rep(20) .. "\r\n----b-",
    } do
      for before = 0, 33 do
        local shifted = ("x"):rep(before) .. data
        assert.are.same({ find_slowly("--b-", shifted) }, { find(it, shifted) })
      end
    end
  end)

  it("goes on where the data before ended", function()
    local it = delimiter "abc"
    local function continue(matched, data)
      return tonumber(C.jh_delimiter_continue(it, matched, exact(data), #data))
    end
    assert.are.equal(7, continue(0, "\r\n--abc\r\n"))
    assert.are.equal(3, continue(4, "abc"))
    assert.are.equal(2, continue(4, "abx"))
    assert.are.equal(0, continue(4, "x"))
    assert.are.equal(0, continue(4, ""))
    assert.are.equal(0, continue(7, "abc"))
  end)
end)
