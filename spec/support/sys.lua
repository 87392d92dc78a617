-- The few system calls the spec support needs, through FFI; Linux only.
--
--   local sys = require "spec.support.sys"
--   local start = sys.now()                    -- monotonic seconds, as a number
--   sys.check(C.close(fd), "close")            -- raises "close: Bad file descriptor" for -1
--   sys.wait_readable(fd, deadline)            -- poll(2); deadline is an absolute sys.now() value
--   local dir = sys.temp_dir()                 -- "/tmp/justhttp-spec.Xa81bc"
--   sys.remove(dir)                            -- and everything below it
local ffi = require "ffi"
local C = ffi.C

local M = {}

ffi.cdef [[
typedef int spec_pid;
struct spec_timespec { long sec; long nsec; };
struct spec_pollfd { int fd; short events; short revents; };
struct spec_sockaddr_in { uint16_t family; uint16_t port; uint8_t addr[4]; uint8_t zero[8]; };
struct spec_sockaddr_in6 {
  uint16_t family; uint16_t port; uint32_t flow; uint8_t addr[16]; uint32_t scope;
};
struct spec_sockaddr_un { uint16_t family; char path[108]; };
struct iovec { void *base; size_t len; };
typedef int64_t off_t;
struct spec_linger { int on; int seconds; };
int clock_gettime(int clock, struct spec_timespec *out);
int nanosleep(const struct spec_timespec *wanted, struct spec_timespec *left);
int poll(struct spec_pollfd *fds, unsigned long count, int timeout_ms);
int socket(int domain, int type, int protocol);
int socketpair(int domain, int type, int protocol, int fds[2]);
int connect(int fd, const void *address, unsigned int len);
int setsockopt(int fd, int level, int name, const void *value, unsigned int len);
ssize_t send(int fd, const void *bytes, size_t len, int flags);
ssize_t recv(int fd, void *out, size_t len, int flags);
int shutdown(int fd, int how);
int inet_pton(int family, const char *text, void *out);
int open(const char *path, int flags, ...);
int close(int fd);
int dup2(int from, int to);
int fcntl(int fd, int command, ...);
int pipe(int fds[2]);
ssize_t read(int fd, void *out, size_t len);
ssize_t write(int fd, const void *bytes, size_t len);
spec_pid fork(void);
int execv(const char *path, char *const arguments[]);
int execvp(const char *path, char *const arguments[]);
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);
int chdir(const char *path);
int setpgid(spec_pid pid, spec_pid group);
int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
spec_pid waitpid(spec_pid pid, int *status, int options);
spec_pid getpid(void);
spec_pid getppid(void);
int kill(spec_pid pid, int signal);
void _exit(int code);
char *mkdtemp(char *template);
char *realpath(const char *path, char *out);
char *strerror(int code);
]]

M.SIGHUP, M.SIGINT, M.SIGQUIT, M.SIGABRT, M.SIGKILL, M.SIGSEGV = 1, 2, 3, 6, 9, 11
M.SIGUSR1, M.SIGUSR2, M.SIGTERM, M.SIGSTOP, M.SIGCONT = 10, 12, 15, 19, 18
M.EINTR, M.EAGAIN, M.ECONNRESET, M.EPIPE = 4, 11, 104, 32
M.POLLIN, M.POLLOUT = 1, 4

-- What was preloaded into this process, for the environment of a child that needs it too.
M.preload = os.getenv "LD_PRELOAD" or ""

-- Sanitizers make everything slower; every default deadline is multiplied by this.
M.patience = (os.getenv("JUSTHTTP_BUILD") or ""):match("[at]san") and 4 or 1

function M.strerror(code) return ffi.string(C.strerror(code)) end

-- Returns `result` unless it is negative; then raises with the errno's text.
function M.check(result, what)
  if tonumber(result) >= 0 then return result end
  error(what .. ": " .. M.strerror(ffi.errno()), 2)
end

local timespec = ffi.typeof("struct spec_timespec")

-- Monotonic seconds.
function M.now()
  local out = timespec()
  C.clock_gettime(1, out)
  return tonumber(out.sec) + tonumber(out.nsec) / 1e9
end

-- Absolute time `seconds` from now, stretched for sanitizer builds.
function M.deadline(seconds) return M.now() + (seconds or 5) * M.patience end

-- Only for the pauses a spec is about (a slow client) and inside wait loops: never to synchronise.
function M.sleep(seconds)
  C.nanosleep(timespec(math.floor(seconds), (seconds % 1) * 1e9), nil)
end

local function wait_fd(fd, events, deadline)
  local fds = ffi.new("struct spec_pollfd[1]")
  while true do
    fds[0].fd, fds[0].events, fds[0].revents = fd, events, 0
    local left_ms = math.max(0, math.ceil((deadline - M.now()) * 1000))
    local count = C.poll(fds, 1, left_ms)
    if count > 0 then return true end
    if count == 0 then return false end
    if ffi.errno() ~= M.EINTR then error("poll: " .. M.strerror(ffi.errno())) end
  end
end

-- True when the descriptor is ready (or at its end, or broken), false when the deadline passed.
function M.wait_readable(fd, deadline) return wait_fd(fd, M.POLLIN, deadline) end
function M.wait_writable(fd, deadline) return wait_fd(fd, M.POLLOUT, deadline) end

-- The whole file, or nil when it cannot be read.
function M.read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

function M.write_file(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
end

function M.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- A new directory of our own; the caller removes it.
function M.temp_dir()
  local template = (os.getenv("TMPDIR") or "/tmp") .. "/justhttp-spec.XXXXXX"
  local buffer = ffi.new("char[?]", #template + 1, template)
  if C.mkdtemp(buffer) == nil then error("mkdtemp: " .. M.strerror(ffi.errno())) end
  return ffi.string(buffer)
end

-- Removes a directory made by temp_dir(), with everything below it.
function M.remove(dir)
  assert(dir:find("/justhttp-spec.", 1, true), "not a directory of ours: " .. dir)
  os.execute("rm -rf -- " .. M.quote(dir))
end

function M.absolute(path)
  local found = C.realpath(path, nil)
  return found ~= nil and ffi.string(found) or path
end

--- How many descriptors this process has open. Not through io.popen: its parent's end of the pipe
-- may or may not be closed when the child looks.
function M.descriptor_count()
  local name = os.tmpname()
  os.execute(("ls /proc/%d/fd > %s"):format(C.getpid(), name))
  local _, count = M.read_file(name):gsub("\n", "")
  os.remove(name)
  return count
end

return M
