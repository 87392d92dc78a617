-- Sockets under tasks that do anything in any order, are cancelled anywhere, and peers that do the
-- same: nothing crashes (run it on the asan build), nothing waits for ever, nothing stays open.
local ffi = require "ffi"
local listener = require "spec.support.listener"
require "spec.support.tls" -- ignores SIGPIPE, as workers do
local worker = require "spec.support.worker"

describe("sockets that anything happens to", function()
  local w, http, l, peers
  local random = math.random

  setup(function()
    w = worker.new(function(_, module) http = module end)
    l = listener.tcp("127.0.0.1", 0, 1024)
    peers = {}
  end)
  teardown(function()
    l:close()
    w:close()
  end)

  local function move_peers()
    while l:has_pending() do peers[#peers + 1] = l:accept() end
    for i = #peers, 1, -1 do
      local peer, what = peers[i], random(12)
      local ok = pcall(function()
        if what <= 5 then
          peer:send(("x"):rep(random(200)) .. "\n")
        elseif what <= 8 then
          peer:receive_now(random(100000))
        elseif what == 9 then
          peer:shutdown()
        end
      end)
      if what == 10 then peer:reset() elseif what == 11 then peer:close() end
      if not ok or not peer.fd then
        peer:close()
        table.remove(peers, i)
      end
    end
  end

  local OPERATIONS = {
    function(s) s:receive() end,
    function(s) s:receive(random(300)) end,
    function(s) s:receive "*a" end,
    function(s) s:receiveany(100) end,
    function(s) s:receiveuntil("xx\n")(random(10)) end,
    function(s) s:send(("y"):rep(random(100000))) end,
    function(s) s:send { "a", { "b" } } end,
    function(s) s:setkeepalive(0.01, 5) end,
    function(s) s:close() end,
    function(s) s:shutdown() end,
    function(s) http.fd_wait(s:getfd() or 0, "rw", 0.005) end,
    function(s) s:starttls() end,
    function(s) s:connect("127.0.0.1", l.port) end,
    function(s) s:connect("127.0.0.1", l.port, { pool = "p", pool_size = 3, backlog = 2 }) end,
    function(s) s:connect("127.0.0.1", l.port, { tls = true }) end,
    function(s) s:connect("unix:/nowhere") end,
    function() http.resolve "localhost" end,
    function() http.sleep(0.001) end,
  }

  local function open_fds()
    local list, count = io.popen("ls /proc/" .. ffi.C.getpid() .. "/fd"), 0
    for _ in list:lines() do count = count + 1 end
    list:close()
    return count
  end

  it("stay in order", function()
    local seed = os.time()
    math.randomseed(seed)
    w:run(function()
      http.resolve "localhost"
      http.fd_wait(0, "r", 0.001)
      local before = open_fds()
      local sockets, tasks = {}, {}
      for i = 1, 20 do
        sockets[i] = http.socket.tcp()
        sockets[i]:settimeout(0.01)
      end
      for _ = 1, 400 do
        for _ = 1, 4 do
          local s, op = sockets[random(20)], OPERATIONS[random(#OPERATIONS)]
          tasks[#tasks + 1] = http.spawn(op, s)
        end
        if random(3) == 1 then tasks[random(#tasks)]:cancel() end
        move_peers()
        http.sleep(0)
      end
      for _, task in ipairs(tasks) do
        -- A failed step of this is an error of the spec or of justhttp, never of the peers.
        local ok, err = pcall(http.wait, task, 5)
        assert(ok or tostring(err):find "cancelled", ("seed %d: %s"):format(seed, tostring(err)))
        assert(err ~= "timeout", "seed " .. seed .. ": it waits for ever")
      end
      for _, s in ipairs(sockets) do s:close() end
      for _, peer in ipairs(peers) do peer:close() end
      http.sleep(0.03)
      -- What rests in pools was closed by its peer, or its time was over.
      assert.is_true(open_fds() <= before + 2, "seed " .. seed)
    end)
  end)
end)
