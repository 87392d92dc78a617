-- socket.c's client on http.socket: an app that makes round trips when it starts and prints what
-- one costs. SOCKET_PORT, SOCKET_CONNECTIONS and SOCKET_ROUNDS say how many of what.
local http = require "justhttp"
local app = http.app()

local port = tonumber(os.getenv "SOCKET_PORT")
local connections = tonumber(os.getenv "SOCKET_CONNECTIONS")
local rounds = tonumber(os.getenv "SOCKET_ROUNDS")

local LINE = ("x"):rep(99) .. "\n"
local WARM_ROUNDS = 1000

local function run(socket, count)
  for _ = 1, count do
    assert(socket:send(LINE))
    assert(#assert(socket:receive()) == 99)
  end
end

local function run_all(sockets, count)
  local tasks = {}
  for i, socket in ipairs(sockets) do tasks[i] = http.spawn(run, socket, count) end
  for _, task in ipairs(tasks) do http.wait(task) end
end

app:on_start(function()
  local sockets = {}
  for i = 1, connections do sockets[i] = assert(http.socket.connect("127.0.0.1", port)) end
  run_all(sockets, WARM_ROUNDS)
  local before = os.clock()
  run_all(sockets, rounds)
  local seconds = os.clock() - before
  io.write(("socket %.0f\n"):format(seconds * 1e9 / (rounds * connections)))
  io.flush()
end)

return app
