-- WebSockets of the bench: echoes, publishing, silent connections. Called by spec/bench/run.
--
-- websocket.c is the load, and the floor: a server that reads and writes as much and does nothing
-- else. `context` is that of spec/bench/run.
local process = require "process"
local report = require "report"

local M = {}

local CONNECTIONS, PUBLISHES = 64, 10

local function start_floor(context, audience)
  local argv = { context.bin .. "/websocket", "floor", audience and tostring(audience) }
  local log = context.dir .. "/websocket-floor.log"
  local live = process.start(process.pinned(context.core, argv), log)
  live.port = process.wait_for(5, function()
    return tonumber((process.read_file(log) or ""):match "127.0.0.1:(%d+)")
  end)
  return live
end

local function start(context, name, audience)
  if name == "floor" then return start_floor(context, audience) end
  return context.all[name].start(context.dir)
end

local function load(context, live, path, seconds)
  local code, text = process.run(process.pinned(context.load_core, { context.bin .. "/websocket",
    "echo", tostring(live.port), tostring(CONNECTIONS), tostring(seconds), path }),
    context.dir .. "/websocket.out", seconds + 15)
  return code == 0 and tonumber(text:match "requests=(%d+)"), text
end

-- CPU per message in ns.
local function measure_echo(context, live, case)
  load(context, live, case.path, 1)
  context.wait_for_calm()
  local before = process.cpu_us(live)
  local count, why = load(context, live, case.path, context.options.seconds)
  if not count then
    context.note(("%s: %s"):format(case.title, why))
    return nil
  end
  return (process.cpu_us(live) - before) / count * 1000
end

-- Opens so many connections that stay; the process that holds them.
local function hold(context, live, count, path)
  local log = ("%s/websocket-idle.%d"):format(context.dir, count)
  os.remove(log)
  local client = process.start(process.pinned(context.load_core, { context.bin .. "/websocket",
    "idle", tostring(live.port), tostring(count), path }), log, { stdin = true })
  local ready = process.wait_for(60, function()
    return (process.read_file(log) or ""):match "ready" or not process.is_alive(client) and "ended"
  end)
  if ready == "ready" then return client end
  context.note("silent WebSockets failed: " .. (process.read_file(log) or ""))
  process.stop(client)
end

local function ask(context, live, path)
  return process.run({ context.bin .. "/requests", tostring(live.port), "1", "1", path, "" },
    context.dir .. "/websocket-ask.out", 20)
end

-- CPU per publish in µs.
local function measure_publish(context, live, case)
  local client = hold(context, live, case.listeners, case.path)
  if not client then return nil end
  ask(context, live, "/publish")
  context.wait_for_calm()
  local before = process.cpu_us(live)
  for _ = 1, PUBLISHES do ask(context, live, "/publish") end
  local used = process.cpu_us(live) - before
  process.stop(client)
  return used / PUBLISHES
end

-- Bytes per connection: of the second half of them, as the first fills pools and heap.
local function measure_idle(context, live, case)
  load(context, live, case.path, 1)
  local half = case.idle / 2
  local first = hold(context, live, half, case.path)
  ask(context, live, "/collect")
  local before = process.resident_bytes(live)
  local second = first and hold(context, live, half, case.path)
  ask(context, live, "/collect")
  local after = process.resident_bytes(live)
  if second then process.stop(second) end
  if first then process.stop(first) end
  return second and (after - before) / half
end

---Medians over the rounds. Returns value["floor"], value["justhttp"].
function M.measure(context, case)
  io.stderr:write(case.title, "\n")
  local how = case.idle and measure_idle or case.listeners and measure_publish or measure_echo
  local values = {}
  for _, name in ipairs(case.idle and { "justhttp" } or { "floor", "justhttp" }) do
    local samples = {}
    for _ = 1, case.idle and 1 or context.options.rounds do
      local live, why = start(context, name, case.listeners)
      if not live then
        context.note(why)
        return values
      end
      samples[#samples + 1] = how(context, live, case)
      process.stop(live)
    end
    values[name] = #samples > 0 and report.median(samples) or nil
  end
  return values
end

return M
