-- status_spec.lua: reason phrases and ready-made status lines.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "http/status.h"

local function line(code)
  local text = C.jh_status_line(code)
  return ffi.string(text.ptr, text.len)
end

local function reason(code) return ffi.string(C.jh_status_reason(code)) end

-- The registry at https://www.iana.org/assignments/http-status-codes without its unused entries.
local registered = {
  [100] = 5, [200] = 9, [300] = 6, [400] = 18, [421] = 6, [428] = 2, [431] = 1, [451] = 1,
  [500] = 9, [510] = 2, [226] = 1, [307] = 2,
}

describe("status", function()
  it("has the reason phrases of the registry", function()
    for code, text in pairs {
      [100] = "Continue", [101] = "Switching Protocols", [103] = "Early Hints", [200] = "OK",
      [204] = "No Content", [206] = "Partial Content", [301] = "Moved Permanently",
      [304] = "Not Modified", [404] = "Not Found", [405] = "Method Not Allowed",
      [413] = "Content Too Large", [414] = "URI Too Long", [422] = "Unprocessable Content",
      [431] = "Request Header Fields Too Large", [500] = "Internal Server Error",
      [505] = "HTTP Version Not Supported", [511] = "Network Authentication Required",
    } do
      assert.are.equal(text, reason(code))
    end
  end)

  it("knows every registered code and no other", function()
    local expected = {}
    for first, count in pairs(registered) do
      for code = first, first + count - 1 do expected[code] = true end
    end
    for code = 0, 1100 do
      assert.are.equal(expected[code] or false, line(code) ~= "", tostring(code))
      assert.are.equal(expected[code] or false, reason(code) ~= "Unknown", tostring(code))
    end
  end)

  it("writes the whole line", function()
    assert.are.equal("HTTP/1.1 200 OK\r\n", line(200))
    for code = 100, 599 do
      if line(code) ~= "" then
        assert.are.equal(("HTTP/1.1 %d %s\r\n"):format(code, reason(code)), line(code))
      end
    end
  end)

  it("survives any number", function()
    for _, code in ipairs { -1, 0, 99, 600, 2 ^ 31 - 1, -2 ^ 31 } do
      assert.are.equal("", line(code))
      assert.are.equal("Unknown", reason(code))
    end
  end)
end)
