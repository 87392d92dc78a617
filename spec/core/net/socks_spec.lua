-- socks_spec.lua: what is said to a SOCKS5 proxy, and what is made of its answers, in any pieces.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("net/socks.h")

local function str(text) return ffi.new("jh_str", { ptr = text, len = #text }) end

describe("SOCKS5", function()
  local keep = {}

  local function start(host, port, auth)
    local socks = ffi.new "jh_socks"
    keep[#keep + 1], keep[#keep + 2] = host, auth
    local code = C.jh_socks_start(socks, str(host), port, str(auth or ""))
    return socks, code
  end

  local function out(socks) return ffi.string(socks.out, socks.out_len) end

  -- Gives bytes one at a time as far as they are not enough.
  local function take(socks, bytes)
    local used = ffi.new "size_t[1]"
    for len = 0, #bytes do
      local code = C.jh_socks_take(socks, bytes, len, used)
      if code ~= C.JH_EWAIT then return code, tonumber(used[0]) end
    end
    return tonumber(C.JH_EWAIT)
  end

  local ANSWER = "\5\0\0\1\0\0\0\0\0\0"

  it("asks for a name", function()
    local socks = start("example.com", 443)
    assert.are.equal("\5\1\0", out(socks))
    assert.are.same({ 0, 2 }, { take(socks, "\5\0") })
    assert.are.equal("\5\1\0\3\11example.com\1\187", out(socks))
    assert.are.same({ 1, 10 }, { take(socks, ANSWER .. "rest") })
  end)

  it("asks for addresses as such", function()
    local socks = start("127.0.0.1", 80)
    take(socks, "\5\0")
    assert.are.equal("\5\1\0\1\127\0\0\1\0\80", out(socks))
    socks = start("::1", 80)
    take(socks, "\5\0")
    assert.are.equal("\5\1\0\4" .. ("\0"):rep(15) .. "\1\0\80", out(socks))
  end)

  it("logs in", function()
    local socks = start("a", 80, "user:pass:word")
    assert.are.equal("\5\2\0\2", out(socks))
    assert.are.same({ 0, 2 }, { take(socks, "\5\2") })
    assert.are.equal("\1\4user\9pass:word", out(socks))
    assert.are.same({ 0, 2 }, { take(socks, "\1\0") })
    assert.are.same({ 1, 22 }, { take(socks, "\5\0\0\4" .. ("x"):rep(18)) })
  end)

  it("reads every kind of address in the answer", function()
    local socks = start("a", 80)
    take(socks, "\5\0")
    assert.are.same({ 1, 12 }, { take(socks, "\5\0\0\3\5helloPP") })
  end)

  it("says what the proxy refuses", function()
    local function problem(answers, auth)
      local socks = start("a", 80, auth)
      local code
      for _, answer in ipairs(answers) do code = take(socks, answer) end
      assert.are.equal(tonumber(C.JH_EPROTO), code)
      return ffi.string(socks.problem)
    end
    assert.are.equal("the proxy does not speak SOCKS5", problem { "HTTP/1.1 400" })
    assert.are.equal("the proxy wants a password", problem { "\5\255" })
    assert.are.equal("the proxy accepts no password", problem({ "\5\255" }, "u:p"))
    assert.are.equal("the proxy refused the password", problem({ "\5\2", "\1\1" }, "u:p"))
    assert.are.equal("the proxy says: connection refused", problem { "\5\0", "\5\5" })
    assert.are.equal("the proxy failed", problem { "\5\0", "\5\99" })
    assert.are.equal("the proxy does not speak SOCKS5", problem { "\5\0", "\5\0\0\9\0" })
  end)

  it("refuses names that do not fit", function()
    assert.are.equal(tonumber(C.JH_EINVAL), select(2, start(("a"):rep(256), 80)))
    assert.are.equal(tonumber(C.JH_EINVAL), select(2, start("a", 80, ("u"):rep(256) .. ":p")))
    local longest = ("u"):rep(255) .. ":" .. ("p"):rep(255)
    assert.are.equal(0, select(2, start(("a"):rep(255), 80, longest)))
  end)
end)
