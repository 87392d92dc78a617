-- A request of a balancer: where it goes, whether again, whether twice at a time. The exchanges are
-- functions of the spec here; over sockets the same is in spec/http/balancer_spec.lua.
local worker = require "spec.support.worker"

describe("the attempts of a request", function()
  local w, http, attempts, set, budget, latency, retry
  local balancer, answers, asked, open

  setup(function()
    w = worker.new(function(app) app:get("/", function() end) end)
    http = w.http
    attempts, set = w.modules["balancer.attempts"], w.modules["balancer.set"]
    budget, latency = w.modules["balancer.budget"], w.modules["balancer.latency"]
    retry = w.modules["balancer.retry"]
    w:run(function() end)
  end)
  teardown(function() w:close() end)

  local function new_balancer(options)
    answers, asked, open = {}, {}, 0
    options = options or {}
    balancer = {
      _set = set.new {
        policy = w.modules["balancer.round_robin"].new(), clock_ms = w.modules.door.clock_ms,
      },
      _latency = latency.new(), _budget = budget.new(0.2, options.reserve or 10),
      _retry = retry.check(options.retry, 1), _hedge = options.hedge,
      _counts = { requests = 0, retries = 0, hedges = 0, hedges_won = 0 },
      _is_good = function(response) return response ~= nil end,
      _describe = function() return "balancer" end,
      _send = function(upstream, request)
        asked[#asked + 1] = upstream.host
        open = open + 1
        local ok, response, err, kind = pcall(answers[upstream.host], request)
        open = open - 1
        if not ok then error(response, 0) end
        return response, err, kind
      end,
    }
    for _, name in ipairs { "a", "b", "c" } do balancer._set:add("http://" .. name, 1, true) end
  end

  local function ok(name) return function() return { status = 200, body = name } end end
  local function fails(kind) return function() return nil, "it " .. kind, kind end end
  local function hangs() http.sleep(60) end

  local function run(request)
    request = request or {}
    request.method = request.method or "GET"
    if request.is_replayable == nil then request.is_replayable = true end
    return w:run(attempts.run, balancer, request)
  end

  local function all_given_back()
    for _, upstream in ipairs(balancer._set.list) do
      if upstream.pending ~= 0 then return false end
    end
    return open == 0
  end

  before_each(function() new_balancer() end)
  after_each(function() w:wait(all_given_back) end)

  it("end with the first good answer", function()
    answers.a = ok "a"
    local response, _, _, upstream = run()
    assert.equal("a", response.body)
    assert.equal("a", upstream.host)
    assert.same({ "a" }, asked)
    assert.equal(1, upstream.total)
  end)

  it("go on at others when there is no connection, a POST too", function()
    answers.a, answers.b, answers.c = fails "connect", fails "connect", ok "c"
    assert.equal("c", run({ method = "POST", is_replayable = false }).body)
    assert.same({ "a", "b", "c" }, asked)
    assert.equal(10, balancer._budget.tokens)
  end)

  it("end with the last error when all have failed", function()
    answers.a, answers.b, answers.c = fails "connect", fails "connect", fails "connect"
    local response, err, kind, upstream = run()
    assert.is_nil(response)
    assert.equal("it connect", err)
    assert.equal("connect", kind)
    assert.equal("c", upstream.host)
  end)

  it("repeat what was lost only when it is harmless, so many times, and pay for it", function()
    new_balancer { retry = { attempts = 2 } }
    answers.a, answers.b, answers.c = fails "closed", fails "timeout", ok "c"
    local _, err = run()
    assert.equal("it timeout", err)
    assert.same({ "a", "b" }, asked)
    assert.equal(9, balancer._budget.tokens)
    local _, kind
    _, _, kind = run { method = "POST" }
    assert.is_nil(kind) -- it was c's turn
    _, _, kind = run { method = "POST" }
    assert.equal("closed", kind)
  end)

  it("go back to the only one there is with what was lost, but not where nobody listens", function()
    balancer._set:remove(balancer._set.list[3])
    balancer._set:remove(balancer._set.list[2])
    local is_first = true
    answers.a = function()
      if not is_first then return { status = 200, body = "a" } end
      is_first = false
      return nil, "lost", "closed"
    end
    assert.equal("a", run().body)
    assert.same({ "a", "a" }, asked)
    answers.a = fails "connect"
    assert.is_nil((run()))
    assert.same({ "a", "a", "a" }, asked)
  end)

  it("hold nothing against an upstream for limits of our own", function()
    answers.a, answers.b, answers.c = fails "busy", fails "limit", fails "invalid"
    local _, _, kind = run()
    assert.equal("limit", kind)
    for _, row in ipairs(balancer._set:status()) do assert.equal(0, row.failures) end
  end)

  it("keep to the budget", function()
    new_balancer { reserve = 1 }
    answers.a, answers.b, answers.c = fails "closed", fails "closed", fails "closed"
    for _ = 1, 50 do run() end
    assert.equal(50, balancer._counts.requests)
    assert.is_true(balancer._counts.retries <= 1 + 10)
    assert.is_true(balancer._counts.retries >= 10)
  end)

  it("take answers of some statuses for failures and close these", function()
    new_balancer { retry = { statuses = { 503 } } }
    local closed = 0
    answers.a = function()
      return { status = 503, close = function() closed = closed + 1 end }
    end
    answers.b = ok "b"
    assert.equal("b", run().body)
    assert.equal(1, closed)
  end)

  it("do not go on behind their deadline", function()
    answers.a, answers.b = fails "timeout", ok "b"
    local _, _, kind = run { deadline_ms = w.modules.door.clock_ms() - 1 }
    assert.equal("timeout", kind)
    assert.same({ "a" }, asked)
  end)

  it("say when nobody is up", function()
    for _, upstream in ipairs(balancer._set.list) do balancer._set:set_health(upstream, false) end
    local response, err, kind = run()
    assert.is_nil(response)
    assert.equal("balancer: no upstream is up", err)
    assert.equal("busy", kind)
  end)

  it("count what is pending until a streamed answer ends", function()
    local at_end
    answers.a = function()
      return { status = 200, when_over = function(_, fn)
        at_end = fn
        return true
      end }
    end
    local _, _, _, upstream = run { stream = true }
    assert.equal(1, upstream.pending)
    at_end()
    assert.equal(0, upstream.pending)
    assert.equal(1, upstream.total)
  end)

  it("give the upstream back when the task is cancelled, and hold nothing against it", function()
    answers.a = hangs
    w:run(function()
      local task = http.spawn(attempts.run, balancer, { method = "GET", is_replayable = true })
      http.sleep(0)
      assert.equal(1, open)
      task:cancel()
      assert.is_false((pcall(http.wait, task)))
    end)
    assert.equal(0, balancer._set.list[1].failures)
  end)

  it("give the upstream back when something raises, and raise it again", function()
    answers.a = function() error "on purpose" end
    local is_ok, err = pcall(run)
    assert.is_false(is_ok)
    assert.matches("on purpose", tostring(err))
  end)

  describe("with hedges", function()
    local function hedged(options)
      options = options or {}
      options.hedge = options.hedge or { after = 0.002 }
      new_balancer(options)
    end

    it("ask one only when it answers in time", function()
      hedged()
      answers.a = ok "a"
      assert.equal("a", run().body)
      assert.same({ "a" }, asked)
      assert.equal(10, balancer._budget.tokens)
    end)

    it("ask a second when the first is slow, and cancel the loser", function()
      hedged()
      answers.a, answers.b = hangs, ok "b"
      assert.equal("b", run().body)
      assert.same({ "a", "b" }, asked)
      assert.equal(1, balancer._counts.hedges)
      assert.equal(1, balancer._counts.hedges_won)
      assert.equal(9, balancer._budget.tokens)
      w:wait(all_given_back)
    end)

    it("take the first when it is the faster one after all", function()
      hedged()
      answers.a = function()
        http.sleep(0.02)
        return { status = 200, body = "a" }
      end
      answers.b = hangs
      assert.equal("a", run().body)
      assert.equal(0, balancer._counts.hedges_won)
    end)

    it("wait for the other when one fails", function()
      hedged()
      answers.a = function()
        http.sleep(0.02)
        return { status = 200, body = "a" }
      end
      answers.b = fails "closed"
      assert.equal("a", run().body)
      assert.same({ "a", "b" }, asked)
    end)

    it("go on at a third when both fail", function()
      hedged()
      answers.a = function()
        http.sleep(0.01)
        return nil, "gone", "closed"
      end
      answers.b, answers.c = fails "closed", ok "c"
      assert.equal("c", run().body)
    end)

    it("close the answer of a loser that had one already", function()
      hedged()
      local closed = 0
      local function answer_after(seconds)
        return function()
          http.sleep(seconds)
          return { status = 200, close = function() closed = closed + 1 end }
        end
      end
      answers.a, answers.b, answers.c = answer_after(0.01), answer_after(0.008), answer_after(0.01)
      for _ = 1, 5 do run() end
      assert.is_true(closed <= 5)
      w:wait(all_given_back)
    end)

    it("are for requests that may be sent twice", function()
      hedged()
      answers.a = function()
        http.sleep(0.01)
        return { status = 200, body = "a" }
      end
      answers.b, answers.c = answers.a, answers.a
      run { method = "POST" }
      run { is_replayable = false }
      assert.equal(2, #asked)
      assert.equal(0, balancer._counts.hedges)
    end)

    it("keep to the budget", function()
      hedged { reserve = 0 }
      answers.a = function()
        http.sleep(0.01)
        return { status = 200, body = "a" }
      end
      assert.equal("a", run().body)
      assert.same({ "a" }, asked)
    end)

    it("learn what is slow", function()
      hedged { hedge = { percentile = 95, least = 0 } }
      answers.a, answers.b, answers.c = hangs, ok "b", ok "c"
      for _ = 1, 20 do balancer._latency:add(1) end
      assert.equal("b", run().body)
      assert.same({ "a", "b" }, asked)
    end)

    it("end both requests when the task is cancelled", function()
      hedged()
      answers.a, answers.b = hangs, hangs
      w:run(function()
        local task = http.spawn(attempts.run, balancer, { method = "GET", is_replayable = true })
        while open < 2 do http.sleep(0.001) end
        task:cancel()
        assert.is_false((pcall(http.wait, task)))
      end)
      w:wait(all_given_back)
    end)

    it("raise what an exchange raises", function()
      hedged()
      answers.a = function() error "on purpose" end
      assert.is_false((pcall(run)))
    end)
  end)
end)
