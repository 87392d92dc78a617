/* supervisor_workers.c: the processes in the slots, from fork to the end and the next one.
 *
 * The first worker starts alone. Only when it serves do the others start: an app that does not load
 * fails once, with one error, and not once per CPU. */
#include "server/supervisor_state.h"

#include "justhttp.h"
#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  TEXT_BYTES = 512,
  /* Workers end themselves at shutdown_timeout_ms; this much later they are killed. */
  KILL_GRACE_MS = 500,
  KILL_AT_ONCE_MS = 200,
  /* Some tools signal the process and then its whole group: that is one request to stop. */
  SAME_SIGNAL_MS = 50,
  EXIT_USAGE = 2
};

void jh_supervisor_start_worker(jh_supervisor *sup, jh_worker_process *worker) {
  size_t count = 0;
  sup->own_fds[count++] = sup->signal_fd;
  sup->own_fds[count++] = sup->manager.notify_fd;
  sup->own_fds[count++] = sup->upgrade.ready_fd;
  sup->own_fds[count++] = sup->handover.ready_fd;
  sup->own_fds[count++] = sup->handover.control_fd;
  sup->own_fds[count++] = sup->handover.keys_fd;
  for (size_t i = 0; i < sup->slot_count; i++) sup->own_fds[count++] = sup->workers[i].ready_fd;
  struct pollfd control[JH_CONTROL_POLLS_MAX];
  size_t control_count = jh_control_polls(&sup->control, control);
  for (size_t i = 0; i < control_count; i++) sup->own_fds[count++] = control[i].fd;
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

void jh_supervisor_signal_workers(const jh_supervisor *sup, int signal) {
  for (size_t i = 0; i < sup->slot_count; i++) jh_worker_process_signal(&sup->workers[i], signal);
}

size_t jh_supervisor_count_workers(const jh_supervisor *sup, bool only_ready) {
  size_t count = 0;
  for (size_t i = 0; i < sup->slot_count; i++) {
    const jh_worker_process *worker = &sup->workers[i];
    if (worker->pid > 0 && (worker->is_ready || !only_ready)) count++;
  }
  return count;
}

void jh_supervisor_start_due(jh_supervisor *sup, uint64_t now_ms) {
  if (sup->state == JH_SUPERVISOR_STOPPING) return;
  for (size_t i = 0; i < sup->slot_count; i++) {
    jh_worker_process *worker = &sup->workers[i];
    if (worker->restart_at_ms != 0 && worker->restart_at_ms <= now_ms)
      jh_supervisor_start_worker(sup, worker);
  }
}

/* ---- ready ------------------------------------------------------------------------------- */

static void print_banner(const jh_supervisor *sup) {
  const char *app = sup->config->app_path != NULL ? sup->config->app_path : "-e";
  uint32_t routes = sup->workers[0].route_count;
  printf("justhttp %s: %s, %u route%s, %zu worker%s%s\n", jh_version(), app, routes,
         routes == 1 ? "" : "s", sup->slot_count, sup->slot_count == 1 ? "" : "s",
         sup->options->dev ? ", development mode" : "");
}

static void announce(jh_supervisor *sup) {
  char state_text[TEXT_BYTES];
  if (isatty(STDOUT_FILENO)) print_banner(sup);
  for (size_t i = 0; i < sup->listeners.count; i++)
    if (!sup->listeners.listeners[i].is_extra)
      printf("listening on %s\n", sup->listeners.listeners[i].url);
  if (isatty(STDOUT_FILENO)) puts("Ctrl-C stops it");
  fflush(stdout);
  snprintf(state_text, sizeof state_text, "READY=1\nMAINPID=%ld\nSTATUS=%zu workers serve %s",
           (long)getpid(), sup->slot_count, sup->listeners.listeners[0].url);
  jh_service_manager_notify(&sup->manager, state_text);
}

void jh_supervisor_on_ready(jh_supervisor *sup, const jh_worker_process *worker) {
  if (sup->state == JH_SUPERVISOR_SERVING)
    jh_log_printf(&sup->files.log, JH_LOG_INFO, "worker %d (pid %ld) serves", worker->slot,
                  (long)worker->pid);
  if (sup->state != JH_SUPERVISOR_STARTING) return;
  if (worker->slot == 0) {
    for (size_t i = 1; i < sup->slot_count; i++) jh_supervisor_start_worker(sup, &sup->workers[i]);
  }
  if (jh_supervisor_count_workers(sup, true) < sup->slot_count) return;
  sup->state = JH_SUPERVISOR_SERVING;
  jh_supervisor_take_over(sup);
  announce(sup);
}

/* ---- stop -------------------------------------------------------------------------------- */

void jh_supervisor_stop(jh_supervisor *sup, int signal) {
  uint64_t now_ms = jh_clock_monotonic_ms();
  bool is_first = sup->state != JH_SUPERVISOR_STOPPING;
  if (is_first) {
    sup->state = JH_SUPERVISOR_STOPPING;
    sup->stopping_since_ms = now_ms;
    if (!sup->has_handed_over) jh_service_manager_notify(&sup->manager, "STOPPING=1");
    jh_supervisor_stop_upgrade(sup, now_ms, true);
  } else if (sup->is_hurried || now_ms < sup->stopping_since_ms + SAME_SIGNAL_MS) {
    return;
  }
  if (is_first && signal != SIGQUIT) {
    sup->kill_at_ms = now_ms + sup->options->shutdown_timeout_ms + KILL_GRACE_MS;
    if (jh_supervisor_count_workers(sup, true) > 0)
      jh_log_printf(
          &sup->files.log, JH_LOG_INFO,
          "stopping; running requests have %u ms to finish, a second signal stops at once",
          sup->options->shutdown_timeout_ms);
    jh_supervisor_signal_workers(sup, SIGTERM);
  } else {
    sup->is_hurried = true;
    sup->kill_at_ms = now_ms + KILL_AT_ONCE_MS;
    jh_supervisor_signal_workers(sup, SIGQUIT);
  }
  /* From here on only the workers hold the sockets: when they stop accepting, nobody does. */
  jh_listener_set_close(&sup->listeners);
}

void jh_supervisor_kill_overdue(jh_supervisor *sup, uint64_t now_ms) {
  if (sup->state != JH_SUPERVISOR_STOPPING || now_ms < sup->kill_at_ms) return;
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

/* ---- ends -------------------------------------------------------------------------------- */

/* A server that never served gives up. The worker has said why, unless a signal ended it. */
static void give_up(jh_supervisor *sup, const jh_worker_process *worker, int wait_status) {
  char end[64], text[TEXT_BYTES];
  sup->exit_code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EXIT_FAILURE;
  if (sup->exit_code == 0 || sup->exit_code > EXIT_USAGE || WIFSIGNALED(wait_status)) {
    jh_worker_process_describe_end(wait_status, end, sizeof end);
    snprintf(text, sizeof text, "worker %d %s before it served a request", worker->slot, end);
    jh_supervisor_refuse_handover(sup, text);
    sup->exit_code = jh_supervisor_fail(text);
  }
  jh_supervisor_stop(sup, SIGQUIT);
}

static void restart_later(jh_supervisor *sup, jh_worker_process *worker, pid_t pid, int wait_status,
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

static void on_end(jh_supervisor *sup, pid_t pid, int wait_status) {
  for (size_t i = 0; i < sup->slot_count; i++) {
    jh_worker_process *worker = &sup->workers[i];
    if (worker->pid != pid) continue;
    uint64_t now_ms = jh_clock_monotonic_ms();
    uint64_t served_ms = worker->is_ready ? now_ms - worker->ready_at_ms : 0;
    jh_worker_process_clear(worker);
    jh_supervisor_tell_stuck(sup, worker, pid);
    if (sup->state == JH_SUPERVISOR_STARTING) give_up(sup, worker, wait_status);
    if (sup->state == JH_SUPERVISOR_SERVING)
      restart_later(sup, worker, pid, wait_status, served_ms);
  }
}

void jh_supervisor_reap(jh_supervisor *sup) {
  for (;;) {
    int wait_status;
    pid_t pid = waitpid(-1, &wait_status, WNOHANG);
    if (pid <= 0) return;
    if (!jh_supervisor_end_upgrade(sup, pid, wait_status)) on_end(sup, pid, wait_status);
  }
}
