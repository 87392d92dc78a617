-- proxy_protocol_spec.lua: headers of both versions, complete, cut short and wrong.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/proxy_protocol.h", "base/alloc.h")

local results = { [0] = "done", [1] = "more", [2] = "none", [-1] = "error" }

local function text_of(ip)
  local out = ffi.new("char[?]", C.JH_IP_TEXT_BYTES)
  return ffi.string(out, C.jh_ip_write(ip, out))
end

-- "source:port destination:port used", "local used", or the result and the reason of an error.
local function parse(bytes)
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#bytes, 1))), C.jh_free)
  ffi.copy(memory, bytes, #bytes)
  local out, used = ffi.new "jh_proxy_protocol", ffi.new "size_t[1]"
  local reason = ffi.new "const char *[1]"
  local result = results[tonumber(C.jh_proxy_protocol_parse(memory, #bytes, used, out, reason))]
  if result == "error" then return result, ffi.string(reason[0]) end
  if result ~= "done" then return result end
  if not out.has_addresses then return "local " .. tonumber(used[0]), out.version end
  return ("%s:%d %s:%d %d"):format(text_of(out.source), out.source_port, text_of(out.destination),
    out.destination_port, tonumber(used[0])), out.version
end

local function u16(number) return string.char(math.floor(number / 256), number % 256) end

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"
local function v2(command, kind, block)
  return SIGNATURE .. string.char(command, kind) .. u16(#block) .. block
end

local TCP4 = "\192\0\2\1\198\51\100\2" .. u16(56324) .. u16(443)
local TCP6 = "\32\1\13\184" .. ("\0"):rep(11) .. "\1" .. "\32\1\13\184" .. ("\0"):rep(11) .. "\2"
  .. u16(1) .. u16(65535)

describe("PROXY protocol, version 1", function()
  it("names client and server", function()
    for line, want in pairs {
      ["PROXY TCP4 192.0.2.1 198.51.100.2 56324 443"] = "192.0.2.1:56324 198.51.100.2:443",
      ["PROXY TCP4 0.0.0.0 255.255.255.255 0 65535"] = "0.0.0.0:0 255.255.255.255:65535",
      ["PROXY TCP6 2001:db8::1 ::1 1 2"] = "2001:db8::1:1 ::1:2",
      ["PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2"] = "192.0.2.1:1 192.0.2.2:2",
      ["PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
        .. "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535"] =
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535 "
        .. "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535",
    } do
      local used = #line + 2
      for _, rest in ipairs { "", "GET / HTTP/1.1\r\n", "\r\n", "\22\3\1" } do
        assert.are.equal(want .. " " .. used, (parse(line .. "\r\n" .. rest)))
      end
      for len = 0, used - 1 do
        assert.are.equal("more", (parse((line .. "\r\n"):sub(1, len))), len)
      end
    end
  end)

  it("has no addresses when they are unknown, whatever follows", function()
    for _, line in ipairs {
      "PROXY UNKNOWN", "PROXY UNKNOWN ", "PROXY UNKNOWN a b c", "PROXY UNKNOWN TCP4 1.2.3.4\0",
      "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
        .. "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
    } do
      assert.are.equal("local " .. #line + 2, (parse(line .. "\r\nGET")))
    end
  end)

  it("is refused when it is malformed", function()
    for _, line in ipairs {
      "PROXY ", "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2", "PROXY TCP4", "PROXY TCP4 1.2.3.4 5.6.7.8 1",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 ",
      "PROXY TCP4 1.2.3.4  5.6.7.8 1 2", "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536",
      "PROXY TCP4 1.2.3.4 5.6.7.8 01 2", "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2",
      "PROXY TCP4 1.2.3.4 5.6.7.8  2", "PROXY TCP4 ::1 ::2 1 2", "PROXY TCP6 1.2.3.4 5.6.7.8 1 2",
      "PROXY TCP4 1.2.3 5.6.7.8 1 2", "PROXY TCP4 1.2.3.4 5.6.7.256 1 2",
      "PROXY TCP4 01.2.3.4 5.6.7.8 1 2", "PROXY UDP4 1.2.3.4 5.6.7.8 1 2",
      "PROXY tcp4 1.2.3.4 5.6.7.8 1 2",
      "PROXY UNIX a b 1 2", "PROXY unknown", "PROXY UNKNOWNX", "PROXY TCP4\t1.2.3.4 5.6.7.8 1 2",
      "PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\0",
    } do
      assert.are.same({ "error", "bad PROXY line" }, { parse(line .. "\r\n") }, line)
    end
  end)

  it("ends in CRLF and nothing else", function()
    local line = "PROXY TCP4 1.2.3.4 5.6.7.8 1 2"
    for _, ending in ipairs { "\n", "\rx\n", "\r\r\n", "\r \r\n", " \r\n\r\n" } do
      assert.are.equal("error", (parse(line .. ending)), ending)
    end
    assert.are.equal("error", (parse "PROXY UNKNOWN \r x\r\n"))
  end)

  it("is at most 107 bytes long", function()
    local function line(bytes) return "PROXY UNKNOWN " .. ("x"):rep(bytes - 16) .. "\r\n" end
    assert.are.equal("local 107", (parse(line(107))))
    assert.are.same({ "error", "PROXY line too long" }, { parse(line(108)) })
    assert.are.equal("more", (parse(line(200):sub(1, 106))))
    assert.are.equal("error", (parse(line(200):sub(1, 107))))
  end)
end)

describe("PROXY protocol, version 2", function()
  it("names client and server", function()
    for kind, case in pairs {
      [0x11] = { TCP4, "192.0.2.1:56324 198.51.100.2:443" },
      [0x21] = { TCP6, "2001:db8::1:1 2001:db8::2:65535" },
    } do
      for _, extensions in ipairs { "", "\4\0\0", "\1\0\2h2", "\238\1\0" .. ("x"):rep(256) } do
        local header = v2(0x21, kind, case[1] .. extensions)
        local want = case[2] .. " " .. #header
        assert.are.equal(want, (parse(header)))
        assert.are.equal(want, (parse(header .. "GET / HTTP/1.1\r\n")))
        for len = 0, #header - 1 do
          assert.are.equal("more", (parse(header:sub(1, len))), len)
        end
      end
    end
    local mapped = (("\0"):rep(10) .. "\255\255\192\0\2\1"):rep(2) .. u16(1) .. u16(2)
    assert.are.equal("192.0.2.1:1 192.0.2.1:2 52", (parse(v2(0x21, 0x21, mapped))))
  end)

  it("has no addresses for LOCAL, whatever the block says", function()
    for _, kind in ipairs { 0x00, 0x11, 0x21, 0xff } do
      for _, block in ipairs { "", "x", TCP4, TCP6 } do
        assert.are.same({ "local " .. 16 + #block, 2 }, { parse(v2(0x20, kind, block)) })
      end
    end
  end)

  it("has no addresses for what is no stream over IP", function()
    local unix = ("/"):rep(216)
    for kind, block in pairs {
      [0x00] = "junk", [0x10] = "", [0x01] = "", [0x20] = TCP6, [0x30] = "", [0x12] = TCP4,
      [0x22] = TCP6, [0x31] = unix, [0x32] = unix, [0x02] = "",
    } do
      assert.are.equal("local " .. 16 + #block, (parse(v2(0x21, kind, block))), kind)
    end
  end)

  it("is refused when version, command or family are unknown", function()
    for _, command in ipairs { 0x00, 0x10, 0x11, 0x22, 0x2f, 0x30, 0x31, 0xff } do
      local header = v2(command, 0x11, TCP4)
      assert.are.equal("error", (parse(header)), command)
      assert.are.equal("error", (parse(header:sub(1, 13))), command)
      assert.are.equal("more", (parse(header:sub(1, 12))), command)
    end
    for _, kind in ipairs { 0x13, 0x1f, 0x41, 0xf1, 0x40, 0x03, 0xff } do
      assert.are.same({ "error", "unknown family in a PROXY header" },
        { parse(v2(0x21, kind, ("x"):rep(300))) })
    end
  end)

  it("is refused when its block is too short, too long or has bad extensions", function()
    local short = "addresses missing in a PROXY header"
    assert.are.same({ "error", short }, { parse(v2(0x21, 0x11, TCP4:sub(1, 11))) })
    assert.are.same({ "error", short }, { parse(v2(0x21, 0x11, "")) })
    assert.are.same({ "error", short }, { parse(v2(0x21, 0x21, TCP6:sub(1, 35))) })
    assert.are.same({ "error", short }, { parse(v2(0x21, 0x31, ("/"):rep(215))) })
    for _, extensions in ipairs { "\1", "\1\0", "\1\0\1", "\1\0\2x", "\4\0\0\4", "\1\255\255x" } do
      assert.are.same({ "error", "bad extension in a PROXY header" },
        { parse(v2(0x21, 0x11, TCP4 .. extensions)) })
    end
    local most = 4096 - 16
    assert.are.equal("local 4096", (parse(v2(0x20, 0, ("x"):rep(most)))))
    local long = v2(0x20, 0, ("x"):rep(most + 1))
    assert.are.same({ "error", "PROXY header too long" }, { parse(long:sub(1, 16)) })
  end)
end)

describe("no PROXY protocol", function()
  it("is what begins differently, told at the first byte that does", function()
    for _, bytes in ipairs {
      "GET / HTTP/1.1\r\n\r\n", "P0", "PROPFIND / HTTP/1.1\r\n", "PROXYX", "PROXY\t", "proxy ",
      "\22\3\1\2\0", "\r\nGET", "\r\n\r\nGET", "\r\n\r\n\0\r\nQUIT\r", "\0", " PROXY TCP4",
      "\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PUT", "PO",
    } do
      assert.are.equal("none", (parse(bytes)), bytes)
    end
  end)

  it("is not decided before a byte differs", function()
    for _, bytes in ipairs { "", "P", "PRO", "PROXY", "PROXY ", "\r", "\r\n\r\n", SIGNATURE } do
      assert.are.equal("more", (parse(bytes)), bytes)
    end
  end)
end)
