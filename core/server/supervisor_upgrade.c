/* supervisor_upgrade.c: a new supervisor in the place of this one (`justhttp upgrade`, SIGUSR2).
 *
 * The executable is started once more, from the path and with the arguments this process was
 * started with, and inherits the listening sockets. Both accept until all workers of the new one
 * serve; then it says so, and only then this one drains and ends. Whatever goes wrong before that
 * ends the new one alone. */
#include "server/supervisor_state.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_BYTES = 512, MINUTE_MS = 60000 };

static const char ready_word[] = "ready\n";

/* ---- the old one --------------------------------------------------------------------------- */

static void reply(jh_supervisor *sup, bool is_ok, const char *text) {
  jh_upgrade *upgrade = &sup->upgrade;
  int level = is_ok ? JH_LOG_INFO : JH_LOG_ERROR;
  jh_log_printf(&sup->files.log, level, "%s", text);
  if (upgrade->client == 0) return;
  if (is_ok) {
    jh_control_reply_ok(&sup->control, upgrade->client, text);
  } else {
    jh_control_reply_error(&sup->control, upgrade->client, text);
  }
  upgrade->client = 0;
}

static void close_ready(jh_upgrade *upgrade) {
  if (upgrade->ready_fd >= 0) close(upgrade->ready_fd);
  upgrade->ready_fd = -1;
}

/* The keys of session tickets, in memory that the new one reads: clients resume with it. */
static int copy_keys(const jh_supervisor *sup) {
  if (sup->tls.shared == NULL) return -1;
  const jh_tls_tickets *tickets = &sup->tls.shared->tickets;
  int fd = memfd_create("justhttp-keys", MFD_CLOEXEC);
  if (fd < 0 || pwrite(fd, tickets, sizeof *tickets, 0) == (ssize_t)sizeof *tickets) return fd;
  close(fd);
  return -1;
}

static void describe(const jh_supervisor *sup, int ready_fd, int keys_fd, jh_handover_text *out) {
  jh_handover_write_open(out);
  jh_handover_write_fd(out, "ready", ready_fd);
  jh_handover_write_fd(out, "control", sup->control.fd);
  jh_handover_write_fd(out, "keys", keys_fd);
  for (size_t i = 0; i < sup->listeners.count; i++) {
    const jh_listener_group *group = &sup->listeners.listeners[i];
    const jh_handover_listener listener = {.text = group->text,
                                           .fds = group->fds,
                                           .fd_count = group->fd_count,
                                           .has_file = group->has_file};
    jh_handover_write_listener(out, &listener);
  }
}

static void become_new(const jh_supervisor *sup, const jh_handover_text *text, int ready_fd)
    __attribute__((noreturn));

static void become_new(const jh_supervisor *sup, const jh_handover_text *text, int ready_fd) {
  sigset_t none;
  sigemptyset(&none);
  int rc = jh_handover_give(text);
  jh_service_manager_restore(&sup->manager);
  if (rc == 0) {
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(sup->executable, (char *const *)(uintptr_t)sup->config->argv);
    rc = -errno;
  }
  char why[TEXT_BYTES];
  int len = snprintf(why, sizeof why, "cannot run %.300s: %s\n", sup->executable, strerror(-rc));
  ssize_t written = write(ready_fd, why, (size_t)len);
  (void)written;
  _exit(EXIT_FAILURE);
}

static int start_new(jh_supervisor *sup) {
  jh_handover_text text;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  int keys_fd = copy_keys(sup);
  describe(sup, ends[1], keys_fd, &text);
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) become_new(sup, &text, ends[1]);
  int code = errno;
  close(ends[1]);
  if (keys_fd >= 0) close(keys_fd);
  if (pid < 0) {
    close(ends[0]);
    return -code;
  }
  sup->upgrade.pid = pid;
  sup->upgrade.ready_fd = ends[0];
  sup->upgrade.len = 0;
  sup->upgrade.end_at_ms = jh_clock_monotonic_ms() + MINUTE_MS;
  return 0;
}

void jh_supervisor_upgrade(jh_supervisor *sup, uint32_t client) {
  char text[TEXT_BYTES];
  if (sup->state != JH_SUPERVISOR_SERVING || sup->upgrade.pid > 0) {
    const char *why = sup->upgrade.pid > 0 ? "an upgrade is under way"
                      : sup->state == JH_SUPERVISOR_STARTING
                          ? "the server has not started yet; try again when it serves"
                          : "the server is stopping";
    if (client != 0) jh_control_reply_error(&sup->control, client, why);
    return;
  }
  sup->upgrade.client = client;
  jh_log_printf(&sup->files.log, JH_LOG_INFO, "upgrade: starting %s", sup->executable);
  int rc = start_new(sup);
  if (rc == 0) return;
  snprintf(text, sizeof text, "upgrade failed: cannot start a process: %s", strerror(-rc));
  reply(sup, false, text);
}

