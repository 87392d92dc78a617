-- http.fd_wait: descriptors of others, ready, not ready, closed under way, of kinds that epoll does
-- not take.
local ffi = require "ffi"
local sys = require "spec.support.sys"
local worker = require "spec.support.worker"
local C = ffi.C

describe("http.fd_wait", function()
  local w, http

  setup(function()
    w = worker.new(function(_, module) http = module end)
  end)
  teardown(function() w:close() end)

  local function pipe()
    local ends = ffi.new "int[2]"
    sys.check(C.pipe(ends), "pipe")
    return ends[0], ends[1]
  end

  it("waits until it can be read or written", function()
    local r, wr = pipe()
    w:run(function()
      local task = http.spawn(function() return http.fd_wait(r, "r") end)
      http.sleep(0.01)
      assert.is_false(task:is_done())
      C.write(wr, "x", 1)
      assert.are.equal("r", http.wait(task))
      assert.are.equal("r", http.fd_wait(r, "r"))
      assert.are.equal("w", http.fd_wait(wr, "w", 1))
      assert.are.equal("w", http.fd_wait(wr, "rw", 1))
    end)
    C.close(r)
    C.close(wr)
  end)

  it("ends when its time is over", function()
    local r, wr = pipe()
    w:run(function()
      assert.are.same({ nil, "timeout" }, { http.fd_wait(r, "r", 0.02) })
      assert.are.same({ nil, "timeout" }, { http.fd_wait(r, "r", 0) })
    end)
    C.close(r)
    C.close(wr)
  end)

  it("lets many tasks wait for one descriptor", function()
    local r, wr = pipe()
    w:run(function()
      local tasks = {}
      for i = 1, 100 do tasks[i] = http.spawn(function() return http.fd_wait(r, "r", 5) end) end
      http.sleep(0)
      C.write(wr, "x", 1)
      for i = 1, 100 do assert.are.equal("r", http.wait(tasks[i])) end
    end)
    C.close(r)
    C.close(wr)
  end)

  it("leaves the descriptor as it is", function()
    local r, wr = pipe()
    local F_GETFL = 3
    local before = C.fcntl(r, F_GETFL)
    w:run(function() http.fd_wait(r, "r", 0.01) end)
    assert.are.equal(before, C.fcntl(r, F_GETFL))
    C.close(r)
    C.close(wr)
  end)

  it("does not mind when its owner closes it, and its number is used again", function()
    w:run(function()
      for _ = 1, 20 do
        local r, wr = pipe()
        local task = http.spawn(function() return http.fd_wait(r, "r", 5) end)
        http.sleep(0)
        C.close(r)
        local r2, wr2 = pipe()
        C.write(wr2, "x", 1)
        http.sleep(0)
        assert.is_false(task:is_done())
        C.close(wr)
        -- The other end is gone: so is what it waits for.
        assert.are.equal("r", http.wait(task))
        C.close(r2)
        C.close(wr2)
      end
    end)
  end)

  it("finds files ready, and says what is no descriptor", function()
    local fd = sys.check(C.open("README.md", 0), "open")
    w:run(function()
      assert.are.equal("r", http.fd_wait(fd, "r", 1))
      assert.are.equal("rw", http.fd_wait(fd, "rw", 1))
      C.close(fd)
      assert.are.same({ nil, "fd_wait: Bad file descriptor" }, { http.fd_wait(fd, "r") })
      assert.has_error(function() http.fd_wait(-1, "r") end)
      assert.has_error(function() http.fd_wait(0, "x") end)
    end)
  end)

  it("leaves nobody waiting when its task is cancelled", function()
    local r, wr = pipe()
    local function output(command)
      local out = io.popen(command)
      local text = out:read "*a"
      out:close()
      return text
    end
    local fds = "/proc/" .. C.getpid() .. "/fd"
    local function duplicates()
      local own = output("readlink " .. fds .. "/" .. r):match "%S+"
      local count = 0
      for _ in output("ls -l " .. fds):gmatch("-> " .. own:gsub("%W", "%%%0")) do
        count = count + 1
      end
      return count
    end
    w:run(function()
      local before = duplicates()
      for _ = 1, 10 do
        local task = http.spawn(function() http.fd_wait(r, "r") end)
        http.sleep(0)
        task:cancel()
        http.sleep(0)
      end
      assert.are.equal(before, duplicates())
    end)
    C.close(r)
    C.close(wr)
  end)
end)
