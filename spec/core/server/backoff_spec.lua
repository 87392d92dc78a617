-- backoff_spec.lua: one crash is answered at once, a row of them ever more slowly.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "server/backoff.h"

describe("backoff", function()
  it("does not wait after the first failure, then doubles up to its bound", function()
    local backoff = ffi.new("jh_backoff")
    local waits = {}
    for i = 1, 10 do waits[i] = C.jh_backoff_fail(backoff, 0) end
    assert.are.same({ 0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000 }, waits)
  end)

  it("forgets the row once a worker has served for a while", function()
    local backoff = ffi.new("jh_backoff")
    for _ = 1, 5 do C.jh_backoff_fail(backoff, 10) end
    assert.are.equal(0, C.jh_backoff_fail(backoff, C.JH_BACKOFF_HEALTHY_MS))
    assert.are.equal(100, C.jh_backoff_fail(backoff, C.JH_BACKOFF_HEALTHY_MS - 1))
  end)

  it("stays at its bound for ever", function()
    local backoff = ffi.new("jh_backoff", { failure_count = 0xffffffff })
    assert.are.equal(C.JH_BACKOFF_MAX_MS, C.jh_backoff_fail(backoff, 0))
  end)
end)
