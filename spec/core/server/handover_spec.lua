-- What an old server writes for the one that takes its place, and how that one reads it.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "server/handover.h"

describe("a handover", function()
  local handover
  before_each(function() handover = ffi.new "jh_handover" end)
  after_each(function()
    -- The numbers below are nobody's descriptors; they must not be closed.
    handover.ready_fd, handover.control_fd, handover.keys_fd = -1, -1, -1
    for i = 0, tonumber(handover.count) - 1 do handover.listeners[i].is_taken = true end
    C.jh_handover_deinit(handover)
  end)

  local function write(listeners)
    local out = ffi.new "jh_handover_text"
    C.jh_handover_write_open(out)
    C.jh_handover_write_fd(out, "ready", 901)
    C.jh_handover_write_fd(out, "control", -1)
    C.jh_handover_write_fd(out, "keys", 903)
    for _, listener in ipairs(listeners) do
      local fds = ffi.new("int[?]", #listener.fds, listener.fds)
      local one = ffi.new("jh_handover_listener", { text = listener.text, fds = fds,
        fd_count = #listener.fds, has_file = listener.has_file or false })
      C.jh_handover_write_listener(out, one)
    end
    return out
  end

  local function fds_of(listener)
    local list = {}
    for i = 0, tonumber(listener.fd_count) - 1 do list[#list + 1] = listener.fds[i] end
    return list
  end

  it("is read as it was written", function()
    local out = write {
      { text = "127.0.0.1:0", fds = { 910, 911, 912 } },
      { text = "unix:/run/a b,c 7.sock", fds = { 913 }, has_file = true },
      { text = "systemd:web", fds = { 914 } }, { text = "systemd:web", fds = { 915 } },
    }
    assert.is_true(out.is_whole)
    assert.is_true(C.jh_handover_parse(handover, out.text))
    assert.is_true(handover.is_given)
    assert.same({ 901, -1, 903 }, { handover.ready_fd, handover.control_fd, handover.keys_fd })
    local tcp = C.jh_handover_take(handover, "127.0.0.1:0")
    assert.same({ 910, 911, 912 }, fds_of(tcp))
    assert.is_false(tcp.has_file)
    assert.is_true(C.jh_handover_take(handover, "127.0.0.1:0") == nil)
    local unix = C.jh_handover_take(handover, "unix:/run/a b,c 7.sock")
    assert.same({ 913 }, fds_of(unix))
    assert.is_true(unix.has_file)
    assert.same({ 914 }, fds_of(C.jh_handover_take(handover, "systemd:web")))
    assert.same({ 915 }, fds_of(C.jh_handover_take(handover, "systemd:web")))
    assert.is_true(C.jh_handover_has(handover, "systemd:web"))
    assert.is_false(C.jh_handover_has(handover, "systemd"))
  end)

  it("may be absent", function()
    assert.is_true(C.jh_handover_parse(handover, nil))
    assert.is_false(handover.is_given)
    assert.is_true(C.jh_handover_take(handover, "127.0.0.1:0") == nil)
  end)

  it("is not believed when it makes no sense", function()
    for _, text in ipairs { "ready\n", "ready x\n", "ready 7x\n", "ready 99999999999999\n",
      "listen 7\n", "listen 7 \n", "listen , a\n", "listen 7,, a\n", "listen 7,x a\n", "x y\n",
      "ready 7\nlisten -1 a\n" } do
      assert.is_false(C.jh_handover_parse(handover, text), text)
      assert.is_false(handover.is_given)
    end
  end)

  it("says when it does not fit", function()
    local out = write { { text = ("x"):rep(60000), fds = { 1 } },
      { text = ("y"):rep(9000), fds = { 2 } } }
    assert.is_false(out.is_whole)
    assert.is_true(out.len < ffi.sizeof(out.text))
  end)
end)
