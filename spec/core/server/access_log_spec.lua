-- access_log_spec.lua: lines are gathered, written together and in order, and stay lines.
local ffi = require "ffi"
local core = require "spec.support.core"
local sys = require "spec.support.sys"
local C = core.load("server/access_log.h")

describe("the access log", function()
  local log, fds

  before_each(function()
    log, fds = ffi.new "jh_access_log_buffer", ffi.new "int[2]"
    sys.check(ffi.C.pipe(fds), "pipe")
    for i = 0, 1 do sys.check(ffi.C.fcntl(fds[i], 4, ffi.cast("int", 2048)), "fcntl") end
    C.jh_access_log_init(log, fds[1])
  end)
  after_each(function()
    C.jh_access_log_deinit(log)
    for i = 0, 1 do ffi.C.close(fds[i]) end
  end)

  local function append(line) C.jh_access_log_append(log, line, #line) end

  local function written()
    local room = 1000000
    local out = ffi.new("char[?]", room)
    local count = tonumber(ffi.C.read(fds[0], out, room))
    return count > 0 and ffi.string(out, count) or ""
  end

  it("writes lines together when it is flushed", function()
    append "one"
    append ""
    append "three"
    assert.are.equal("", written())
    C.jh_access_log_flush(log)
    assert.are.equal("one\n\nthree\n", written())
    C.jh_access_log_flush(log)
    assert.are.equal("", written())
  end)

  it("writes when its buffer is full, and cuts what is longer than that", function()
    local line = ("x"):rep(40000)
    append(line)
    append(line)
    assert.are.equal(line .. "\n", written())
    append(("y"):rep(100000))
    assert.are.equal(line .. "\n", written())
    C.jh_access_log_flush(log)
    assert.are.equal(("y"):rep(C.JH_ACCESS_LOG_BYTES - 1) .. "\n", written())
  end)

  it("keeps every line one line", function()
    append "a\nb\r\0\127\tc\27[1m"
    C.jh_access_log_flush(log)
    assert.are.equal("a?b??\127?c\27[1m\n", written())
  end)

  it("loses lines rather than wait for a reader that does not read", function()
    local line = ("z"):rep(60000)
    for _ = 1, 5 do append(line) end
    C.jh_access_log_flush(log)
    assert.are.equal(0, tonumber(log.len))
    assert.is_truthy(written():find("^z"))
    append "after"
    C.jh_access_log_flush(log)
    assert.is_truthy(written():find("after\n$"))
  end)

  it("is nothing without a descriptor", function()
    local off = ffi.new "jh_access_log_buffer"
    C.jh_access_log_init(off, -1)
    C.jh_access_log_append(off, "x", 1)
    assert.is_true(off.data == nil)
    C.jh_access_log_deinit(off)
  end)
end)
