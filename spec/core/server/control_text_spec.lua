-- control_text_spec.lua: the lines of the control socket.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "server/control_text.h"

local function write(fill)
  local text = ffi.new "jh_control_text"
  C.jh_control_text_open(text)
  fill(text)
  C.jh_control_text_close(text)
  return ffi.string(text.text, text.len)
end

local function find(line, name)
  local out = ffi.new "char[64]"
  if not C.jh_control_text_find(line, name, out, 64) then return nil end
  return ffi.string(out)
end

describe("a line of the control socket", function()
  it("is written", function()
    assert.are.equal('{"a":"b","n":12,"ok":true}\n', write(function(text)
      C.jh_control_text_string(text, "a", "b")
      C.jh_control_text_number(text, "n", 12)
      C.jh_control_text_bool(text, "ok", true)
    end))
  end)

  it("keeps what is in its strings", function()
    local value = 'say "hi" \\ \n\t\1 ö'
    local line = write(function(text) C.jh_control_text_string(text, "v", value) end)
    assert.is_nil(line:sub(1, -2):find("\n", 1, true))
    assert.are.equal(value, find(line, "v"))
    assert.are.equal("?", find(write(function(text)
      C.jh_control_text_string(text, "v", "\255")
    end), "v"))
  end)

  it("is cut where it is too long", function()
    local line = write(function(text)
      C.jh_control_text_string(text, "v", ("x"):rep(100000))
      C.jh_control_text_string(text, "w", "lost")
    end)
    assert.are.equal('x"}\n', line:sub(-4))
    assert.is_true(#line <= 65536)
  end)

  it("is read", function()
    local line = '{ "command" : "reload", "guard_ms": 10000 ,"x":true}'
    assert.are.equal("reload", find(line, "command"))
    assert.are.equal("10000", find(line, "guard_ms"))
    assert.are.equal("true", find(line, "x"))
    assert.is_nil(find(line, "y"))
    assert.are.equal(10000, tonumber(C.jh_control_text_find_number(line, "guard_ms", 7)))
    assert.are.equal(7, tonumber(C.jh_control_text_find_number(line, "command", 7)))
    assert.are.equal("é", find('{"v":"\\u00e9"}', "v"))
  end)

  it("may be anything", function()
    for _, line in ipairs { "", "{", "}", '{"', '{"a', '{"a"', '{"a":', '{"a":"', '{"a":"\\', "[]",
                            '{"a":}', '{"a":"\\u', "x", '{"a":1' } do
      assert.is_nil(find(line, "b"))
    end
  end)
end)
