-- What sockets have in common: timeouts and how they are given, the deadline of a request, options.
local listener = require "spec.support.listener"
local sys = require "spec.support.sys"
local worker = require "spec.support.worker"

describe("a socket of either kind", function()
  local w, http, l

  setup(function()
    l = listener.tcp()
    w = worker.new(function(app, module)
      http = module
      app:get("/late", module.middleware.timeout(0.03), function()
        local s = assert(module.socket.connect("127.0.0.1", l.port))
        app.outcome = { s:receive() }
        app.seconds = sys.now() - app.started
      end)
    end)
  end)
  teardown(function()
    w:close()
    l:close()
  end)

  it("waits no longer than the request has time", function()
    w.app.started = sys.now()
    assert.are.equal(503, w:get("/late").status)
    w:wait(function() return w.app.outcome end)
    assert.are.same({ nil, "timeout", "" }, w.app.outcome)
    assert.is_true(w.app.seconds < 2)
  end)

  it("takes times as LuaSocket does", function()
    w:run(function()
      for _, s in ipairs { assert(http.socket.connect("127.0.0.1", l.port)), http.socket.udp() } do
        if s.setsockname then s:setsockname("127.0.0.1", 0) end
        s:settimeout(0)
        assert.are.equal("timeout", (select(2, s:receive())))
        s:settimeout(-1)
        s:settimeout(math.huge)
        s:settimeout(nil)
        local task = http.spawn(function() return s:receive() end)
        http.sleep(0.01)
        assert.is_false(task:is_done())
        task:cancel()
        http.sleep(0)
        assert.has_error(function() s:settimeout(0 / 0) end)
        assert.are.equal(1, s:setoption "reuseaddr")
        assert.has_error(function() s:setoption "nonsense" end)
        s:close()
        assert.are.same({ nil, "closed" }, { s:setoption "reuseaddr" })
        assert.are.same({ nil, "closed" }, { s:getsockname() })
      end
    end)
  end)
end)
