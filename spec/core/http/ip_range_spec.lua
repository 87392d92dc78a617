-- ip_range_spec.lua: which addresses a range has, at and around its ends.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/ip_range.h", "base/alloc.h")

local function exact(text)
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#text, 1))), C.jh_free)
  ffi.copy(memory, text, #text)
  return ffi.new("jh_str", { memory, #text }), memory
end

local function range_of(text)
  local slice, memory = exact(text)
  local range = ffi.new "jh_ip_range"
  local result = C.jh_ip_range_parse(slice, range)
  return result == 0 and range or nil, memory
end

local function ip_of(text)
  local slice, memory = exact(text)
  local ip = ffi.new "jh_ip"
  assert.are.equal(0, C.jh_ip_parse(slice, ip), text)
  return ip, memory
end

local function has(range, ip) return C.jh_ip_range_has(assert(range_of(range)), (ip_of(ip))) end

describe("ip range", function()
  it("has the addresses of its prefix and no others", function()
    for range, cases in pairs {
      ["192.0.2.1"] = { "192.0.2.1", out = { "192.0.2.0", "192.0.2.2", "192.0.3.1", "::1" } },
      ["10.0.0.0/8"] = { "10.0.0.0", "10.255.255.255", out = { "9.255.255.255", "11.0.0.0" } },
      ["172.16.0.0/12"] = { "172.16.0.0", "172.31.255.255",
        out = { "172.15.255.255", "172.32.0.0" } },
      ["192.0.2.128/25"] = { "192.0.2.128", "192.0.2.255", out = { "192.0.2.127", "192.0.3.0" } },
      ["192.0.2.4/31"] = { "192.0.2.4", "192.0.2.5", out = { "192.0.2.3", "192.0.2.6" } },
      ["192.0.2.4/32"] = { "192.0.2.4", out = { "192.0.2.5" } },
      ["0.0.0.0/0"] = { "0.0.0.0", "255.255.255.255", out = { "::", "::1" } },
      ["::/0"] = { "::", "ffff:ffff::", out = { "0.0.0.0", "::ffff:1.2.3.4" } },
      ["2001:db8::/32"] = { "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        out = { "2001:db7:ffff::", "2001:db9::" } },
      ["2001:db8::/33"] = { "2001:db8:7fff::", out = { "2001:db8:8000::" } },
      ["fc00::/7"] = { "fc00::", "fdff::1", out = { "fbff::", "fe00::" } },
      ["::1"] = { "::1", out = { "::2", "::", "0.0.0.1", "127.0.0.1" } },
      ["2001:db8::1/127"] = { "2001:db8::", "2001:db8::1", out = { "2001:db8::2" } },
    } do
      for _, ip in ipairs(cases) do assert.is_true(has(range, ip), range .. " " .. ip) end
      for _, ip in ipairs(cases.out) do assert.is_false(has(range, ip), range .. " " .. ip) end
    end
  end)

  it("agrees with arithmetic for every IPv4 prefix", function()
    local function text(number)
      return ("%d.%d.%d.%d"):format(number / 2 ^ 24, number / 2 ^ 16 % 256, number / 2 ^ 8 % 256,
        number % 256)
    end
    local base = 0xc0a85aa5
    for bits = 0, 32 do
      local size = 2 ^ (32 - bits)
      local first = math.floor(base / size) * size
      local range = text(base) .. "/" .. bits
      assert.is_true(has(range, text(first)))
      assert.is_true(has(range, text(first + size - 1)))
      if first > 0 then assert.is_false(has(range, text(first - 1))) end
      if first + size < 2 ^ 32 then assert.is_false(has(range, text(first + size))) end
    end
  end)

  it("ignores bits behind the prefix", function()
    assert.is_true(has("10.1.2.3/8", "10.9.9.9"))
    assert.is_true(has("2001:db8::dead:beef/32", "2001:db8:1::"))
  end)

  it("takes IPv4 addresses that came as IPv6, and ranges of them", function()
    assert.is_true(has("10.0.0.0/8", "::ffff:10.1.2.3"))
    assert.is_true(has("::ffff:10.0.0.0/104", "10.1.2.3"))
    assert.is_false(has("::ffff:10.0.0.0/104", "11.0.0.0"))
    assert.is_true(has("::ffff:10.1.2.3", "10.1.2.3"))
    assert.is_true(has("::ffff:0:0/96", "1.2.3.4"))
    assert.is_nil((range_of "::ffff:10.0.0.0/8"))
    assert.is_nil((range_of "::ffff:10.0.0.0/95"))
    assert.is_nil((range_of "::ffff:10.0.0.0/129"))
  end)

  it("is refused when it is malformed", function()
    for _, text in ipairs {
      "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08",
      "10.0.0.0/8/8", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0 /8", "10/8", "10.0.0/8", "::/129",
      "::/00", "::/0128", "::/18446744073709551616", "::/4294967296", "10.0.0.0/255.0.0.0",
      "10.0.0.0/x", "10.0.0.0/8\0", "10.0.0.0-10.0.0.9", "*", "10.*", "localhost", "[::1]/128",
      "fe80::%eth0/10",
    } do
      assert.is_nil((range_of(text)), text)
    end
  end)

  it("is looked for among several", function()
    local ranges = ffi.new "jh_ip_range[3]"
    for i, text in ipairs { "10.0.0.0/8", "192.0.2.7", "2001:db8::/32" } do
      ranges[i - 1] = range_of(text)
    end
    local function any_has(ip) return C.jh_ip_range_any_has(ranges, 3, (ip_of(ip))) end
    assert.is_true(any_has "10.1.1.1")
    assert.is_true(any_has "192.0.2.7")
    assert.is_true(any_has "2001:db8::5")
    assert.is_false(any_has "192.0.2.8")
    assert.is_false(any_has "::1")
    assert.is_false(C.jh_ip_range_any_has(ranges, 0, (ip_of "10.1.1.1")))
  end)
end)
