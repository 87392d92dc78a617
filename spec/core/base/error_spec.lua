-- error_spec.lua: every result code has a name and a text of its own.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "base/error.h"

local function name(code) return ffi.string(C.jh_error_name(code)) end
local function text(code) return ffi.string(C.jh_strerror(code)) end

describe("error", function()
  it("knows every code of justhttp.h, and no other", function()
    local header = assert(io.open("core/justhttp.h")):read("*a")
    local seen, count = {}, 0
    for code_name, value in header:gmatch("(JH_E%u+) = (%-%d+)") do
      local code = tonumber(value)
      assert.are.equal(code_name, name(code))
      assert.is_nil(seen[text(code)])
      assert.are_not.equal("unknown error", text(code))
      seen[text(code)], count = true, count + 1
    end
    assert.is_true(count >= 13)
    assert.are.equal("unknown", name(C.JH_EINVAL - count))
  end)

  it("passes errno values through", function()
    local ECONNRESET = 104
    assert.are.equal("ECONNRESET", name(-ECONNRESET))
    assert.are.equal("Connection reset by peer", text(-ECONNRESET))
  end)

  it("has an answer for any number", function()
    assert.are.equal("ok", text(0))
    assert.are.equal("JH_OK", name(0))
    for _, code in ipairs { 1, 104, -999, -4095, 2 ^ 31 - 1, -2 ^ 31 } do
      assert.are.equal("unknown", name(code))
      assert.are.equal("unknown error", text(code))
    end
  end)
end)
