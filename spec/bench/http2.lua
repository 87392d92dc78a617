-- HTTP/2 in the bench: CPU per request under h2load, beside nginx with its Lua module and h2o.
--
-- h2o answers with a file of the same bytes, which is the least it can do: its handlers in Ruby
-- cost three times as much. Each connection has many requests on its way at once, so a server gets
-- them in batches and system calls hardly count.

local process = require "process"
local report = require "report"

local M = {}

local H2O = [[
num-threads: 1
http2-max-concurrent-requests-per-connection: 256
listen: { host: 127.0.0.1, port: %d }
%s
hosts:
  default:
    paths:
      /:
        file.dir: %s
        file.index: [ index.txt ]
]]

---Defines the servers that only this case needs. `define` is that of servers.lua.
function M.define(define, context, write_nginx)
  define("nginx-h2", "nginx + Lua", function(dir, port)
    return write_nginx(dir, port .. " http2")
  end, true)
  define("h2o", "h2o, a file", function(dir, port)
    local path = dir .. "/h2o.conf"
    local root = dir .. "/h2o"
    os.execute(("mkdir -p '%s' && printf 'Hello, World!' > '%s/index.txt'"):format(root, root))
    local file = assert(io.open(path, "w"))
    file:write(H2O:format(port, process.is_root() and "user: root" or "", root))
    file:close()
    return { context.h2o, "-c", path }
  end, true)
end

local function load(context, live, case, count)
  return process.run(process.pinned(context.load_core, { context.h2load, "-n", tostring(count),
    "-c", tostring(case.connections), "-m", tostring(case.streams),
    ("http://127.0.0.1:%d%s"):format(live.port, case.path) }), context.dir .. "/h2load.out", 120)
end

local function sample(context, live, case)
  load(context, live, case, case.warm)
  context.wait_for_calm()
  local before = process.cpu_us(live)
  local code, text = load(context, live, case, case.count)
  local used = process.cpu_us(live) - before
  if code ~= 0 or not text:find(case.count .. " succeeded", 1, true) then return nil, text end
  local rate = text:match "finished in [%w.]+, ([%d.]+) req/s"
  return { us = used / case.count, rate = tonumber(rate) }
end

---Returns samples[server name][round].
function M.measure(context, case)
  local samples = {}
  for round = 1, context.options.rounds do
    io.stderr:write(("round %d of %d: %s\n"):format(round, context.options.rounds, case.title))
    local running = {}
    for _, name in ipairs(case.servers) do
      running[name] = assert(context.all[name].start(context.dir))
    end
    for i = 1, #case.servers do
      local name = case.servers[(i + round - 2) % #case.servers + 1]
      local one, why = sample(context, running[name], case)
      samples[name] = samples[name] or {}
      table.insert(samples[name], one)
      if not one then context.note(("%s, %s: %s"):format(case.title, name, why)) end
    end
    for _, live in pairs(running) do process.stop(live) end
  end
  return samples
end

local function column(samples, key)
  local values = {}
  for i, one in ipairs(samples or {}) do values[i] = one[key] end
  return values
end

---Adds its rows to the table.
function M.add(table_of, case, samples, context)
  local medians = {}
  for _, name in ipairs(case.servers) do
    medians[name] = report.median(column(samples[name], "us"))
  end
  for _, name in ipairs(case.servers) do
    local values, bars = column(samples[name], "us"), {}
    for _, bar in ipairs(name == "justhttp" and case.bars or {}) do
      if medians.justhttp and medians[bar.peer] then
        local share = medians.justhttp / medians[bar.peer]
        local passed = share <= bar.ratio
        table_of.missed = table_of.missed + (passed and 0 or 1)
        bars[#bars + 1] = ("%.2f × %s, bar %.2f: %s"):format(share, bar.peer, bar.ratio,
          passed and "PASS" or "MISS")
      end
    end
    local rate = report.median(column(samples[name], "rate"))
    table.insert(table_of.rows, { case.title, context.all[name].title,
      medians[name] and ("%.2f"):format(medians[name]) or "-",
      #values > 1 and ("±%.0f %%"):format(report.spread(values)) or "1 round", "",
      rate and ("%.0f"):format(rate) or "", table.concat(bars, "; ") })
  end
end

return M
