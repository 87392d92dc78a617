-- The measurements of the bench: CPU per request under wrk, memory of idle connections,
-- instructions under callgrind. Called by spec/bench/run; tells what it saw as plain numbers.
--
-- `context` is the table that spec/bench/run prepares: here, bin, dir (temporary files), core,
-- load_core, options, the servers, the paths of wrk and valgrind, and note(text).

local cases = require "cases"
local process = require "process"

local M = {}

local function progress(text)
  io.stderr:write(text, "\n")
end

-- The floor has one process per kind of answer; every other server answers every case.
local function server_for(context, server, case)
  return server.name == "floor" and context.all[case.floor or "floor"] or server
end

local function request(context, live, count, depth, case, seconds)
  return process.run({ context.bin .. "/requests", tostring(live.port), tostring(count),
    tostring(depth), case.path, case.headers or "" }, context.dir .. "/requests.out", seconds)
end

---Makes one request. Returns the length of the answer, or nil when it is not the right one.
local function check_answer(context, live, server, case)
  local code, text = request(context, live, 1, 1, case, 10)
  local is_right = code == 0 and text:match "^HTTP/1.1 200 "
  if case.bytes then
    local bytes = text:match "\r\nContent%-Length: (%d+)\r\n"
    if is_right and tonumber(bytes) == case.bytes then return case.bytes end
    context.note(("%s does not answer %s with %d bytes; left out of '%s'"):format(server.title,
      case.path, case.bytes, case.title))
    return nil
  end
  -- The floor parses nothing: it does not know which path was asked for.
  if is_right and (server.name == "floor" or text:match "\r\n\r\n(.*)$" == case.body) then
    return #text
  end
  context.note(("%s does not answer %s with 200 and %q; left out of '%s'"):format(server.title,
    case.path, case.body, case.title))
  return nil
end

-- Traces are compiled and pools filled before the clock starts.
local function warm_up(context, live, case)
  if case.closes then return end
  if case.warm then
    request(context, live, case.warm, 1, case, 30)
    return
  end
  request(context, live, 3000, 1, case, 30)
  request(context, live, 10000, 16, case, 30)
end

-- Others use the machine too: waits until both cores are idle, as long as patience lasts.
local function wait_for_calm(context)
  local cores = { context.core, context.load_core }
  local started = process.now()
  repeat
    local before, from = {}, process.now()
    for i, core in ipairs(cores) do before[i] = process.core_busy_us(core) end
    process.pause(0.1)
    local busiest, elapsed_us = 0, (process.now() - from) * 1e6
    for i, core in ipairs(cores) do
      busiest = math.max(busiest, (process.core_busy_us(core) - before[i]) / elapsed_us)
    end
    local waited = process.now() - started
  until busiest < 0.15 or waited > context.patience
  context.patience = math.max(0, context.patience - (process.now() - started - 0.1))
end

M.wait_for_calm = wait_for_calm

-- wrk, or load.c where it is asked for and can do it.
local function client_argv(context, live, case)
  local connections, depth = tostring(case.connections or 64), tostring(case.depth or 1)
  local seconds, headers = tostring(context.options.seconds), case.headers or ""
  local argv
  if context.options.client == "load" and not case.closes then
    argv = { context.bin .. "/load", tostring(live.port), connections, depth, seconds, case.path,
      headers }
  else
    argv = { context.wrk, "-t1", "-c" .. connections, "-d" .. seconds .. "s",
      "--timeout", "10s", "-s",
      context.here .. "/load.lua", ("http://127.0.0.1:%d%s"):format(live.port, case.path), "--",
      depth, headers }
  end
  return process.pinned(context.load_core, argv)
end

local function run_load(context, live, case)
  local before, busy_before = process.cpu_us(live), process.core_busy_us(context.core)
  local code, text = process.run(client_argv(context, live, case), context.dir .. "/load.out",
    context.options.seconds + 15)
  local used = process.cpu_us(live) - before
  local busy = process.core_busy_us(context.core) - busy_before
  local requests, duration, errors =
    text:match "bench requests=(%d+) duration_us=(%d+) errors=(%d+)"
  if code ~= 0 or not requests or tonumber(requests) == 0 then return nil, text end
  return {
    us = used / requests,
    rate = requests / duration * 1e6,
    share = used / duration,
    others = math.max(0, busy - used) / duration,
    errors = tonumber(errors),
  }
