-- multipart_spec.lua: forms are taken apart the same way however their bytes come, and what is not
-- a form is refused with a reason.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/multipart.h", "base/alloc.h")

local function str(text) return ffi.new("jh_str", { text, #text }) end
local function text_of(slice) return ffi.string(slice.ptr, slice.len) end

local function begin(event)
  local part = { name = text_of(event.name), data = "" }
  if event.has_filename then part.filename = text_of(event.filename) end
  if event.content_type.len > 0 then part.type = text_of(event.content_type) end
  return part
end

local function take(parts, kind, event)
  local part = parts[#parts]
  if kind == C.JH_MULTIPART_PART_BEGIN then
    parts[#parts + 1] = begin(event)
  elseif kind == C.JH_MULTIPART_PART_DATA then
    assert(event.data.len > 0 and not part.is_complete)
    part.data = part.data .. text_of(event.data)
  elseif kind == C.JH_MULTIPART_PART_END then
    part.is_complete = true
  elseif kind == C.JH_MULTIPART_END then
    assert(not parts.has_ended)
    parts.has_ended = true
  end
end

local function failure(multipart, result)
  return nil, ffi.string(multipart.reason), multipart.status, result
end

-- Runs a body in pieces of `cut` bytes, each in memory of its own. Its parts, or nil and a reason.
local function run(body, cut, boundary, limits)
  local multipart, event = ffi.new "jh_multipart", ffi.new "jh_multipart_event"
  local used, parts = ffi.new "size_t[1]", {}
  assert.are.equal(0, C.jh_multipart_init(multipart, str(boundary or "b"), limits))
  for at = 1, #body, cut do
    local piece = body:sub(at, at + cut - 1)
    local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(#piece)), C.jh_free)
    ffi.copy(memory, piece, #piece)
    local data, left = memory, #piece
    repeat
      local kind = C.jh_multipart_next(multipart, data, left, used, event)
      if kind < 0 then return failure(multipart, kind) end
      take(parts, kind, event)
      data, left = data + used[0], left - tonumber(used[0])
    until kind == C.JH_MULTIPART_MORE
    assert.are.equal(0, left)
  end
  local result = C.jh_multipart_finish(multipart)
  if result ~= 0 then return failure(multipart, result) end
  assert(parts.has_ended)
  for _, part in ipairs(parts) do
    assert(part.is_complete)
    part.is_complete = nil
  end
  parts.has_ended = nil
  return parts
end

local cuts = { 1, 2, 3, 5, 7, 16, 31, 64, 1e9 }

local function is_taken_apart(body, want, boundary)
  for _, cut in ipairs(cuts) do
    local parts, reason = run(body, cut, boundary)
    assert.are.same(want, parts or reason, "in pieces of " .. cut)
  end
end

local function is_refused(body, why, status, limits)
  for _, cut in ipairs(cuts) do
    local parts, reason, got = run(body, cut, nil, limits)
    assert.is_nil(parts, body)
    assert.are.same({ why, status or 400 }, { reason, got }, body)
  end
end

local function part(disposition, data, more)
  return ("--b\r\nContent-Disposition: form-data; %s\r\n%s\r\n%s\r\n"):format(disposition,
    more or "", data)
end

describe("multipart", function()
  it("takes a browser's form apart", function()
    local boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    local body = ([[
--%s
Content-Disposition: form-data; name="title"

two
lines
--%s
Content-Disposition: form-data; name="file"; filename="a%%22b.bin"
Content-Type: application/octet-stream

%s
--%s
Content-Disposition: form-data; name="none"; filename=""
Content-Type: application/octet-stream


--%s--
]]):gsub("\n", "\r\n"):format(boundary, boundary, "\0\255\r\n--", boundary, boundary)
    is_taken_apart(body, {
      { name = "title", data = "two\r\nlines" },
      { name = "file", filename = 'a"b.bin', type = "application/octet-stream",
        data = "\0\255\r\n--" },
      { name = "none", filename = "", type = "application/octet-stream", data = "" },
    }, boundary)
  end)

  it("takes forms without parts, and parts without content", function()
    is_taken_apart("--b--", {})
    is_taken_apart("--b--\r\n", {})
    is_taken_apart("\r\n--b--\r\n", {})
    local empty = { { name = "a", data = "" } }
    is_taken_apart(part("name=a", "") .. "--b--", empty)
    -- RFC 2046: the empty line's CRLF may be the one that a boundary needs.
    is_taken_apart("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b--", empty)
    is_taken_apart(part("name=a", "\r\n") .. "--b--", { { name = "a", data = "\r\n" } })
  end)

  it("keeps what only looks like a boundary, with the boundary at every distance", function()
    local lures = { "\r", "\n", "\r\n", "\r\n-", "\r\n--", "\r\n--c", "--b", "-", "--", "--a",
      "\n--b", "\r--b", "\r\n-b", "\r\n --b", "\r\r\n--", "\r\n--\r\n--", "\r\n\r\n--x" }
    for _, lure in ipairs(lures) do
      for _, shape in ipairs { "x%s", "%sx", "x%sx", "%s%s", "x%sx%s" } do
        local data = shape:gsub("%%s", (lure:gsub("%%", "%%%%")))
        if data:sub(1, 3) ~= "--b" and not data:find("\r\n--b", 1, true) then
          is_taken_apart(part("name=a", data) .. "--b--", { { name = "a", data = data } })
        end
      end
    end
  end)

  it("takes a boundary at the beginning of the content for one", function()
    is_refused(part("name=a", "--bx") .. "--b--", "no CRLF after a boundary")
    is_taken_apart(part("name=a", "--a") .. "--b--", { { name = "a", data = "--a" } })
  end)

  it("finds boundaries in content of any length", function()
    for len = 0, 140 do
      local data = ("x\r\n-"):rep(35):sub(1, len)
      local body = part("name=a", data) .. part("name=b", "y") .. "--b--"
      for _, cut in ipairs { 1, 13, 64, 1e9 } do
        assert.are.same({ { name = "a", data = data }, { name = "b", data = "y" } },
          (run(body, cut)))
      end
    end
  end)

  it("gives content as slices of the caller's memory", function()
    local body = part("name=a", ("x"):rep(1000)) .. "--b--"
    local multipart, event = ffi.new "jh_multipart", ffi.new "jh_multipart_event"
    local used, memory = ffi.new "size_t[1]", ffi.new("char[?]", #body + 1, body)
    C.jh_multipart_init(multipart, str "b", nil)
    local kind = C.jh_multipart_next(multipart, memory, #body, used, event)
    assert.are.equal(C.JH_MULTIPART_PART_BEGIN, kind)
    local at = tonumber(used[0])
    assert.are.equal(C.JH_MULTIPART_PART_DATA,
      C.jh_multipart_next(multipart, memory + at, #body - at, used, event))
    assert.are.equal(1000, tonumber(event.data.len))
    assert.is_true(event.data.ptr == memory + at)
  end)

  it("takes white space behind a boundary and ignores what follows the last one", function()
    is_taken_apart("--b \t \r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b \r\n"
      .. "content-disposition: form-data; name=c\r\n\r\ny\r\n--b--", {
      { name = "a", data = "x" }, { name = "c", data = "y" },
    })
    for _, epilogue in ipairs { "\r\n", "x", "-", "\r\n--b\r\n", "\r\n--b--\r\n", "\0", " \r\n" } do
      is_taken_apart(part("name=a", "x") .. "--b--" .. epilogue, { { name = "a", data = "x" } })
    end
  end)

  it("refuses anything but one CRLF before the first boundary", function()
    local why = "the body does not begin with its boundary"
    for _, body in ipairs {
      "x", "--x", "b--b--", "\n--b--", "\r\n\r\n--b--", "\r--b--", "preamble\r\n--b--",
      "\r\nx--b--", "--a--", "\0", " --b--", "---b--", "\r\r\n--b--", "--\r\n--b--",
    } do
      is_refused(body, why)
    end
  end)

  it("refuses what ends too early", function()
    local body = part("name=a; filename=x", "data", "Content-Type: text/plain\r\n") .. "--b--"
    for len = 0, #body - 1 do
      for _, cut in ipairs { 1, 7, 1e9 } do
        local parts, reason = run(body:sub(1, len), cut)
        assert.is_nil(parts, len)
        assert.are.equal("the body ends before its final boundary", reason)
      end
    end
  end)

  it("refuses a boundary that goes on", function()
    local why = "no CRLF after a boundary"
    for _, tail in ipairs { "x", "b", "\n", "\rx", "\r\r\n", " x", " --", "-x", "-\r\n", "\0" } do
      is_refused("--b" .. tail, why)
      is_refused(part("name=a", "x") .. "--b" .. tail, why)
    end
  end)

  it("refuses bad part headers", function()
    local good = "Content-Disposition: form-data; name=a\r\n"
    for header, why in pairs {
      [good .. "A b: c\r\n\r\n"] = "bad part header",
      [good .. "A : c\r\n\r\n"] = "bad part header",
      [good .. ": c\r\n\r\n"] = "bad part header",
      [good .. "c\r\n\r\n"] = "bad part header",
      [good .. " folded: x\r\n\r\n"] = "bad part header",
      [good .. "\tfolded\r\n\r\n"] = "bad part header",
      [good .. "A: b\n\r\n"] = "bare LF in a part header",
      [good .. "\n"] = "bare LF in a part header",
      [good .. "A: b\rc\r\n\r\n"] = "bad byte in a part header",
      [good .. "A: b\r\r\n\r\n"] = "bad byte in a part header",
      [good .. "A: \0\r\n\r\n"] = "bad byte in a part header",
      [good .. "A: \127\r\n\r\n"] = "bad byte in a part header",
      [good .. good .. "\r\n"] = "Content-Disposition comes twice",
      [good .. "content-disposition:\r\n\r\n"] = "Content-Disposition comes twice",
      [good .. "Content-Type: a/b\r\nCONTENT-TYPE: c/d\r\n\r\n"] =
        "Content-Type of a part comes twice",
      [good .. "Content-Transfer-Encoding: base64\r\n\r\n"] = "part with a transfer encoding",
      [good .. "Content-Transfer-Encoding: quoted-printable\r\n\r\n"] =
        "part with a transfer encoding",
      ["Content-Disposition: form-data\r\n\r\n"] = "part without a name",
      ["Content-Disposition: form-data; filename=a\r\n\r\n"] = "part without a name",
      ["Content-Disposition: attachment; name=a\r\n\r\n"] = "Content-Disposition is not form-data",
      ["Content-Type: a/b\r\n\r\n"] = "part without Content-Disposition",
      ["\r\n"] = "part without Content-Disposition",
    } do
      is_refused("--b\r\n" .. header .. "x\r\n--b--", why)
    end
  end)

  it("takes the transfer encodings that encode nothing", function()
    for _, encoding in ipairs { "binary", "8bit", "7BIT" } do
      is_taken_apart(part("name=a", "x", "Content-Transfer-Encoding: " .. encoding .. "\r\n")
        .. "--b--", { { name = "a", data = "x" } })
    end
  end)

  it("holds its limits exactly", function()
    local limits = ffi.new("jh_multipart_limits", { 100, 3, 2 })
    local head = "Content-Disposition: form-data; name=a\r\n" -- 40 bytes
    local function body(header) return "--b\r\n" .. header .. "\r\nx\r\n--b--" end
    local function fill(bytes) return "A:" .. ("x"):rep(bytes - 4) .. "\r\n" end
    assert.are.equal(1, #run(body(head .. fill(58)), 1e9, "b", limits))
    is_refused(body(head .. fill(59)), "part header too large", 413, limits)
    is_refused("--b\r\n" .. ("x"):rep(200), "part header too large", 413, limits)
    assert.are.equal(1, #run(body(head .. "A:\r\nB:\r\n"), 1e9, "b", limits))
    is_refused(body(head .. "A:\r\nB:\r\nC:\r\n"), "too many part headers", 413, limits)
    local two = part("name=a", "x"):rep(2)
    assert.are.equal(2, #run(two .. "--b--", 1e9, "b", limits))
    is_refused(two .. part("name=a", "x") .. "--b--", "too many parts", 413, limits)
  end)

  it("never takes a header above 4096 bytes, whatever the limits say", function()
    local limits = ffi.new("jh_multipart_limits", { 2 ^ 32 - 1, 2 ^ 32 - 1, 2 ^ 32 - 1 })
    local head = "Content-Disposition: form-data; name=a\r\n"
    local function body(bytes)
      return "--b\r\n" .. head .. "A:" .. ("x"):rep(bytes - #head - 6) .. "\r\n\r\nx\r\n--b--"
    end
    for _, cut in ipairs { 1, 100, 1e9 } do
      assert.are.equal("x", run(body(4096), cut, "b", limits)[1].data)
      assert.are.equal("part header too large", (select(2, run(body(4097), cut, "b", limits))))
    end
  end)

  it("keeps room for the longest names", function()
    local name = ("n"):rep(4000)
    is_taken_apart(part('name="' .. name .. '"', "x") .. "--b--", { { name = name, data = "x" } })
    local utf8 = ("%E9"):rep(1300)
    is_taken_apart(part("name=a; filename*=iso-8859-1''" .. utf8, "x") .. "--b--",
      { { name = "a", filename = ("\xc3\xa9"):rep(1300), data = "x" } })
  end)

  it("fails for good", function()
    local multipart, event = ffi.new "jh_multipart", ffi.new "jh_multipart_event"
    local used = ffi.new "size_t[1]"
    C.jh_multipart_init(multipart, str "b", nil)
    for _ = 1, 2 do
      assert.are.equal(C.JH_EPROTO, C.jh_multipart_next(multipart, "x", 1, used, event))
      assert.are.equal(C.JH_EPROTO, C.jh_multipart_finish(multipart))
      assert.are.equal("the body does not begin with its boundary", ffi.string(multipart.reason))
    end
  end)

  it("finds other headers of a part", function()
    local multipart, event = ffi.new "jh_multipart", ffi.new "jh_multipart_event"
    local used = ffi.new "size_t[1]"
    local body = '--b\r\nX-A: 1\r\nContent-Disposition: form-data; name="%0D%0AX-B: 2"\r\n'
      .. "x-a:  3\r\nX-Empty:\r\n\r\n"
    C.jh_multipart_init(multipart, str "b", nil)
    assert.are.equal(1, C.jh_multipart_next(multipart, body, #body, used, event))
    local function header(name)
      local value = C.jh_multipart_header(multipart, str(name))
      return value.ptr ~= nil and text_of(value) or nil
    end
    assert.are.equal("1", header "x-A")
    assert.are.equal("", header "x-empty")
    assert.is_nil(header "X-B")
    assert.is_nil(header "")
    assert.are.equal('form-data; name="%0D%0AX-B: 2"', header "Content-Disposition")
    assert.are.equal("\r\nX-B: 2", text_of(event.name))
  end)
end)

describe("the boundary of a Content-Type", function()
  local function boundary(content_type)
    local out = ffi.new "jh_str"
    local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#content_type, 1))), C.jh_free)
    ffi.copy(memory, content_type, #content_type)
    local slice = ffi.new("jh_str", { memory, #content_type })
    local result = C.jh_multipart_boundary(slice, out)
    return result == 0 and text_of(out) or result
  end

  it("is read with quotes and without", function()
    for content_type, want in pairs {
      ["multipart/form-data; boundary=abc"] = "abc",
      ["multipart/form-data;boundary=abc"] = "abc",
      ["Multipart/Form-Data ; BOUNDARY=AbC ; charset=utf-8"] = "AbC",
      ['multipart/form-data; charset="a; boundary=x"; boundary="b c"'] = "b c",
      ['multipart/form-data; x="\\"; boundary=q"; boundary=abc'] = "abc",
      ['multipart/form-data; boundary="abc";'] = "abc",
      ["multipart/form-data;; boundary=abc"] = "abc",
      ["multipart/form-data; boundary=----=_Part_1_2.3"] = "----=_Part_1_2.3",
      ['multipart/form-data; boundary="a\'()+_,-./:=? b"'] = "a'()+_,-./:=? b",
      ["multipart/form-data; boundary=" .. ("x"):rep(70)] = ("x"):rep(70),
    } do
      assert.are.equal(want, boundary(content_type))
    end
  end)

  it("is refused when it is missing, bad or there twice", function()
    for _, parameters in ipairs {
      "", ";", "; boundary", "; boundary=", '; boundary=""', '; boundary="a', '; boundary="a ',
      "; boundary=a; boundary=a", "; boundary=a; Boundary=b", "; boundary=" .. ("x"):rep(71),
      '; boundary="a "', "; boundary=a*b", '; boundary="a\\b"', "; boundary=a\0b",
      "; boundary=\xc3\xbc", "; boundary =a", "; boundary= a", '; boundary="a"b', "; =a",
      "; =a; boundary=b",
      '; boundary=a"b"', "; boundary=a b", "; boundary*=a", '; boundary="\\',
    } do
      assert.are.equal(C.JH_EINVAL, boundary("multipart/form-data" .. parameters), parameters)
    end
  end)

  it("is not looked for in other types", function()
    for _, content_type in ipairs {
      "", "multipart/mixed; boundary=a", "multipart/form-datax; boundary=a", "text/plain",
      "multipart/form-data,multipart/form-data; boundary=a", "x multipart/form-data; boundary=a",
      "application/x-www-form-urlencoded",
    } do
      assert.are.equal(C.JH_EUNSUPPORTED, boundary(content_type), content_type)
    end
    assert.are.equal(C.JH_EINVAL, boundary "multipart/form-data boundary=a")
  end)

  it("is checked by init as well", function()
    local multipart = ffi.new "jh_multipart"
    assert.are.equal(C.JH_EINVAL, C.jh_multipart_init(multipart, str "", nil))
    assert.are.equal(C.JH_EINVAL, C.jh_multipart_init(multipart, str "a\r\n", nil))
  end)
end)
