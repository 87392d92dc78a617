-- A request that ends takes its outgoing calls with it: whoever cancels it, whatever it calls with,
-- however deep in tasks. The upstream is the spec's own and counts the connections it has.
local caller = require "spec.support.caller"
local peer = require "spec.support.peer"
local server = require "spec.support.server"
local wait_for = require "spec.support.wait"

describe("outgoing calls", function()
  local c, upstreams, conns

  setup(function() c = caller.start() end)
  teardown(function() c:stop() end)

  before_each(function()
    upstreams, conns = { peer.listen(), peer.listen() }, {}
  end)
  after_each(function()
    for _, conn in ipairs(conns) do conn:close() end
    for _, one in ipairs(upstreams) do one:close() end
  end)

  -- The next request at an upstream: its connection, and the head.
  local function take(i)
    local conn = upstreams[i or 1]:accept()
    conns[#conns + 1] = conn
    return conn, (peer.request(conn))
  end

  -- Connections that nobody took yet count as well, once they are looked at.
  local function open_count()
    for _, one in ipairs(upstreams) do
      while one:has_pending() do conns[#conns + 1] = one:accept() end
    end
    local count = 0
    for _, conn in ipairs(conns) do
      if not conn:is_closed(0) then count = count + 1 end
    end
    return count
  end

  local function all_close()
    wait_for(function() return open_count() == 0 end, 5, "the end of all outgoing connections")
  end

  local function begin(code, more)
    local arguments = { url = upstreams[1].url, other = upstreams[2].url }
    for name, value in pairs(more or {}) do arguments[name] = value end
    return c:begin(code, arguments)
  end

  describe("end when the client of their request leaves:", function()
    local ways = {
      ["a plain one"] = [[ http.get(a.url .. "/x") ]],
      ["with options"] = [[ http.get(a.url .. "/x", { headers = { A = "b" }, timeout = 60 }) ]],
      ["of a session"] = [[ http.session { base = a.url }:get "/x" ]],
      ["of a balancer"] = [[ http.balancer { upstreams = { a.url } }:get "/x" ]],
      ["of a task"] = [[ http.wait(http.spawn(http.get, a.url .. "/x")) ]],
      ["of a task in a task"] = [[
        http.wait(http.spawn(function()
          http.spawn(http.get, a.url .. "/x")
          http.sleep(60)
        end)) ]],
      ["of an inner coroutine"] = [[
        coroutine.wrap(function() http.get(a.url .. "/x") end)() ]],
      ["in a protected call"] = [[
        pcall(http.get, a.url .. "/x") ]],
      ["whose answer is streamed"] = [[
        http.get(a.url .. "/x", { stream = true }) ]],
    }
    for what, code in pairs(ways) do
      it(what, function()
        local pending = begin(code)
        local _, head = take()
        assert.matches("^GET /x HTTP/1.1\r\n", head)
        assert.equal(1, open_count())
        pending:leave()
        all_close()
      end)
    end

    it("before there is an answer to a body that streams", function()
      local pending = begin [[
        http.post(a.url .. "/x", { body = function()
          http.sleep(0.001)
          return "piece"
        end }) ]]
      local conn = upstreams[1]:accept()
      conns[1] = conn
      conn:read_until "piece"
      pending:leave()
      conn:read_all()
      all_close()
    end)

    it("in the middle of an answer that streams", function()
      local pending = begin [[
        local res = http.get(a.url .. "/x", { stream = true })
        for piece in res:chunks() do end ]]
      local conn = take()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"
      pending:leave()
      all_close()
    end)

    it("with an answer that is open and that nobody reads now", function()
      for _, code in ipairs {
        [[ local res = http.get(a.url .. "/x", { stream = true })
           http.get(a.other .. "/now")
           http.sleep(60)
           return res.status ]],
        [[ local res = http.wait(http.spawn(http.get, a.url .. "/x", { stream = true }))
           http.get(a.other .. "/now")
           http.sleep(60)
           return res.status ]],
        [[ local res = http.balancer { upstreams = { a.url } }:get("/x", { stream = true })
           http.get(a.other .. "/now")
           http.sleep(60)
           return res.status ]],
      } do
        local pending = begin(code)
        take(1):send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"
        take(2):send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        pending:leave()
        all_close()
      end
    end)

    it("in the middle of a whole answer", function()
      local pending = begin [[ http.get(a.url .. "/x") ]]
      take():send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"
      pending:leave()
      all_close()
    end)

    it("on a connection that was used before", function()
      local pending = begin [[
        http.get(a.url .. "/one")
        http.get(a.url .. "/two") ]]
      local conn = take()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
      assert.matches("^GET /two", (peer.request(conn)))
      pending:leave()
      all_close()
    end)

    it("many at once", function()
      local pending = begin [[
        local tasks = {}
        for i = 1, 20 do tasks[i] = http.spawn(http.get, a.url .. "/" .. i) end
        for i = 1, 20 do http.wait(tasks[i]) end ]]
      for _ = 1, 20 do take() end
      assert.equal(20, open_count())
      pending:leave()
      all_close()
    end)

    it("both of a hedged request", function()
      local pending = begin [[
        http.balancer { upstreams = { a.url, a.other }, hedge = 0.005,
                        policy = "round_robin" }:get "/x" ]]
      take(1)
      take(2)
      assert.equal(2, open_count())
      pending:leave()
      all_close()
    end)

    it("and a balancer does not go on elsewhere", function()
      local pending = begin [[
        lb = http.balancer { upstreams = { a.url, a.other }, policy = "round_robin" }
        lb:get "/x" ]]
      take(1)
      pending:leave()
      all_close()
      assert.equal(1, #conns)
      local pending_count, failures = c:run [[
        local rows = lb:status().upstreams
        return rows[1].pending + rows[2].pending, rows[1].failures + rows[2].failures ]]
      assert.equal(0, pending_count)
      assert.equal(0, failures)
    end)
  end)

  describe("end with the task that makes them:", function()
    it("when it is cancelled", function()
      local pending = begin [[
        local task = http.spawn(http.get, a.url .. "/x")
        http.get(a.other .. "/now")
        task:cancel()
        local ok, err = pcall(http.wait, task)
        return ok, tostring(err) ]]
      take(1)
      take(2):send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
      local ok, err = pending:finish()
      assert.is_false(ok)
      assert.matches("cancelled", err)
      all_close()
    end)

    it("when a task above it is cancelled", function()
      local pending = begin [[
        local task = http.spawn(function()
          local inner = http.spawn(function()
            return http.session { base = a.url }:get "/x"
          end)
          return http.wait(inner)
        end)
        http.get(a.other .. "/now")
        task:cancel() ]]
      take(1)
      take(2):send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
      pending:finish()
      all_close()
    end)

    it("when a task is cancelled that reads a streamed answer", function()
      local pending = begin [[
        local task = http.spawn(function()
          local res = http.get(a.url .. "/x", { stream = true })
          for piece in res:chunks() do end
        end)
        http.get(a.other .. "/now")
        task:cancel() ]]
      take(1):send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"
      take(2):send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
      pending:finish()
      all_close()
    end)

    it("when it is cancelled before it has begun", function()
      local pending = begin [[ http.spawn(http.get, a.url .. "/x"):cancel() ]]
      pending:finish()
      assert.is_false(upstreams[1]:has_pending())
    end)

    it("the slower one of a hedge, when the other has answered", function()
      local pending = begin [[
        local lb = http.balancer { upstreams = { a.url, a.other }, hedge = 0.005,
                                   policy = "round_robin" }
        local res = lb:get "/x"
        local rows = lb:status().upstreams
        return res.body, rows[1].pending, rows[2].pending ]]
      local slow = take(1)
      take(2):send "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfast"
      local body = pending:finish()
      assert.equal("fast", body)
      wait_for(function() return slow:is_closed(0) end)
    end)
  end)

  describe("end at the deadline", function()
    local function timed(code, more)
      local pending = begin(code, more)
      take()
      local res, err, kind = pending:finish()
      all_close()
      return res, err, kind
    end

    it("of their own", function()
      for _, code in ipairs {
        [[ return http.get(a.url .. "/x", { timeout = 0.05 }) ]],
        [[ return http.session { base = a.url, timeout = 0.05 }:get "/x" ]],
        [[ return http.balancer { upstreams = { a.url }, timeout = 0.05 }:get "/x" ]],
        [[ return http.balancer { upstreams = { a.url }, try_timeout = 0.05,
                                  retry = false }:get "/x" ]],
      } do
        local res, err, kind = timed(code)
        assert.is_nil(res)
        assert.equal("timeout", kind)
        assert.matches("GET " .. upstreams[1].url .. "/x: ", err, 1, true)
      end
    end)

    it("of all tries of a balancer together", function()
      local pending = begin [[
        local lb = http.balancer { upstreams = { a.url, a.other }, policy = "round_robin",
                                   try_timeout = 0.05, retry = { attempts = 1000 } }
        local started = require "justhttp.door".precise_ms()
        local res, err, kind = lb:get("/x", { timeout = 0.12 })
        return res, err, kind, require "justhttp.door".precise_ms() - started ]]
      take(1)
      local res, _, kind, took = pending:finish()
      assert.is_nil(res)
      assert.equal("timeout", kind)
      assert.is_true(took >= 119, took)
      all_close()
    end)

    it("of the timeout middleware, with and without an end to the handler", function()
      local s = server.start { code = [[
        local http = require "justhttp"
        local app = http.app()
        local seen = {}
        local function call(ctx)
          local res, err, kind = http.get(ctx.query.url .. "/x")
          seen[#seen + 1] = kind
          http.sleep(0.1)
        end
        app:get("/on", http.middleware.timeout(0.05), call)
        app:get("/cancel", http.middleware.timeout(0.05, { cancel = true }), call)
        app:get("/seen", function() return seen end)
        return app ]] }
      for _, path in ipairs { "/on", "/cancel" } do
        local conn = s:connect()
        conn:send(("GET %s?url=%s HTTP/1.1\r\nHost: a\r\n\r\n"):format(path, upstreams[1].url))
        take()
        assert.equal(503, conn:response().status)
        all_close()
        conn:close()
      end
      wait_for(function() return s:get("/seen").body ~= "{}" end)
      -- The handler that is ended may have learned of the deadline first.
      assert.matches('^%["timeout"', s:get("/seen").body)
      s:stop()
    end)

    it("of the request they are made for", function()
      for _, call in ipairs {
        [[ http.get(a.url .. "/x") ]], [[ http.session { base = a.url }:get "/x" ]],
        [[ http.balancer { upstreams = { a.url } }:get "/x" ]],
        [[ http.wait(http.spawn(http.get, a.url .. "/x")) ]],
        [[ http.balancer { upstreams = { a.url }, hedge = 60 }:get "/x" ]],
      } do
        local res, _, kind = timed([[
          local left = ctx:deadline()
          rawset(ctx, "_deadline_ms", require "justhttp.door".clock_ms() + 50)
          assert(left == nil and ctx:deadline() <= 0.05)
          return ]] .. call)
        assert.is_nil(res)
        assert.equal("timeout", kind)
      end
    end)
  end)
end)
