-- ip_spec.lua: addresses are read, written and counted alike whichever way they came.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/ip.h", "base/alloc.h")

local function parse(text)
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#text, 1))), C.jh_free)
  ffi.copy(memory, text, #text)
  local ip = ffi.new "jh_ip"
  local result = C.jh_ip_parse(ffi.new("jh_str", { memory, #text }), ip)
  if result == 0 then return ip end
  assert.are.equal(C.JH_EINVAL, result)
end

local function write(ip)
  local out = ffi.gc(ffi.cast("char *", C.jh_alloc(C.JH_IP_TEXT_BYTES)), C.jh_free)
  local len = C.jh_ip_write(ip, out)
  assert.are.equal(0, out[tonumber(len)])
  return ffi.string(out, len)
end

describe("ip", function()
  it("is read and written in its usual form", function()
    for text, want in pairs {
      ["192.0.2.1"] = "192.0.2.1", ["0.0.0.0"] = "0.0.0.0", ["255.255.255.255"] = "255.255.255.255",
      ["::"] = "::", ["::1"] = "::1", ["2001:DB8:0:0:0:0:0:1"] = "2001:db8::1",
      ["2001:0db8::0001"] = "2001:db8::1", ["fe80::1"] = "fe80::1",
      ["2001:db8:1:2:3:4:192.0.2.1"] = "2001:db8:1:2:3:4:c000:201",
      ["1111:2222:3333:4444:5555:6666:7777:8888"] = "1111:2222:3333:4444:5555:6666:7777:8888",
    } do
      local ip = assert(parse(text), text)
      assert.are.equal(want, write(ip))
      assert.are.equal(want:find(":", 1, true) ~= nil, ip.is_ipv6)
    end
  end)

  it("is IPv4 when it only maps to it", function()
    for _, text in ipairs { "::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1" } do
      assert.are.equal("192.0.2.1", write(parse(text)))
      assert.is_true(C.jh_ip_is_equal(parse "192.0.2.1", parse(text)))
    end
    assert.is_true(parse("::192.0.2.1").is_ipv6)
    assert.is_true(parse("::fffe:192.0.2.1").is_ipv6)
    assert.is_true(parse("64:ff9b::192.0.2.1").is_ipv6)
  end)

  it("is refused in any other form", function()
    for _, text in ipairs {
      "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04", "0x1.2.3.4", "1.2.3.4 ",
      " 1.2.3.4", "1.2.3.4:80", "[::1]", "::1%eth0", ":::", "1::2::3", "1:2:3:4:5:6:7", "::g",
      "1:2:3:4:5:6:7:8:9", "12345::", "1.2.3.4\0", "::1\0", "\0", "localhost", "1.2.3.-4", ":", ".",
      "::1.2.3", "::ffff:1.2.3.400",
      ("1"):rep(45), ("1"):rep(46), ("1"):rep(47), ("0:"):rep(30), "1.2.3.4/8", "+1.2.3.4",
    } do
      assert.is_nil(parse(text), text)
    end
  end)

  it("is taken from the bytes of a socket address", function()
    local ip = ffi.new "jh_ip"
    assert.are.equal(0, C.jh_ip_from_bytes("\192\0\2\1", 4, ip))
    assert.are.equal("192.0.2.1", write(ip))
    assert.are.equal(0, C.jh_ip_from_bytes(("\0"):rep(10) .. "\255\255\192\0\2\1", 16, ip))
    assert.are.equal("192.0.2.1", write(ip))
    assert.are.equal(0, C.jh_ip_from_bytes("\32\1\13\184" .. ("\0"):rep(11) .. "\1", 16, ip))
    assert.are.equal("2001:db8::1", write(ip))
    for _, len in ipairs { 0, 1, 3, 5, 15, 17 } do
      assert.are.equal(C.JH_EINVAL, C.jh_ip_from_bytes(("x"):rep(20), len, ip))
    end
  end)

  it("is equal to itself alone", function()
    local texts = { "0.0.0.0", "::", "1.2.3.4", "1.2.3.5", "102:304::", "::1", "::102:304" }
    for i, a in ipairs(texts) do
      for n, b in ipairs(texts) do
        assert.are.equal(i == n, C.jh_ip_is_equal(parse(a), parse(b)), a .. " " .. b)
      end
    end
  end)

  it("has a limit key per IPv4 address and per IPv6 /64, never 0", function()
    local function key(text) return C.jh_ip_limit_key(parse(text)) end
    assert.is_true(key "1.2.3.4" == key "::ffff:1.2.3.4")
    assert.is_true(key "1.2.3.4" ~= key "1.2.3.5")
    assert.is_true(key "2001:db8:1:2::1" == key "2001:db8:1:2:ffff:ffff:ffff:ffff")
    assert.is_true(key "2001:db8:1:2::1" ~= key "2001:db8:1:3::1")
    local seen = {}
    for _, text in ipairs {
      "0.0.0.0", "255.255.255.255", "127.0.0.1", "::1", "0:0:0:1::", "0:0:7f00:1::", "fe80::1",
      "2000::", "ff00::",
    } do
      local number = key(text)
      assert.is_true(number ~= 0, text)
      assert.is_nil(seen[tostring(number)], text)
      seen[tostring(number)] = text
    end
  end)
end)
