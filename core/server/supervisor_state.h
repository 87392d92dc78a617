/* supervisor_state.h: what the files of the supervisor share: its state, and what one asks of
 * another. Nobody else includes this; supervisor.h is for the rest. */
#ifndef JH_SERVER_SUPERVISOR_STATE_H
#define JH_SERVER_SUPERVISOR_STATE_H

#include <limits.h>

#include "base/log.h"
#include "server/control.h"
#include "server/handover.h"
#include "server/hub_sockets.h"
#include "server/identity.h"
#include "server/listener_set.h"
#include "server/run_files.h"
#include "server/service_manager.h"
#include "server/supervisor.h"
#include "server/tls_setup.h"
#include "server/worker_process.h"

typedef enum jh_supervisor_phase {
  JH_SUPERVISOR_STARTING, /* not every slot has served yet */
  JH_SUPERVISOR_SERVING,
  JH_SUPERVISOR_STOPPING
} jh_supervisor_phase;

enum { JH_UPGRADE_TEXT_BYTES = 512 };

/* A new server that is to take this one's place. */
typedef struct jh_upgrade {
  pid_t pid;          /* 0: there is none */
  int ready_fd;       /* what it says: "ready", or why not; -1 closed */
  uint32_t client;    /* of the control socket, who waits for the outcome; 0 nobody */
  uint64_t end_at_ms; /* when it must have got to serve */
  size_t len;
  char text[JH_UPGRADE_TEXT_BYTES];
} jh_upgrade;

typedef struct jh_supervisor {
  const jh_supervisor_config *config;
  const jh_options *options;
  jh_supervisor_phase state;
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
  jh_control control;
  jh_handover handover; /* from the server before this one */
  jh_upgrade upgrade;
  bool has_handed_over;
  char executable[PATH_MAX]; /* the path it had when this process started */
  struct pollfd *polls;      /* [0] signals, then one per slot, then those of the control socket */
  int *own_fds;              /* what a worker closes */
  size_t slot_count;
  int signal_fd;
  uint64_t stopping_since_ms;
  uint64_t kill_at_ms;      /* while STOPPING */
  uint64_t next_sign_at_ms; /* watchdog */
  uint64_t next_look_at_ms; /* at workers that may be stuck */
  bool is_hurried;          /* asked to stop twice */
} jh_supervisor;

/* ---- supervisor_start.c ---- */

/* Writes a line to standard error; returns EXIT_FAILURE. */
int jh_supervisor_fail(const char *text);

void jh_supervisor_make_slots(jh_supervisor *sup);

/* Opens listeners, logs, certificates; blocks the signals. 0 or an exit code. */
int jh_supervisor_prepare(jh_supervisor *sup);
void jh_supervisor_clean_up(jh_supervisor *sup);

/* ---- supervisor_workers.c ---- */

void jh_supervisor_start_worker(jh_supervisor *sup, jh_worker_process *worker);
void jh_supervisor_start_due(jh_supervisor *sup, uint64_t now_ms);
void jh_supervisor_signal_workers(const jh_supervisor *sup, int signal);
size_t jh_supervisor_count_workers(const jh_supervisor *sup, bool only_ready);

/* A worker said that it serves. */
void jh_supervisor_on_ready(jh_supervisor *sup, const jh_worker_process *worker);

/* Begins to stop, or hurries when it has begun. */
void jh_supervisor_stop(jh_supervisor *sup, int signal);

/* Kills workers that take longer than they may. */
void jh_supervisor_kill_overdue(jh_supervisor *sup, uint64_t now_ms);

/* Takes the status of every child that has ended. */
void jh_supervisor_reap(jh_supervisor *sup);

/* ---- supervisor_upgrade.c ---- */

/* Starts a new server; `client` of the control socket hears how it went, 0 is nobody. */
void jh_supervisor_upgrade(jh_supervisor *sup, uint32_t client);

/* upgrade.ready_fd is readable. */
void jh_supervisor_read_upgrade(jh_supervisor *sup);

/* True when the child that ended was a new server. */
bool jh_supervisor_end_upgrade(jh_supervisor *sup, pid_t pid, int wait_status);

/* Ends a new server that takes too long, or any. */
void jh_supervisor_stop_upgrade(jh_supervisor *sup, uint64_t now_ms, bool is_at_once);

/* In a new server: takes the keys of session tickets; tells the old one that all workers serve, and
 * owns from then on what it had; tells it why not. Nothing happens without an old one. */
void jh_supervisor_take_keys(jh_supervisor *sup);
void jh_supervisor_take_over(jh_supervisor *sup);
void jh_supervisor_refuse_handover(const jh_supervisor *sup, const char *why);

/* ---- supervisor_tls.c ---- */

/* 0, or a negative code and one line in `error`. */
int jh_supervisor_prepare_tls(jh_supervisor *sup, char *error, size_t error_bytes);
void jh_supervisor_refresh_certificates(jh_supervisor *sup);

/* ---- supervisor_control.c ---- */

/* 0, or a negative code and one line in `error`. */
int jh_supervisor_open_control(jh_supervisor *sup, char *error, size_t error_bytes);

/* A jh_control_handler. */
void jh_supervisor_on_command(void *sup, uint32_t client, const char *line);

/* ---- supervisor_watch.c ---- */

/* Looks for workers that are stuck, and ends them. */
void jh_supervisor_watch(jh_supervisor *sup, uint64_t now_ms);

/* When to look next; UINT64_MAX never. */
uint64_t jh_supervisor_watch_at_ms(const jh_supervisor *sup);

/* A worker has ended: says in the log what it was doing if that is why. */
void jh_supervisor_tell_stuck(jh_supervisor *sup, const jh_worker_process *worker, pid_t pid);

#endif