end

local function measure_cell(context, running, server, case, lengths)
  local live = running[server_for(context, server, case).name]
  if not live or (case.bytes and server.name == "floor") then return nil end
  if not process.is_alive(live) then
    context.note(("%s died during the bench; its log: %s"):format(server.title, live.log))
    return nil
  end
  local length = check_answer(context, live, server, case)
  if not length then return nil end
  lengths[case.key] = lengths[case.key] or {}
  lengths[case.key][server.name] = length
  warm_up(context, live, case)
  wait_for_calm(context)
  local sample, why = run_load(context, live, case)
  if not sample then
    context.note(("%s, %s: the load failed: %s"):format(case.title, server.title, why))
  end
  return sample
end

local function start_servers(context, wanted_cases)
  local names, running = {}, {}
  for _, server in ipairs(context.servers) do
    for _, case in ipairs(wanted_cases) do names[server_for(context, server, case).name] = true end
  end
  for _, case in ipairs(wanted_cases) do
    if case.path:match "^/proxy/" and not running.upstream then
      local live, why = context.all.upstream.start(context.dir)
      running.upstream = live
      if not live then context.note(why) end
    end
  end
  for name in pairs(names) do
    local live, why = context.all[name].start(context.dir)
    running[name] = live
    if not live then context.note(why) end
    local cores = live and process.allowed_cores(live) or tostring(context.core)
    if cores ~= tostring(context.core) then
      context.note(("%s ran on cores %s instead of core %d"):format(name, cores, context.core))
    end
  end
  return running
end

-- The ratio is fair only while both write as many bytes. /users/42 answers less than the floor.
local function compare_lengths(context, lengths)
  for _, case in ipairs(cases.load) do
    local floor = (lengths[case.key] or {}).floor
    local own = (lengths[case.key] or {}).justhttp
    if floor and own and floor ~= own and not case.over then
      context.note(("%s: justhttp answers %d bytes, the floor %d"):format(case.title, own, floor))
    end
  end
end

