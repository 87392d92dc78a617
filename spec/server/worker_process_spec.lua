-- worker_process_spec.lua: what a worker process is given: a CPU, a user, descriptors.
local ffi = require "ffi"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"

ffi.cdef "unsigned int geteuid(void);"

local app = [[
local ffi = require "ffi"
ffi.cdef "unsigned int getuid(void); unsigned int getgid(void);"
return function(ctx) return ffi.C.getuid() .. ":" .. ffi.C.getgid() end
]]

local function status_of(pid, field)
  local text = sys.read_file(("/proc/%d/status"):format(pid))
  return text:match("\n" .. field .. ":%s*([^\n]*)")
end

local function cpus_of(pid)
  local cpus = {}
  local list = status_of(pid, "Cpus_allowed_list") .. ","
  for from, to in list:gmatch("(%d+)%-?(%d*),") do
    for cpu = tonumber(from), tonumber(to) or tonumber(from) do cpus[#cpus + 1] = cpu end
  end
  return cpus
end

-- Sockets that listen on a port of 127.0.0.1, by inode.
local function listening_inodes(port)
  local inodes = {}
  local wanted = (":%04X"):format(port)
  for line in sys.read_file("/proc/net/tcp"):gmatch("[^\n]+") do
    local words = {}
    for word in line:gmatch("%S+") do words[#words + 1] = word end
    if words[2]:sub(-5) == wanted and words[4] == "0A" then inodes[words[10]] = true end
  end
  return inodes
end

local function listener_count_of(pid, port)
  local inodes, count = listening_inodes(port), 0
  local pipe = io.popen(("readlink /proc/%d/fd/* 2>/dev/null"):format(pid))
  for target in pipe:lines() do
    if inodes[target:match("socket:%[(%d+)%]")] then count = count + 1 end
  end
  pipe:close()
  return count
end

describe("worker process", function()
  local s
  after_each(function()
    if s then s:stop() end
    s = nil
  end)

  local all = cpus_of(ffi.C.getpid())

  it("sits on a CPU of its own when there is a worker for every CPU", function()
    s = server.start { code = app, options = { workers = "auto", pin_workers = true } }
    local workers = s:workers()
    assert.is_true(#workers >= 1 and #workers <= #all)
    local taken = {}
    for _, pid in ipairs(workers) do
      local cpus = cpus_of(pid)
      assert.are.equal(1, #cpus)
      assert.is_nil(taken[cpus[1]])
      taken[cpus[1]] = true
    end
  end)

  it("may use every CPU when there are fewer workers, unless told otherwise", function()
    if #all < 2 then return pending("needs two CPUs") end
    s = server.start { code = app, workers = 1 }
    assert.are.same(all, cpus_of(s:workers()[1]))
    s:stop()
    s = server.start { code = app, workers = 1, args = { "--pin-workers" } }
    assert.are.same({ all[1] }, cpus_of(s:workers()[1]))
  end)

  it("is not pinned when that is turned off", function()
    s = server.start { code = app, workers = #all, args = { "--no-pin-workers" } }
    for _, pid in ipairs(s:workers()) do assert.are.same(all, cpus_of(pid)) end
  end)

  it("holds the listening socket of its own slot and no other", function()
    s = server.start { code = app, workers = 3 }
    assert.are.equal(3, listener_count_of(s.pid, s.port))
    for _, pid in ipairs(s:workers()) do
      assert.are.equal(1, listener_count_of(pid, s.port))
    end
  end)

  it("may open as many descriptors as the system lets it", function()
    s = server.start { code = app }
    local limits = sys.read_file(("/proc/%d/limits"):format(s:workers()[1]))
    local soft, hard = limits:match("Max open files%s+(%S+)%s+(%S+)")
    assert.are.equal(hard, soft)
  end)

  it("is called by its slot in process lists", function()
    s = server.start { code = app, workers = 2 }
    local names = {}
    for _, pid in ipairs(s:workers()) do
      names[sys.read_file(("/proc/%d/comm"):format(pid)):match("%S+")] = true
    end
    assert.are.same({ ["justhttp:0"] = true, ["justhttp:1"] = true }, names)
  end)

  describe("with the user option", function()
    local is_root = ffi.C.geteuid() == 0

    it("gives up root for good, and keeps its log", function()
      if not is_root then return pending("needs root") end
      local dir = sys.temp_dir()
      os.execute("chmod 755 " .. sys.quote(dir))
      s = server.start {
        args = { "-e", app },
        options = { user = "nobody", error_log = dir .. "/error.log",
                    access_log = dir .. "/access.log" },
        listen = { "127.0.0.1:0", "unix:" .. dir .. "/a.sock" },
      }
      local worker = s:workers()[1]
      local uid = status_of(worker, "Uid"):match("^%d+")
      assert.are_not.equal("0", uid)
      assert.are.equal(uid, s:get("/").body:match("^%d+"))
      assert.are.equal(("%s\t%s\t%s\t%s"):format(uid, uid, uid, uid), status_of(worker, "Uid"))
      assert.are.equal("0", status_of(s.pid, "Uid"):match("^%d+"))
      local pipe = io.popen("stat -c %u " .. sys.quote(dir .. "/error.log") .. " " ..
        sys.quote(dir .. "/access.log") .. " " .. sys.quote(dir .. "/a.sock"))
      assert.are.equal(uid .. "\n" .. uid .. "\n" .. uid .. "\n", pipe:read("*a"))
      pipe:close()
      s:signal(sys.SIGKILL, worker)
      wait_for(function()
        local log = sys.read_file(dir .. "/error.log")
        return log:find("worker 0 .- was killed by SIGKILL") and log:find("serves", 1, true)
      end)
      s:stop()
      sys.remove(dir)
    end)

    it("refuses a user that is not there", function()
      local result = server.run { "run", "-e", app, "--user", "no-such-user" }
      assert.are.equal(2, result.code)
      assert.are.equal("justhttp: user: 'no-such-user' is not a user of this machine\n",
        result.stderr)
    end)
  end)
end)
