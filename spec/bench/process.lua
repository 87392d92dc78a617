-- Child processes of the bench: start, wait with a bound, end, and what /proc says about them.
--
-- Every process started here is remembered and ended by `end_all`, by its process id and its start
-- time, together with the children it had; nothing is ever ended by name. A child also gets
-- SIGTERM from the kernel should the bench itself die.

local ffi = require "ffi"

ffi.cdef [[
int fork(void);
int execvp(const char *file, const char *const argv[]);
void _exit(int code);
int waitpid(int pid, int *status, int options);
int kill(int pid, int signal);
int prctl(int option, unsigned long arg2);
int open(const char *path, int flags, int mode);
int dup2(int old, int new);
int close(int fd);
int usleep(unsigned int us);
int pipe(int fds[2]);
long sysconf(int name);
int getppid(void);
int getpid(void);
int geteuid(void);
struct bench_rlimit { unsigned long soft, hard; };
int getrlimit(int resource, struct bench_rlimit *limit);
int setrlimit(int resource, const struct bench_rlimit *limit);
struct bench_rusage { long user_s, user_us, system_s, system_us, rest[14]; };
int getrusage(int who, struct bench_rusage *usage);
struct bench_timespec { long s, ns; };
int clock_gettime(int clock, struct bench_timespec *time);
struct bench_address { unsigned short family, port; unsigned int ip; char rest[8]; };
int socket(int domain, int type, int protocol);
int bind(int fd, const struct bench_address *address, unsigned int bytes);
int connect(int fd, const struct bench_address *address, unsigned int bytes);
int getsockname(int fd, struct bench_address *address, unsigned int *bytes);
]]

local C = ffi.C
local SIGTERM, SIGKILL = 15, 9
local WNOHANG, RLIMIT_NOFILE, PR_SET_PDEATHSIG, CLOCK_MONOTONIC, SC_CLK_TCK = 1, 7, 1, 1, 2
local O_CREATE_TRUNCATE = 1 + 64 + 512 -- O_WRONLY | O_CREAT | O_TRUNC
local RUSAGE_CHILDREN = -1
local AF_INET, SOCK_STREAM, LOOPBACK = 2, 1, 0x0100007f

local M = { tick_us = 1e6 / tonumber(C.sysconf(SC_CLK_TCK)) }
local living = {} -- pid -> process

function M.id()
  return C.getpid()
end

function M.is_root()
  return C.geteuid() == 0
end

function M.now()
  local time = ffi.new "struct bench_timespec"
  C.clock_gettime(CLOCK_MONOTONIC, time)
  return tonumber(time.s) + tonumber(time.ns) / 1e9
end

function M.pause(seconds)
  C.usleep(math.floor(seconds * 1e6))
end

