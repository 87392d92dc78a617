-- proxies.lua: which proxy a request goes through.
local ffi = require "ffi"
local proxies = require "justhttp.proxies"
require "spec.support.sys"

local NAMES = { "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY",
  "ALL_PROXY", "NO_PROXY" }

local function choose(scheme, host, environment, said)
  for _, name in ipairs(NAMES) do ffi.C.unsetenv(name) end
  for name, value in pairs(environment or {}) do ffi.C.setenv(name, value, 1) end
  local port = scheme == "https" and 443 or 80
  local proxy, err = proxies.choose({ scheme = scheme, host = host, port = port }, said)
  for _, name in ipairs(NAMES) do ffi.C.unsetenv(name) end
  return proxy, err
end

describe("proxies", function()
  local before = {}
  setup(function() for _, name in ipairs(NAMES) do before[name] = os.getenv(name) end end)
  teardown(function()
    for name, value in pairs(before) do ffi.C.setenv(name, value, 1) end
  end)

  it("are none when nobody names one", function()
    assert.is_false(choose("http", "a"))
  end)

  it("are what the caller says", function()
    assert.are.same({ kind = proxies.PLAIN, host = "p", port = 3128 },
      choose("http", "a", {}, "http://p:3128"))
    assert.are.same({ kind = proxies.CONNECT, host = "p", port = 80, auth = "Basic dTpwdw==" },
      choose("https", "a", {}, "http://u:pw@p"))
    assert.are.same({ kind = proxies.SOCKS5, host = "p", port = 1080, auth = "u:pw" },
      choose("https", "a", {}, "socks5h://u:pw@p"))
    assert.are.same({ kind = proxies.PLAIN, host = "p", port = 81 },
      choose("http", "a", {}, "p:81"))
  end)

  it("are what the environment says", function()
    assert.are.equal("p", choose("http", "a", { http_proxy = "http://p" }).host)
    assert.are.equal("q", choose("https", "a", { HTTPS_PROXY = "http://q" }).host)
    assert.are.equal("r", choose("https", "a", { all_proxy = "socks5://r" }).host)
    assert.is_false(choose("http", "a", { https_proxy = "http://q" }))
    assert.is_false(choose("http", "a", { HTTP_PROXY = "http://from-a-client" }))
    assert.is_false(choose("http", "a", { http_proxy = "" }))
  end)

  it("are passed by for hosts of no_proxy", function()
    local function goes_direct(host, list)
      return choose("http", host, { http_proxy = "http://p", no_proxy = list }) == false
    end
    assert.is_true(goes_direct("a.example", "example"))
    assert.is_true(goes_direct("example", ".example"))
    assert.is_true(goes_direct("a.b.example", "x, *.example"))
    assert.is_true(goes_direct("anything", "*"))
    assert.is_true(goes_direct("::1", "[::1]"))
    assert.is_true(goes_direct("a", "a:80"))
    assert.is_false(goes_direct("a", "a:81"))
    assert.is_false(goes_direct("notexample", "example"))
  end)

  it("are refused when they are none", function()
    local proxy, err = choose("http", "a", {}, "ftp://p")
    assert.is_nil(proxy)
    assert.truthy(err:find "none of http, socks5")
    assert.is_nil((choose("http", "a", {}, "http://")))
  end)
end)
