/* supervisor.c: a loop over poll(): signals come in through a signalfd, workers report on pipes.
 *
 * Signals stay blocked in this process from start to end, so there are no handlers, no globals and
 * no interrupted system calls.
 *
 * The first worker starts alone. Only when it serves do the others start: an app that does not load
 * fails once, with one error, and not once per CPU. */
#include "server/supervisor.h"

#include "justhttp.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/ip_table.h"
#include "server/hub_sockets.h"
#include "server/cpu.h"
#include "server/identity.h"
#include "server/listener_set.h"
#include "server/run_files.h"
#include "server/service_manager.h"
#include "server/tls_setup.h"
#include "server/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  ERROR_BYTES = 512,
  /* Workers end themselves at shutdown_timeout_ms; this much later they are killed. */
  KILL_GRACE_MS = 500,
  KILL_AT_ONCE_MS = 200,
  /* Some tools signal the process and then its whole group: that is one request to stop. */
  SAME_SIGNAL_MS = 50,
  EXIT_USAGE = 2
};

#define HOST_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

typedef enum state {
  STARTING, /* not every slot has served yet */
  SERVING,
  STOPPING
} state;

typedef struct supervisor {
  const jh_supervisor_config *config;
  const jh_options *options;
  state state;
  int exit_code;
  jh_run_files files;
  jh_identity identity;
  jh_service_manager manager;
  jh_listener_set listeners;
  jh_tls_setup tls;
  bool has_terminal; /* when it started */
  jh_worker_start start;
  jh_worker_process *workers;
  jh_hub_sockets hub;
  struct pollfd *polls; /* [0] signals, then one per slot */
  int *own_fds;         /* what a worker closes */
  size_t slot_count;
  int signal_fd;
  uint64_t stopping_since_ms;
  uint64_t kill_at_ms;      /* while STOPPING */
  uint64_t next_sign_at_ms; /* watchdog */
  bool is_hurried;          /* asked to stop twice */
} supervisor;

static int fail(const char *text) {
  fprintf(stderr, "justhttp: %s\n", text);
  return EXIT_FAILURE;
}

/* ---- workers ----------------------------------------------------------------------------- */

static void start_worker(supervisor *sup, jh_worker_process *worker) {
  size_t count = 0;
  sup->own_fds[count++] = sup->signal_fd;
  sup->own_fds[count++] = sup->manager.notify_fd;
  for (size_t i = 0; i < sup->slot_count; i++) sup->own_fds[count++] = sup->workers[i].ready_fd;
  sup->start.own_fds = sup->own_fds;
  sup->start.own_fd_count = count;
  fflush(NULL);
  int rc = jh_worker_process_start(worker, &sup->start);
  if (rc == 0) return;
  uint32_t wait_ms = jh_backoff_fail(&worker->backoff, 0) + JH_BACKOFF_FIRST_MS;
  worker->restart_at_ms = jh_clock_monotonic_ms() + wait_ms;
  jh_log_printf(&sup->files.log, JH_LOG_ERROR, "cannot start worker %d: %s; trying again in %u ms",
                worker->slot, strerror(-rc), wait_ms);
}

static void signal_workers(const supervisor *sup, int signal) {
  for (size_t i = 0; i < sup->slot_count; i++) jh_worker_process_signal(&sup->workers[i], signal);
}

static size_t count_workers(const supervisor *sup, bool only_ready) {
  size_t count = 0;
  for (size_t i = 0; i < sup->slot_count; i++) {
    const jh_worker_process *worker = &sup->workers[i];
    if (worker->pid > 0 && (worker->is_ready || !only_ready)) count++;
  }
  return count;
}

static void start_due_workers(supervisor *sup, uint64_t now_ms) {
  if (sup->state == STOPPING) return;
  for (size_t i = 0; i < sup->slot_count; i++) {
    jh_worker_process *worker = &sup->workers[i];
    if (worker->restart_at_ms != 0 && worker->restart_at_ms <= now_ms) start_worker(sup, worker);
  }
}

/* ---- ready ------------------------------------------------------------------------------- */

static void print_banner(const supervisor *sup) {
  const char *app = sup->config->app_path != NULL ? sup->config->app_path : "-e";
  uint32_t routes = sup->workers[0].route_count;
  printf("justhttp %s: %s, %u route%s, %zu worker%s%s\n", jh_version(), app, routes,
         routes == 1 ? "" : "s", sup->slot_count, sup->slot_count == 1 ? "" : "s",
         sup->options->dev ? ", development mode" : "");
}

