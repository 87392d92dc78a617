-- Tasks and waiting: sleep, spawn, wait, cancel, every, after, coroutines of handlers' own.
local sys = require "spec.support.sys"
local worker = require "spec.support.worker"

describe("the scheduler", function()
  local w, http, handler

  setup(function()
    w = worker.new(function(app) app:any("/", function(ctx) return handler(ctx) end) end)
    http = w.http
  end)
  teardown(function() w:close() end)

  before_each(function()
    for i = #w.log, 1, -1 do w.log[i] = nil end
  end)

  local function serve(fn)
    handler = fn
    return w:get "/"
  end

  describe("sleep", function()
    it("waits at least so long, and others run meanwhile", function()
      local order = {}
      local took = w:run(function()
        local started = sys.now()
        local short = http.spawn(function()
          http.sleep(0.005)
          order[#order + 1] = "short"
        end)
        http.sleep(0.02)
        order[#order + 1] = "long"
        http.wait(short)
        return sys.now() - started
      end)
      assert.same({ "short", "long" }, order)
      assert.is_true(took >= 0.02, "slept " .. took)
    end)

    it("of 0 lets everything that is ready run first", function()
      local order = {}
      w:run(function()
        for i = 1, 3 do http.spawn(function() order[#order + 1] = i end) end
        http.sleep(0)
        order[#order + 1] = "me"
      end)
      assert.same({ 1, 2, 3, "me" }, order)
    end)

    it("ends in the order of time for many at once", function()
      local order = {}
      w:run(function()
        local tasks = {}
        for i = 500, 1, -1 do
          tasks[#tasks + 1] = http.spawn(function()
            http.sleep(i % 3 * 0.02)
            order[#order + 1] = i % 3
          end)
        end
        for _, task in ipairs(tasks) do http.wait(task) end
      end)
      assert.equal(500, #order)
      for i = 2, #order do assert.is_true(order[i - 1] <= order[i]) end
    end)

    it("wants a number of seconds", function()
      for _, seconds in ipairs { -1, 0 / 0, "1", {} } do
        local ok, err = pcall(http.sleep, seconds)
        assert.is_false(ok)
        assert.matches("sleep: ", err)
      end
      local ok, err = pcall(function() http.sleep() end)
      assert.is_false(ok)
      assert.matches("scheduler_spec%.lua:%d+: sleep: give a number of seconds, got nil", err)
    end)

    it("is not possible outside of handlers, hooks and tasks", function()
      local ok, err = pcall(function() http.sleep(0) end)
      assert.is_false(ok)
      assert.matches("scheduler_spec%.lua:%d+: sleep: waiting is possible in handlers, hooks and "
        .. "tasks only, not here", err)
    end)

    it("restores the ctx whose code runs", function()
      local state, seen = w.modules.scheduler.state, {}
      serve(function(ctx)
        http.spawn(function()
          http.sleep(0.002)
          seen[1] = state.ctx == ctx
        end)
        http.sleep(0.005)
        seen[2] = state.ctx == ctx
      end)
      assert.same({ true, true }, seen)
      assert.is_nil(state.ctx)
    end)
  end)

  describe("wait_first", function()
    it("returns the first task that ends, with its outcome to be asked for", function()
      local first, second, outcome = w:run(function()
        local slow = http.spawn(function() http.sleep(0.5) end)
        local fast = http.spawn(function()
          http.sleep(0.001)
          return "fast"
        end)
        local one = w.modules.scheduler.wait_first { slow, fast }
        slow:cancel()
        return one == fast, w.modules.scheduler.wait_first { fast, slow } == fast, http.wait(one)
      end)
      assert.is_true(first and second)
      assert.equal("fast", outcome)
    end)

    it("returns nothing when the time is over first", function()
      w:run(function()
        local slow = http.spawn(function() http.sleep(5) end)
        assert.is_nil(w.modules.scheduler.wait_first({ slow }, 0.001))
        slow:cancel()
        assert.equal(slow, w.modules.scheduler.wait_first { slow })
      end)
    end)

    it("does not log errors of its tasks, and lets wait raise them", function()
      w:run(function()
        local bad = http.spawn(function()
          http.sleep(0)
          error "on purpose"
        end)
        assert.equal(bad, w.modules.scheduler.wait_first { bad })
        assert.matches("on purpose", tostring(select(2, pcall(http.wait, bad))))
      end)
      assert.same({}, w.log)
    end)
  end)

  describe("cancel", function()
    it("ends the tasks that a task started, and theirs", function()
      local ended = {}
      w:run(function()
        local function nest(depth)
          local child = depth > 0 and http.spawn(nest, depth - 1)
          local ok, err = pcall(http.sleep, 60)
          ended[#ended + 1] = not ok and tostring(err)
          if child then pcall(http.wait, child) end
        end
        local task = http.spawn(nest, 2)
        http.sleep(0.005)
        task:cancel()
        pcall(http.wait, task)
      end)
      w:wait(function() return #ended == 3 end)
      assert.same({ "cancelled", "cancelled", "cancelled" }, ended)
    end)

    it("closes what the task noted as open, and what its tasks did", function()
      local closed = {}
      local function resource(name)
        return { close = function() closed[#closed + 1] = name end }
      end
      w:run(function()
        local task = http.spawn(function()
          local kept = resource "a"
          w.modules.scheduler.note_open(kept)
          http.spawn(function()
            local inner = resource "b"
            w.modules.scheduler.note_open(inner)
            http.sleep(60)
            return inner
          end)
          http.sleep(60)
          return kept
        end)
        http.sleep(0.002)
        task:cancel()
        pcall(http.wait, task)
        task:cancel()
      end)
      table.sort(closed)
      assert.same({ "a", "b" }, closed)
    end)

    it("closes nothing that is forgotten already, nor of a task that has ended", function()
      local closed = 0
      local function resource() return { close = function() closed = closed + 1 end } end
      w:run(function()
        local ended = http.spawn(function()
          local one = resource()
          w.modules.scheduler.note_open(one)
          return one
        end)
        local one = http.wait(ended)
        ended:cancel()
        assert.is_table(one)
        local task = http.spawn(function()
          w.modules.scheduler.note_open(resource())
          http.sleep(60)
        end)
        http.sleep(0.002)
        collectgarbage()
        collectgarbage()
        task:cancel()
      end)
      assert.equal(0, closed)
    end)

    it("leaves alone what every and after run, and tasks of others", function()
      local ticks, other_is_done, handle = 0, false, nil
      w:run(function()
        local other = http.spawn(function()
          http.sleep(0.01)
          other_is_done = true
        end)
        local task = http.spawn(function()
          handle = w.modules.scheduler.every(0.001, function() ticks = ticks + 1 end)
          http.sleep(60)
        end)
        http.sleep(0.002)
        task:cancel()
        http.wait(other)
      end)
      assert.is_true(other_is_done)
      local before = ticks
      w:wait(function() return ticks > before + 1 end)
      handle:cancel()
    end)
  end)

  describe("spawn", function()
    it("runs a function with its arguments, nils included", function()
      local got
      w:run(function()
        local function keep(...) got = { n = select("#", ...), ... } end
        http.wait(http.spawn(keep, 1, nil, "x", nil))
      end)
      assert.same({ n = 4, 1, nil, "x" }, got)
    end)

    it("begins when the one that spawned waits or ends, in order", function()
      local order = {}
      w:run(function()
        for i = 1, 3 do http.spawn(function() order[#order + 1] = i end) end
        assert.same({}, order)
      end)
      w:wait(function() return #order == 3 end)
      assert.same({ 1, 2, 3 }, order)
    end)

    it("gives the task the ctx of the one that spawned", function()
      local state, seen = w.modules.scheduler.state, {}
      serve(function(ctx)
        local task = http.spawn(function()
          seen[1] = state.ctx == ctx
          http.wait(http.spawn(function() seen[2] = state.ctx == ctx end))
        end)
        http.wait(task)
        return "ok"
      end)
      assert.same({ true, true }, seen)
    end)

    it("wants a function", function()
      local ok, err = pcall(function() http.spawn "x" end)
      assert.is_false(ok)
      assert.matches("scheduler_spec%.lua:%d+: spawn: give a function, got a string", err)
    end)

    it("logs an error that nobody waits for, with its place", function()
      w:run(function()
        http.spawn(function() error "unseen" end)
        http.sleep(0)
      end)
      assert.equal(1, #w.log)
      assert.matches("error in a task nobody waits for: .*scheduler_spec%.lua:%d+: unseen",
        w.log[1])
    end)

    it("keeps tasks that outlive their request", function()
      local done
      serve(function()
        http.spawn(function()
          http.sleep(0.005)
          done = true
        end)
        return "answered"
      end)
      assert.is_nil(done)
      w:wait(function() return done end)
    end)
  end)

  describe("wait", function()
    it("returns what the function returned, nils included", function()
      assert.same({ n = 3, 1, nil, 3 }, w:run(function()
        local function pack(...) return { n = select("#", ...), ... } end
        return pack(http.wait(http.spawn(function()
          http.sleep(0.001)
          return 1, nil, 3
        end)))
      end))
      assert.equal(0, w:run(function()
        return select("#", http.wait(http.spawn(function() end)))
      end))
    end)

    it("returns at once when the task is done, as often as it is asked", function()
      w:run(function()
        local task = http.spawn(function() return "x" end)
        assert.is_false(task:is_done())
        http.sleep(0)
        assert.is_true(task:is_done())
        assert.equal("x", http.wait(task))
        assert.equal("x", http.wait(task))
      end)
    end)

    it("may be done by many for one task", function()
      local sum = w:run(function()
        local task = http.spawn(function()
          http.sleep(0.002)
          return 7
        end)
        local waiters, total = {}, 0
        for i = 1, 5 do
          waiters[i] = http.spawn(function()
            local value = http.wait(task)
            total = total + value
          end)
        end
        for i = 1, 5 do http.wait(waiters[i]) end
        return total
      end)
      assert.equal(35, sum)
    end)

    it("raises what the task raised, as it was", function()
      local value = { code = 7 }
      local ok, err = w:run(function()
        local task = http.spawn(function()
          http.sleep(0)
          error(value)
        end)
        return pcall(http.wait, task)
      end)
      assert.is_false(ok)
      assert.equal(value, err.value or err)
      assert.same({}, w.log)
    end)

    it("shows both places in the log when nobody catches it", function()
      assert.equal(500, serve(function()
        local function in_task() error "from the task" end
        http.wait(http.spawn(function() in_task() end))
      end).status)
      assert.matches("from the task", w.log[1])
      local _, count = w.log[1]:gsub("scheduler_spec%.lua", "")
      assert.is_true(count >= 4, w.log[1])
      assert.matches("waited for by", w.log[1])
      assert.equal(1, #w.log)
    end)

    it("gives up after so many seconds with nil and \"timeout\"", function()
      local result, finished = w:run(function()
        local done = false
        local task = http.spawn(function()
          http.sleep(0.02)
          done = true
          return "late"
        end)
        local first = { http.wait(task, 0.002) }
        assert.is_false(done)
        return first, http.wait(task)
      end)
      assert.same({ nil, "timeout" }, result)
      assert.equal("late", finished)
    end)

    it("in time does not leave its timer behind", function()
      w:run(function()
        local task = http.spawn(function() return http.sleep(0.001) end)
        http.wait(task, 0.005)
        http.sleep(0.01)
      end)
      assert.same({}, w.log)
    end)

    it("wants a task and seconds", function()
      for _, value in ipairs { 1, "x", {}, print } do
        local ok, err = pcall(function() http.wait(value) end)
        assert.is_false(ok)
        assert.matches("scheduler_spec%.lua:%d+: wait: give a task that spawn returned, got a "
          .. type(value), err)
      end
      w:run(function()
        local task = http.spawn(function() http.sleep(0.001) end)
        for _, seconds in ipairs { -1, "x", 0 / 0 } do
          local ok, err = pcall(function() http.wait(task, seconds) end)
          assert.is_false(ok)
          assert.matches("scheduler_spec%.lua:%d+: wait: the time must be a number of seconds, got",
            err)
        end
      end)
    end)

    it("logs the error of a task that was given up", function()
      w:run(function()
        local task = http.spawn(function()
          http.sleep(0.01)
          error "after the timeout"
        end)
        http.wait(task, 0.001)
      end)
      w:wait(function() return #w.log > 0 end)
      assert.matches("after the timeout", w.log[1])
    end)

    it("for itself is misuse and not a hang", function()
      local ok, err = w:run(function()
        local task
        task = http.spawn(function() return pcall(http.wait, task) end)
        return http.wait(task)
      end)
      assert.is_false(ok)
      assert.matches("wait: a task cannot wait for itself", tostring(err))
    end)
  end)

  describe("cancel", function()
    it("unwinds a task that waits", function()
      local unwound, went_on
      w:run(function()
        local task = http.spawn(function()
          local ok, err = pcall(http.sleep, 60)
          unwound = not ok and tostring(err)
          http.sleep(0)
          went_on = true
        end)
        http.sleep(0)
        task:cancel()
        task:cancel()
        http.sleep(0.001)
        assert.is_true(task:is_done())
      end)
      assert.equal("cancelled", unwound)
      assert.is_nil(went_on)
      assert.same({}, w.log)
    end)

    it("keeps a task that has not begun from beginning", function()
      local began
      w:run(function()
        local task = http.spawn(function() began = true end)
        task:cancel()
        http.sleep(0)
        assert.is_true(task:is_done())
      end)
      assert.is_nil(began)
    end)

    it("is harmless for a task that is done", function()
      assert.equal("x", w:run(function()
        local task = http.spawn(function() return "x" end)
        http.sleep(0)
        task:cancel()
        return http.wait(task)
      end))
    end)
  end)

  describe("coroutines of a handler's own", function()
    it("may wait inside wrap", function()
      assert.equal("1,2,3", serve(function()
        local parts = {}
        for i in coroutine.wrap(function()
          for i = 1, 3 do
            http.sleep(0.001)
            coroutine.yield(i)
          end
        end) do parts[#parts + 1] = i end
        return table.concat(parts, ",")
      end).body)
    end)

    it("may wait inside resume, nested", function()
      assert.equal("inner-outer-3", serve(function()
        local outer = coroutine.create(function(a)
          local inner = coroutine.create(function(b)
            http.sleep(0.001)
            local c = coroutine.yield("inner")
            http.sleep(0.001)
            return b + c
          end)
          local _, first = coroutine.resume(inner, a)
          coroutine.yield(first .. "-outer-")
          http.sleep(0.001)
          local _, sum = coroutine.resume(inner, 2)
          return sum
        end)
        local _, text = coroutine.resume(outer, 1)
        local _, sum = coroutine.resume(outer)
        return text .. sum
      end).body)
    end)

    it("pass values both ways", function()
      assert.equal("a,b,c,nil,4", serve(function()
        local co = coroutine.create(function(...)
          local given = { ... }
          local more = { coroutine.yield(unpack(given)) }
          return more[1], select("#", unpack(more, 1, 4))
        end)
        local _, a, b, c = coroutine.resume(co, "a", "b", "c")
        local _, d, count = coroutine.resume(co, nil, 2, 3, 4)
        return table.concat({ a, b, c, tostring(d), count }, ",")
      end).body)
    end)

    it("have the errors and status of plain ones", function()
      serve(function()
        local co = coroutine.create(function()
          http.sleep(0.001)
          error({ 1 })
        end)
        local ok, err = coroutine.resume(co)
        assert(ok == false and err[1] == 1)
        assert(coroutine.status(co) == "dead")
        ok, err = coroutine.resume(co)
        assert(ok == false and err == "cannot resume dead coroutine")
        ok, err = pcall(coroutine.wrap(function() error "x" end))
        assert(not ok and err:find("x", 1, true))
        return "ok"
      end)
      assert.same({}, w.log)
    end)

    it("that end or raise behind a wait are seen with their calls in the log", function()
      assert.equal(500, serve(function()
        local function deep() error "deep inside" end
        coroutine.wrap(function()
          http.sleep(0.001)
          deep()
        end)()
      end).status)
      assert.matches("deep inside", w.log[1])
      assert.matches("in function 'deep'", w.log[1])
      assert.matches("raised again by", w.log[1])
    end)

    it("work outside of tasks as ever", function()
      local list = {}
      for i in coroutine.wrap(function()
        for i = 1, 3 do coroutine.yield(i) end
      end) do list[#list + 1] = i end
      assert.same({ 1, 2, 3 }, list)
    end)
  end)

  describe("waiting in a function that C code calls", function()
    local MESSAGE = "sleep: waiting is not possible in a function that C code calls"

    it("is misuse", function()
      serve(function()
        local ok, err = pcall(table.sort, { 2, 1 }, function() http.sleep(0) end)
        assert(not ok and err:find("scheduler_spec.lua:", 1, true), err)
        assert(err:find(MESSAGE, 1, true), err)
        ok, err = pcall(string.gsub, "a", "a", function() http.sleep(0) end)
        assert(not ok and err:find(MESSAGE, 1, true), err)
        return "ok"
      end)
      assert.same({}, w.log)
    end)

    it("is misuse in a coroutine there, and wakes nobody later", function()
      assert.equal("ok", serve(function()
        local ok, err = pcall(string.gsub, "a", "a", function()
          coroutine.wrap(function() http.sleep(0.001) end)()
        end)
        assert(not ok and err:find("not possible in a function that C code calls", 1, true), err)
        local started = sys.now()
        http.sleep(0.02)
        assert(sys.now() - started >= 0.02)
        return "ok"
      end).body, w.log[1])
    end)
  end)

  describe("every and after", function()
    local scheduler
    setup(function() scheduler = w.modules.scheduler end)

    it("call again and again until they are cancelled", function()
      local count = 0
      local handle = w:run(function()
        return scheduler.every(0.001, function() count = count + 1 end)
      end)
      w:wait(function() return count >= 3 end)
      handle:cancel()
      local seen = count
      w:run(function() http.sleep(0.01) end)
      assert.equal(seen, count)
    end)

    it("call once", function()
      local count = 0
      w:run(function()
        scheduler.after(0.001, function() count = count + 1 end)
        http.sleep(0.01)
      end)
      assert.equal(1, count)
    end)

    it("never overlap with themselves", function()
      local inside, most, count = 0, 0, 0
      local handle = w:run(function()
        return scheduler.every(0.001, function()
          inside = inside + 1
          most = math.max(most, inside)
          http.sleep(0.004)
          inside, count = inside - 1, count + 1
        end)
      end)
      w:wait(function() return count >= 2 end)
      handle:cancel()
      assert.equal(1, most)
    end)

    it("log errors and go on", function()
      local count = 0
      local handle = w:run(function()
        return scheduler.every(0.001, function()
          count = count + 1
          error "in every"
        end)
      end)
      w:wait(function() return count >= 2 end)
      handle:cancel()
      assert.matches("error in app:every: .*in every", w.log[1])
    end)

    it("may be cancelled before they begin, by themselves, and twice", function()
      local count, handle = 0, nil
      w:run(function()
        scheduler.after(0, function() count = count + 100 end):cancel()
        handle = scheduler.every(0.001, function()
          count = count + 1
          handle:cancel()
        end)
        http.sleep(0.01)
        handle:cancel()
      end)
      assert.equal(1, count)
    end)

    it("do not belong to the request that started them", function()
      local ctxs = {}
      serve(function()
        scheduler.after(0.001, function() ctxs[#ctxs + 1] = tostring(scheduler.state.ctx) end)
      end)
      w:wait(function() return #ctxs == 1 end)
      assert.same({ "nil" }, ctxs)
    end)
  end)

  it("leaves nothing behind of tasks that are done", function()
    local function round()
      w:run(function()
        for _ = 1, 200 do
          http.wait(http.spawn(function() http.sleep(0) end), 1)
        end
      end)
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end
    round()
    local before = round()
    for _ = 1, 5 do round() end
    assert.is_true(round() - before < 20, "grew by " .. round() - before .. " KB")
  end)
end)
