-- http.offload: functions on other threads: what goes in and out, what is refused and how it is
-- named, errors, turns, ends.
local alloc = require "spec.support.alloc"
local sys = require "spec.support.sys"
local worker = require "spec.support.worker"
local floor = math.floor
local cjson = require "cjson"

describe("http.offload", function()
  local w, http

  setup(function()
    w = worker.new(function(_, module) http = module end)
  end)
  teardown(function() w:close() end)

  local function fails(text, fn, ...)
    local args, n = { ... }, select("#", ...)
    w:run(function()
      local ok, err = pcall(http.offload, fn, unpack(args, 1, n))
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(text, 1, true), tostring(err))
    end)
  end

  it("runs a function elsewhere and returns what it returns", function()
    w:run(function()
      assert.are.equal(55, http.offload(function(n)
        local sum = 0
        for i = 1, n do sum = sum + i end
        return sum
      end, 10))
      assert.are.same({ nil, true, 1.5, "x\0y", { a = { 1, 2, { b = false } } }, nil, n = 6 },
        (function(...) return { n = select("#", ...), ... } end)(http.offload(function(...)
          return ...
        end, nil, true, 1.5, "x\0y", { a = { 1, 2, { b = false } } }, nil)))
      assert.are.equal(0, select("#", http.offload(function() end)))
    end)
  end)

  it("copies plain upvalues, and finds libraries and modules by name", function()
    local factor, list, nothing = 3, { 1, 2, 3 }, nil
    w:run(function()
      local sum, text, is_nil = http.offload(function()
        local total = 0
        for _, value in ipairs(list) do total = total + floor(value * factor + 0.5) end
        list[1] = 100
        return total, cjson.encode { total }, nothing == nil
      end)
      assert.are.equal(18, sum)
      assert.are.equal("[18]", text)
      assert.is_true(is_nil)
      assert.are.equal(1, list[1])
    end)
  end)

  it("names what it refuses", function()
    local helper = function() end
    local config = { hooks = { on = helper } }
    local loop = {}
    loop.self = loop
    local given = http
    fails("the upvalue helper is a function", function() return helper() end)
    fails('the upvalue config["hooks"]["on"] is a function', function() return config end)
    fails('the upvalue loop["self"] is a table that holds itself', function() return loop end)
    fails("the upvalue given is a part of justhttp", function() return given.get end)
    fails("argument 2 is a thread", function() end, 1, coroutine.create(function() end))
    fails("argument 1[2] is a function", function() end, { 1, print })
    fails("give a Lua function", print)
    fails("give a function, got a table", {})
    fails("returned what cannot be copied", function() return print end)
  end)

  it("refuses justhttp in there", function()
    fails("justhttp.json cannot be used in a function given to http.offload",
      function() return require "justhttp.json" end)
    fails("justhttp cannot be used", function() return require "justhttp".sleep(1) end)
  end)

  it("brings errors back with their traceback", function()
    w:run(function()
      local ok, err = pcall(http.offload, function()
        local function deep() error "boom" end
        deep()
      end)
      assert.is_false(ok)
      assert.is_truthy(err:find("offload_spec.lua:%d+: boom\nstack traceback:"), err)
      assert.is_truthy(err:find("in function 'deep'", 1, true), err)
      assert.is_falsy(err:find("offload_job", 1, true), err)
      ok, err = pcall(http.offload, function() error { code = 7 } end)
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find("table", 1, true))
    end)
  end)

  it("lets the worker go on, and runs several at a time", function()
    w:run(function()
      local started, ticks, is_done = sys.now(), 0, false
      http.spawn(function()
        while not is_done do
          http.sleep(0.005)
          ticks = ticks + 1
        end
      end)
      local tasks = {}
      for i = 1, 6 do
        tasks[i] = http.spawn(http.offload, function(name)
          os.execute "sleep 0.1"
          return name
        end, i)
      end
      for i = 1, 6 do assert.are.equal(i, http.wait(tasks[i])) end
      is_done = true
      local seconds = sys.now() - started
      assert.is_true(ticks > 5, ticks)
      assert.is_true(seconds >= 0.2 and seconds < 0.55 * sys.patience, seconds)
    end)
  end)

  it("finds the app's modules", function()
    local dir = sys.temp_dir()
    sys.write_file(dir .. "/offload_spec_module.lua", "return { answer = 42 }")
    local path = package.path
    package.path = dir .. "/?.lua;" .. path
    w:run(function()
      assert.are.equal(42, http.offload(function()
        return require "offload_spec_module".answer
      end))
    end)
    package.path = path
    sys.remove(dir)
  end)

  it("keeps the globals of jobs apart", function()
    w:run(function()
      for _ = 1, 5 do
        assert.is_nil(http.offload(function()
          local before = rawget(getfenv(1), "leaked")
          leaked = true -- luacheck: ignore 111
          return before or _G.leaked
        end))
      end
    end)
  end)

  it("does not wait any more when its task is cancelled", function()
    w:run(function()
      local task = http.spawn(http.offload, function() os.execute "sleep 0.1" end)
      http.sleep(0)
      local started = sys.now()
      task:cancel()
      http.sleep(0)
      assert.is_true(task:is_done())
      assert.is_true(sys.now() - started < 0.09 * sys.patience)
      -- One that still waits for its turn never starts.
      local tasks = {}
      for i = 1, 5 do
        tasks[i] = http.spawn(http.offload, function() os.execute "sleep 0.05" end)
      end
      http.sleep(0)
      for i = 1, 5 do tasks[i]:cancel() end
      assert.are.equal(7, http.offload(function() return 7 end))
    end)
  end)

  it("takes and gives much", function()
    w:run(function()
      local text = ("x"):rep(10000000)
      assert.are.equal(#text, #http.offload(function(s) return s end, text))
    end)
  end)

  it("survives running out of memory in there", function()
    w:run(function()
      alloc.fail_each(function()
        pcall(http.offload, function() return 1 end)
      end, 3000)
      assert.are.equal(1, http.offload(function() return 1 end))
    end)
  end)

  it("leaves nothing", function()
    assert.is_true(alloc.is_balanced(function()
      w:run(function() http.offload(function(list) return list end, { 1, 2, 3 }) end)
    end))
  end)
end)
