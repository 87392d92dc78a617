-- A worker inside a plain LuaJIT: app:request without a server.
local worker = require "spec.support.worker"

describe("app:request in a plain LuaJIT", function()
  local w, http, calls

  setup(function()
    calls = {}
    w = worker.new(function(app, h)
      http = h
      app:on_start(function()
        http.sleep(0.001)
        calls[#calls + 1] = "started"
      end)
      app:every(0.001, function() calls.every = (calls.every or 0) + 1 end)
      app:get("/", function() return "hello" end)
      app:get("/wait", function()
        http.sleep(0.001)
        return "waited"
      end)
      app:get("/inner", function() return app:request({ path = "/wait" }).body .. " inside" end)
      app:get("/slow", function() http.sleep(60) end)
    end)
  end)
  teardown(function() w:close() end)

  it("starts the app first", function()
    assert.equal("hello", w:get("/").body)
    assert.equal("started", calls[1])
    assert.is_true(w.modules.standalone.is_running())
  end)

  it("answers handlers that wait", function()
    assert.equal("waited", w:get("/wait").body)
  end)

  it("may be made by a handler, and by many tasks at once", function()
    assert.equal("waited inside", w:get("/inner").body)
    w:run(function()
      local tasks = {}
      for i = 1, 20 do tasks[i] = http.spawn(w.get, w, "/inner") end
      for i = 1, 20 do assert.equal("waited inside", http.wait(tasks[i]).body) end
    end)
  end)

  it("runs the app's timers meanwhile", function()
    w:wait(function() return (calls.every or 0) >= 2 end)
  end)

  it("raises what its task raised", function()
    local value = {}
    local ok, err = pcall(w.run, w, function() error(value) end)
    assert.is_false(ok)
    assert.equal(value, err.value)
  end)

  it("lets modules wait that are required in handlers", function()
    package.preload["spec.waiting_module"] = function()
      http.sleep(0.001)
      return { loaded = true }
    end
    assert.is_true(w:run(function() return require("spec.waiting_module").loaded end))
    package.preload["spec.waiting_module"], package.loaded["spec.waiting_module"] = nil, nil
  end)

  it("serves one app in a process, and says so", function()
    local other = http.app()
    other:get("/", print)
    local ok, err = pcall(other.request, other, { path = "/" })
    assert.is_false(ok)
    assert.matches("this process serves another app already; test one app per process", err)
  end)

  it("leaves code outside of tasks as it was: it cannot wait", function()
    assert.is_false((pcall(http.sleep, 0)))
  end)
end)
