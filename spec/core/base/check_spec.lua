-- check_spec.lua: failed assertions name their place, end the process when they must, and do not
-- repeat themselves. Each runs in a child, since it may not survive.
local sys = require "spec.support.sys"

--- Runs Lua code that has `C` and `ffi` in a child; returns its output and its exit status.
local function run(code)
  local head = [[
    local ffi = require "ffi"
    local C = require "spec.support.core".load "base/check.h"
  ]]
  local command = ("LD_PRELOAD=%s luajit -e %s 2>&1; echo status $?")
    :format(sys.quote(sys.preload), sys.quote(head .. code))
  local pipe = assert(io.popen(command))
  local output, status = pipe:read("*a"):match("^(.*)status (%d+)\n$")
  pipe:close()
  return output, tonumber(status)
end

local ABORTED = 128 + 6 -- SIGABRT, as a shell tells it

describe("check", function()
  it("aborts and names the place", function()
    local output, status = run 'C.jh_check_abort("core/x.c", 7, "len <= max")'
    assert.are.equal(ABORTED, status)
    assert.matches("core/x.c:7: failed: len <= max", output, 1, true)
  end)

  it("reports a survivable failure once, and survives it in release builds", function()
    local output, status = run [[
      local is_reported = ffi.new("bool[1]")
      C.jh_check_report(is_reported, "core/x.c", 7, "len <= max")
      C.jh_check_report(is_reported, "core/x.c", 7, "len <= max")
    ]]
    local _, lines = output:gsub("core/x.c:7", "")
    assert.are.equal(1, lines)
    assert.are.equal(output:find("going on", 1, true) and 0 or ABORTED, status)
  end)
end)
