-- cpu_budget_spec.lua: code that computes for too long is stopped, whatever it does; others go on.
--
-- What is measured is the worker's own CPU time, which a busy machine does not change.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

local BUDGET_MS, LATE_MS = 200, 50

-- Each is a body of a function; `LINE` is where it spends its time.
local loops = {
  ["an empty loop"] = "while true do end",
  ["an empty repeat"] = "repeat until false",
  ["a goto"] = "::top:: goto top",
  ["a numeric loop"] = "local s = 0 for i = 1, 1e300 do s = s + i % 7 end",
  ["calls"] = "local function f(x) return x + 1 end local x = 0 while true do x = f(x) end",
  ["recursion"] = [[local function f(n) return n == 0 and 0 or f(n - 1) + 1 end
    while true do f(50) end]],
  ["allocation"] = "local t while true do t = { t and 1 } end",
  ["strings"] = "local i = 0 while true do i = i + 1 local s = 'x' .. i end",
  ["a coroutine"] = "coroutine.wrap(function() while true do end end)()",
  ["coroutines without end"] = [[while true do
    coroutine.wrap(function() for i = 1, 10 do coroutine.yield(i) end end)() end]],
  ["functions that C calls"] = [[while true do
    local t = {} for i = 1, 100 do t[i] = -i end
    table.sort(t, function(a, b) return a < b end) end]],
}

-- These do not give up when they are told.
local stubborn = {
  ["pcall in a loop"] = "while true do pcall(function() while true do end end) end",
  ["xpcall in a loop"] = [[while true do
    xpcall(function() while true do end end, function(err) return err end) end]],
  ["coroutine.resume in a loop"] = [[while true do
    local co = coroutine.create(function() while true do end end) coroutine.resume(co) end]],
}

local function route(path, body)
  return ("app:get(%q, function() %s end)\n"):format(path, body)
end

-- "/compiled/3" and so on, in the order of the names.
local function write_app()
  local parts, names = { [[
local http = require "justhttp"
local app = http.app()
app:get("/", function() return "alive" end)
app:get("/sleeps", function() http.sleep(0.05) return "slept" end)
app:get("/caught", function()
  local ok, err = pcall(function() while true do end end)
  return tostring(ok) .. " " .. err
end)
app:get("/later", function()
  http.spawn(function() while true do end end)
  return "spawned"
end)
]] }, {}
  for _, list in ipairs { loops, stubborn } do
    for name, body in pairs(list) do
      names[#names + 1] = name
      parts[#parts + 1] = ("do local function run() %s end\n"):format(body)
      parts[#parts + 1] = route("/compiled/" .. #names, "run() return 'never'")
      parts[#parts + 1] = route("/interpreted/" .. #names,
        "jit.off(run, true) run() return 'never'")
      parts[#parts + 1] = route("/task/" .. #names, "return http.wait(http.spawn(run))")
      parts[#parts + 1] = "end\n"
    end
  end
  parts[#parts + 1] = "return app\n"
  return table.concat(parts), names
end

describe("cpu_budget_ms", function()
  local code, names = write_app()
  local s

  setup(function()
    s = server.start { files = { ["app.lua"] = code }, options = { cpu_budget_ms = BUDGET_MS } }
  end)
  teardown(function() s:stop() end)

  local function cpu_ms()
    local text = sys.read_file(("/proc/%d/schedstat"):format(s:workers()[1]))
    return tonumber(text:match "^%d+") / 1e6
  end

  for index, name in ipairs(names) do
    for _, how in ipairs { "compiled", "interpreted", "task" } do
      it(("stops %s (%s)"):format(name, how), function()
        local before, worker = cpu_ms(), s:workers()[1]
        local answer = s:get(("/%s/%d"):format(how, index))
        local used = cpu_ms() - before
        assert.are.equal(503, answer.status)
        assert.is_true(used >= BUDGET_MS - 1, "stopped after " .. used)
        assert.is_true(used <= BUDGET_MS + LATE_MS, "stopped after " .. used)
        local id = answer.body:match "id: (%S+)"
        local log = wait_for(function()
          return s:stderr():match("error " .. id:gsub("%-", "%%-") .. " in [^\n]*\n")
        end)
        assert.is_truthy(log:find(("GET /%s/%d: "):format(how, index), 1, true), log)
        assert.is_truthy(log:find("app%.lua:%d+: cpu budget of 200 ms exceeded\n"), log)
        assert.are.equal("alive", s:get("/").body)
        assert.are.equal(worker, s:workers()[1])
      end)
    end
  end

  it("raises an error that the app may catch", function()
    local answer = s:get("/caught")
    assert.are.equal(200, answer.status)
    assert.is_truthy(answer.body:find("^false .*app%.lua:%d+: cpu budget of 200 ms exceeded$"))
  end)

  it("stops tasks that no request waits for", function()
    assert.are.equal("spawned", s:get("/later").body)
    wait_for(function()
      return s:stderr():find "error in a task nobody waits for: [^\n]*cpu budget"
    end, 5, "the log of the task")
  end)

  it("lets others wait meanwhile", function()
    local waiting, busy = s:connect(), s:connect()
    waiting:send("GET /sleeps HTTP/1.1\r\nHost: a\r\n\r\n")
    busy:send("GET /compiled/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.are.equal("slept", waiting:response().body)
    assert.are.equal(503, busy:response().status)
  end)
end)

describe("the CPU budget", function()
  local s
  after_each(function()
    if s then s:stop() end
    s = nil
  end)

  it("counts each request anew, and not what they wait", function()
    s = server.start { options = { cpu_budget_ms = 100 }, code = [[
      local function work() local t = os.clock() while os.clock() - t < 0.03 do end end
      return function()
        for _ = 1, 6 do work() require "justhttp".sleep(0.001) end
        return "done"
      end]] }
    for _ = 1, 3 do assert.are.equal("done", s:get("/").body) end
  end)

  it("holds for timers", function()
    s = server.start { options = { cpu_budget_ms = 100 }, code = [[
      local app = require "justhttp".app()
      app:after(0.01, function() while true do end end)
      return app]] }
    wait_for(function() return s:stderr():find "app:after[^\n]*cpu budget" end, 5, "its log line")
  end)

  it("holds while the app loads", function()
    local failed, message = server.try_start {
      code = "local n = 0\nwhile true do n = n + 1 end", options = { cpu_budget_ms = 100 },
    }
    assert.is_nil(failed)
    assert.is_truthy(message:find("app.lua:2: cpu budget of 100 ms exceeded", 1, true), message)
  end)

  it("is off with 0", function()
    s = server.start { options = { cpu_budget_ms = 0 }, code = [[
      return function()
        local t = os.clock() while os.clock() - t < 0.3 do end
        return "done"
      end]] }
    assert.are.equal("done", s:get("/").body)
  end)
end)
