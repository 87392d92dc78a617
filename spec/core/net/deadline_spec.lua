-- deadline_spec.lua: deadlines pass in their order, whatever was set, moved and cleared before.
local ffi = require "ffi"
local core = require "spec.support.core"
local uv = require "spec.support.uv"
local C = core.load("net/deadline.h")

ffi.cdef "uint64_t uv_now(const uv_loop_t *loop);"

-- Compiled code must not call what calls back.
jit.off(true, true)

describe("deadlines", function()
  local memory, loop, deadlines, passed, callback

  before_each(function()
    memory = ffi.new("uint64_t[?]", C.uv_loop_size() / 8 + 1)
    loop = ffi.cast("uv_loop_t *", memory)
    assert(C.uv_loop_init(loop) == 0)
    deadlines, passed = ffi.new "jh_deadlines", {}
    callback = ffi.cast("jh_deadline_cb", function(_, deadline)
      passed[#passed + 1] = tonumber(deadline.kind)
    end)
    assert(C.jh_deadlines_init(deadlines, loop, callback) == 0)
  end)

  after_each(function()
    C.jh_deadlines_close(deadlines)
    C.uv_run(loop, uv.RUN_DEFAULT)
    C.jh_deadlines_deinit(deadlines)
    assert(C.uv_loop_close(loop) == 0)
    callback:free()
  end)

  local function make(count)
    local all = ffi.new("jh_deadline[?]", count)
    for i = 0, count - 1 do all[i].kind = i + 1 end
    return all
  end

  local function set(deadline, delay_ms)
    assert(C.jh_deadline_set(deadlines, deadline, C.uv_now(loop) + delay_ms) == 0)
  end

  -- Runs until nothing is due any more, which ends the loop's only timer.
  local function finish()
    while deadlines.count > 0 do C.uv_run(loop, uv.RUN_ONCE) end
  end

  it("pass in their order", function()
    local all = make(5)
    for i, delay in ipairs { 5, 1, 4, 2, 3 } do set(all[i - 1], delay * 3) end
    finish()
    assert.are.same({ 2, 4, 5, 3, 1 }, passed)
    assert.are.equal(0, tonumber(all[0].at_ms))
  end)

  it("do not pass when they were cleared, nor early when they were moved", function()
    local all = make(3)
    set(all[0], 2)
    set(all[1], 4)
    set(all[2], 6)
    C.jh_deadline_clear(deadlines, all[1])
    C.jh_deadline_clear(deadlines, all[1])
    set(all[0], 10)
    finish()
    assert.are.same({ 3, 1 }, passed)
    set(all[1], 20)
    set(all[0], 5)
    set(all[1], 1)
    finish()
    assert.are.same({ 3, 1, 2, 1 }, passed)
  end)

  it("keep their order through any sets and clears", function()
    math.randomseed(7)
    local count = 200
    local all, at = make(count), {}
    for _ = 1, 2000 do
      local i = math.random(0, count - 1)
      if math.random(3) == 1 then
        C.jh_deadline_clear(deadlines, all[i])
        at[i + 1] = nil
      else
        local delay = math.random(1, 30)
        set(all[i], delay)
        at[i + 1] = tonumber(all[i].at_ms)
      end
    end
    local expected = 0
    for _ in pairs(at) do expected = expected + 1 end
    assert.are.equal(expected, tonumber(deadlines.count))
    finish()
    assert.are.equal(expected, #passed)
    for i = 2, #passed do assert.is_true(at[passed[i - 1]] <= at[passed[i]]) end
  end)
end)