---Runs the cases for all rounds. Returns samples[case key][server name][round].
function M.load(context, wanted_cases)
  local samples, lengths = {}, {}
  local rounds = context.options.rounds
  for _, case in ipairs(wanted_cases) do
    samples[case.key] = {}
    for _, server in ipairs(context.servers) do samples[case.key][server.name] = {} end
  end
  for round = 1, rounds do
    local running = start_servers(context, wanted_cases)
    for _, case in ipairs(wanted_cases) do
      progress(("round %d of %d: %s"):format(round, rounds, case.title))
      for i = 1, #context.servers do
        local server = context.servers[(i + round - 2) % #context.servers + 1]
        samples[case.key][server.name][round] =
          measure_cell(context, running, server, case, lengths)
      end
    end
    for _, live in pairs(running) do process.stop(live) end
  end
  compare_lengths(context, lengths)
  return samples
end

local SWEEP_REQUESTS = 90000

-- Bytes per idle connection, and CPU time of a request on connections that are asked in turn.
local function idle(context, server, case, connections)
  local live, why = server.start(context.dir)
  if not live then return nil, why end
  warm_up(context, live, case)
  -- What a garbage collector lets gather is not the connections' and has to be there before.
  request(context, live, 100000, 16, case, 60)
  local before = process.resident_bytes(live)
  local log = context.dir .. "/idle.out"
  local client = process.start(process.pinned(context.load_core, { context.bin .. "/idle",
    tostring(live.port), tostring(connections), case.path,
    tostring(math.ceil(SWEEP_REQUESTS / connections)) }), log, { stdin = true })
  local function said(pattern)
    return process.wait_for(30, function()
      return (process.read_file(log) or ""):match(pattern)
        or not process.is_alive(client) and "ended"
    end)
  end
  local bytes = said "ready" == "ready" and (process.resident_bytes(live) - before) / connections
  wait_for_calm(context)
  local used = process.cpu_us(live)
  process.close_stdin(client)
  local swept = tonumber(said "swept (%d+)")
  used = process.cpu_us(live) - used
  process.stop(client)
  process.stop(live)
  if not swept then return nil, "idle connections failed: " .. (process.read_file(log) or "") end
  return { bytes = bytes, us = used / swept }
end

---Returns samples[server name][round] = { bytes = growth of resident memory per connection, us =
---CPU time of a request on them }.
function M.idle(context, case)
  local connections = math.min(case.connections, context.descriptors - 200)
  if connections < case.connections then
    context.note(("the limit of descriptors allows only %d idle connections"):format(connections))
  end
  local samples = {}
  for _, server in ipairs(context.idle_servers) do samples[server.name] = {} end
  for round = 1, context.options.rounds do
    progress(("round %d of %d: %s"):format(round, context.options.rounds, case.title))
    for _, server in ipairs(context.idle_servers) do
      local sample, why = idle(context, server, case, connections)
      table.insert(samples[server.name], sample)
      if not sample then context.note(server.title .. ": " .. why) end
    end
  end
  return samples
end

local DEADLINE_MS, TIMEOUT_CONNECTIONS, TIMEOUT_ROUNDS = 50, 64, 20

---How late a timed-out handler's client is answered, at worst, in microseconds: the median over
---the rounds. Returns value[server name].
function M.timeouts(context, case)
  local live, why = context.all.justhttp.start(context.dir)
  if not live then
    context.note(why)
    return {}
  end
  progress(case.title)
  warm_up(context, live, { path = "/" })
  local samples = {}
  for round = 1, context.options.rounds do
    wait_for_calm(context)
    local load = case.has_load and process.start(client_argv(context, live, { path = "/" }),
      context.dir .. "/load.out")
    local _, text = process.run(process.pinned(context.load_core, { context.bin .. "/deadline",
      tostring(live.port), case.path, tostring(TIMEOUT_CONNECTIONS), tostring(TIMEOUT_ROUNDS),
      tostring(DEADLINE_MS) }), context.dir .. "/deadline.out", 30)
    if load then process.stop(load) end
    samples[round] = tonumber(text:match "worst=(%d+)")
    if not samples[round] then context.note(("%s failed: %s"):format(case.title, text)) end
  end
  process.stop(live)
  return { justhttp = require "report".median(samples) }
end

-- One round of the client case: ns of CPU per request of wrk, and of our client.
local function measure_clients(context, floor, live, case)
  wait_for_calm(context)
  local before = process.ended_cpu_us()
  local _, text = process.run(client_argv(context, floor, { path = "/" }),
    context.dir .. "/load.out", context.options.seconds + 15)
  local requests = tonumber(text:match "bench requests=(%d+)")
  local wrk = requests and (process.ended_cpu_us() - before) / requests * 1000
  before = process.cpu_us(live)
  local path = ("/run/%d/%d"):format(floor.port, case.count)
  _, text = request(context, live, 1, 1, { path = path }, 60)
  local right, of = text:match "answered=(%d+) of=(%d+)"
  local is_right = right and right == of
  if not is_right then context.note(("%s: %s"):format(case.title, text)) end
  return wrk, is_right and (process.cpu_us(live) - before) / of * 1000 or nil
end

---What a small GET costs its client: medians for wrk and for ours, on the same core, of the same
---server.
function M.client(context, case)
  local floor, why = context.all.floor.start(context.dir)
  local live = floor and process.start(process.pinned(context.load_core, { context.build
    .. "/justhttp", "run", context.here .. "/client.lua", "--listen", "127.0.0.1:0", "--workers",
    "1", "--no-pin-workers" }), context.dir .. "/client.log")
  live = live and process.wait_for(10, function()
    live.port = tonumber((process.read_file(live.log) or ""):match "listening on %S+:(%d+)")
    return live.port and live
  end)
  if not live then
    context.note(why or "the app of the client case did not start")
    return {}
  end
  progress(case.title)
  request(context, live, 1, 1, { path = ("/run/%d/20000"):format(floor.port) }, 30)
  local wrk, ours = {}, {}
  for _ = 1, context.options.rounds do
    local of_wrk, of_ours = measure_clients(context, floor, live, case)
    wrk[#wrk + 1], ours[#ours + 1] = of_wrk, of_ours
  end
  process.stop(live)
  process.stop(floor)
  local median = require "report".median
  return { wrk = median(wrk), justhttp = median(ours) }
end

local function tls_cpu(context, live, case)
  local argv = process.pinned(context.load_core, { context.wrk, "-t1", "-c64",
    ("-d%ds"):format(context.options.seconds), "--timeout", "10s", "-s",
    context.here .. "/load.lua", ("https://127.0.0.1:%d%s"):format(live.port, case.path), "--",
    "1", "" })
  process.run(argv, context.dir .. "/load.out", context.options.seconds + 15)
  wait_for_calm(context)
  local before = process.cpu_us(live)
  local _, text = process.run(argv, context.dir .. "/load.out", context.options.seconds + 15)
  local used, requests = process.cpu_us(live) - before, text:match "bench requests=(%d+)"
  return requests and tonumber(requests) > 0 and used / requests, text
end

local function tls_memory(context, live, case)
  local log
  local function open(count)
    log = ("%s/idle.%d.out"):format(context.dir, count)
    local client = process.start(process.pinned(context.load_core, { context.bin .. "/idle_tls",
      tostring(live.port), tostring(count), case.path }), log, { stdin = true })
    local said = process.wait_for(30, function()
      return (process.read_file(log) or ""):match "ready" or not process.is_alive(client) and "end"
    end)
    return client, said == "ready"
  end
  process.stop((open(20))) -- what the first handshake allocates is not the connections'
  local before = process.resident_bytes(live)
  local client, is_open = open(case.connections)
  local bytes = is_open and (process.resident_bytes(live) - before) / case.connections
  process.stop(client)
  return bytes, process.read_file(log)
end

---CPU time per request, or bytes per connection, over TLS. Returns value[server name].
function M.tls(context, case)
  local values = {}
  for _, name in ipairs { "justhttp-tls", "nginx-tls" } do
    local samples = {}
    for round = 1, context.options.rounds do
      progress(("round %d of %d: %s"):format(round, context.options.rounds, case.title))
      local live, why = context.all[name].start(context.dir)
      if live then
        local value
        value, why = (case.connections and tls_memory or tls_cpu)(context, live, case)
        samples[round] = value or nil
        process.stop(live)
      end
      if not samples[round] then
        context.note(("%s, %s failed: %s"):format(case.title, name, why))
        break
      end
    end
    values[name] = require "report".median(samples)
  end
  return values
end

-- Sums what callgrind counted in all processes of one run; nil when none was written.
local function total_instructions(pattern)
  local total
  local list = assert(io.popen("ls " .. pattern .. ".* 2>/dev/null"))
  for path in list:lines() do
    local text = process.read_file(path) or ""
    local count = tonumber(text:match "\nsummary: (%d+)" or text:match "\ntotals: (%d+)")
    total = count and (total or 0) + count or total
    os.remove(path)
  end
  list:close()
  return total
end

local function count_instructions(context, server, case, count)
  local out = ("%s/callgrind.%s.%d"):format(context.dir, server.name, count)
  local live, why = server.start(context.dir, function(argv)
    local wrapped = { context.valgrind, "--tool=callgrind", "--trace-children=yes",
      "--callgrind-out-file=" .. out .. ".%p" }
    for _, word in ipairs(argv) do wrapped[#wrapped + 1] = word end
    return wrapped
  end, 60)
  if not live then return nil, why end
  local code, text = request(context, live, count, case.depth, case, 120)
  process.stop(live, 30)
  local total = total_instructions(out)
  if code ~= 0 then return nil, "requests failed: " .. text end
  if not total then return nil, "callgrind wrote nothing; its log: " .. live.log end
  return total
end

local UPLOAD_MEGABYTES = 1000

local function upload(context, live, case, megabytes)
  local code, text = process.run(process.pinned(context.load_core, { context.bin .. "/upload",
    tostring(live.port), case.path, tostring(megabytes), case.framing }),
    context.dir .. "/upload.out", 120)
  return code == 0 and text:find("^HTTP/1.1 200 ") ~= nil, text
end

---CPU time of justhttp per megabyte of an upload. Returns value[server name].
function M.upload(context, case)
  local live, why = context.all.justhttp.start(context.dir)
  if not live then
    context.note(why)
    return {}
  end
  progress(case.title)
  local samples = {}
  local is_right, text = upload(context, live, case, 100)
  for round = 1, is_right and context.options.rounds or 0 do
    wait_for_calm(context)
    local before = process.cpu_us(live)
    is_right, text = upload(context, live, case, UPLOAD_MEGABYTES)
    samples[round] = (process.cpu_us(live) - before) / UPLOAD_MEGABYTES
  end
  process.stop(live)
  if is_right then return { justhttp = require "report".median(samples) } end
  context.note(("%s failed: %s"):format(case.title, text))
  return {}
end

-- One client of the socket case against an echo server that runs already: ns per round trip.
local function run_socket_client(context, case, port, name)
  local log = ("%s/socket-%s.log"):format(context.dir, name)
  local argv = { context.bin .. "/socket", "client", tostring(port), tostring(case.connections),
    tostring(case.rounds) }
  if name == "justhttp" then
    argv = { "env", "-u", "JUSTHTTP_BUILD", "SOCKET_PORT=" .. port,
      "SOCKET_CONNECTIONS=" .. case.connections, "SOCKET_ROUNDS=" .. case.rounds,
      context.build .. "/justhttp", "run", context.here .. "/socket.lua", "--workers", "1",
      "--listen", "127.0.0.1:0" }
  end
  local client = process.start(process.pinned(context.core, argv), log)
  local value = process.wait_for(60, function()
    return tonumber((process.read_file(log) or ""):match "socket (%d+)\n")
  end)
  process.stop(client, 2)
  return value
end

---CPU time of a round trip over a socket. Returns value[name], "floor" being the client in C.
function M.sockets(context, case)
  progress(case.title)
  local values, log = {}, context.dir .. "/socket-server.log"
  local server = process.start(process.pinned(context.load_core,
    { context.bin .. "/socket", "server" }), log)
  local port = process.wait_for(5, function()
    return tonumber((process.read_file(log) or ""):match "127.0.0.1:(%d+)")
  end)
  for _, name in ipairs { "floor", "justhttp" } do
    local samples = {}
    for _ = 1, port and context.options.rounds or 0 do
      wait_for_calm(context)
      table.insert(samples, run_socket_client(context, case, port, name))
    end
    if #samples > 0 then values[name] = require "report".median(samples) end
  end
  process.stop(server, 1)
  return values
end

---CPU time of the multipart parser per megabyte. Returns value[case name].
function M.multipart(context)
  progress "multipart parser"
  local samples, values = {}, {}
  for _ = 1, context.options.rounds do
    wait_for_calm(context)
    local _, text = process.run(process.pinned(context.core, { context.bin .. "/multipart" }),
      context.dir .. "/multipart.out", 60)
    for name, value in text:gmatch "(%w+) ([%d.]+)\n" do
      samples[name] = samples[name] or {}
      table.insert(samples[name], tonumber(value))
    end
  end
  for name, list in pairs(samples) do values[name] = require "report".median(list) end
  return values
end

---User instructions per request. Returns value[server name].
function M.instructions(context, case)
  local values = {}
  for _, server in ipairs(context.servers) do
    progress(("%s: %s"):format(case.title, server.title))
    local low, why = count_instructions(context, server, case, case.low)
    local high
    if low then high, why = count_instructions(context, server, case, case.high) end
    if high then
      values[server.name] = (high - low) / (case.high - case.low)
    else
      context.note(("%s: %s: %s"):format(case.title, server.title, why))
    end
  end
  return values
end

return M
