-- Runs the real executable for a spec, on port 0, as a child process.
--
--   local server = require "spec.support.server"
--   local s = server.start { code = 'return function(ctx) return "hi" end' }
--   local s = server.start { app = "apps/hello", workers = 2, options = { max_body_bytes = 1000 } }
--   local s = server.start { files = { ["app.lua"] = …, ["config.lua"] = … }, args = { "--dev" } }
--   s.url, s.host, s.port, s.pid        -- of the first listener; s.path for unix; s.urls: all
--   s.app, s.code_text                  -- path of the app, and its text when given as code
--   s:workers()                         -- pids of the workers, in ascending order
--   s:get("/x").body  s:connect()       -- see spec.support.wire
--   s:stdout()  s:stderr()              -- everything written so far
--   s:signal(sys.SIGTERM); local code, signal = s:wait(5)
--   s:freeze(pid)                       -- stops a worker, until s:signal(sys.SIGCONT, pid)
--   s:has_pending(sys.SIGTERM, pid)     -- for a frozen worker
--   s:stop()                            -- SIGTERM; raises after a crash or a sanitizer report
--
--   local r = server.run { "check", "app.lua" }  -- a command that ends: r.code r.stdout r.stderr
--   local s = server.launch { "check", "app.lua" }  -- the same without waiting for its end
--
-- With JUSTHTTP_SPEC_TLS in the environment every server of a spec that names no listener speaks
-- TLS, and so does wire: what holds for HTTP must hold there too.
--
-- Further fields of start: listen (default "127.0.0.1:0"; a list for several), env (table), cwd,
-- program (default: justhttp), deadline (seconds until it must listen, default 5). start raises
-- when it does not get to listen; try_start returns nil and the message. Output goes to files, so
-- a chatty server never blocks.
-- A server still running at the end of a spec file is stopped by spec/helper.lua.
local ffi = require "ffi"
local sys = require "spec.support.sys"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"
local C = ffi.C

local M = {}
local server = {}
server.__index = server
server.__name = "spec.server"

M.build = os.getenv("JUSTHTTP_BUILD") or "build/release"
M.executable = sys.absolute(M.build .. "/justhttp")

M.speaks_tls = os.getenv "JUSTHTTP_SPEC_TLS" ~= nil

local running = {}
local root = sys.absolute(".")

