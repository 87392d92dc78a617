-- disposition_spec.lua: names of form fields and files, in every spelling that clients use.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/disposition.h", "base/alloc.h")

local function text_of(slice) return ffi.string(slice.ptr, slice.len) end

-- Memory of exactly the size, so that AddressSanitizer sees an access beyond it.
local function memory_of(bytes)
  return ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(bytes, 1))), C.jh_free)
end

local function parse(value)
  local copy, room = memory_of(#value), memory_of(#value)
  local out, reason = ffi.new "jh_disposition", ffi.new "const char *[1]"
  ffi.copy(copy, value, #value)
  local result = C.jh_disposition_parse(ffi.new("jh_str", { copy, #value }), room, out, reason)
  if result ~= 0 then
    assert.are.equal(C.JH_EINVAL, result)
    return nil, ffi.string(reason[0])
  end
  return text_of(out.name), out.has_filename and text_of(out.filename) or nil
end

local function parses_to(value, name, filename)
  local got_name, got_filename = parse(value)
  assert.are.same({ name, filename }, { got_name, got_filename }, value)
end

local function is_refused(value, why)
  local name, reason = parse(value)
  assert.is_nil(name, value)
  assert.are.equal(why, reason, value)
end

describe("disposition", function()
  it("reads names and file names", function()
    parses_to('form-data; name="a"', "a")
    parses_to('form-data; name=a', "a")
    parses_to('form-data;name="a";filename="b.txt"', "a", "b.txt")
    parses_to('form-data; filename="b.txt"; name="a"', "a", "b.txt")
    parses_to('FORM-DATA ;\tNAME="a" ; FileName="B.txt" ', "a", "B.txt")
    parses_to('form-data; name="a b; c=\'d\'"', "a b; c='d'")
    parses_to('form-data; name="\xc3\xbc"; filename="\xff.txt"', "\xc3\xbc", "\xff.txt")
  end)

  it("tells an empty file name from none", function()
    parses_to('form-data; name=""', "", nil)
    parses_to('form-data; name="a"; filename=""', "a", "")
  end)

  it("undoes what browsers escape, and nothing else", function()
    parses_to('form-data; name="a%22b%0D%0Ac"; filename="%22.txt"', 'a"b\r\nc', '".txt')
    parses_to('form-data; name="100%"; filename="%41%00%0d%0a%2"', "100%", "%41%00%0d%0a%2")
    parses_to('form-data; name=a%22b', "a%22b")
  end)

  it("undoes backslashes before quotes and backslashes alone", function()
    parses_to('form-data; name="a\\"b"; filename="c\\\\d"', 'a"b', "c\\d")
    parses_to('form-data; name="a"; filename="C:\\dir\\file.txt"', "a", "C:\\dir\\file.txt")
    parses_to('form-data; name="\\a\\;"', "\\a\\;")
    is_refused('form-data; name="a\\"', "unfinished quoted name")
  end)

  it("prefers filename*, wherever it stands", function()
    parses_to("form-data; name=a; filename*=UTF-8''%E2%82%AC%20rates.txt", "a",
      "\xe2\x82\xac rates.txt")
    parses_to('form-data; name=a; filename="x"; filename*=utf-8\'de\'%C3%BC', "a", "\xc3\xbc")
    parses_to('form-data; filename*=utf-8\'\'y; filename="x"; name=a', "a", "y")
    parses_to("form-data; name=a; filename*=ISO-8859-1'en'%A3%FF%7e", "a", "\xc2\xa3\xc3\xbf~")
    parses_to("form-data; name=a; filename*=iso-8859-1''%7F%80%99%9A%a9", "a",
      "\x7f\xc2\x80\xc2\x99\xc2\x9a\xc2\xa9")
    parses_to("form-data; name=a; filename*=UTF-8''", "a", "")
    parses_to("form-data; name=a; filename*=UTF-8''a(1).txt;", "a", "a(1).txt")
    parses_to("form-data; name=a; filename*=UTF-8''it's*1.txt", "a", "it's*1.txt")
  end)

  it("refuses a bad filename*", function()
    for _, value in ipairs {
      "UTF-8''%C3", "UTF-8''%ED%A0%80", "UTF-8''%C0%AF", "UTF-8''%", "UTF-8''%4", "UTF-8''%G1",
      "UTF-8''a\"", "UTF-8''a,b", "UTF-8''a b", "UTF-8''\xc3\xbc", "UTF-8'a", "a.txt", "",
    } do
      local name = parse("form-data; name=a; filename*=" .. value)
      assert.is_nil(name, value)
    end
    is_refused("form-data; name=a; filename*=UTF-8''%E9", "bad filename*")
    is_refused("form-data; name=a; filename*=\"UTF-8''a\"", "unknown charset in filename*")
    is_refused("form-data; name=a; filename*=UTF-16''a", "unknown charset in filename*")
    is_refused("form-data; name=a; filename*=''a", "unknown charset in filename*")
    is_refused("form-data; name=a; filename*=UTF-8''a%00b", "NUL byte in a name")
    is_refused("form-data; name=a; filename*=ISO-8859-1''%00", "NUL byte in a name")
  end)

  it("ignores parameters it does not know, but not their grammar", function()
    parses_to('form-data; x=1; name="a"; size="1 2"; name2="b"; name*=UTF-8\'\'c', "a")
    is_refused('form-data; x; name="a"', "bad parameter")
    is_refused('form-data; x=; name="a"', "parameter without a value")
    is_refused('form-data; x="; name=a', "unfinished quoted name")
  end)

  it("refuses what readers may understand differently", function()
    is_refused('form-data; name="a"; name="b"', "parameter of a Content-Disposition comes twice")
    is_refused("form-data; name=a; NAME=a", "parameter of a Content-Disposition comes twice")
    is_refused("form-data; name=a; filename=b; filename=c",
      "parameter of a Content-Disposition comes twice")
    is_refused('form-data; name="a"b', "bad Content-Disposition")
    is_refused('form-data; name="a""b"', "bad Content-Disposition")
    is_refused('form-data; name="a" name="b"', "bad Content-Disposition")
    is_refused("form-data; name=a b", "bad Content-Disposition")
    is_refused("form-data; name = a", "bad parameter")
    is_refused("form-data; name= a", "parameter without a value")
    is_refused("form-data; =a", "bad parameter")
    is_refused("form-data, name=a", "bad Content-Disposition")
  end)

  it("wants form-data and a name", function()
    is_refused("form-data", "part without a name")
    is_refused("form-data;", "part without a name")
    is_refused('form-data; filename="a"', "part without a name")
    is_refused("attachment; name=a", "Content-Disposition is not form-data")
    is_refused("form-datax; name=a", "Content-Disposition is not form-data")
    is_refused("form-data/a; name=a", "bad Content-Disposition")
    is_refused("", "Content-Disposition is not form-data")
    is_refused("; name=a", "Content-Disposition is not form-data")
    parses_to("form-data;; name=a;;", "a")
  end)

  it("refuses control bytes in names", function()
    for byte = 0, 31 do
      if byte ~= 9 then
        is_refused('form-data; name="a' .. string.char(byte) .. '"', "bad byte in a name")
      end
    end
    is_refused('form-data; name="\127"', "bad byte in a name")
    parses_to('form-data; name="a\tb"', "a\tb")
  end)
end)