static void announce(supervisor *sup) {
  char state_text[ERROR_BYTES];
  if (isatty(STDOUT_FILENO)) print_banner(sup);
  for (size_t i = 0; i < sup->listeners.count; i++)
    printf("listening on %s\n", sup->listeners.listeners[i].url);
  if (isatty(STDOUT_FILENO)) puts("Ctrl-C stops it");
  fflush(stdout);
  snprintf(state_text, sizeof state_text, "READY=1\nMAINPID=%ld\nSTATUS=%zu workers serve %s",
           (long)getpid(), sup->slot_count, sup->listeners.listeners[0].url);
  jh_service_manager_notify(&sup->manager, state_text);
}

static void on_ready(supervisor *sup, const jh_worker_process *worker) {
  if (sup->state == SERVING)
    jh_log_printf(&sup->files.log, JH_LOG_INFO, "worker %d (pid %ld) serves", worker->slot,
                  (long)worker->pid);
  if (sup->state != STARTING) return;
  if (worker->slot == 0) {
    for (size_t i = 1; i < sup->slot_count; i++) start_worker(sup, &sup->workers[i]);
  }
  if (count_workers(sup, true) < sup->slot_count) return;
  sup->state = SERVING;
  announce(sup);
}

/* ---- stop -------------------------------------------------------------------------------- */

static void stop(supervisor *sup, int signal) {
  uint64_t now_ms = jh_clock_monotonic_ms();
  bool is_first = sup->state != STOPPING;
  if (is_first) {
    sup->state = STOPPING;
    sup->stopping_since_ms = now_ms;
    jh_service_manager_notify(&sup->manager, "STOPPING=1");
  } else if (sup->is_hurried || now_ms < sup->stopping_since_ms + SAME_SIGNAL_MS) {
    return;
  }
  if (is_first && signal != SIGQUIT) {
    sup->kill_at_ms = now_ms + sup->options->shutdown_timeout_ms + KILL_GRACE_MS;
    if (count_workers(sup, true) > 0)
      jh_log_printf(
          &sup->files.log, JH_LOG_INFO,
          "stopping; running requests have %u ms to finish, a second signal stops at once",
          sup->options->shutdown_timeout_ms);
    signal_workers(sup, SIGTERM);
  } else {
    sup->is_hurried = true;
    sup->kill_at_ms = now_ms + KILL_AT_ONCE_MS;
    signal_workers(sup, SIGQUIT);
  }
  /* From here on only the workers hold the sockets: when they stop accepting, nobody does. */
  jh_listener_set_close(&sup->listeners);
}

static void kill_overdue(supervisor *sup, uint64_t now_ms) {
  if (sup->state != STOPPING || now_ms < sup->kill_at_ms) return;
  for (size_t i = 0; i < sup->slot_count; i++) {
    const jh_worker_process *worker = &sup->workers[i];
    if (worker->pid == 0) continue;
    jh_log_printf(&sup->files.log, JH_LOG_WARN,
                  "worker %d (pid %ld) did not stop in time and is killed", worker->slot,
                  (long)worker->pid);
    jh_worker_process_signal(worker, SIGKILL);
  }
  sup->kill_at_ms = UINT64_MAX;
}

/* ---- certificates ------------------------------------------------------------------------ */

enum { DAYS_TO_WARN = 14 };

static void warn_of_end(supervisor *sup) {
  char name[128];
  if (!jh_tls_context_has_certificate(sup->tls.context)) return;
  int days = jh_tls_context_days_left(sup->tls.context, name, sizeof name);
  if (days >= DAYS_TO_WARN) return;
  jh_log_printf(&sup->files.log, JH_LOG_WARN, "a certificate expires in %d day%s (%s)", days,
                days == 1 ? "" : "s", name);
}

/* What workers that are forked from now on begin with. */
static void give_tls(supervisor *sup) {
  sup->start.config.tls_shared = sup->tls.shared;
  sup->start.config.tls_context = sup->tls.context;
  sup->start.config.tls_version = sup->tls.shared->version;
}

