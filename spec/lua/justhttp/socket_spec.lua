-- http.socket over real connections, in a worker of the spec's own: every way to receive and send,
-- timeouts, both directions at once, ends of all kinds, cancellation.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local listener = require "spec.support.listener"
local sys = require "spec.support.sys"
local worker = require "spec.support.worker"

describe("http.socket", function()
  local w, http, l

  setup(function()
    w = worker.new(function(_, module) http = module end)
  end)
  teardown(function() w:close() end)
  before_each(function() l = listener.tcp() end)
  after_each(function() l:close() end)

  -- Runs fn(socket, peer) as a task of the worker.
  local function with(fn, options)
    w:run(function()
      local s = assert(http.socket.connect("127.0.0.1", l.port, options))
      local c = l:accept()
      fn(s, c)
      s:close()
      c:close()
    end)
  end

  it("connects, sends and receives", function()
    with(function(s, c)
      assert.are.equal(5, s:send "hello")
      assert.are.equal("hello", c:receive(5))
      assert.are.equal(10, s:send { "a", { "bc", 1, { 2.5 } }, "def" })
      assert.are.equal("abc12.5def", c:receive(10))
    end)
  end)

  it("receives lines, bytes, all, and whatever there is", function()
    with(function(s, c)
      c:send "first\r\nsecond\nfourbytes\nany"
      assert.are.equal("first", s:receive())
      assert.are.equal("second", s:receive "*l")
      assert.are.equal("four", s:receive(4))
      assert.are.equal("", s:receive(0))
      assert.are.equal("bytes", s:receive "l")
      assert.are.equal("an", s:receiveany(2))
      assert.are.equal("y", s:receiveany(2))
      c:send "the rest"
      c:shutdown()
      assert.are.equal("> the rest", s:receive("*a", "> "))
      assert.are.same({ nil, "closed", "" }, { s:receive() })
    end)
  end)

  it("gives what had come when it fails, and takes it", function()
    with(function(s, c)
      s:settimeout(0.02)
      c:send "half a li"
      assert.are.same({ nil, "timeout", "half a li" }, { s:receive "*l" })
      c:send "ne\n"
      assert.are.equal("ne", s:receive())
      c:send "abc"
      assert.are.same({ nil, "timeout", "+abc" }, { s:receive(5, "+") })
      c:send "abc"
      assert.are.same({ nil, "timeout", "abc" }, { s:receive "*a" })
      c:send "end"
      c:close()
      assert.are.same({ nil, "closed", "end" }, { s:receive(10) })
    end)
  end)

  it("receives more than fits into one read", function()
    with(function(s, c)
      local text = ("0123456789"):rep(50000)
      local reader = http.spawn(function() return s:receive(#text) end)
      local at = 1
      while at <= #text do
        c:send(text:sub(at, at + 99999))
        at = at + 100000
        http.sleep(0)
      end
      assert.is_true(text == http.wait(reader))
    end)
  end)

  it("receives up to a pattern", function()
    with(function(s, c)
      local reader = s:receiveuntil "\r\n--x"
      c:send "part one\r\n-"
      local task = http.spawn(reader)
      http.sleep(0)
      c:send "-xpart two\r\n--xabcdef--"
      assert.are.equal("part one", http.wait(task))
      assert.are.equal("part two", reader())
      local inclusive = s:receiveuntil("--", { inclusive = true })
      assert.are.equal("abcdef--", inclusive())
      c:send "abcdefghij\r\n--xrest"
      assert.are.equal("abcd", reader(4))
      assert.are.equal("efgh", reader(4))
      assert.are.equal("ij", reader(4))
      assert.are.same({}, { reader(4) })
      s:settimeout(0.02)
      assert.are.same({ nil, "timeout", "rest" }, { reader() })
    end)
  end)

  it("waits when the peer does not read, and says how much it took", function()
    with(function(s, c)
      local text = ("x"):rep(20000000)
      s:settimeouts(1, 0.05, 1)
      local sent, err, taken = s:send(text)
      assert.is_nil(sent)
      assert.are.equal("timeout", err)
      assert.is_true(taken > 0 and taken < #text)
      local rest = http.spawn(function() return s:send(text, taken + 1) end)
      local count = 0
      while count < #text do
        http.sleep(0)
        count = count + #(c:receive_now(1000000) or "")
      end
      assert.are.equal(#text, http.wait(rest))
    end)
  end)

  it("sends a part of a string, as LuaSocket does", function()
    with(function(s, c)
      assert.are.equal(4, s:send("abcdef", 3, 4))
      assert.are.equal("cd", c:receive(2))
      assert.are.equal(6, s:send("abcdef", -2))
      assert.are.equal("ef", c:receive(2))
      assert.are.equal(0, s:send "")
    end)
  end)

  it("lets one task receive while another sends", function()
    with(function(s, c)
      local reader = http.spawn(function() return s:receive(5) end)
      http.sleep(0)
      assert.are.equal(2, s:send "hi")
      assert.are.equal("hi", c:receive(2))
      assert.are.same({ nil, "another task is at it already", "" }, { s:receive(1) })
      c:send "hello"
      assert.are.equal("hello", http.wait(reader))
    end)
  end)

  it("says what failed", function()
    w:run(function()
      local port = listener.closed_port()
      assert.are.same({ nil, ("connect to 127.0.0.1:%d: connection refused"):format(port) },
        { http.socket.connect("127.0.0.1", port) })
      assert.are.same({ nil, "connect to unix:/nowhere: no such file or directory" },
        { http.socket.connect "unix:/nowhere" })
      local s = http.socket.tcp()
      for _, call in ipairs { "receive", "send", "setkeepalive", "close", "getfd", "shutdown" } do
        local result, err = s[call](s, call == "send" and "x" or nil)
        assert.is_nil(result)
        assert.are.equal("closed", err)
      end
    end)
    with(function(s, c)
      c:reset()
      local _, err = s:receive()
      assert.are.equal(("read from 127.0.0.1:%d: connection reset by peer"):format(l.port), err)
      assert.are.same({ nil, "closed", "" }, { s:receive() })
    end)
  end)

  it("gives up connecting when its time is over", function()
    local full = listener.tcp("127.0.0.1", 0, 0)
    w:run(function()
      local sockets = {}
      for i = 1, 4 do
        sockets[i] = http.spawn(function()
          return http.socket.connect("127.0.0.1", full.port, { timeout = 0.05 })
        end)
      end
      local last
      for i = 1, 4 do last = { http.wait(sockets[i]) } end
      assert.are.equal("timeout", last[2])
      assert.is_truthy(last[3]:find("timed out after 50 ms", 1, true))
    end)
    full:close()
  end)

  it("tells of misuse where it happens", function()
    with(function(s)
      local function fails(text, fn, ...)
        local ok, err = pcall(fn, ...)
        assert.is_false(ok)
        assert.is_truthy(tostring(err):find(text, 1, true), tostring(err))
      end
      fails("socket:receive: give", s.receive, s, "*x")
      fails("socket:receive: give", s.receive, s, -1)
      fails("socket:receiveuntil: give", s.receiveuntil, s, "")
      fails("socket:receiveany: give", s.receiveany, s)
      fails("socket:send: give", s.send, s, { true })
      fails("socket:settimeout: give", s.settimeout, s, "1")
      fails("socket:connect: no option", s.connect, s, "a", 1, { nonsense = 1 })
      fails("socket:connect: give a port", s.connect, s, "a", 0)
    end)
  end)

  it("cannot wait where nothing can", function()
    local s
    w:run(function() s = assert(http.socket.connect("127.0.0.1", l.port)) end)
    local ok, err = pcall(s.receive, s)
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find("waiting is possible in handlers", 1, true))
    local c = l:accept()
    c:send "x\n"
    w:run(function() assert.are.equal("x", s:receive()) end)
    s:close()
    c:close()
  end)

  it("loses nothing when a receiving task is cancelled", function()
    with(function(s, c)
      c:send "abc"
      for _, how in ipairs { 10, "*a", "*l" } do
        local task = http.spawn(function() return s:receive(how) end)
        http.sleep(0.01)
        task:cancel()
        http.sleep(0)
      end
      c:send "def\n"
      assert.are.equal("abcdef", s:receive())
    end)
  end)

  it("is closed when the task that connects, or is half through sending, is cancelled", function()
    local full = listener.tcp("127.0.0.1", 0, 0)
    w:run(function()
      local before = sys.descriptor_count()
      for _ = 1, 6 do
        local task = http.spawn(function() http.socket.connect("127.0.0.1", full.port) end)
        http.sleep(0)
        http.sleep(0)
        task:cancel()
        http.sleep(0)
      end
      collectgarbage()
      collectgarbage()
      http.sleep(0.01)
      assert.is_true(sys.descriptor_count() <= before)
    end)
    full:close()
    with(function(s, c)
      local task = http.spawn(function() s:send(("x"):rep(20000000)) end)
      http.sleep(0.01)
      task:cancel()
      http.sleep(0)
      assert.are.same({ nil, "closed", 0 }, { s:send "more" })
      c:close()
    end)
  end)

  it("wakes who waits when it is closed by another task", function()
    with(function(s)
      local task = http.spawn(function() return s:receive() end)
      http.sleep(0)
      s:close()
      assert.are.same({ nil, "closed", "" }, { http.wait(task) })
    end)
  end)

  it("knows both its ends", function()
    with(function(s)
      assert.are.same({ "127.0.0.1", l.port }, { s:getpeername() })
      assert.are.equal("127.0.0.9", (s:getsockname()))
      assert.is_true(s:getfd() > 0)
      assert.are.equal(1, s:setoption("keepalive", true))
      assert.are.equal(1, s:setoption("rcvbuf", 20000))
    end, { local_address = "127.0.0.9", keepalive = 30 })
  end)

  it("connects to unix sockets", function()
    local dir = sys.temp_dir()
    local u = listener.unix(dir .. "/s")
    w:run(function()
      local s = http.socket.unix()
      assert.are.equal(1, s:connect(dir .. "/s"))
      local c = u:accept()
      s:send "over a path"
      assert.are.equal("over a path", c:receive(11))
      c:close()
      s:close()
    end)
    u:close()
    sys.remove(dir)
  end)

  it("holds five thousand open sockets", function()
    local limit = ffi.new "uint64_t[2]"
    ffi.cdef "int getrlimit(int what, void *out); int setrlimit(int what, const void *in);"
    ffi.C.getrlimit(7, limit)
    limit[0] = limit[1]
    ffi.C.setrlimit(7, limit)
    local count = math.min(5000, (tonumber(limit[1]) - 200) / 2)
    local big = listener.tcp("127.0.0.1", 0, 4096)
    w:run(function()
      local sockets, peers = {}, {}
      for i = 1, count do
        sockets[i] = assert(http.socket.connect("127.0.0.1", big.port))
        peers[i] = big:accept()
      end
      local waiting = {}
      for i = 1, count do
        waiting[i] = http.spawn(function() return sockets[i]:receive() end)
      end
      http.sleep(0)
      for i = 1, count do peers[i]:send(i .. "\n") end
      for i = 1, count do assert.are.equal(tostring(i), http.wait(waiting[i])) end
      for i = 1, count do
        sockets[i]:close()
        peers[i]:close()
      end
    end)
    big:close()
  end)

  it("leaves nothing", function()
    local task_count = 3
    assert.is_true(alloc.is_balanced(function()
      with(function(s, c)
        for _ = 1, task_count do
          local task = http.spawn(function() return s:receive() end)
          http.sleep(0)
          c:send "x\n"
          http.wait(task)
        end
      end)
      w:turn()
      w:turn()
    end))
  end)
end)
