/* worker_process.c: fork, and what the child does before it becomes a worker.
 *
 * The child must end with its supervisor (PDEATHSIG), must not hold sockets of other slots (a
 * socket stays open as long as anybody has it, and a drained worker's port would go on accepting),
 * and must give up root before it reads a line of the app. */
#include "server/worker_process.h"

#include "base/alloc.h"
#include "base/str.h"
#include "server/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMM_BYTES = 16 };

void jh_worker_process_init(jh_worker_process *process, int slot) {
  memset(process, 0, sizeof *process);
  process->slot = slot;
  process->ready_fd = -1;
  process->heartbeat = jh_heartbeat_new();
}

void jh_worker_process_deinit(jh_worker_process *process) {
  jh_heartbeat_free(process->heartbeat);
  process->heartbeat = NULL;
}

/* ---- in the child ------------------------------------------------------------------------ */

/* The terminal sends SIGINT and SIGHUP to the whole group: the supervisor decides what they mean.
 * Signals are still blocked here, so none is lost or acted on early. */
static void reset_signals(const sigset_t *mask) {
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGUSR2, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  sigprocmask(SIG_SETMASK, mask, NULL);
}

/* Becoming another user clears the parent-death signal, so it is set after that. */
static void end_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (getppid() != parent) _exit(EXIT_FAILURE);
}

static void become_worker(const jh_worker_process *process, const jh_worker_start *start,
                          int ready_fd, pid_t parent) __attribute__((noreturn));

static void become_worker(const jh_worker_process *process, const jh_worker_start *start,
                          int ready_fd, pid_t parent) {
  char comm[COMM_BYTES];
  jh_worker_config config = start->config;
  jh_listener_socket *sockets = jh_alloc((start->listeners->count + 1) * sizeof *sockets);
  for (size_t i = 0; i < start->own_fd_count; i++) {
    if (start->own_fds[i] >= 0) close(start->own_fds[i]);
  }
  jh_listener_set_keep_slot(start->listeners, (size_t)process->slot);
  jh_listener_set_slot(start->listeners, (size_t)process->slot, sockets);
  config.slot = process->slot;
  config.listeners = sockets;
  config.listener_count = start->listeners->count;
  config.ready_fd = ready_fd;
  config.heartbeat = process->heartbeat;
  config.pin_to_core = start->pins_workers && jh_cpu_pin((uint32_t)process->slot) == 0;
  int rc = jh_identity_assume(start->identity);
  if (rc != 0) {
    fprintf(stderr, "justhttp: cannot become user '%s': %s\n", start->identity->user,
            strerror(-rc));
    exit(EXIT_FAILURE);
  }
  end_with_parent(parent);
  snprintf(comm, sizeof comm, "justhttp:%d", process->slot);
  prctl(PR_SET_NAME, comm);
  reset_signals(&start->signals);
  int code = start->work(&config);
  jh_free(sockets);
  exit(code);
}

/* ---- in the supervisor ------------------------------------------------------------------- */

int jh_worker_process_start(jh_worker_process *process, const jh_worker_start *start) {
  int ends[2];
  pid_t parent = getpid();
  jh_heartbeat_clear(process->heartbeat);
  process->stuck = (jh_stuck){0};
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    become_worker(process, start, ends[1], parent);
  }
  int code = errno;
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return -code;
  }
  process->pid = pid;
  process->ready_fd = ends[0];
  process->ready_len = 0;
  process->is_ready = false;
  process->restart_at_ms = 0;
  return 0;
}

static void close_ready(jh_worker_process *process) {
  if (process->ready_fd >= 0) close(process->ready_fd);
  process->ready_fd = -1;
}

/* "ready 12\n" */
static bool parse_ready(jh_worker_process *process) {
  static const char word[] = "ready ";
  size_t word_len = sizeof word - 1;
  const char *end = memchr(process->ready_text, '\n', process->ready_len);
  if (end == NULL || process->ready_len < word_len) return false;
  if (memcmp(process->ready_text, word, word_len) != 0) return false;
  uint64_t count = 0;
  jh_str digits =
      jh_str_make(process->ready_text + word_len, (size_t)(end - process->ready_text) - word_len);
  if (jh_str_parse_u64(digits, &count) != 0) return false;
  process->route_count = (uint32_t)count;
  return true;
}

bool jh_worker_process_read_ready(jh_worker_process *process, uint64_t now_ms) {
  size_t space = sizeof process->ready_text - process->ready_len;
  ssize_t n = read(process->ready_fd, process->ready_text + process->ready_len, space);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n > 0) process->ready_len += (size_t)n;
  if (parse_ready(process)) {
    process->is_ready = true;
    process->ready_at_ms = now_ms;
    close_ready(process);
    return true;
  }
  /* The end, or too much of something else: its exit will tell the rest. */
  if (n <= 0 || process->ready_len == sizeof process->ready_text) close_ready(process);
  return false;
}

void jh_worker_process_clear(jh_worker_process *process) {
  close_ready(process);
  process->pid = 0;
  process->is_ready = false;
}

void jh_worker_process_signal(const jh_worker_process *process, int signal) {
  if (process->pid > 0) kill(process->pid, signal);
}

const char *jh_worker_process_describe_end(int wait_status, char *out, size_t out_bytes) {
  if (WIFSIGNALED(wait_status)) {
    const char *name = sigabbrev_np(WTERMSIG(wait_status));
    snprintf(out, out_bytes, "was killed by SIG%s%s", name != NULL ? name : "?",
             WCOREDUMP(wait_status) ? ", core dumped" : "");
  } else {
    snprintf(out, out_bytes, "exited with code %d", WEXITSTATUS(wait_status));
  }
  return out;
}