static void refresh_certificates(supervisor *sup) {
  char error[ERROR_BYTES];
  if (jh_tls_setup_reload(&sup->tls, error, sizeof error) != 0) {
    jh_log_printf(&sup->files.log, JH_LOG_ERROR,
                  "certificates not read again, the present ones stay: %s", error);
    return;
  }
  give_tls(sup);
  signal_workers(sup, SIGHUP);
  jh_log_printf(&sup->files.log, JH_LOG_INFO, "certificates read again");
  warn_of_end(sup);
}

/* Names for a certificate of our own: this machine, and the addresses of listeners. */
static void list_names(const supervisor *sup, char *out, size_t out_bytes) {
  char host[256] = "";
  size_t used = (size_t)snprintf(out, out_bytes,
                                 "DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1");
  if (gethostname(host, sizeof host - 1) == 0 && host[0] &&
      strspn(host, HOST_LETTERS) == strlen(host))
    used += (size_t)snprintf(out + used, out_bytes - used, ",DNS:%s", host);
  for (size_t i = 0; i < sup->listeners.count; i++) {
    const jh_address *address = &sup->listeners.listeners[i].address;
    const uint8_t *ip = address->bytes;
    if (address->kind != JH_ADDRESS_IPV4 || ip[0] == 0 || ip[0] == 127) continue;
    if (out_bytes - used < sizeof ",IP:255.255.255.255") return;
    used += (size_t)snprintf(out + used, out_bytes - used, ",IP:%u.%u.%u.%u", ip[0], ip[1], ip[2],
                             ip[3]);
  }
}

static int prepare_tls(supervisor *sup, char *error, size_t error_bytes) {
  char names[1024], fingerprint[96];
  const jh_options *options = sup->options;
  if (!jh_listener_set_has_tls(&sup->listeners)) {
    if (!jh_tls_setup_has_certificates(options)) return 0;
    snprintf(error, error_bytes,
             "TLS: there are certificates, but no listener for them; write "
             "https:// in front of an address");
    return JH_EINVAL;
  }
  list_names(sup, names, sizeof names);
  int rc = jh_tls_setup_open(&sup->tls, options, names, fingerprint, error, error_bytes);
  if (rc != 0) return rc;
  give_tls(sup);
  warn_of_end(sup);
  jh_log_printf(&sup->files.log, JH_LOG_DEBUG, "TLS: the kernel %s",
                jh_tls_setup_has_ktls() ? "encrypts (kTLS)"
                                        : "has no kTLS (module tls); the workers encrypt");
  if (sup->tls.self_signed)
    jh_log_printf(&sup->files.log, JH_LOG_WARN,
                  "self-signed certificate, for development only: SHA-256 %s", fingerprint);
  return 0;
}

/* ---- ends of workers --------------------------------------------------------------------- */

/* A server that never served gives up. The worker has said why, unless a signal ended it. */
static void give_up(supervisor *sup, const jh_worker_process *worker, int wait_status) {
  char end[64], text[ERROR_BYTES];
  sup->exit_code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EXIT_FAILURE;
  if (sup->exit_code == 0 || sup->exit_code > EXIT_USAGE || WIFSIGNALED(wait_status)) {
    jh_worker_process_describe_end(wait_status, end, sizeof end);
    snprintf(text, sizeof text, "worker %d %s before it served a request", worker->slot, end);
    sup->exit_code = fail(text);
  }
  stop(sup, SIGQUIT);
}

static void restart_later(supervisor *sup, jh_worker_process *worker, pid_t pid, int wait_status,
                          uint64_t served_ms) {
  char end[64], when[64];
  uint32_t wait_ms = jh_backoff_fail(&worker->backoff, served_ms);
  uint32_t failures = worker->backoff.failure_count;
  jh_worker_process_describe_end(wait_status, end, sizeof end);
  if (wait_ms == 0) {
    snprintf(when, sizeof when, "at once");
  } else {
    snprintf(when, sizeof when, "in %u ms (%u failures in a row)", wait_ms, failures);
  }
  jh_log_printf(&sup->files.log, JH_LOG_ERROR, "worker %d (pid %ld) %s; starting another %s",
                worker->slot, (long)pid, end, when);
  worker->restart_at_ms = jh_clock_monotonic_ms() + wait_ms;
}

static void on_end(supervisor *sup, pid_t pid, int wait_status) {
  for (size_t i = 0; i < sup->slot_count; i++) {
    jh_worker_process *worker = &sup->workers[i];
    if (worker->pid != pid) continue;
    uint64_t now_ms = jh_clock_monotonic_ms();
    uint64_t served_ms = worker->is_ready ? now_ms - worker->ready_at_ms : 0;
    jh_worker_process_clear(worker);
    if (sup->state == STARTING) give_up(sup, worker, wait_status);
    if (sup->state == SERVING) restart_later(sup, worker, pid, wait_status, served_ms);
  }
}

