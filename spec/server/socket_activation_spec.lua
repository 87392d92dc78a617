-- socket_activation_spec.lua: sockets from a service manager, and what it is told in return.
local ffi = require "ffi"
local server = require "spec.support.server"
local wire = require "spec.support.wire"
local sys = require "spec.support.sys"
local C = ffi.C

ffi.cdef [[
int bind(int fd, const void *address, unsigned int len);
int listen(int fd, int backlog);
int getsockname(int fd, void *address, unsigned int *len);
]]

local AF_UNIX, AF_INET, SOCK_STREAM, SOCK_DGRAM = 1, 2, 1, 2
local app = 'return function(ctx) return "activated" end'

-- A listening socket on a free port; the descriptor is inherited by children.
local function open_listener()
  local fd = sys.check(C.socket(AF_INET, SOCK_STREAM, 0), "socket")
  local address = ffi.new("struct spec_sockaddr_in", { family = AF_INET })
  C.inet_pton(AF_INET, "127.0.0.1", address.addr)
  sys.check(C.bind(fd, address, ffi.sizeof(address)), "bind")
  sys.check(C.listen(fd, 16), "listen")
  local len = ffi.new("unsigned int[1]", ffi.sizeof(address))
  C.getsockname(fd, address, len)
  local low, high = address.port % 256, math.floor(address.port / 256)
  return fd, low * 256 + high
end

describe("service manager", function()
  local dir, fds, s, executable

  before_each(function()
    dir, fds, executable = sys.temp_dir(), {}, server.executable
  end)

  after_each(function()
    server.executable = executable
    if s then s:stop() end
    s = nil
    for _, fd in ipairs(fds) do C.close(fd) end
    sys.remove(dir)
  end)

  local function listener()
    local fd, port = open_listener()
    fds[#fds + 1] = fd
    return port
  end

  -- Starts the server as a service manager would: sockets from 3 upwards, LISTEN_PID its own pid.
  local function activate(how, names, pid)
    local lines = { "#!/bin/bash" }
    -- By way of numbers above all of theirs: one of them may be a number that is to be taken.
    local above = math.max(60, unpack(fds))
    for i, fd in ipairs(fds) do lines[#lines + 1] = ("exec %d<&%d"):format(above + i, fd) end
    for i = 1, #fds do lines[#lines + 1] = ("exec %d<&%d"):format(2 + i, above + i) end
    lines[#lines + 1] = ("export LISTEN_PID=%s LISTEN_FDS=%d"):format(pid or "$$", #fds)
    if names then lines[#lines + 1] = "export LISTEN_FDNAMES=" .. names end
    lines[#lines + 1] = ("exec %s \"$@\""):format(sys.quote(executable))
    local wrapper = dir .. "/wrapper"
    sys.write_file(wrapper, table.concat(lines, "\n") .. "\n")
    os.execute("chmod +x " .. sys.quote(wrapper))
    server.executable = wrapper
    how.code = how.code or app
    local message
    s, message = server.try_start(how)
    return s, message
  end

  it("passes sockets, which are used when nobody says where to listen", function()
    local port = listener()
    assert(activate { listen = false })
    assert.are.equal(("http://127.0.0.1:%d"):format(port), s.url)
    assert.are.equal("activated", s:get("/").body)
  end)

  it("passes sockets by name", function()
    local web, api = listener(), listener()
    assert(activate({ listen = { "systemd:api" } }, "web:api"))
    assert.are.equal(api, s.port)
    assert.are.equal("activated", s:get("/").body)
    assert.are_not.equal(web, s.port)
  end)

  it("passes all of them for the plain word, shared by all workers", function()
    local first, second = listener(), listener()
    assert(activate { listen = { "systemd", "127.0.0.1:0" }, workers = 2 })
    for _, port in ipairs { first, second } do
      assert.are.equal("activated", wire.get({ host = "127.0.0.1", port = port }, "/").body)
    end
  end)

  it("is not believed when the variables speak of another process", function()
    listener()
    local ok, message = activate({ listen = { "systemd" } }, nil, "1")
    assert.is_nil(ok)
    assert.is_truthy(message:find("the service manager passed no such socket (LISTEN_FDS is not",
      1, true), message)
  end)

  it("is told about when a name is missing", function()
    listener()
    local ok, message = activate({ listen = { "systemd:nope" } }, "web")
    assert.is_nil(ok)
    assert.is_truthy(message:find("cannot listen on systemd:nope", 1, true), message)
  end)

  it("does not make a listener of something else", function()
    fds[1] = sys.check(C.socket(AF_INET, SOCK_STREAM, 0), "socket")
    local ok, message = activate { listen = { "systemd" } }
    assert.is_nil(ok)
    assert.is_truthy(message:find("descriptor 3 passed by the service manager is no listening",
      1, true), message)
  end)

  describe("notification", function()
    local notify_fd

    -- `name`: a path, or "@" and a name of the abstract namespace.
    local function open_notify(name)
      local fd = sys.check(C.socket(AF_UNIX, SOCK_DGRAM, 0), "socket")
      local address = ffi.new("struct spec_sockaddr_un", { family = AF_UNIX })
      ffi.copy(address.path, (name:gsub("^@", "\0")))
      sys.check(C.bind(fd, address, 2 + #name), "bind")
      C.fcntl(fd, 2, ffi.cast("int", 1))
      fds[#fds + 1] = fd
      notify_fd = fd
    end

    local function next_message()
      local buffer = ffi.new("char[4096]")
      assert(sys.wait_readable(notify_fd, sys.deadline(5)), "no notification")
      return ffi.string(buffer, sys.check(C.recv(notify_fd, buffer, 4096, 0), "recv"))
    end

    for _, kind in ipairs { "a path", "an abstract name" } do
      it("tells on " .. kind .. " when the server serves and when it stops", function()
        local name = kind == "a path" and dir .. "/notify" or "@" .. dir
        open_notify(name)
        s = server.start { code = app, env = { NOTIFY_SOCKET = name } }
        local ready = next_message()
        assert.is_truthy(("\n" .. ready):find("\nREADY=1\n", 1, true))
        assert.is_truthy(ready:find("MAINPID=" .. s.pid, 1, true))
        s:signal(sys.SIGTERM)
        assert.are.equal("STOPPING=1", next_message())
      end)
    end

    it("gives signs of life while it serves", function()
      open_notify(dir .. "/notify")
      s = server.start { code = app, env = { NOTIFY_SOCKET = dir .. "/notify",
                                             WATCHDOG_USEC = "40000" } }
      local seen = 0
      while seen < 3 do
        if next_message() == "WATCHDOG=1" then seen = seen + 1 end
      end
    end)

    it("is kept from the handlers' environment", function()
      open_notify(dir .. "/notify")
      s = server.start { code = 'return function() return tostring(os.getenv "NOTIFY_SOCKET") end',
                         env = { NOTIFY_SOCKET = dir .. "/notify" } }
      assert.are.equal("nil", s:get("/").body)
    end)

    it("may go nowhere", function()
      s = server.start { code = app, env = { NOTIFY_SOCKET = dir .. "/nobody" } }
      assert.are.equal("activated", s:get("/").body)
    end)
  end)
end)
