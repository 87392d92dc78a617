-- log_spec.lua: one message is one line and one write, whatever bytes are in it.
-- The log writes to a datagram socket, which keeps every write(2) apart.
local ffi = require "ffi"
local json = require "cjson"
local core = require "spec.support.core"
local C = core.load "base/log.h"

ffi.cdef "int socketpair(int domain, int type, int protocol, int fds[2]);"
local libc = ffi.C
local AF_UNIX, SOCK_DGRAM, MSG_DONTWAIT = 1, 2, 0x40

local TIME = "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ"

describe("log", function()
  local log, fds

  --- What the next write(2) wrote, or nil.
  local function read()
    local out = ffi.new("char[?]", 65536)
    local len = libc.recv(fds[1], out, 65536, MSG_DONTWAIT)
    return len >= 0 and ffi.string(out, len) or nil
  end

  --- The message part of the text line that `text` becomes.
  local function logged(text)
    C.jh_log_write(log, C.JH_LOG_INFO, text, #text)
    return (assert(read():match("^" .. TIME .. " info %[%d+%] (.*)\n$")))
  end

  before_each(function()
    fds = ffi.new("int[2]")
    assert(libc.socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0)
    log = ffi.new("jh_log")
    C.jh_log_init(log, fds[0], C.JH_LOG_INFO, false)
  end)

  after_each(function()
    libc.close(fds[0])
    libc.close(fds[1])
  end)

  it("writes time, level, pid and message in one write", function()
    C.jh_log_printf(log, C.JH_LOG_WARN, "listening on %s:%d", "127.0.0.1", ffi.new("int", 80))
    assert.matches("^" .. TIME .. " warn %[%d+%] listening on 127%.0%.0%.1:80\n$", read())
    assert.is_nil(read())
  end)

  it("keeps silent below its level", function()
    C.jh_log_write(log, C.JH_LOG_DEBUG, "x", 1)
    C.jh_log_write(log, C.JH_LOG_OFF, "x", 1)
    assert.is_nil(read())
    assert.is_false(C.jh_log_is_on(log, C.JH_LOG_DEBUG))
    assert.is_true(C.jh_log_is_on(log, C.JH_LOG_ERROR))
    log.level = C.JH_LOG_OFF
    C.jh_log_write(log, C.JH_LOG_ERROR, "x", 1)
    assert.is_nil(read())
  end)

  it("finds levels by name", function()
    for level, name in pairs { [0] = "debug", "info", "warn", "error", "off" } do
      assert.are.equal(level, C.jh_log_level_find(ffi.new("jh_str", name, #name)))
      assert.are.equal(name, ffi.string(C.jh_log_level_name(level)))
    end
    assert.are.equal(C.JH_ENOTFOUND, C.jh_log_level_find(ffi.new("jh_str", "loud", 4)))
  end)

  it("escapes what could fake a line or drive a terminal", function()
    assert.are.equal([[a\nb\r\tc]], logged("a\nb\r\tc"))
    assert.are.equal([[\x1b[2J\x00\x7f]], logged("\27[2J\0\127"))
    assert.are.equal([[\u009b2J]], logged("\xc2\x9b2J"))
    assert.are.equal([[C:\n "quoted"]], logged([[C:\n "quoted"]]))
  end)

  it("passes UTF-8 and escapes what is not", function()
    assert.are.equal("äöü €\u{1F600}", logged("äöü €\u{1F600}"))
    assert.are.equal([[\xff\xc3]], logged("\xff\xc3"))
    assert.are.equal([[\xc0\xaf]], logged("\xc0\xaf")) -- '/' in two bytes
    assert.are.equal([[\xe0\x80\xaf]], logged("\xe0\x80\xaf")) -- '/' in three
    assert.are.equal([[\xf0\x80\x80\xaf]], logged("\xf0\x80\x80\xaf")) -- '/' in four
    assert.are.equal([[\xed\xa0\x80]], logged("\xed\xa0\x80")) -- a surrogate
    assert.are.equal([[\xf4\x90\x80\x80]], logged("\xf4\x90\x80\x80")) -- above U+10FFFF
    assert.are.equal([[\xe2\x82]], logged("\xe2\x82")) -- cut short
  end)

  it("writes JSON lines that stay JSON for every byte", function()
    log.json = true
    for byte = 0, 255 do
      local text = "a" .. string.char(byte) .. '"z'
      C.jh_log_write(log, C.JH_LOG_ERROR, text, #text)
      local line = read()
      assert.matches("^{.*}\n$", line)
      assert.is_nil(line:sub(1, -2):find("[%c\127-\255]"))
      local record = json.decode(line)
      assert.are.equal("error", record.level)
      assert.matches("^" .. TIME .. "$", record.time)
      assert.are.equal(byte < 128 and text or ([[a\x%02x"z]]):format(byte), record.msg)
    end
    C.jh_log_write(log, C.JH_LOG_INFO, "ä\xc2\x9b", 4)
    assert.are.equal("ä\xc2\x9b", json.decode(read()).msg)
  end)

  it("cuts a long message between characters and says so", function()
    for _, is_json in ipairs { false, true } do
      log.json = is_json
      for _, piece in ipairs { "x", "€", "\n", "\xff" } do
        local text = piece:rep(10000)
        C.jh_log_write(log, C.JH_LOG_INFO, text, #text)
        local line = read()
        assert.is_true(#line <= C.JH_LOG_LINE_BYTES and #line > C.JH_LOG_LINE_BYTES - 10)
        assert.matches(is_json and '%.%.%."}\n$' or "%.%.%.\n$", line)
        if is_json then
          local shown = json.decode(line).msg:gsub("%.%.%.$", "")
          assert.are.equal("", (shown:gsub(piece == "\xff" and [[\xff]] or piece, "")))
        end
      end
    end
    local long = ("y"):rep(9000)
    C.jh_log_printf(log, C.JH_LOG_INFO, "%s", long)
    assert.matches("y%.%.%.", read())
  end)

  it("holds back what a gate has let through a moment ago", function()
    local gate = ffi.new("jh_log_gate")
    for i = 1, 4 do C.jh_log_limited(log, gate, C.JH_LOG_WARN, "full: %d", ffi.new("int", i)) end
    assert.matches("full: 1\n$", read())
    assert.is_nil(read())
    gate.open_at_ms = 0 -- a minute later
    C.jh_log_limited(log, gate, C.JH_LOG_WARN, "full: %d", ffi.new("int", 5))
    assert.matches("full: 5 %(and 3 times before%)\n$", read())
    assert.are.equal(0, tonumber(gate.held_count))
    C.jh_log_limited(log, gate, C.JH_LOG_DEBUG, "below the level")
    assert.are.equal(0, tonumber(gate.held_count))
  end)

  it("counts lines the kernel does not take, and leaves errno alone", function()
    log.fd = -1
    ffi.errno(7)
    C.jh_log_write(log, C.JH_LOG_ERROR, "x", 1)
    assert.are.equal(7, ffi.errno())
    assert.are.equal(1, tonumber(log.lost_count))
  end)
end)