static void reap(supervisor *sup) {
  for (;;) {
    int wait_status;
    pid_t pid = waitpid(-1, &wait_status, WNOHANG);
    if (pid <= 0) return;
    on_end(sup, pid, wait_status);
  }
}

/* ---- loop -------------------------------------------------------------------------------- */

/* The terminal has gone, or somebody who started us there. */
static bool is_hangup(const supervisor *sup, const struct signalfd_siginfo *info) {
  if (info->ssi_code == SI_KERNEL) return true;
  if (!sup->has_terminal) return false;
  int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return true;
  close(fd);
  return false;
}

static void read_signals(supervisor *sup) {
  struct signalfd_siginfo info;
  while (read(sup->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      reap(sup);
    } else if (info.ssi_signo == SIGHUP && sup->tls.shared && sup->state != STOPPING &&
               !is_hangup(sup, &info)) {
      refresh_certificates(sup);
    } else {
      stop(sup, (int)info.ssi_signo);
    }
  }
}

static void give_sign_of_life(supervisor *sup, uint64_t now_ms) {
  if (sup->manager.watchdog_ms == 0 || now_ms < sup->next_sign_at_ms) return;
  sup->next_sign_at_ms = now_ms + sup->manager.watchdog_ms;
  if (sup->state != SERVING || count_workers(sup, true) > 0)
    jh_service_manager_notify(&sup->manager, "WATCHDOG=1");
}

/* Milliseconds until something is due, or -1. */
static int time_to_wait(const supervisor *sup, uint64_t now_ms) {
  uint64_t due_ms = UINT64_MAX;
  if (sup->state == STOPPING) {
    due_ms = sup->kill_at_ms;
  } else {
    for (size_t i = 0; i < sup->slot_count; i++) {
      uint64_t at_ms = sup->workers[i].restart_at_ms;
      if (at_ms != 0 && at_ms < due_ms) due_ms = at_ms;
    }
  }
  if (sup->manager.watchdog_ms != 0 && sup->next_sign_at_ms < due_ms) due_ms = sup->next_sign_at_ms;
  if (sup->tls.shared && sup->tls.rotate_at_ms < due_ms) due_ms = sup->tls.rotate_at_ms;
  if (due_ms == UINT64_MAX) return -1;
  return due_ms <= now_ms ? 0 : (int)(due_ms - now_ms);
}

static void wait_for_events(supervisor *sup) {
  sup->polls[0] = (struct pollfd){.fd = sup->signal_fd, .events = POLLIN};
  for (size_t i = 0; i < sup->slot_count; i++)
    sup->polls[i + 1] = (struct pollfd){.fd = sup->workers[i].ready_fd, .events = POLLIN};
  int timeout_ms = time_to_wait(sup, jh_clock_monotonic_ms());
  if (poll(sup->polls, sup->slot_count + 1, timeout_ms) <= 0) return;
  for (size_t i = 0; i < sup->slot_count; i++) {
    jh_worker_process *worker = &sup->workers[i];
    /* A worker started a moment ago may have taken the number of a closed pipe. */
    if (sup->polls[i + 1].revents == 0 || sup->polls[i + 1].fd != worker->ready_fd) continue;
    if (jh_worker_process_read_ready(worker, jh_clock_monotonic_ms())) on_ready(sup, worker);
  }
  if (sup->polls[0].revents != 0) read_signals(sup);
}

static void run_loop(supervisor *sup) {
  start_worker(sup, &sup->workers[0]);
  while (sup->state != STOPPING || count_workers(sup, false) > 0) {
    wait_for_events(sup);
    uint64_t now_ms = jh_clock_monotonic_ms();
    kill_overdue(sup, now_ms);
    start_due_workers(sup, now_ms);
    jh_tls_setup_rotate(&sup->tls, now_ms);
    give_sign_of_life(sup, now_ms);
  }
  if (sup->exit_code == 0) jh_log_printf(&sup->files.log, JH_LOG_INFO, "stopped");
}

/* ---- start ------------------------------------------------------------------------------- */

