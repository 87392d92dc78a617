/* generation.h: one loaded app in one worker: router, ready queue, VM.
 *
 * Requests that arrive go to the worker's current generation. `ready` is what Lua pulls from; it is
 * filled by dispatch.c, timers and posts. */
#ifndef JH_SERVER_GENERATION_H
#define JH_SERVER_GENERATION_H

#include "base/event_queue.h"
#include "base/list.h"
#include "base/pool.h"
#include "http/router.h"
#include "lua/vm.h"
#include "server/heartbeat.h"

struct jh_bundle;
struct jh_loop;
struct jh_worker;

/* What a route says about bodies, known before they come; see jh_route_limit(). */
typedef struct jh_route_policy {
  int64_t max_body_bytes;  /* -1: the server's */
  int64_t body_timeout_ms; /* -1: the server's */
  bool is_set;
  bool is_early;
} jh_route_policy;

struct jh_generation {
  struct jh_worker *worker;
  const struct jh_bundle *bundle; /* its files; NULL without. It outlives the generation */
  jh_router *router;
  jh_event_queue ready;
  jh_pool posts;             /* nodes of jh_generation_post() */
  jh_route_policy *policies; /* by route id */
  uint32_t policy_count;
  jh_list tls_lookups;  /* handshakes that wait to be taken by jh_tls_lookup_next() */
  jh_list tls_taken;    /* those that Lua looks up */
  uint32_t tls_wait_id; /* who waits for one; 0 nobody */
  jh_event_node tls_node;
  jh_list memory_conns;        /* open handles of jh_memory_conn_open() */
  jh_heartbeat *heartbeat;     /* the worker's */
  jh_heartbeat_counts *counts; /* ours in it */
  jh_vm *vm;                   /* NULL stand-alone: the caller's own Lua drains */
  uint32_t number;
  uint32_t in_flight; /* ctxs that Lua holds and that wait for an answer */
  uint32_t shadows;   /* ctxs that Lua holds after their client was answered by timeout */
};

/* An empty generation, without a VM. Aborts when memory is out. */
jh_generation *jh_generation_new(struct jh_worker *worker, uint32_t number);

/* Frees it; its VM is closed first. */
void jh_generation_free(jh_generation *generation);

/* Closes the VM, and the handles that its Lua had not closed: connections in memory and hijacked
 * ones. Harmless when there is no VM any more. */
void jh_generation_close_vm(jh_generation *generation);

/* Closes what is left of memory_conns; in memory_conn.c. */
void jh_memory_conn_close_all(jh_generation *generation);

/* True when Lua has something to pull. */
static inline bool jh_generation_has_events(const jh_generation *generation) {
  return generation->ready.first != NULL;
}

/* ==== cdef: begin ==== */

/* The loop that its connections are on. */
struct jh_loop *jh_generation_loop(jh_generation *generation);

/* ==== cdef: end ==== */

/* Lua is done with a ctx, answered or not. */
void jh_generation_put_back(jh_generation *generation, jh_ctx *ctx);

#endif
