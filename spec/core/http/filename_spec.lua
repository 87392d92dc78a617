-- filename_spec.lua: whatever a client calls its file, the name is safe to give to a file here.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/filename.h", "base/alloc.h", "base/utf8.h")

-- Memory of exactly the size, so that AddressSanitizer sees an access beyond it.
local function memory_of(bytes)
  return ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(bytes, 1))), C.jh_free)
end

local function sanitise(raw)
  local copy, out = memory_of(#raw), memory_of(C.JH_FILENAME_BYTES_MAX)
  ffi.copy(copy, raw, #raw)
  local len = C.jh_filename_sanitise(ffi.new("jh_str", { copy, #raw }), out)
  return ffi.string(out, len)
end

local function becomes(cases)
  for raw, want in pairs(cases) do assert.are.equal(want, sanitise(raw), raw) end
end

describe("filename", function()
  it("leaves ordinary names alone", function()
    for _, name in ipairs {
      "a", "photo.jpg", "archive.tar.gz", "My File (1).txt", "a-b_c+d=e,f;g@h!i#j$k%l&m'n.txt",
      "\xc3\xbcber.txt", "\xe6\x97\xa5\xe6\x9c\xac.pdf", "\xf0\x9f\x98\x80.png", "~a", "-rf",
      "a..b", "a .b", "[x]{y}^z`.md", "com10", "console.log", "nul_", "auxiliary.c", "com", "lpt",
    } do
      assert.are.equal(name, sanitise(name))
    end
  end)

  it("keeps the last part of a path alone", function()
    becomes {
      ["/etc/passwd"] = "passwd", ["../../x"] = "x", ["..\\..\\x"] = "x", ["a/b\\c"] = "c",
      ["C:\\fakepath\\x.txt"] = "x.txt", ["C:x.txt"] = "C_x.txt", ["\\\\server\\share\\a"] = "a",
      ["a/"] = "file", ["/"] = "file", ["..\\"] = "file", ["a/../"] = "file",
    }
  end)

  it("has no leading dots and no dots or spaces at the end", function()
    becomes {
      [".htaccess"] = "htaccess", ["..."] = "file", [". . .x"] = "x", ["  a"] = "a",
      ["a."] = "a", ["a..."] = "a", ["a. . "] = "a", ["a.txt "] = "a.txt", [".."] = "file",
      [".\0.x"] = "x", ["\xe2\x80\x8e.x"] = "x", ["x.\xe2\x80\x8e"] = "x",
    }
  end)

  it("is never empty", function()
    becomes { [""] = "file", ["."] = "file", [" "] = "file", ["\0"] = "file", ["\r\n"] = "file" }
  end)

  it("has no control bytes and no invisible characters", function()
    for byte = 0, 31 do assert.are.equal("ab", sanitise("a" .. string.char(byte) .. "b")) end
    becomes {
      ["a\127b"] = "ab", ["a\xc2\x85b"] = "ab", ["a\xc2\xadb"] = "ab",
      ["invoice\xe2\x80\xaefdp.exe"] = "invoicefdp.exe", ["a\xe2\x80\xa8b"] = "ab",
      ["\xef\xbb\xbfa"] = "a", ["a\xe2\x80\x8bb"] = "ab", ["a\xe2\x81\xa6b"] = "ab",
      ["a\xf3\xa0\x81\x81b"] = "ab", ["a\r\nSet-Cookie: b"] = "aSet-Cookie_ b",
    }
  end)

  it("replaces what some system does not take in a name", function()
    becomes {
      ['a<b>c:d"e|f?g*h'] = "a_b_c_d_e_f_g_h", ["a.txt:stream"] = "a.txt_stream",
      ["a.txt::$DATA"] = "a.txt__$DATA", ["*"] = "_",
    }
  end)

  it("is always well-formed UTF-8", function()
    becomes {
      ["a\xfc.txt"] = "a_.txt", ["\xc3"] = "_", ["a\xc0\xafb"] = "a__b", ["\xed\xa0\x80x"] = "___x",
      ["a\xe2\x82"] = "a__", ["\xff\xfe"] = "__",
    }
  end)

  it("is no device of Windows", function()
    for _, name in ipairs {
      "CON", "con", "Prn", "AUX", "nul", "COM1", "com9", "LPT0", "lpt5", "CONIN$", "conout$",
      "COM\xc2\xb9", "lpt\xc2\xb3", "nul.txt", "NUL.tar.gz", "aux .x", "com1  .a.b",
    } do
      assert.are.equal("_" .. name, sanitise(name))
    end
    assert.are.equal("_nul", sanitise("nul."))
    assert.are.equal("_nul", sanitise(" nul "))
    assert.are.equal("_nul", sanitise("nul\0"))
    assert.are.equal("_nul", sanitise("C:\\nul"))
    assert.are.equal("nul_", sanitise("nul:"))
  end)

  it("is at most 255 bytes and keeps its extension", function()
    local function x(count) return ("x"):rep(count) end
    assert.are.equal(x(255), sanitise(x(255)))
    assert.are.equal(x(255), sanitise(x(256)))
    assert.are.equal(x(251) .. ".txt", sanitise(x(251) .. ".txt"))
    assert.are.equal(x(251) .. ".txt", sanitise(x(5000) .. ".txt"))
    assert.are.equal(x(251) .. ".txt", sanitise(x(251) .. ".txt "))
    assert.are.equal(x(255), sanitise(x(300) .. "." .. x(32)))
    assert.are.equal(x(223) .. "." .. ("y"):rep(31), sanitise(x(300) .. "." .. ("y"):rep(31)))
    assert.are.equal(x(255), sanitise(x(300) .. "."))
    assert.are.equal(x(100) .. ".txt", sanitise(x(100) .. (" "):rep(300) .. ".txt"))
    assert.are.equal("_nul." .. x(250), sanitise("nul." .. x(251)))
    assert.are.equal("_nul.txt", sanitise("nul" .. (" "):rep(300) .. ".txt"))
  end)

  it("is never cut within a character", function()
    for before = 0, 3 do
      local raw = ("a"):rep(before) .. ("\xf0\x9f\x98\x80"):rep(80)
      local name = sanitise(raw)
      assert.is_true(#name > 250 and #name <= 255)
      assert.are.equal(before, #name % 4)
      assert.are.equal(raw:sub(1, #name), name)
    end
  end)
end)
