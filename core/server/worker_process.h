/* worker_process.h: one worker slot as the supervisor sees it: the process that lives in it, how
 * far it has come, and when the next one is due. */
#ifndef JH_SERVER_WORKER_PROCESS_H
#define JH_SERVER_WORKER_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "server/backoff.h"
#include "server/identity.h"
#include "server/listener_set.h"
#include "server/stuck.h"
#include "server/worker_config.h"

enum { JH_READY_TEXT_BYTES = 64 };

typedef struct jh_worker_process {
  int slot;
  pid_t pid;    /* 0: the slot is empty */
  int ready_fd; /* read end of the pipe on which the worker says that it serves; -1 closed */
  bool is_ready;
  uint32_t route_count;
  uint64_t ready_at_ms;   /* monotonic clock */
  uint64_t restart_at_ms; /* when to fill an empty slot; 0 never */
  jh_backoff backoff;
  jh_heartbeat *heartbeat; /* its own; freed with the slot */
  jh_stuck stuck;
  char ready_text[JH_READY_TEXT_BYTES];
  size_t ready_len;
} jh_worker_process;

/* What every worker of this server starts from. */
typedef struct jh_worker_start {
  jh_worker_config config; /* slot, listeners and ready_fd are filled in per worker */
  int (*work)(const jh_worker_config *config);
  jh_listener_set *listeners;
  const jh_identity *identity;
  bool pins_workers;
  sigset_t signals;   /* the mask workers run with */
  const int *own_fds; /* descriptors of the supervisor that a worker must not keep */
  size_t own_fd_count;
} jh_worker_start;

void jh_worker_process_init(jh_worker_process *process, int slot);
void jh_worker_process_deinit(jh_worker_process *process);

/* Forks a worker into the slot. In the worker it does not return. 0 or a negated errno. */
int jh_worker_process_start(jh_worker_process *process, const jh_worker_start *start);

/* Reads what the worker wrote on its pipe; true once it says that it serves. */
bool jh_worker_process_read_ready(jh_worker_process *process, uint64_t now_ms);

/* Notes that the process is gone; the slot is empty. */
void jh_worker_process_clear(jh_worker_process *process);

/* Sends a signal, if there is a process. */
void jh_worker_process_signal(const jh_worker_process *process, int signal);

/* "was killed by SIGSEGV, core dumped", "exited with code 3", from a status of waitpid(). Returns
 * `out`. */
const char *jh_worker_process_describe_end(int wait_status, char *out, size_t out_bytes);

#endif