/* From here on the new one is the server: nothing it has may be removed by this one. */
static void hand_over(jh_supervisor *sup) {
  char text[TEXT_BYTES];
  long pid = (long)sup->upgrade.pid;
  snprintf(text, sizeof text, "MAINPID=%ld", pid);
  jh_service_manager_notify(&sup->manager, text);
  snprintf(text, sizeof text, "upgraded: pid %ld serves, pid %ld finishes what it has begun", pid,
           (long)getpid());
  reply(sup, true, text);
  sup->has_handed_over = true;
  sup->files.pid_file = "";
  jh_listener_set_leave_files(&sup->listeners);
  jh_control_forget(&sup->control);
  close_ready(&sup->upgrade);
  sup->upgrade.pid = 0;
  jh_supervisor_stop(sup, SIGTERM);
}

void jh_supervisor_read_upgrade(jh_supervisor *sup) {
  jh_upgrade *upgrade = &sup->upgrade;
  size_t space = sizeof upgrade->text - 1 - upgrade->len;
  ssize_t n = read(upgrade->ready_fd, upgrade->text + upgrade->len, space);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) upgrade->len += (size_t)n;
  upgrade->text[upgrade->len] = '\0';
  if (strcmp(upgrade->text, ready_word) == 0) {
    hand_over(sup);
  } else if (n <= 0 || space <= 1) {
    close_ready(upgrade); /* its end will tell the rest */
  }
}

/* What the new one said before it ended, or where it may have said something. */
static const char *reason_of(jh_supervisor *sup) {
  jh_upgrade *upgrade = &sup->upgrade;
  if (upgrade->ready_fd >= 0) jh_supervisor_read_upgrade(sup);
  size_t len = strcspn(upgrade->text, "\n");
  upgrade->text[upgrade->len > 0 ? len : 0] = '\0';
  return upgrade->text[0] != '\0' ? upgrade->text : "standard error of the server says why";
}

bool jh_supervisor_end_upgrade(jh_supervisor *sup, pid_t pid, int wait_status) {
  char end[64], text[2 * TEXT_BYTES];
  jh_upgrade *upgrade = &sup->upgrade;
  if (upgrade->pid <= 0 || pid != upgrade->pid) return false;
  const char *why = reason_of(sup);
  if (sup->has_handed_over) return true;
  jh_worker_process_describe_end(wait_status, end, sizeof end);
  snprintf(text, sizeof text, "upgrade failed: the new server %s (%s); this one goes on", end, why);
  close_ready(upgrade);
  upgrade->pid = 0;
  reply(sup, false, text);
  return true;
}

void jh_supervisor_stop_upgrade(jh_supervisor *sup, uint64_t now_ms, bool is_at_once) {
  jh_upgrade *upgrade = &sup->upgrade;
  if (upgrade->pid <= 0 || (!is_at_once && now_ms < upgrade->end_at_ms)) return;
  if (!is_at_once) {
    jh_log_printf(&sup->files.log, JH_LOG_ERROR, "upgrade: the new server does not get to serve");
  }
  kill(upgrade->pid, SIGQUIT);
  upgrade->end_at_ms = UINT64_MAX;
}

/* ---- the new one --------------------------------------------------------------------------- */

void jh_supervisor_take_keys(jh_supervisor *sup) {
  jh_tls_tickets tickets;
  if (sup->handover.keys_fd < 0 || sup->tls.shared == NULL) return;
  if (pread(sup->handover.keys_fd, &tickets, sizeof tickets, 0) == (ssize_t)sizeof tickets)
    sup->tls.shared->tickets = tickets;
}

static void say(const jh_handover *handover, const char *text) {
  ssize_t written = write(handover->ready_fd, text, strlen(text));
  (void)written;
}

void jh_supervisor_take_over(jh_supervisor *sup) {
  char error[TEXT_BYTES];
  jh_handover *handover = &sup->handover;
  if (!handover->is_given) return;
  if (jh_run_files_write_pid(&sup->files, error, sizeof error) != 0)
    jh_log_printf(&sup->files.log, JH_LOG_ERROR, "%s", error);
  if (handover->control_fd >= 0) {
    jh_control_adopt(&sup->control, handover->control_fd);
    handover->control_fd = -1;
  }
  say(handover, ready_word);
  jh_handover_deinit(handover);
}

void jh_supervisor_refuse_handover(const jh_supervisor *sup, const char *why) {
  if (sup->handover.is_given) say(&sup->handover, why);
}
