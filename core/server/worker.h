/* worker.h: one worker: a loop, its listeners, the current generation, logs.
 *
 * In a worker process jh_worker_main() makes one and runs it; in a program that embeds the server
 * (and in specs) jh_standalone_open() makes one that the caller drives. */
#ifndef JH_SERVER_WORKER_H
#define JH_SERVER_WORKER_H

#include "http/coding.h"
#include "lua/budget.h"
#include "net/listener.h"
#include "net/loop.h"
#include "server/access_log.h"
#include "server/generation.h"
#include "server/offload.h"
#include "server/timer.h"
#include "server/worker_config.h"

typedef struct jh_worker {
  jh_loop loop;
  jh_timer_table timers;
  jh_generation *generation;
  jh_budget *budget;       /* NULL without cpu_budget_ms */
  jh_heartbeat *heartbeat; /* the slot's, or own_heartbeat */
  jh_heartbeat own_heartbeat;
  const jh_options *options;
  const jh_worker_config *config; /* NULL stand-alone */
  jh_options *own_options;        /* stand-alone: ours to free */
  jh_log log;
  jh_access_log_buffer access_log;
  jh_coding_pool codings;
  jh_offloads offloads;
  jh_peer_settings peers;         /* its ranges are ours to free */
  struct jh_hub_peers *hub_peers; /* NULL: there are no other workers */
  jh_log_gate concurrency_gate;
  uint64_t refused_count; /* requests over `concurrency` */
  jh_listener *listeners;
  size_t listener_count; /* started ones */
  uv_signal_t drain_signal, stop_signal, refresh_signal, reopen_signal;
  uint32_t tls_version; /* of the certificates in use */
  uv_timer_t drain_timer;
  uv_timer_t turn_timer; /* lets the loop turn although nothing happens: for the heartbeat */
  bool is_ready;         /* jh_generation_ready() was called */
  bool is_draining;
  bool has_drained; /* JH_EVENT_DRAIN was sent */
  bool has_ended;   /* jh_generation_end() was called */
  int exit_code;
  jh_event_node drain_node;
} jh_worker;

/* Runs a worker process until it has drained; returns its exit code. */
int jh_worker_main(const jh_worker_config *config);

/* Prepares everything but listeners and VM. 0 or a negative code. */
int jh_worker_init(jh_worker *worker, const jh_options *options, const jh_worker_config *config);
void jh_worker_deinit(jh_worker *worker);

/* Begins to stop: no new connections; running requests get `shutdown_timeout_ms`. The drain timer
 * must have been initialised. */
void jh_worker_drain(jh_worker *worker);

/* One turn: the loop, Lua, what is left to write. */
void jh_worker_turn(jh_worker *worker, bool wait);

#endif