/* Every connection is a descriptor; the soft limit of 1024 is a relic of select(). */
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static int block_signals(supervisor *sup) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGQUIT);
  sigaddset(&signals, SIGCHLD);
  signal(SIGPIPE, SIG_IGN);
  if (sigprocmask(SIG_BLOCK, &signals, &sup->start.signals) != 0) return -errno;
  sigdelset(&sup->start.signals, SIGTERM);
  sigdelset(&sup->start.signals, SIGQUIT);
  sigdelset(&sup->start.signals, SIGHUP);
  sup->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  return sup->signal_fd < 0 ? -errno : 0;
}

static void make_slots(supervisor *sup) {
  const jh_options *options = sup->options;
  uint32_t cpus = jh_cpu_allowed_count();
  bool is_asked = jh_options_source(options, JH_OPTIONS_INDEX_pin_workers) != 0;
  sup->slot_count = options->workers != 0 ? options->workers : jh_cpu_worker_count();
  sup->workers = jh_alloc(sup->slot_count * sizeof *sup->workers);
  sup->polls = jh_alloc((sup->slot_count + 1) * sizeof *sup->polls);
  sup->own_fds = jh_alloc((sup->slot_count + 2) * sizeof *sup->own_fds);
  for (size_t i = 0; i < sup->slot_count; i++) jh_worker_process_init(&sup->workers[i], (int)i);
  sup->start.config = (jh_worker_config){.options = options,
                                         .slot_count = (int)sup->slot_count,
                                         .app_path = sup->config->app_path,
                                         .app_code = sup->config->app_code,
                                         .command = "run"};
  sup->start.config.hub = &sup->hub;
  if (options->max_conns_per_ip > 0) {
    sup->start.config.ip_table =
        jh_ip_table_new((uint32_t)sup->slot_count, options->max_connections);
  }
  sup->start.work = sup->config->work;
  sup->start.listeners = &sup->listeners;
  sup->start.identity = &sup->identity;
  /* With fewer workers than CPUs a fixed place only keeps them from the idle ones. */
  sup->start.pins_workers = options->pin_workers && (is_asked || sup->slot_count >= cpus);
}

static int prepare(supervisor *sup) {
  char error[ERROR_BYTES] = "";
  const jh_options *options = sup->options;
  int rc = jh_identity_find(&sup->identity, options->user, options->group, error, sizeof error);
  if (rc != 0) {
    fail(error);
    return EXIT_USAGE;
  }
  raise_descriptor_limit();
  rc = jh_run_files_open(&sup->files, options, &sup->identity, error, sizeof error);
  if (rc == 0)
    rc = jh_listener_set_open(&sup->listeners, options, sup->slot_count, &sup->manager,
                              &sup->identity, error, sizeof error);
  if (rc == 0) rc = prepare_tls(sup, error, sizeof error);
  if (rc == 0) {
    rc = jh_hub_sockets_open(&sup->hub, (uint32_t)sup->slot_count);
    if (rc != 0) snprintf(error, sizeof error, "cannot join workers: %s", strerror(-rc));
  }
  if (rc == 0) rc = jh_run_files_write_pid(&sup->files, error, sizeof error);
  if (rc == 0) {
    rc = block_signals(sup);
    if (rc != 0) snprintf(error, sizeof error, "cannot receive signals: %s", strerror(-rc));
  }
  return rc == 0 ? 0 : fail(error);
}

static void clean_up(supervisor *sup) {
  jh_listener_set_deinit(&sup->listeners);
  jh_tls_setup_close(&sup->tls);
  jh_ip_table_free(sup->start.config.ip_table);
  jh_hub_sockets_close(&sup->hub);
  if (sup->signal_fd >= 0) close(sup->signal_fd);
  jh_run_files_close(&sup->files);
  jh_service_manager_deinit(&sup->manager);
  jh_free(sup->workers);
  jh_free(sup->polls);
  jh_free(sup->own_fds);
}

int jh_supervisor_run(const jh_supervisor_config *config) {
  supervisor sup;
  memset(&sup, 0, sizeof sup);
  sup.config = config;
  sup.options = config->options;
  sup.signal_fd = -1;
  sup.has_terminal = isatty(STDIN_FILENO) || isatty(STDOUT_FILENO) || isatty(STDERR_FILENO);
  jh_service_manager_init(&sup.manager);
  make_slots(&sup);
  sup.exit_code = prepare(&sup);
  if (sup.exit_code == 0) run_loop(&sup);
  clean_up(&sup);
  return sup.exit_code;
}
