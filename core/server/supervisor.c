/* supervisor.c: a loop over poll(): signals come in through a signalfd, workers report on pipes.
 *
 * Signals stay blocked in this process from start to end, so there are no handlers, no globals and
 * no interrupted system calls. */
#include "server/supervisor.h"

#include "base/clock.h"
#include "server/supervisor_state.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { ERROR_BYTES = 512 };

/* The terminal has gone, or somebody who started us there. */
static bool is_hangup(const jh_supervisor *sup, const struct signalfd_siginfo *info) {
  if (info->ssi_code == SI_KERNEL) return true;
  if (!sup->has_terminal) return false;
  int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return true;
  close(fd);
  return false;
}

static void reopen_logs(jh_supervisor *sup) {
  char error[ERROR_BYTES];
  if (jh_run_files_reopen(&sup->files, &sup->identity, error, sizeof error) != 0)
    jh_log_printf(&sup->files.log, JH_LOG_ERROR, "%s", error);
  jh_supervisor_signal_workers(sup, SIGUSR1);
}

static void read_signals(jh_supervisor *sup) {
  struct signalfd_siginfo info;
  while (read(sup->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      jh_supervisor_reap(sup);
    } else if (info.ssi_signo == SIGUSR1) {
      reopen_logs(sup);
    } else if (info.ssi_signo == SIGUSR2) {
      jh_supervisor_upgrade(sup, 0);
    } else if (info.ssi_signo == SIGHUP && sup->tls.shared &&
               sup->state != JH_SUPERVISOR_STOPPING && !is_hangup(sup, &info)) {
      jh_supervisor_refresh_certificates(sup);
    } else {
      jh_supervisor_stop(sup, (int)info.ssi_signo);
    }
  }
}

static void give_sign_of_life(jh_supervisor *sup, uint64_t now_ms) {
  if (sup->manager.watchdog_ms == 0 || now_ms < sup->next_sign_at_ms) return;
  sup->next_sign_at_ms = now_ms + sup->manager.watchdog_ms;
  if (sup->state != JH_SUPERVISOR_SERVING || jh_supervisor_count_workers(sup, true) > 0)
    jh_service_manager_notify(&sup->manager, "WATCHDOG=1");
}

/* Milliseconds until something is due, or -1. */
static int time_to_wait(const jh_supervisor *sup, uint64_t now_ms) {
  uint64_t due_ms = UINT64_MAX;
  if (sup->state == JH_SUPERVISOR_STOPPING) {
    due_ms = sup->kill_at_ms;
  } else {
    for (size_t i = 0; i < sup->slot_count; i++) {
      uint64_t at_ms = sup->workers[i].restart_at_ms;
      if (at_ms != 0 && at_ms < due_ms) due_ms = at_ms;
    }
  }
  if (sup->manager.watchdog_ms != 0 && sup->next_sign_at_ms < due_ms) due_ms = sup->next_sign_at_ms;
  if (sup->upgrade.pid > 0 && sup->upgrade.end_at_ms < due_ms) due_ms = sup->upgrade.end_at_ms;
  if (sup->tls.shared && sup->tls.rotate_at_ms < due_ms) due_ms = sup->tls.rotate_at_ms;
  uint64_t watch_at_ms = jh_supervisor_watch_at_ms(sup);
  if (watch_at_ms < due_ms) due_ms = watch_at_ms;
  if (due_ms == UINT64_MAX) return -1;
  return due_ms <= now_ms ? 0 : (int)(due_ms - now_ms);
}

static void wait_for_events(jh_supervisor *sup) {
  sup->polls[0] = (struct pollfd){.fd = sup->signal_fd, .events = POLLIN};
  for (size_t i = 0; i < sup->slot_count; i++)
    sup->polls[i + 1] = (struct pollfd){.fd = sup->workers[i].ready_fd, .events = POLLIN};
  struct pollfd *control = sup->polls + sup->slot_count + 1;
  size_t control_count = jh_control_polls(&sup->control, control);
  struct pollfd *upgrade = control + control_count;
  *upgrade = (struct pollfd){.fd = sup->upgrade.ready_fd, .events = POLLIN};
  int timeout_ms = time_to_wait(sup, jh_clock_monotonic_ms());
  if (poll(sup->polls, sup->slot_count + 2 + control_count, timeout_ms) <= 0) return;
  for (size_t i = 0; i < sup->slot_count; i++) {
    jh_worker_process *worker = &sup->workers[i];
    /* A worker started a moment ago may have taken the number of a closed pipe. */
    if (sup->polls[i + 1].revents == 0 || sup->polls[i + 1].fd != worker->ready_fd) continue;
    if (jh_worker_process_read_ready(worker, jh_clock_monotonic_ms()))
      jh_supervisor_on_ready(sup, worker);
  }
  if (upgrade->revents != 0) jh_supervisor_read_upgrade(sup);
  jh_control_on_polled(&sup->control, control, control_count, jh_supervisor_on_command, sup);
  if (sup->polls[0].revents != 0) read_signals(sup);
}

static void run_loop(jh_supervisor *sup) {
  jh_supervisor_start_worker(sup, &sup->workers[0]);
  while (sup->state != JH_SUPERVISOR_STOPPING || jh_supervisor_count_workers(sup, false) > 0) {
    wait_for_events(sup);
    uint64_t now_ms = jh_clock_monotonic_ms();
    jh_supervisor_kill_overdue(sup, now_ms);
    jh_supervisor_watch(sup, now_ms);
    jh_supervisor_start_due(sup, now_ms);
    jh_supervisor_stop_upgrade(sup, now_ms, false);
    jh_tls_setup_rotate(&sup->tls, now_ms);
    give_sign_of_life(sup, now_ms);
  }
  if (sup->exit_code == 0) jh_log_printf(&sup->files.log, JH_LOG_INFO, "stopped");
}

int jh_supervisor_run(const jh_supervisor_config *config) {
  jh_supervisor sup;
  memset(&sup, 0, sizeof sup);
  sup.config = config;
  sup.options = config->options;
  sup.signal_fd = sup.upgrade.ready_fd = -1;
  /* Asked for now: once the file has been replaced, the link names the one that is gone. */
  if (readlink("/proc/self/exe", sup.executable, sizeof sup.executable - 1) < 0)
    sup.executable[0] = '\0';
  sup.has_terminal = isatty(STDIN_FILENO) || isatty(STDOUT_FILENO) || isatty(STDERR_FILENO);
  jh_handover_read(&sup.handover);
  jh_service_manager_init(&sup.manager);
  jh_supervisor_make_slots(&sup);
  sup.exit_code = jh_supervisor_prepare(&sup);
  if (sup.exit_code == 0) run_loop(&sup);
  jh_supervisor_clean_up(&sup);
  return sup.exit_code;
}
