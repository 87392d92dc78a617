-- Pools of http.socket: what comes out of them, what is thrown out, and how they bound connections.
local listener = require "spec.support.listener"
local worker = require "spec.support.worker"

describe("a pool of sockets", function()
  local w, http, l, pools

  setup(function()
    w = worker.new(function(_, module) http = module end)
    pools = w.modules.socket_pool
  end)
  teardown(function() w:close() end)
  before_each(function() l = listener.tcp() end)
  after_each(function() l:close() end)

  local function connect(options)
    return assert(http.socket.connect("127.0.0.1", l.port, options))
  end

  local function name() return "127.0.0.1:" .. l.port end

  it("gives out the connection that was used last", function()
    w:run(function()
      local a, b = connect(), connect()
      local peer_a, peer_b = l:accept(), l:accept()
      assert.are.equal(0, a:getreusedtimes())
      assert.are.equal(1, a:setkeepalive())
      assert.are.equal(1, b:setkeepalive(10, 5))
      assert.are.equal(2, pools.idle_count(name()))
      assert.are.same({ nil, "closed", 0 }, { a:send "x" })
      local c, d = connect(), connect()
      assert.are.equal(1, c:getreusedtimes())
      c:send "c"
      d:send "d"
      assert.are.equal("c", peer_b:receive(1))
      assert.are.equal("d", peer_a:receive(1))
      c:setkeepalive()
      c:connect("127.0.0.1", l.port)
      assert.are.equal(2, c:getreusedtimes())
      assert.is_false(l:has_pending())
      c:close()
      d:close()
      peer_a:close()
      peer_b:close()
    end)
  end)

  it("keeps names apart", function()
    w:run(function()
      local a = connect { pool = "mine" }
      l:accept()
      a:setkeepalive()
      assert.are.equal(0, connect():getreusedtimes())
      assert.are.equal(1, connect({ pool = "mine" }):getreusedtimes())
    end)
  end)

  it("never gives out what its peer has ended", function()
    w:run(function()
      for _, how in ipairs { "close", "reset", "speak" } do
        local a = connect()
        local peer = l:accept()
        a:setkeepalive()
        if how == "speak" then peer:send "unasked" else peer[how](peer) end
        http.sleep(0.01)
        assert.are.equal(0, pools.idle_count(name()))
        local b = connect()
        assert.are.equal(0, b:getreusedtimes())
        l:accept():close()
        b:close()
      end
    end)
  end)

  it("closes what rests too long, and the longest unused above its size", function()
    w:run(function()
      connect():setkeepalive(0.02)
      local peer = l:accept()
      assert.are.equal(1, pools.idle_count(name()))
      http.sleep(0.05)
      assert.are.equal(0, pools.idle_count(name()))
      assert.are.equal("", peer:receive_some())
      local sockets, peers = {}, {}
      for i = 1, 4 do
        sockets[i], peers[i] = connect(), l:accept()
      end
      for i = 1, 4 do sockets[i]:setkeepalive(10, 2) end
      assert.are.equal(2, pools.idle_count(name()))
      assert.are.equal("", peers[1]:receive_some())
      assert.are.equal("", peers[2]:receive_some())
      assert.is_nil(peers[3]:receive_now())
    end)
  end)

  it("takes nothing with unread data, or at its end", function()
    w:run(function()
      local a = connect()
      local peer = l:accept()
      peer:send "one\ntwo\n"
      a:receive()
      assert.are.same({ nil, "unread data is there" }, { a:setkeepalive() })
      a = connect()
      peer = l:accept()
      peer:send "x"
      http.sleep(0.01)
      assert.are.same({ nil, "unread data is there" }, { a:setkeepalive() })
      a = connect()
      peer = l:accept()
      peer:close()
      a:receive()
      assert.are.same({ nil, "closed" }, { a:setkeepalive() })
    end)
  end)

  it("with a backlog bounds the connections, and has others wait in order", function()
    w:run(function()
      local options = { pool = "bounded", pool_size = 2, backlog = 2, timeout = 1 }
      local a, b = connect(options), connect(options)
      local order = {}
      local tasks = {}
      for i = 1, 2 do
        tasks[i] = http.spawn(function()
          local s = connect(options)
          order[#order + 1] = i
          s:setkeepalive()
        end)
      end
      http.sleep(0)
      assert.are.same({ nil, "too many waiting connect operations" },
        { http.socket.connect("127.0.0.1", l.port, options) })
      assert.are.same({}, order)
      a:setkeepalive()
      for i = 1, 2 do http.wait(tasks[i]) end
      assert.are.same({ 1, 2 }, order)
      b:close()
      -- Two are open at most, whatever became of the others.
      for _ = 1, 5 do connect(options):close() end
      local c, d = connect(options), connect(options)
      local e = { http.socket.connect("127.0.0.1", l.port, { pool = "bounded", pool_size = 2,
        backlog = 2, timeout = 0.02 }) }
      assert.are.same({ nil, "timeout" }, e)
      c:close()
      d:close()
      -- One that is cancelled while it waits, and one that was forgotten.
      c = connect(options)
      connect(options)
      local task = http.spawn(function() connect(options) end)
      http.sleep(0)
      task:cancel()
      http.sleep(0)
      c:close()
      collectgarbage()
      collectgarbage()
      connect(options):close()
      connect(options):close()
    end)
  end)
end)