-- Environment of every child: sanitizers report leaks at exit (the spec process itself, which is
-- LuaJIT's own main, does not) and know what is not ours.
local function child_environment(extra)
  local env = {
    ASAN_OPTIONS = "detect_leaks=1:abort_on_error=0:exitcode=99",
    UBSAN_OPTIONS = "print_stacktrace=1",
    TSAN_OPTIONS = "exitcode=99",
    LSAN_OPTIONS = "suppressions=" .. root .. "/spec/support/lsan.supp:print_suppressions=0",
  }
  for name, value in pairs(extra or {}) do env[name] = value end
  return env
end

local PR_SET_PDEATHSIG = 1
local O_WRONLY, O_CREAT, O_APPEND, O_RDONLY = 1, 64, 1024, 0

-- Starts a program; its stdout and stderr go to two files in `dir`. Returns its pid.
local function spawn(program, arguments, dir, env, cwd)
  local argv = ffi.new("char *[?]", #arguments + 2)
  local keep = { program, unpack(arguments) }
  for i, argument in ipairs(keep) do
    keep[i] = ffi.new("char[?]", #argument + 1, argument)
    argv[i - 1] = keep[i]
  end
  argv[#keep] = nil
  local parent = C.getpid()
  local pid = sys.check(C.fork(), "fork")
  if pid > 0 then return pid end
  -- The child. Should the spec process die, the server must not stay.
  C.prctl(PR_SET_PDEATHSIG, sys.SIGTERM, 0, 0, 0)
  if C.getppid() ~= parent then C._exit(126) end
  local flags = O_WRONLY + O_CREAT + O_APPEND
  C.dup2(C.open("/dev/null", O_RDONLY), 0)
  C.dup2(C.open(dir .. "/stdout", flags, ffi.cast("int", 384)), 1)
  C.dup2(C.open(dir .. "/stderr", flags, ffi.cast("int", 384)), 2)
  for name, value in pairs(env) do
    if value == false then C.unsetenv(name) else C.setenv(name, tostring(value), 1) end
  end
  if cwd then C.chdir(cwd) end
  C.execvp(argv[0], argv)
  local text = "cannot run " .. program .. ": " .. sys.strerror(ffi.errno()) .. "\n"
  C.write(2, text, #text)
  C._exit(127)
end

-- Reaps the child if it has ended. Sets code or killed_by and returns true then.
local function reap(self)
  if self.ended then return true end
  local status = ffi.new("int[1]")
  local pid = C.waitpid(self.pid, status, 1)
  if pid == 0 then return false end
  self.ended = true
  local raw = status[0]
  if raw % 128 == 0 then self.code = math.floor(raw / 256) % 256 else self.killed_by = raw % 128 end
  return true
end

function server:stdout() return sys.read_file(self.dir .. "/stdout") or "" end
function server:stderr() return sys.read_file(self.dir .. "/stderr") or "" end

function server:output()
  return ("--- stdout ---\n%s--- stderr ---\n%s"):format(self:stdout(), self:stderr())
end

-- Sends a signal to the supervisor, or to the process given.
function server:signal(signal, pid)
  sys.check(C.kill(pid or self.pid, signal), "kill")
  return self
end

function server:is_running() return not reap(self) end

-- Waits for the end of the process: exit code, or nil and the signal that killed it.
function server:wait(seconds)
  wait_for(function() return reap(self) end, seconds, "the end of the server")
  return self.code, self.killed_by
end

local function children_of(pid)
  local pids = {}
  local text = sys.read_file(("/proc/%d/task/%d/children"):format(pid, pid)) or ""
  for child in text:gmatch("%d+") do
    pids[#pids + 1] = tonumber(child)
  end
  table.sort(pids)
  return pids
end

-- Pids of the live workers (children of the supervisor).
function server:workers()
  local pids = {}
  for _, pid in ipairs(children_of(self.pid)) do
    local stat = sys.read_file(("/proc/%d/stat"):format(pid)) or ""
    if stat:match("%) (%a)") ~= "Z" then pids[#pids + 1] = pid end
  end
  return pids
end

-- Stops a process and waits until it has stopped.
function server:freeze(pid)
  self:signal(sys.SIGSTOP, pid)
  wait_for(function()
    return (sys.read_file(("/proc/%d/stat"):format(pid)) or ""):match("%) T")
  end, 5, "a frozen process")
end

-- True when a signal was sent to a process that has not taken it yet, because it is stopped.
function server:has_pending(signal, pid)
  local status = sys.read_file(("/proc/%d/status"):format(pid)) or ""
  local pending = tonumber(status:match("ShdPnd:%s*%x+(%x%x%x%x)\n") or "0", 16)
  return math.floor(pending / 2 ^ (signal - 1)) % 2 == 1
end

function server:connect(more)
  local where = { host = self.host, port = self.port, path = self.path, is_tls = self.is_tls }
  for key, value in pairs(more or {}) do where[key] = value end
  return wire.connect(where)
end

function server:get(path, headers) return self:request { path = path, headers = headers } end

function server:request(request)
  return wire.request({ host = self.host, port = self.port, path = self.path,
                        is_tls = self.is_tls }, request)
end

local sanitizer_marks = { "ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                          "%.[ch]:%d+:%d+: runtime error:", "WARNING: ThreadSanitizer",
                          "AddressSanitizer:DEADLYSIGNAL" }

local function complaint_of(self)
  local err = self:stderr()
  for _, mark in ipairs(sanitizer_marks) do
    if err:find(mark) then return "a sanitizer complained" end
  end
  if self.stuck then return "the server did not stop and was killed" end
  if self.killed_by and self.killed_by ~= self.expected_signal then
    return "the server died of signal " .. self.killed_by
  end
end

local function forget(self)
  running[self] = nil
  if self.dir then sys.remove(self.dir) end
end

-- Ends the process: SIGTERM, then SIGQUIT, then SIGKILL, with a deadline each. Returns a complaint
-- or nil; the output is lost after it.
local function finish(self, how)
  how = how or {}
  if not self.ended then
    local workers = self:workers()
    for i, signal in ipairs { how.signal or sys.SIGTERM, sys.SIGQUIT, sys.SIGKILL } do
      if reap(self) then break end
      C.kill(self.pid, signal)
      self.stuck = i > 1
      if pcall(function() self:wait(how.deadline or 5) end) then break end
    end
    if self.stuck then
      for _, pid in ipairs(workers) do C.kill(pid, sys.SIGKILL) end
      if self.expected_signal == nil then self.killed_by = nil end
    end
  end
  local complaint = complaint_of(self)
  if not complaint and not self.killed_by and how.code ~= false
    and self.code ~= (how.code or 0) then
    complaint = "the server ended with exit code " .. tostring(self.code)
  end
  local text = complaint and complaint .. "\n" .. self:output()
  forget(self)
  return text
end

-- Stops the server and raises when something was wrong with it. `how`: signal (default SIGTERM),
-- deadline (seconds for each step, default 5), code (exit code to expect, default 0; false: any).
-- A server that has ended before is only checked.
function server:stop(how)
  if not running[self] then return end
  local complaint = finish(self, how)
  if complaint then error(complaint, 2) end
end

-- Stops everything still running; returns the complaints. For spec/helper.lua.
function M.stop_all()
  local complaints = {}
  for self in pairs(running) do complaints[#complaints + 1] = finish(self) end
  return complaints
end

local function write_files(dir, files)
  for name, text in pairs(files) do
    local below = name:match("^(.*)/")
    if below then os.execute("mkdir -p " .. sys.quote(dir .. "/" .. below)) end
    sys.write_file(dir .. "/" .. name, text)
  end
end

-- Puts an app into a new directory: `app` is the text of app.lua or a table { path = text }.
-- Returns the directory; sys.remove(dir) when done.
function M.app_dir(app)
  local dir = sys.temp_dir()
  write_files(dir, type(app) == "table" and app or { ["app.lua"] = app })
  return dir
end

local function flag(name) return "--" .. name:gsub("_", "-") end

local function arguments_of(how, dir)
  local app = how.app
  if how.code then
    write_files(dir, { ["app/app.lua"] = how.code })
    app = dir .. "/app/app.lua"
  elseif how.files then
    os.execute("mkdir -p " .. sys.quote(dir .. "/app"))
    for name, text in pairs(how.files) do write_files(dir, { ["app/" .. name] = text }) end
    app = dir .. "/app"
  end
  local arguments = { "run" }
  if app then arguments[#arguments + 1] = app end
  local listen = how.listen == nil and "127.0.0.1:0" or how.listen
  for _, address in ipairs(type(listen) == "table" and listen or { listen or nil }) do
    arguments[#arguments + 1] = "--listen"
    arguments[#arguments + 1] = address
  end
  local options = { workers = how.workers or 1 }
  if M.speaks_tls and how.listen == nil then options.tls, options.http2 = "self", false end
  for name, value in pairs(how.options or {}) do options[name] = value end
  for name, value in pairs(options) do
    arguments[#arguments + 1] = flag(name)
    arguments[#arguments + 1] = tostring(value)
  end
  for _, argument in ipairs(how.args or {}) do arguments[#arguments + 1] = argument end
  return arguments
end

local function read_listeners(self)
  local urls = {}
  for url in self:stdout():gmatch("listening on (%S+)[^\n]*\n") do urls[#urls + 1] = url end
  self.urls = urls
  local url = urls[1] or ""
  self.url = url
  self.path = url:match("^unix:/*(/.*)$") or url:match("^http%+unix://(/.*)$")
  if not self.path then
    local host, port = url:match("^https?://(.+):(%d+)")
    self.is_tls = url:find("^https://") ~= nil
    self.host = host and (host:match("^%[(.*)%]$") or host)
    self.port = tonumber(port)
  end
  return #urls
end

function M.try_start(how)
  local dir = sys.temp_dir()
  local self = setmetatable({ dir = dir }, server)
  local arguments = arguments_of(how, dir)
  self.command = "justhttp " .. table.concat(arguments, " ")
  self.app, self.code_text = arguments[2], how.code
  self.pid = spawn(how.program or M.executable, arguments, dir, child_environment(how.env), how.cwd)
  running[self] = true
  local wanted = type(how.listen) == "table" and #how.listen or 1
  local ok = pcall(wait_for, function() return reap(self) or read_listeners(self) >= wanted end,
    how.deadline or 5)
  if ok and not self.ended then return self end
  local why = self.ended and "ended (exit code " .. tostring(self.code or "none, signal "
    .. tostring(self.killed_by)) .. ") before it listened" or "did not get to listen in time"
  local message = ("`%s` %s\n%s"):format(self.command, why, self:output())
  finish(self, { code = false })
  return nil, message
end

function M.start(how)
  local self, message = M.try_start(how)
  if not self then error(message, 2) end
  return self
end

-- Starts a command of the executable. `command`: the arguments as an array, with env, cwd and
-- program (default: justhttp) beside them.
function M.launch(command)
  local self = setmetatable({ dir = sys.temp_dir() }, server)
  local arguments = {}
  for i, argument in ipairs(command) do arguments[i] = tostring(argument) end
  self.command = "justhttp " .. table.concat(arguments, " ")
  self.pid = spawn(command.program or M.executable, arguments, self.dir,
    child_environment(command.env), command.cwd)
  running[self] = true
  return self
end

-- Runs a command to its end: `launch`, and deadline (seconds, default 10).
function M.run(command)
  local self = M.launch(command)
  local ok, err = pcall(self.wait, self, command.deadline or 10)
  local result = { code = self.code, signal = self.killed_by,
                   stdout = self:stdout(), stderr = self:stderr() }
  local complaint = ok and complaint_of(self)
  local output = self:output()
  if not ok then
    finish(self, { code = false, signal = sys.SIGKILL })
    error(err .. "\n" .. output, 2)
  end
  forget(self)
  if complaint then error(complaint .. "\n" .. output, 2) end
  return result
end

return M
