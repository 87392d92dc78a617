-- target_spec.lua: request-targets of all four forms, and what normalising makes of paths.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/target.h", "http/method.h", "base/alloc.h")

local function method(name) return C.jh_method_find(ffi.new("jh_str", { name, #name })) end

-- A slice whose memory ends where the text does, so that AddressSanitizer sees a read beyond it.
local function exact(text)
  local memory = ffi.cast("char *", C.jh_alloc(math.max(#text, 1)))
  ffi.gc(memory, C.jh_free)
  ffi.copy(memory, text, #text)
  return ffi.new("jh_str", { memory, #text }), memory
end

local function text_of(slice) return ffi.string(slice.ptr, slice.len) end

local forms = { [0] = "origin", "absolute", "authority", "asterisk" }

local function split(text, method_name)
  local slice, memory = exact(text)
  local out = ffi.new "jh_target"
  local result = C.jh_target_split(slice, method(method_name or "GET"), out)
  if result ~= 0 then return nil, result end
  local parts = {
    form = forms[out.form], path = text_of(out.path_raw), query = text_of(out.query),
    host = text_of(out.host), is_plain = out.path_is_plain, has_query = out.has_query,
    is_https = out.is_https,
  }
  return parts, memory
end

local function normalise(path)
  local slice, memory = exact(path)
  local out = ffi.cast("char *", C.jh_alloc(#path + 1))
  local len = ffi.new "size_t[1]"
  local result = C.jh_target_normalise(slice, out, len)
  local text = result == 0 and ffi.string(out, len[0]) or nil
  C.jh_free(out)
  return text, result, memory
end

describe("splitting a target", function()
  it("cuts the path from the query", function()
    local odd = "/a:b@c;d,e=f!g$h&i'j(k)l*m+n~o|p\\q\"r<s>t^u`v{w}"
    for _, case in ipairs {
      { "/", "/", "", false },
      { "/?", "/", "", true },
      { "/a/b", "/a/b", "", false },
      { "/a?b=c&d", "/a", "b=c&d", true },
      { "/a?b?c/../%00", "/a", "b?c/../%00", true },
      { "/0123456789abcdef/0123456789abcdef?q", "/0123456789abcdef/0123456789abcdef", "q", true },
      { "/0123456789abcd?0123456789abcdef?0123456789abcdef", "/0123456789abcd",
        "0123456789abcdef?0123456789abcdef", true },
      { odd, odd, "", false },
    } do
      local parts = assert(split(case[1]))
      assert.are.same({ "origin", case[2], case[3], case[4], "" },
        { parts.form, parts.path, parts.query, parts.has_query, parts.host }, case[1])
    end
  end)

  it("finds the query at every place", function()
    for len = 1, 50 do
      local path = "/" .. ("x"):rep(len - 1)
      for query_len = 0, 40 do
        local query = ("y"):rep(query_len)
        local parts = assert(split(path .. "?" .. query))
        assert.are.equal(path, parts.path)
        assert.are.equal(query, parts.query)
        assert.is_true(parts.is_plain)
      end
    end
  end)

  it("refuses control bytes, spaces, '#' and what is not ASCII, wherever it is", function()
    for byte = 0, 255 do
      local is_bad = byte <= 0x20 or byte >= 0x7f or byte == ("#"):byte()
      for _, before in ipairs { 0, 1, 7, 8, 14, 15, 16, 40 } do
        for _, after in ipairs { 0, 1, 20 } do
          local middle = ("x"):rep(before) .. string.char(byte) .. ("x"):rep(after)
          assert.are.equal(is_bad, split("/" .. middle) == nil, byte)
          assert.are.equal(is_bad, split("/?" .. middle) == nil, byte)
        end
      end
    end
  end)

  it("takes origin form for every method but CONNECT", function()
    for _, name in ipairs { "GET", "POST", "OPTIONS", "PATCH", "SOURCE" } do
      assert.are.equal("origin", split("/a", name).form)
    end
    assert.is_nil(split("/a", "CONNECT"))
    assert.is_nil(split("/", "CONNECT"))
  end)

  it("takes '*' for OPTIONS alone", function()
    assert.are.equal("asterisk", split("*", "OPTIONS").form)
    assert.is_nil(split("*", "GET"))
    assert.is_nil(split("*", "CONNECT"))
    assert.is_nil(split("**", "OPTIONS"))
    assert.is_nil(split("*/a", "OPTIONS"))
  end)

  it("takes absolute form with its host", function()
    for _, case in ipairs {
      { "http://example.com/", "example.com", "/", "", false },
      { "HTTP://Example.COM:8080/a?b", "Example.COM:8080", "/a", "b", false },
      { "https://example.com/a", "example.com", "/a", "", true },
      { "hTTpS://example.com", "example.com", "", "", true },
      { "http://example.com", "example.com", "", "", false },
      { "http://example.com?a=/b", "example.com", "", "a=/b", false },
      { "http://[::1]:80/x", "[::1]:80", "/x", "", false },
      { "http://127.0.0.1:/x", "127.0.0.1:", "/x", "", false },
    } do
      local parts = assert(split(case[1]))
      assert.are.same({ "absolute", case[2], case[3], case[4], case[5] },
        { parts.form, parts.host, parts.path, parts.query, parts.is_https }, case[1])
    end
    assert.is_false(split("http://example.com").is_plain)
    assert.is_true(split("http://example.com/a").is_plain)
  end)

  it("takes OPTIONS for a host without a path as the asterisk", function()
    local parts = split("http://example.com:81", "OPTIONS")
    assert.are.same({ "asterisk", "example.com:81" }, { parts.form, parts.host })
    assert.are.equal("absolute", split("http://example.com/", "OPTIONS").form)
    assert.are.equal("absolute", split("http://example.com?", "OPTIONS").form)
  end)

  it("refuses absolute forms that are no http URI", function()
    for _, target in ipairs {
      "http://", "http:///", "http:///path", "https://", "http://?a", "http:/example.com/",
      "http:example.com", "ftp://example.com/", "httpx://example.com/", "://example.com/",
      "http://user@example.com/", "http://user:secret@example.com/", "http://@example.com/",
      "http://example.com:x/", "http://example.com:65536/", "http://example.com:80:80/",
      "http://exa mple.com/", "http://example.com\\@evil/", "http://[::1/", "http://::1/",
      "http://[::1]x/", "http://127.0.0.1[::1]/", "http://%zz/", "http://example.com#a",
      "http://example.com/#a", "http://example.com/\0", "http://:80/", "example.com", "a", "",
      "?", "?a", "#", "./a", "javascript:alert(1)",
    } do
      assert.is_nil(split(target), target)
      assert.is_nil(split(target, "OPTIONS"), target)
    end
  end)

  it("takes authority form for CONNECT alone, with a port", function()
    local parts = split("example.com:443", "CONNECT")
    assert.are.same({ "authority", "example.com:443", "" }, { parts.form, parts.host, parts.path })
    assert.are.equal("[::1]:443", split("[::1]:443", "CONNECT").host)
    for _, target in ipairs {
      "example.com", "example.com:", "[::1]", ":443", "", "*", "http://example.com/",
      "http://example.com:80", "user@example.com:443", "example.com:99999",
    } do
      assert.is_nil(split(target, "CONNECT"), target)
    end
    assert.is_nil(split("example.com:443", "GET"))
  end)

  it("calls a path plain exactly when normalising would change nothing", function()
    local pieces = { "/", "//", "/.", "/..", "a", ".", "..", "%", "%41", "%2f", "b.c", "/.x" }
    math.randomseed(7)
    for _ = 1, 20000 do
      local path = "/"
      for _ = 1, math.random(0, 9) do path = path .. pieces[math.random(#pieces)] end
      local is_plain = split(path).is_plain
      if path:find("%", 1, true) then
        assert.is_false(is_plain, path)
      else
        assert.are.equal(normalise(path) == path, is_plain, path)
      end
      assert.are.equal(is_plain, split(path .. "?//%").is_plain, path)
    end
  end)
end)

describe("normalising a path", function()
  local function check(cases)
    for raw, expected in pairs(cases) do assert.are.equal(expected, normalise(raw), raw) end
  end

  it("decodes percent escapes but not '+'", function()
    check {
      ["/Test%20+%20%D0%BF%D1%80%D0%B8"] = "/Test + \208\191\209\128\208\184",
      ["/%41%7a%7A"] = "/Azz",
      ["/a+b"] = "/a+b",
      ["/%252e%252e/x"] = "/%2e%2e/x",
      ["/%25"] = "/%",
      ["/%0d%0a"] = "/\r\n",
      ["/%FF"] = "/\255",
    }
  end)

  it("keeps malformed escapes as they are", function()
    check {
      ["/%"] = "/%", ["/%2"] = "/%2", ["/%zz"] = "/%zz", ["/%%41"] = "/%A", ["/%4%41"] = "/%4A",
      ["/%g0a"] = "/%g0a", ["/100%/x"] = "/100%/x", ["/a%2"] = "/a%2", ["/%-1"] = "/%-1",
    }
  end)

  it("collapses slashes", function()
    check {
      ["/aa//bb"] = "/aa/bb", ["/x///y/"] = "/x/y/", ["/abc//de///fg////"] = "/abc/de/fg/",
      ["/xxxx%2fyyy%2f%2F%2F"] = "/xxxx/yyy/", ["//"] = "/", ["//example.com/x"] = "/example.com/x",
      ["%2f%2f"] = "/",
    }
  end)

  it("resolves dots and never leaves the root", function()
    check {
      ["/aaa/.."] = "/", ["/xxx/yyy/../"] = "/xxx/", ["/aaa/bbb/ccc/../../ddd"] = "/aaa/ddd",
      ["/a/b/../c/d/../e/.."] = "/a/c/", ["/aaa/../../../../xxx"] = "/xxx",
      ["/../../../../../.."] = "/", ["/../../../../../../"] = "/",
      ["/aaa%2Fbbb%2F%2E.%2Fxxx"] = "/aaa/xxx", ["/aaa////..//b"] = "/b",
      ["/aaa/..bbb/ccc/.."] = "/aaa/..bbb/", ["/a/./b/././c/./d.html"] = "/a/b/c/d.html",
      ["./foo/"] = "/foo/", ["./../.././../../aaa/bbb/../../../../././../"] = "/",
      ["./a/./.././../b/./foo.html"] = "/b/foo.html", ["/%2e%2e/etc/passwd"] = "/etc/passwd",
      ["/..%2f..%2fetc"] = "/etc", ["/a/%2E"] = "/a/", ["/."] = "/", ["/.."] = "/",
      ["/a/..."] = "/a/...", ["/.a"] = "/.a", ["/a."] = "/a.", ["/a/b/."] = "/a/b/",
    }
  end)

  it("gives every path a leading slash", function()
    check { [""] = "/", ["a"] = "/a", ["?"] = "/?", ["."] = "/", [".."] = "/", ["a/../.."] = "/" }
  end)

  it("leaves backslashes alone", function()
    check { ["/a\\..\\b"] = "/a\\..\\b", ["/%5c.."] = "/\\.." }
  end)

  it("refuses NUL", function()
    for _, path in ipairs { "/%00", "/a%00b", "/%00/../x", "/\0", "/a/%2e%00" } do
      local text, result = normalise(path)
      assert.is_nil(text)
      assert.are.equal(tonumber(C.JH_EINVAL), result)
    end
    assert.are.equal("/%0", normalise "/%0")
    assert.are.equal("/%000", normalise "/%25000")
  end)

  it("is not longer than what was sent", function()
    math.randomseed(11)
    local pieces = { "/", ".", "..", "a", "%2e", "%2f", "%", "%4", "\\", "//" }
    for _ = 1, 5000 do
      local raw = "/"
      for _ = 1, math.random(0, 12) do raw = raw .. pieces[math.random(#pieces)] end
      local path = normalise(raw)
      assert.is_true(#path <= #raw)
      assert.are.equal("/", path:sub(1, 1))
      assert.is_nil(path:find("//", 1, true))
      assert.is_nil((path .. "/"):find("/./", 1, true))
      assert.is_nil((path .. "/"):find("/../", 1, true))
    end
  end)
end)

describe("a host", function()
  local function is_valid(text)
    local slice, memory = exact(text)
    return C.jh_target_host_is_valid(slice), memory
  end

  it("is a name or an address, with or without a port", function()
    for _, host in ipairs {
      "example.com", "EXAMPLE.com:80", "localhost", "a", "127.0.0.1", "127.0.0.1:65535", "host:",
      "[::1]", "[::1]:8080", "[fe80::1:2]", "[::ffff:127.0.0.1]:1", "xn--bcher-kva.example",
      "a_b.example", "example.com.", "a%20b", "!$&'()*+,;=", "[::]", "host:0080",
    } do
      assert.is_true((is_valid(host)), host)
    end
  end)

  it("is nothing else", function()
    for _, host in ipairs {
      "", ":80", "a:b", "a:80:80", "a:65536", "a:99999999999999999999", "a b", "a/b", "a@b", "a?b",
      "a#b", "a\\b", "a\"b", "<a>", "a\0", "\0", "h\195\182st", "%", "%4", "%zz", "[", "]", "[]",
      "[::1", "::1", "[::1]80", "[::1]]", "[1.2.3.4]", "[::1%25lo]", "[::g]",
      "[" .. ("1"):rep(99) .. "]",
      "a:-1", "a:+1", "a: 1", " a", "a ", "\ta", "[::1\0]",
    } do
      assert.is_false((is_valid(host)), host)
    end
  end)
end)
