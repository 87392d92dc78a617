-- address_spec.lua: what may stand after --listen, and what is said about the rest.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "server/address.h"

describe("address", function()
  local out = ffi.new("char[512]")

  local function parse(text)
    local address = ffi.new("jh_address")
    if C.jh_address_parse(address, text, out, ffi.sizeof(out)) ~= 0 then
      return nil, ffi.string(out)
    end
    return address
  end

  local function url(text)
    local address, err = parse(text)
    return address and ffi.string(C.jh_address_url(address, out, ffi.sizeof(out))) or err
  end

  it("reads every form", function()
    for text, expected in pairs {
      ["127.0.0.1:8080"] = "http://127.0.0.1:8080",
      ["localhost:80"] = "http://127.0.0.1:80",
      [":8080"] = "http://0.0.0.0:8080",
      ["*:8080"] = "http://0.0.0.0:8080",
      ["8080"] = "http://127.0.0.1:8080",
      ["0"] = "http://127.0.0.1:0",
      [":65535"] = "http://0.0.0.0:65535",
      ["[::1]:8080"] = "http://[::1]:8080",
      ["[::]:0"] = "http://[::]:0",
      ["[2001:DB8::0:1]:443"] = "http://[2001:db8::1]:443",
      ["[::1%lo]:80"] = "http://[::1%25lo]:80",
      ["unix:/run/app.sock"] = "unix:/run/app.sock",
      ["unix:app.sock"] = "unix:app.sock",
      ["systemd"] = "systemd",
      ["systemd:web"] = "systemd:web",
    } do
      assert.are.equal(expected, url(text), text)
    end
  end)

  it("says what is wrong and what to write", function()
    for text, expected in pairs {
      [""] = "is empty; write host:port",
      ["127.0.0.1"] = "has no port; write 127.0.0.1:8080",
      ["localhost"] = "has no port; write localhost:8080",
      ["127.0.0.1:"] = "has no port",
      [":80a"] = "has a port that is not a number",
      [":-1"] = "has no port",
      [":65536"] = "has a port above 65535",
      [":99999999999999999999"] = "has a port above 65535",
      ["::1:8080"] = "looks like IPv6; write it as [::1]:8080",
      ["::1"] = "looks like IPv6",
      ["[::1"] = "has a [ without ]",
      ["[::1]"] = "has no port",
      ["[::g]:80"] = "holds no IPv6 address between [ and ]",
      ["[127.0.0.1]:80"] = "holds no IPv6 address",
      ["[::1%nope]:80"] = "names no network interface 'nope'",
      ["localhost:80/x"] = "write it without a path",
      ["https://localhost:443/x"] = "write it without a path",
      ["https://localhost"] = "has no port",
      ["https://"] = "is empty",
      ["/run/app.sock"] = "is a path; write unix:/run/app.sock",
      ["unix:"] = "has no path",
      ["unix:/" .. ("x"):rep(200)] = "has a path above 107 bytes",
      ["systemd:" .. ("x"):rep(200)] = "has a name that is too long",
      [("x"):rep(300) .. ":80"] = "has a host that is too long",
    } do
      local address, err = parse(text)
      assert.is_nil(address, text)
      assert.is_truthy(err:find(expected, 1, true), text .. " -> " .. err)
      assert.is_truthy(err:find("'" .. text:sub(1, 100) .. "'", 1, true), err)
    end
  end)

  it("takes a scheme in front", function()
    for text, expected in pairs {
      ["https://127.0.0.1:8443"] = "https://127.0.0.1:8443",
      ["https://[::1]:8443"] = "https://[::1]:8443",
      ["https://:443"] = "https://0.0.0.0:443",
      ["http://127.0.0.1:80"] = "http://127.0.0.1:80",
      ["https://unix:/run/a.sock"] = "https://unix:/run/a.sock",
      ["https://systemd:web"] = "https://systemd:web",
      ["http://unix:/run/a.sock"] = "unix:/run/a.sock",
    } do
      local address = assert(parse(text))
      assert.are.equal(text:match "^%a+" == "https" and C.JH_ADDRESS_HTTPS or C.JH_ADDRESS_HTTP,
        address.scheme, text)
      assert.are.equal(expected, url(text), text)
    end
    assert.are.equal(C.JH_ADDRESS_ANY_SCHEME, parse(":80").scheme)
  end)

  it("compares kind, address and port", function()
    local function equal(a, b) return C.jh_address_is_equal(parse(a), parse(b)) end
    assert.is_true(equal(":80", "*:80"))
    assert.is_true(equal("unix:/a", "unix:/a"))
    assert.is_true(equal("[::1]:80", "[0:0::1]:80"))
    assert.is_false(equal(":80", "127.0.0.1:80"))
    assert.is_false(equal(":80", ":81"))
    assert.is_false(equal(":80", "[::]:80"))
    assert.is_false(equal(":0", ":0"))
    assert.is_false(equal("unix:/a", "unix:/b"))
  end)
end)
