-- head_scanner_spec.lua: lines and fields are found and every byte of them is judged, wherever the
-- blocks of the scanner and the cuts of the input fall.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "http/head_scanner.h"

-- Every line of the bytes, which come in pieces of `cut`; the reason when one is bad.
local function scan(bytes, cut)
  local scanner, line_len = ffi.new("jh_head_scanner"), ffi.new("uint32_t[1]")
  local reason, lines = ffi.new("const char *[1]"), {}
  for given = cut, #bytes + cut - 1, cut do
    local received = bytes:sub(1, given)
    local data = ffi.new("char[?]", #received + 1, received)
    while true do
      local line = scanner.line
      local result = C.jh_head_scanner_line(scanner, data, #received, line_len, reason)
      if result == C.JH_SCAN_ERROR then return lines, ffi.string(reason[0]) end
      if result == C.JH_SCAN_MORE then break end
      lines[#lines + 1] = ffi.string(data + line, line_len[0])
    end
  end
  return lines
end

local function split(line)
  local field, reason = ffi.new("jh_header"), ffi.new("const char *[1]")
  local bytes = line .. "\r\n"
  local data = ffi.new("char[?]", #bytes + 1, bytes)
  if C.jh_head_scanner_field(data, #bytes, 0, #line, field, reason) ~= 0 then
    return nil, ffi.string(reason[0])
  end
  return ffi.string(data + field.name.off, field.name.len), ffi.string(data + field.value.off,
    field.value.len)
end

describe("head scanner", function()
  it("finds lines of every length, however the bytes come", function()
    for len = 0, 70 do
      local want = { ("a"):rep(len), "", ("b"):rep(70 - len), "c" }
      local bytes = table.concat(want, "\r\n") .. "\r\nunfinished"
      for _, cut in ipairs { 1, 2, 7, 31, 33, #bytes } do
        assert.are.same(want, (scan(bytes, cut)))
      end
    end
  end)

  it("lets tabs and bytes from 0x80 on pass", function()
    local line = "A: \t\195\188\255\128" .. ("\t"):rep(40) .. ("\195\188"):rep(40)
    for _, cut in ipairs { 1, 5, 400 } do assert.are.same({ line }, (scan(line .. "\r\n", cut))) end
  end)

  it("refuses every control byte, wherever it stands", function()
    for byte = 0, 127 do
      local is_control = (byte < 32 and byte ~= 9) or byte == 127
      for _, before in ipairs { 0, 1, 15, 16, 30, 31, 32, 33, 64 } do
        local bytes = ("x"):rep(before) .. string.char(byte) .. "yyy\r\n"
        for _, cut in ipairs { 1, 16, #bytes } do
          local lines, reason = scan(bytes, cut)
          assert.are.equal(is_control, reason ~= nil, ("byte %d behind %d"):format(byte, before))
          assert.are.equal(is_control and 0 or 1, #lines)
        end
      end
    end
  end)

  it("names what is wrong with a line", function()
    assert.are.equal("bare CR", select(2, scan("a\rb\r\n", 9)))
    assert.are.equal("bare CR", select(2, scan("a\r\r\n", 9)))
    assert.are.equal("bare LF", select(2, scan("a\n", 9)))
    assert.are.equal("bare LF", select(2, scan("a\r\n\nb", 9)))
    assert.are.equal("NUL byte", select(2, scan("a\0", 9)))
    assert.are.equal("control byte", select(2, scan("a\1", 9)))
  end)

  it("splits fields and trims values", function()
    local cases = {
      { "Host: a", "Host", "a" }, { "Host:a", "Host", "a" }, { "a:", "a", "" }, { "a: ", "a", "" },
      { "a: \t \t", "a", "" }, { "a:  b  ", "a", "b" }, { "a:\tb c\t", "a", "b c" }, { "a::", "a",
        ":" },
      { "a: : ", "a", ":" }, { "x_y.z!#$%&'*+-.^_`|~: v", "x_y.z!#$%&'*+-.^_`|~", "v" },
    }
    for _, case in ipairs(cases) do
      local name, value = split(case[1])
      assert.are.same({ case[2], case[3] }, { name, value })
    end
    for len = 1, 70 do
      local name, value = split(("n"):rep(len) .. ": " .. ("v"):rep(70 - len))
      assert.are.same({ len, 70 - len }, { #name, #value })
    end
  end)

  it("refuses what is no field", function()
    local cases = {
      [" a: b"] = "folded or indented header line", ["\ta: b"] = "folded or indented header line",
      [" "] = "folded or indented header line", [": b"] = "empty header name",
      ["a : b"] = "space before the colon", ["a\t: b"] = "space before the colon",
      ["a b: c"] = "space before the colon", ["a"] = "header line without a colon",
      [("a"):rep(40)] = "header line without a colon", ["a(b: c"] = "bad byte in a header name",
      ["\195\188: c"] = "bad byte in a header name", ["(a: c"] = "bad byte in a header name",
    }
    for line, want in pairs(cases) do
      local name, reason = split(line)
      assert.is_nil(name, line)
      assert.are.equal(want, reason, line)
    end
  end)

  it("takes exactly the token bytes as a name", function()
    for byte = 0, 255 do
      local is_token = byte < 128 and string.char(byte):find("[%w!#$%%&'*+.^_`|~-]") ~= nil
      for _, before in ipairs { 0, 3, 16, 20 } do
        if byte ~= 58 then
          local name = split(("n"):rep(before) .. string.char(byte) .. "n: value of some length")
          assert.are.equal(is_token, name ~= nil, ("byte %d behind %d"):format(byte, before))
        end
      end
    end
  end)
end)
