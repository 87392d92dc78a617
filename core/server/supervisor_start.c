/* supervisor_start.c: everything the supervisor opens before its first worker, and closes after the
 * last one. */
#include "server/supervisor_state.h"

#include "base/alloc.h"
#include "net/ip_table.h"
#include "server/cpu.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { ERROR_BYTES = 512, EXIT_USAGE = 2 };

int jh_supervisor_fail(const char *text) {
  fprintf(stderr, "justhttp: %s\n", text);
  return EXIT_FAILURE;
}

/* Every connection is a descriptor; the soft limit of 1024 is a relic of select(). */
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static int block_signals(jh_supervisor *sup) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGQUIT);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGUSR2);
  signal(SIGPIPE, SIG_IGN);
  if (sigprocmask(SIG_BLOCK, &signals, &sup->start.signals) != 0) return -errno;
  sigdelset(&sup->start.signals, SIGTERM);
  sigdelset(&sup->start.signals, SIGQUIT);
  sigdelset(&sup->start.signals, SIGHUP);
  sigaddset(&sup->start.signals, SIGUSR1); /* until the worker is ready to take it */
  sup->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  return sup->signal_fd < 0 ? -errno : 0;
}

void jh_supervisor_make_slots(jh_supervisor *sup) {
  const jh_options *options = sup->options;
  uint32_t cpus = jh_cpu_allowed_count();
  bool is_asked = jh_options_source(options, JH_OPTIONS_INDEX_pin_workers) != 0;
  sup->slot_count = options->workers != 0 ? options->workers : jh_cpu_worker_count();
  sup->workers = jh_alloc(sup->slot_count * sizeof *sup->workers);
  sup->polls = jh_alloc((sup->slot_count + 2 + JH_CONTROL_POLLS_MAX) * sizeof *sup->polls);
  sup->own_fds = jh_alloc((sup->slot_count + 6 + JH_CONTROL_POLLS_MAX) * sizeof *sup->own_fds);
  for (size_t i = 0; i < sup->slot_count; i++) jh_worker_process_init(&sup->workers[i], (int)i);
  sup->start.config = (jh_worker_config){.options = options,
                                         .slot_count = (int)sup->slot_count,
                                         .app_path = sup->config->app_path,
                                         .app_code = sup->config->app_code,
                                         .bundle = sup->config->bundle,
                                         .command = "run"};
  sup->start.config.hub = &sup->hub;
  if (options->max_conns_per_ip > 0) {
    sup->start.config.ip_table =
        jh_ip_table_new((uint32_t)sup->slot_count, options->max_connections);
  }
  jh_control_init(&sup->control);
  sup->start.work = sup->config->work;
  sup->start.listeners = &sup->listeners;
  sup->start.identity = &sup->identity;
  /* With fewer workers than CPUs a fixed place only keeps them from the idle ones. */
  sup->start.pins_workers = options->pin_workers && (is_asked || sup->slot_count >= cpus);
}

int jh_supervisor_prepare(jh_supervisor *sup) {
  char error[ERROR_BYTES] = "";
  const jh_options *options = sup->options;
  int rc = jh_identity_find(&sup->identity, options->user, options->group, error, sizeof error);
  if (rc != 0) {
    jh_supervisor_fail(error);
    return EXIT_USAGE;
  }
  raise_descriptor_limit();
  rc = jh_run_files_open(&sup->files, options, &sup->identity, error, sizeof error);
  if (rc == 0)
    rc = jh_listener_set_open(&sup->listeners, options, sup->slot_count, &sup->manager,
                              &sup->handover, &sup->identity, error, sizeof error);
  if (rc == 0) rc = jh_supervisor_prepare_tls(sup, error, sizeof error);
  if (rc == 0) jh_supervisor_take_keys(sup);
  if (rc == 0) {
    rc = jh_hub_sockets_open(&sup->hub, (uint32_t)sup->slot_count);
    if (rc != 0) snprintf(error, sizeof error, "cannot join workers: %s", strerror(-rc));
  }
  /* What names the server is the old one's until this one serves. */
  if (rc == 0 && sup->handover.control_fd < 0)
    rc = jh_supervisor_open_control(sup, error, sizeof error);
  if (rc == 0 && !sup->handover.is_given)
    rc = jh_run_files_write_pid(&sup->files, error, sizeof error);
  if (rc == 0) {
    rc = block_signals(sup);
    if (rc != 0) snprintf(error, sizeof error, "cannot receive signals: %s", strerror(-rc));
  }
  if (rc == 0) return 0;
  jh_supervisor_refuse_handover(sup, error);
  return jh_supervisor_fail(error);
}

void jh_supervisor_clean_up(jh_supervisor *sup) {
  jh_control_close(&sup->control);
  jh_handover_deinit(&sup->handover);
  jh_listener_set_deinit(&sup->listeners);
  jh_tls_setup_close(&sup->tls);
  jh_ip_table_free(sup->start.config.ip_table);
  jh_hub_sockets_close(&sup->hub);
  if (sup->signal_fd >= 0) close(sup->signal_fd);
  jh_run_files_close(&sup->files);
  jh_service_manager_deinit(&sup->manager);
  for (size_t i = 0; i < sup->slot_count; i++) jh_worker_process_deinit(&sup->workers[i]);
  jh_free(sup->workers);
  jh_free(sup->polls);
  jh_free(sup->own_fds);
}
