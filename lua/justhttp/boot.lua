--- The first Lua code of a worker: loads the app in a task, then hands over to the dispatcher.
--
-- vm.c runs this with the generation's handle; the function it returns is the one C calls.
-- Everything here may wait: the app's body, its start hooks, its stop hooks.

return function(generation)
  local door = require "justhttp.door"
  door.attach(generation)
  require "justhttp.collector".start()
  local C = door.C

  local scheduler = require "justhttp.scheduler"
  local dispatcher = require "justhttp.dispatcher"
  local failure = require "justhttp.failure"
  local log = require "justhttp.log"
  local traceback = require "justhttp.traceback"

  scheduler.install()
  require "justhttp.require".install()
  log.configure { write = door.log, wants = door.log_wants }

  local command = door.start_text(C.JH_START_COMMAND)
  local app

  -- There in a program that embeds the server, from the first drain on.
  local function native()
    return package.loaded["justhttp.native_core"] and require "justhttp.native"
  end

  -- The end comes first: an app may have closed stderr.
  local function fail(message)
    C.jh_generation_end(door.generation, 1)
    if native() then return native().fail_start(message) end
    io.stderr:write("justhttp: ", message, "\n")
  end

  local function run_hooks(when)
    for _, hook in ipairs(app:_hooks(when)) do
      local ok, fault = xpcall(hook, traceback.capture)
      if not ok then return nil, "error in app:on_" .. when .. ": " .. traceback.brief(fault) end
    end
    return true
  end

  local function print_routes(list)
    local rows, widths = { { "METHOD", "HOST", "PATTERN", "DECLARED AT" } }, { 0, 0, 0 }
    for _, route in ipairs(list) do
      rows[#rows + 1] = {
        route.method, route.host == "" and "*" or route.host, route.pattern, route.where,
      }
    end
    for _, row in ipairs(rows) do
      for i = 1, 3 do widths[i] = math.max(widths[i], #row[i]) end
    end
    for _, row in ipairs(rows) do
      for i = 1, 3 do io.write(row[i], (" "):rep(widths[i] - #row[i] + 2)) end
      io.write(row[4], "\n")
    end
  end

  local function load_app()
    local loader = require "justhttp.loader"
    local path, code = door.start_text(C.JH_START_APP_PATH), door.start_text(C.JH_START_APP_CODE)
    if command == "test" then
      return require "justhttp.test_runner".run(path, door.start_arguments())
    end
    local err, trace
    if native() then native().add_functions() end
    if code then
      app, err, trace = loader.load_code(code)
    elseif not path then
      app = require "justhttp.app".new()
    else
      app, err, trace = loader.load_path(path)
    end
    if not app then return fail(trace or err) end
    if native() then native().mount(app) end
    local list = app:_routes()
    local count
    count, err = dispatcher.register(app)
    if not count then return fail(err) end
    if command == "routes" then
      print_routes(list)
      return C.jh_generation_end(door.generation, 0)
    elseif command == "check" then
      io.write(("ok: %d route%s\n"):format(count, count == 1 and "" or "s"))
      return C.jh_generation_end(door.generation, 0)
    end
    local ok
    ok, err = run_hooks "start"
    if not ok then return fail(err) end
    if app._tls_certificate then
      require "justhttp.tls_certificate".start(app._tls_certificate)
    end
    app:_start_timers(scheduler)
    failure.on_orphan = nil
    C.jh_generation_ready(door.generation, count)
  end

  local function stop_app()
    if app then
      app:_stop_timers()
      local ok, err = run_hooks "stop"
      if not ok then door.log("error", err) end
    end
    C.jh_generation_end(door.generation, 0)
  end

  failure.on_orphan = function(fault) fail(traceback.full(fault)) end
  local active = dispatcher.start { on_drain = stop_app }
  scheduler.spawn(function()
    local ok, fault = xpcall(load_app, traceback.capture)
    if not ok then fail(traceback.brief(fault)) end
  end)
  return active, dispatcher.replace
end
