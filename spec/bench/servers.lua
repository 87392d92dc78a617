-- The servers of the bench: how each is started on a free loopback port, pinned to one core.
--
-- A server is a table with a name for the report and `start(dir)`, which returns a process (see
-- process.lua) with its `port`, once it accepts connections; or nil and what went wrong. Floors
-- come in three kinds, one per answer: see `floor` in cases.lua.

local http2 = require "http2"
local process = require "process"

local M = {}
local START_SECONDS = 20

local function log_tail(path)
  local lines = {}
  for line in (process.read_file(path) or ""):gmatch "[^\n]+" do lines[#lines + 1] = line end
  return table.concat(lines, "\n  ", math.max(1, #lines - 4))
end

-- `port` is nil for servers that choose one and say "listening on http://127.0.0.1:PORT".
local function launch(argv, log, port, seconds)
  local server = process.start(argv, log)
  server.port = process.wait_for(seconds or START_SECONDS, function()
    if not process.is_alive(server) then return -1 end
    if port then return process.can_connect(port) and port end
    return tonumber((process.read_file(log) or ""):match "listening on https?://[%d.]+:(%d+)")
  end)
  if server.port and server.port > 0 then return server end
  process.stop(server, 1)
  return nil, ("%s did not start:\n  %s"):format(table.concat(argv, " "), log_tail(log))
end

---@param context table {core, bin, here, build}
function M.define(context)
  local all = {}

  local function define(name, title, argv_of, wanted_port, core)
    all[name] = {
      name = name,
      title = title,
      start = function(dir, wrap, seconds)
        local port = wanted_port == true and process.free_port() or wanted_port
        local argv = argv_of(dir, port)
        if wrap then argv = wrap(argv) end
        argv = process.pinned(core or context.core, argv)
        return launch(argv, dir .. "/" .. name .. ".log", port, seconds)
      end,
    }
  end

  local floor = context.bin .. "/floor"
  define("floor", "floor", function() return { floor } end)
  define("floor-json", "floor", function() return { floor, "--json" } end)
  define("floor-close", "floor", function() return { floor, "--close", "--defer" } end)

  -- JUSTHTTP_* in the environment are options of justhttp; JUSTHTTP_BUILD is the bench's own.
  local function justhttp(more)
    return { "env", "-u", "JUSTHTTP_BUILD", "BENCH_FILES=" .. context.files,
      "BENCH_UPSTREAM=http://127.0.0.1:" .. context.upstream_port,
      context.build .. "/justhttp", "run",
      context.here .. "/app.lua", "--listen", "127.0.0.1:0", "--workers", "1",
      "--max-connections", "18500", "--keepalive-timeout-ms", "600000", more }
  end
  define("justhttp", "justhttp", function() return justhttp() end)
  -- The same app and its files in one file; made when it is started first.
  define("justhttp-bundled", "justhttp, in one file", function(dir)
    local out, app = dir .. "/bundled", dir .. "/bundled-app"
    if not process.read_file(out) then
      os.execute(("mkdir -p %s && cp %s/app.lua %s/app.lua && cp -rL %s %s/files && "
        .. "%s/justhttp bundle %s -o %s >/dev/null"):format(app, context.here, app, context.files,
        app, context.build, app, out))
    end
    local argv = justhttp()
    for i, word in ipairs(argv) do
      if word:find "^BENCH_FILES=" then argv[i] = "BENCH_FILES=files" end
      if word == context.build .. "/justhttp" then argv[i] = out end
    end
    for i, word in ipairs(argv) do
      if word == context.here .. "/app.lua" then table.remove(argv, i) end
    end
    return argv
  end)
  define("justhttp-kept", "justhttp, reduce_memory off", function()
    return justhttp "--no-reduce-memory"
  end)

  local cert, key = context.dir .. "/cert.pem", context.dir .. "/key.pem"
  define("justhttp-tls", "justhttp", function()
    local argv = justhttp "--tls-cert"
    for _, word in ipairs { cert, "--tls-key", key } do argv[#argv + 1] = word end
    return argv
  end)

  -- nginx with a configuration of the bench's own.
  local function write_nginx(dir, port, conf, settings)
    conf = conf or "nginx"
    local text = assert(process.read_file(context.here .. "/" .. conf .. ".conf"))
    local path = ("%s/%s.%s.conf"):format(dir, conf, port:gsub(" ", "-"))
    local file = assert(io.open(path, "w"))
    -- As root its worker would change user, and then not be able to write here.
    local user = process.is_root() and "user root;" or ""
    file:write((text:gsub("@(%u+)@", {
      DIR = dir, PORT = port, USER = user, FILES = context.files,
      UPSTREAM = tostring(context.upstream_port), CERTIFICATE = settings or "",
    })))
    file:close()
    return { context.nginx, "-p", dir, "-c", path, "-e", ("%s/%s.error.log"):format(dir, conf) }
  end
  define("nginx", "nginx + Lua", function(dir, port) return write_nginx(dir, tostring(port)) end,
    true)
  define("upstream", "upstream", function(dir, port)
    return write_nginx(dir, tostring(port), "nginx-upstream")
  end, context.upstream_port, context.load_core)
  define("nginx-tls", "nginx + Lua", function(dir, port)
    return write_nginx(dir, port .. " ssl", nil, ("ssl_certificate %s; ssl_certificate_key %s; "
      .. "ssl_protocols TLSv1.2 TLSv1.3;"):format(cert, key))
  end, true)
  http2.define(define, context, write_nginx)

  for _, other in ipairs(context.also) do
    define(other.name, other.name, function(_, port)
      local argv = {}
      local command = other.command:gsub("{port}", tostring(port))
      for word in command:gmatch "%S+" do argv[#argv + 1] = word end
      return argv
    end, true)
  end
  return all
end

return M
