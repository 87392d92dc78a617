-- timer_spec.lua: timers of Lua tasks end as events in the ready queue, however late the loop
-- turns.
local ffi = require "ffi"
local core = require "spec.support.core"
local sys = require "spec.support.sys"
local C = core.load("justhttp.h")

local WAKE = tonumber(C.JH_EVENT_WAKE)

describe("a timer", function()
  local generation

  before_each(function() generation = C.jh_standalone_open() end)
  after_each(function() C.jh_standalone_close(generation) end)

  -- Ids of the events that are ready, in order.
  local function ready()
    local ids, event = {}, ffi.new "jh_event"
    while true do
      local kind = C.jh_generation_next(generation, event)
      if kind == C.JH_EVENT_NONE then return ids end
      assert.are.equal(WAKE, kind)
      assert.are.equal(0, event.error)
      ids[#ids + 1] = event.id
    end
  end

  -- One turn of the loop that waits for nothing.
  local function turn()
    C.jh_standalone_turn(generation, false)
    return ready()
  end

  local function turn_until(count, seconds)
    local ids, deadline = {}, sys.deadline(seconds)
    while #ids < count and sys.now() < deadline do
      C.jh_standalone_turn(generation, true)
      for _, id in ipairs(ready()) do ids[#ids + 1] = id end
    end
    return ids
  end

  local function busy(seconds)
    local till = sys.now() + seconds
    while sys.now() < till do end -- luacheck: ignore 542
  end

  it("posts its id after its delay, not before", function()
    local started = sys.now()
    C.jh_timer_start(generation, 7, 30)
    assert.are.same({ 7 }, turn_until(1, 5))
    assert.is_true(sys.now() - started >= 0.03)
  end)

  it("is not early although the loop's clock is behind", function()
    C.jh_standalone_turn(generation, false)
    busy(0.05)
    local started = sys.now()
    C.jh_timer_start(generation, 7, 20)
    assert.are.same({ 7 }, turn_until(1, 5))
    assert.is_true(sys.now() - started >= 0.02)
  end)

  it("keeps the order of deadlines", function()
    C.jh_timer_start(generation, 3, 30)
    C.jh_timer_start(generation, 1, 10)
    C.jh_timer_start(generation, 2, 20)
    assert.are.same({ 1, 2, 3 }, turn_until(3, 5))
  end)

  it("without a delay is ready when the sockets had their turn", function()
    C.jh_timer_start(generation, 1, 0)
    C.jh_timer_start(generation, 2, -5)
    C.jh_timer_start(generation, 3, 0 / 0)
    assert.are.same({}, ready())
    assert.are.same({ 1, 2, 3 }, turn())
  end)

  -- libuv runs due timers before it polls as well; the poll must not wait then.
  it("that is due before the loop turns does not wait for something else to happen", function()
    C.jh_timer_start(generation, 9, 3000)
    C.jh_timer_start(generation, 1, 1)
    busy(0.01)
    local started = sys.now()
    C.jh_standalone_turn(generation, true)
    assert.are.same({ 1 }, ready())
    assert.is_true(sys.now() - started < 1)
  end)

  it("can be stopped, while it runs and when its event is queued", function()
    local running = C.jh_timer_start(generation, 1, 5)
    local queued = C.jh_timer_start(generation, 2, 0)
    C.jh_timer_start(generation, 3, 20)
    C.jh_standalone_turn(generation, false)
    C.jh_timer_stop(running, 1)
    C.jh_timer_stop(queued, 2)
    assert.are.same({ 3 }, turn_until(1, 5))
  end)

  it("is not stopped by a late stop that meant an earlier one", function()
    local timer = C.jh_timer_start(generation, 1, 0)
    assert.are.same({ 1 }, turn())
    local again = C.jh_timer_start(generation, 2, 5)
    assert.are.equal(timer, again)
    C.jh_timer_stop(timer, 1)
    assert.are.same({ 2 }, turn_until(1, 5))
    C.jh_timer_stop(timer, 2)
  end)

  it("may be used again in the turn it was stopped in", function()
    local timer = C.jh_timer_start(generation, 1, 0)
    C.jh_standalone_turn(generation, false)
    C.jh_timer_stop(timer, 1)
    assert.are.equal(timer, C.jh_timer_start(generation, 2, 0))
    assert.are.same({ 2 }, turn())
    C.jh_timer_stop(C.jh_timer_start(generation, 3, 0), 3)
    C.jh_timer_start(generation, 4, 10)
    assert.are.same({}, ready())
    assert.are.same({ 4 }, turn_until(1, 5))
  end)

  it("reuses its memory", function()
    local alloc = require "spec.support.alloc"
    for id = 1, 100 do C.jh_timer_start(generation, id, 0) end
    assert.are.equal(100, #turn())
    assert.are.equal(0, alloc.count(function()
      for id = 1, 100 do C.jh_timer_start(generation, id, 0) end
    end))
    assert.are.equal(100, #turn())
  end)

  it("is NULL when memory is out", function()
    local alloc = require "spec.support.alloc"
    alloc.fail_each(function()
      local timer = C.jh_timer_start(generation, 1, 0)
      if timer ~= nil then C.jh_timer_stop(timer, 1) end
    end)
  end)
end)
