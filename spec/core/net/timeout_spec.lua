-- timeout_spec.lua: deadlines of one class expire in order, once, and not before their time;
-- setting one again moves it; one timer serves all of them.
local ffi = require "ffi"
local core = require "spec.support.core"
local sys = require "spec.support.sys"
local uv = require "spec.support.uv"
local C = core.load("net/timeout.h")

jit.off(true, true)

describe("timeouts", function()
  local memory, loop, timeouts, expired, on_timeout

  before_each(function()
    memory = ffi.new("uint64_t[?]", C.uv_loop_size() / 8 + 1)
    loop = ffi.cast("uv_loop_t *", memory)
    assert(C.uv_loop_init(loop) == 0)
    timeouts, expired = ffi.new "jh_timeouts", {}
    on_timeout = ffi.cast("jh_timeout_cb", function(_, timeout)
      expired[#expired + 1] = tostring(timeout)
    end)
    assert(C.jh_timeouts_init(timeouts, loop, on_timeout) == 0)
  end)

  after_each(function()
    C.jh_timeouts_close(timeouts)
    C.uv_run(loop, uv.RUN_DEFAULT)
    assert.are.equal(0, C.uv_loop_close(loop))
    on_timeout:free()
  end)

  local function new()
    local timeout = ffi.new "jh_timeout"
    C.jh_timeout_init(timeout)
    return timeout
  end

  local function address(timeout) return tostring(ffi.cast("jh_timeout *", timeout)) end

  local function run_until(count)
    local deadline = sys.deadline(5)
    while #expired < count and sys.now() < deadline do C.uv_run(loop, uv.RUN_ONCE) end
  end

  it("expire in order, whatever their class", function()
    timeouts.durations_ms[C.JH_TIMEOUT_KEEPALIVE] = 30
    timeouts.durations_ms[C.JH_TIMEOUT_HEADER] = 10
    timeouts.durations_ms[C.JH_TIMEOUT_BODY] = 20
    local a, b, c, d = new(), new(), new(), new()
    C.uv_update_time(loop)
    local started = sys.now()
    C.jh_timeout_set(timeouts, a, C.JH_TIMEOUT_KEEPALIVE)
    C.jh_timeout_set(timeouts, b, C.JH_TIMEOUT_HEADER)
    C.jh_timeout_set(timeouts, c, C.JH_TIMEOUT_BODY)
    C.jh_timeout_set(timeouts, d, C.JH_TIMEOUT_HEADER)
    run_until(4)
    assert.are.same({ address(b), address(d), address(c), address(a) }, expired)
    -- The loop counts whole milliseconds.
    assert.is_true(sys.now() - started >= 0.029)
    assert.is_false(C.jh_timeout_is(a, C.JH_TIMEOUT_KEEPALIVE))
  end)

  it("are moved by setting them again, to another class too", function()
    timeouts.durations_ms[C.JH_TIMEOUT_HEADER] = 10
    timeouts.durations_ms[C.JH_TIMEOUT_WRITE] = 40
    local a, b = new(), new()
    C.jh_timeout_set(timeouts, a, C.JH_TIMEOUT_HEADER)
    C.jh_timeout_set(timeouts, a, C.JH_TIMEOUT_WRITE)
    assert.is_true(C.jh_timeout_is(a, C.JH_TIMEOUT_WRITE))
    assert.is_false(C.jh_timeout_is(a, C.JH_TIMEOUT_HEADER))
    C.jh_timeout_set(timeouts, b, C.JH_TIMEOUT_HEADER)
    run_until(2)
    assert.are.same({ address(b), address(a) }, expired)
  end)

  it("are taken away by clearing them, which may be done twice", function()
    timeouts.durations_ms[C.JH_TIMEOUT_HEADER] = 5
    local a, b = new(), new()
    C.jh_timeout_set(timeouts, a, C.JH_TIMEOUT_HEADER)
    C.jh_timeout_set(timeouts, b, C.JH_TIMEOUT_HEADER)
    C.jh_timeout_clear(a)
    C.jh_timeout_clear(a)
    run_until(1)
    C.uv_run(loop, uv.RUN_DEFAULT)
    assert.are.same({ address(b) }, expired)
  end)

  it("of a class without a limit are none", function()
    timeouts.durations_ms[C.JH_TIMEOUT_BODY] = 10
    local a = new()
    C.jh_timeout_set(timeouts, a, C.JH_TIMEOUT_BODY)
    C.jh_timeout_set(timeouts, a, C.JH_TIMEOUT_LINGER)
    assert.is_false(C.jh_timeout_is(a, C.JH_TIMEOUT_BODY))
    assert.is_false(C.jh_timeout_is(a, C.JH_TIMEOUT_LINGER))
    C.uv_run(loop, uv.RUN_DEFAULT)
    assert.are.same({}, expired)
  end)

  it("may have durations of their own, and share the next longer one when many", function()
    local own = {}
    for i = 1, C.JH_TIMEOUT_OWN_COUNT + 3 do
      own[i] = new()
      C.jh_timeout_set_own(timeouts, own[i], C.JH_TIMEOUT_BODY, i * 10)
      assert.is_true(C.jh_timeout_is(own[i], C.JH_TIMEOUT_BODY))
    end
    local none = new()
    C.jh_timeout_set_own(timeouts, none, C.JH_TIMEOUT_BODY, 0)
    assert.is_false(C.jh_timeout_is(none, C.JH_TIMEOUT_BODY))
    C.jh_timeout_clear(own[1])
    run_until(3)
    assert.are.same({ address(own[2]), address(own[3]), address(own[4]) },
      { expired[1], expired[2], expired[3] })
    for i = 5, #own do C.jh_timeout_clear(own[i]) end
  end)

  it("may be set while one expires", function()
    timeouts.durations_ms[C.JH_TIMEOUT_HEADER] = 5
    timeouts.durations_ms[C.JH_TIMEOUT_LINGER] = 5
    local a, count = new(), 0
    on_timeout:set(function(_, timeout)
      count = count + 1
      if count < 4 then
        C.jh_timeout_set(timeouts, timeout, count % 2 == 0 and C.JH_TIMEOUT_HEADER
          or C.JH_TIMEOUT_LINGER)
      end
    end)
    C.jh_timeout_set(timeouts, a, C.JH_TIMEOUT_HEADER)
    while count < 4 do C.uv_run(loop, uv.RUN_ONCE) end
    assert.are.equal(4, count)
  end)

  it("do not move the timer while the earliest one stays", function()
    timeouts.durations_ms[C.JH_TIMEOUT_KEEPALIVE] = 1000
    local a, b = new(), new()
    C.jh_timeout_set(timeouts, a, C.JH_TIMEOUT_KEEPALIVE)
    local armed_at_ms = timeouts.armed_at_ms
    sys.sleep(0.003)
    C.uv_update_time(loop)
    C.jh_timeout_set(timeouts, b, C.JH_TIMEOUT_KEEPALIVE)
    C.jh_timeout_set(timeouts, a, C.JH_TIMEOUT_KEEPALIVE)
    assert.are.equal(armed_at_ms, timeouts.armed_at_ms)
    assert.is_true(a.at_ms > armed_at_ms)
    timeouts.durations_ms[C.JH_TIMEOUT_HEADER] = 1
    C.jh_timeout_set(timeouts, b, C.JH_TIMEOUT_HEADER)
    assert.is_true(timeouts.armed_at_ms < armed_at_ms)
    C.jh_timeout_clear(a)
    run_until(1)
    assert.are.equal(0, timeouts.armed_at_ms)
  end)
end)
