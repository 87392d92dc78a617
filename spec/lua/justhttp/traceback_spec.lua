-- Errors kept whole, across coroutines.
local traceback = require "justhttp.traceback"

local this_file = "spec/lua/justhttp/traceback_spec.lua"

local function fail() error "boom" end

local function captured(fn)
  local ok, fault = xpcall(fn, traceback.capture)
  assert.is_false(ok)
  return fault
end

describe("traceback.capture", function()
  it("keeps value, message and calls", function()
    local fault = captured(function() fail() end)
    assert.is_true(traceback.is_fault(fault))
    assert.matches(this_file .. ":%d+: boom$", fault.message)
    assert.equal(fault.value, fault.message)
    assert.matches("in function 'fail'", fault.trace)
    assert.equal(fault.message, tostring(fault))
  end)

  it("has a message for every error value", function()
    assert.equal("own", captured(function() error({ message = "own" }) end).message)
    assert.equal("text", captured(function()
      error(setmetatable({}, { __tostring = function() return "text" end }))
    end).message)
    assert.equal("(error object is a nil value)", captured(function() error(nil) end).message)
    assert.equal("{ code = 7 }", captured(function() error { code = 7 } end).message)
    local value = {}
    assert.equal(value, captured(function() error(value) end).value)
  end)

  it("joins the calls of the coroutine that waited", function()
    local inner
    local co = coroutine.create(function() inner = captured(function() fail() end) end)
    coroutine.resume(co)
    local function waiter() error(inner, 0) end
    local fault = captured(function() waiter() end)
    assert.equal(inner, fault)
    local full = traceback.full(fault)
    assert.matches("in function 'fail'.*waited for by:.*in function 'waiter'", full)
  end)

  it("joins the calls of an error that was raised again", function()
    local fault = captured(function()
      local _, err = xpcall(function() fail() end, traceback.keep)
      error(err, 0)
    end)
    assert.matches("in function 'fail'.*raised again by:", fault.trace)
  end)

  it("joins the calls of a coroutine inside", function()
    local fault = captured(function()
      local co = coroutine.create(function() fail() end)
      local _, err = coroutine.resume(co)
      traceback.note_inner(co, err)
      error(err, 0)
    end)
    assert.matches("in function 'fail'.*raised again by:", fault.trace)
  end)

  it("forgets a kept error that does not come", function()
    xpcall(fail, traceback.keep)
    local fault = captured(function() error("another", 0) end)
    assert.is_nil(fault.trace:find("raised again", 1, true))
  end)

  it("reads a dead coroutine", function()
    local co = coroutine.create(function() fail() end)
    local _, err = coroutine.resume(co)
    assert.matches("in function 'fail'", traceback.capture_thread(co, err).trace)
  end)

  it("knows the line of the innermost call of a dead coroutine", function()
    local function index(value) return value.name.first end
    for _, wrong in ipairs {
      function() local name = index {} return name end,
      function() local sum = 1 + {} return sum end,
      function(none) none() end,
    } do
      local co = coroutine.create(wrong)
      local _, err = coroutine.resume(co)
      local line = err:match ":(%d+): "
      local fault = traceback.capture_thread(co, err)
      assert.matches("^\t" .. this_file .. ":" .. line .. ": in ", fault.trace)
      assert.equal(tonumber(line), traceback.frames(fault)[1].line)
      co = coroutine.create(wrong)
      _, err = coroutine.resume(co)
      traceback.note_inner(co, err)
      fault = captured(function() error(err, 0) end)
      assert.matches("^\t" .. this_file .. ":" .. line .. ": in ", fault.trace)
    end
  end)
end)

describe("traceback.full", function()
  it("leaves out how justhttp came to call the app", function()
    local fault = captured(fail)
    fault.trace = table.concat({
      "\t[C]: in function 'error'", "\tapp.lua:3: in function 'handler'",
      "\tjusthttp/compose.lua:4: in function 'run'", "\tapp.lua:9: in function 'middleware'",
      "\tjusthttp/runner.lua:6: in function 'run_next'", "\t[C]: in function 'xpcall'",
    }, "\n")
    assert.matches("in function 'handler'.*in function 'run'.*in function 'middleware'$",
      traceback.full(fault))
    fault.trace = "\tjusthttp/runner.lua:6: in function 'run_next'"
    assert.matches("in function 'run_next'$", traceback.full(fault))
  end)
end)

describe("traceback.brief", function()
  it("is one line where a check of justhttp names the line of the app", function()
    local app = require "justhttp.app".new()
    local fault = captured(function() app:get("x", print) end)
    assert.matches("^" .. this_file .. ":%d+: app:get: the path \"x\" must start", fault.message)
    assert.equal(fault.message, traceback.brief(fault))
  end)

  it("is everything for errors of the app, and for those inside justhttp", function()
    local app = require "justhttp.app".new()
    for _, fn in ipairs {
      fail,
      function() app:group("/x", fail) end,
      function() error { code = 7 } end,
      function() error("no place", 0) end,
    } do
      assert.matches("stack traceback:", traceback.brief(captured(fn)))
    end
  end)
end)

describe("traceback.frames", function()
  it("tells the app's frames from C and from justhttp", function()
    local fault = setmetatable({
      message = "x", trace = table.concat({
        "\t[C]: in function 'error'",
        "\tapp.lua:12: in function 'load_user'",
        "\tjusthttp/compose.lua:30: in function <justhttp/compose.lua:28>",
        "\t-- waited for by:",
        "\t/srv/lua/justhttp/scheduler.lua:5: in function 'wait'",
        "\tlib/users.lua:3: in function <lib/users.lua:1>",
        "\t[C]: at 0x5610",
      }, "\n"),
    }, getmetatable(captured(fail)))
    local app = {}
    for _, frame in ipairs(traceback.frames(fault)) do
      if frame.is_app then app[#app + 1] = frame.source .. ":" .. frame.line end
    end
    assert.same({ "app.lua:12", "lib/users.lua:3" }, app)
    assert.same({ "app.lua", 12 }, { traceback.app_place(fault) })
    assert.equal(6, #traceback.frames(fault))
  end)
end)

describe("traceback.excerpt", function()
  it("shows the lines around one", function()
    local lines = traceback.excerpt(this_file, 3, 2)
    assert.equal(5, #lines)
    assert.is_true(lines[3].is_current)
    assert.equal(3, lines[3].line)
    assert.equal(1, traceback.excerpt(this_file, 1, 0)[1].line)
  end)

  it("is nil for what cannot be read", function()
    assert.is_nil(traceback.excerpt("no/such/file.lua", 1))
    assert.is_nil(traceback.excerpt(this_file, 100000))
  end)
end)