function M.read_file(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

---Polls `condition` until it returns a value; nil after `seconds`.
function M.wait_for(seconds, condition)
  local deadline = M.now() + seconds
  repeat
    local value = condition()
    if value then return value end
    C.usleep(5000)
  until M.now() > deadline
  return nil
end

---Raises the limit of descriptors as far as allowed; children inherit it. Returns it.
function M.raise_descriptor_limit()
  local limit = ffi.new "struct bench_rlimit"
  C.getrlimit(RLIMIT_NOFILE, limit)
  limit.soft = limit.hard
  C.setrlimit(RLIMIT_NOFILE, limit)
  return tonumber(limit.hard)
end

---CPU time in microseconds of the children that have ended and were waited for.
function M.ended_cpu_us()
  local usage = ffi.new "struct bench_rusage"
  C.getrusage(RUSAGE_CHILDREN, usage)
  return tonumber(usage.user_s + usage.system_s) * 1e6 + tonumber(usage.user_us + usage.system_us)
end

---Starts a program: `argv` is a list, `log` takes its stdout and stderr. With `opts.stdin` its
---stdin is a pipe that `close_stdin` ends; otherwise it is /dev/null.
function M.start(argv, log, opts)
  os.remove(log) -- what an earlier process wrote must not be taken for this one's
  local args = ffi.new("const char *[?]", #argv + 1)
  for i, arg in ipairs(argv) do args[i - 1] = arg end
  args[#argv] = nil
  local fds = ffi.new("int[2]", -1, -1)
  if opts and opts.stdin and C.pipe(fds) ~= 0 then error "pipe failed" end
  local parent = C.getpid()
  local pid = C.fork()
  if pid == 0 then
    C.prctl(PR_SET_PDEATHSIG, SIGTERM)
    if C.getppid() ~= parent then C._exit(127) end
    local input = fds[0] >= 0 and fds[0] or C.open("/dev/null", 0, 0)
    local output = C.open(log, O_CREATE_TRUNCATE, 420)
    C.dup2(input, 0)
    C.dup2(output, 1)
    C.dup2(output, 2)
    for fd = 3, 30 do C.close(fd) end
    C.execvp(args[0], args)
    C._exit(127)
  end
  if pid < 0 then error "fork failed" end
  if fds[0] >= 0 then C.close(fds[0]) end
  local process = { pid = pid, log = log, name = argv[1], stdin = fds[1] }
  living[pid] = process
  return process
end

function M.close_stdin(process)
  if process.stdin and process.stdin >= 0 then C.close(process.stdin) end
  process.stdin = nil
end

local status = ffi.new "int[1]"

local function reap(process)
  if process.code then return process.code end
  if C.waitpid(process.pid, status, WNOHANG) ~= process.pid then return nil end
  local signal = status[0] % 128
  process.code = signal == 0 and math.floor(status[0] / 256) % 256 or 128 + signal
  living[process.pid] = nil
  M.close_stdin(process)
  return process.code
end

function M.is_alive(process)
  return reap(process) == nil
end

-- Fields of /proc/PID/stat after the name, which may hold blanks: [1] is the state, field 3.
local function stat_fields(pid)
  local text = M.read_file("/proc/" .. pid .. "/stat")
  local rest = text and text:match "^.*%) (.*)$"
  if not rest then return nil end
  local fields = {}
  for field in rest:gmatch "%S+" do fields[#fields + 1] = field end
  return fields
end

local function add_family(pid, list)
  local fields = stat_fields(pid)
  if not fields then return list end
  list[#list + 1] = { pid = pid, started = fields[20] }
  local children = M.read_file("/proc/" .. pid .. "/task/" .. pid .. "/children") or ""
  for child in children:gmatch "%d+" do add_family(tonumber(child), list) end
  return list
end

---The process and all its descendants that live now, as a list of {pid, started}.
function M.family(process)
  return add_family(process.pid, {})
end

---CPU time in microseconds, user and system, of the process and its descendants.
function M.cpu_us(process)
  local ticks = 0
  for _, member in ipairs(M.family(process)) do
    local fields = stat_fields(member.pid)
    if fields then ticks = ticks + tonumber(fields[12]) + tonumber(fields[13]) end
  end
  return ticks * M.tick_us
end

---Resident bytes of the process and its descendants.
function M.resident_bytes(process)
  local kib = 0
  for _, member in ipairs(M.family(process)) do
    local text = M.read_file("/proc/" .. member.pid .. "/smaps_rollup") or ""
    kib = kib + (tonumber(text:match "\nRss:%s+(%d+)") or 0)
  end
  return kib * 1024
end

---CPU time in microseconds that a core has spent on anything at all, its hypervisor included.
function M.core_busy_us(core)
  local line = M.read_file "/proc/stat":match("\ncpu" .. core .. " ([^\n]+)")
  local ticks, i = 0, 0
  for field in line:gmatch "%d+" do
    i = i + 1
    -- user nice system idle iowait irq softirq steal
    if i <= 8 and i ~= 4 and i ~= 5 then ticks = ticks + tonumber(field) end
  end
  return ticks * M.tick_us
end

---The cores that any process of the family may run on, as the kernel writes them ("0", "0-1").
function M.allowed_cores(process)
  local seen = {}
  for _, member in ipairs(M.family(process)) do
    local text = M.read_file("/proc/" .. member.pid .. "/status") or ""
    seen[text:match "Cpus_allowed_list:%s+(%S+)" or "?"] = true
  end
  local list = {}
  for cores in pairs(seen) do list[#list + 1] = cores end
  table.sort(list)
  return table.concat(list, " and ")
end

---Waits until the process ends by itself. Returns its exit code, or nil after `seconds`.
function M.wait(process, seconds)
  return M.wait_for(seconds, function() return reap(process) end)
end

local function signal_family(family, signal)
  for _, member in ipairs(family) do
    local fields = stat_fields(member.pid)
    if fields and fields[20] == member.started and fields[1] ~= "Z" then
      C.kill(member.pid, signal)
    end
  end
end

---Ends a process: SIGTERM to it, and SIGKILL to it and what is left of its children when
---`seconds` (10 when nil) are over. Returns its exit code.
function M.stop(process, seconds)
  if reap(process) then return process.code end
  local family = M.family(process)
  M.close_stdin(process)
  C.kill(process.pid, SIGTERM)
  local code = M.wait(process, seconds or 10)
  signal_family(family, SIGKILL)
  return code or M.wait(process, 2)
end

function M.end_all()
  local list = {}
  for _, process in pairs(living) do list[#list + 1] = process end
  for _, process in ipairs(list) do M.stop(process, 3) end
end

---`argv` with what keeps the program on one core.
function M.pinned(core, argv)
  local out = { "taskset", "-c", tostring(core) }
  for _, word in ipairs(argv) do out[#out + 1] = word end
  return out
end

---Runs a program to its end. Returns its exit code (nil: it took longer than `seconds` and was
---ended) and what it wrote.
function M.run(argv, log, seconds)
  local process = M.start(argv, log)
  local code = M.wait(process, seconds)
  if not code then M.stop(process, 1) end
  return code, M.read_file(log) or ""
end

local function loopback(port)
  local address = ffi.new "struct bench_address"
  address.family, address.ip = AF_INET, LOOPBACK
  address.port = (port % 256) * 256 + math.floor(port / 256)
  return address
end

---A loopback port that was free a moment ago.
function M.free_port()
  local fd = C.socket(AF_INET, SOCK_STREAM, 0)
  local address = loopback(0)
  local bytes = ffi.new("unsigned int[1]", ffi.sizeof(address))
  local failed = C.bind(fd, address, bytes[0]) ~= 0 or C.getsockname(fd, address, bytes) ~= 0
  C.close(fd)
  if failed then error "no free port on 127.0.0.1" end
  return (address.port % 256) * 256 + math.floor(address.port / 256)
end

function M.can_connect(port)
  local fd = C.socket(AF_INET, SOCK_STREAM, 0)
  local address = loopback(port)
  local ok = C.connect(fd, address, ffi.sizeof(address)) == 0
  C.close(fd)
  return ok
end

return M
