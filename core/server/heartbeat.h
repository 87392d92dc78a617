/* heartbeat.h: a page of memory per worker slot that the worker writes and the supervisor reads.
 *
 * The supervisor makes the pages before it forks, so they outlive the workers: what a dead one was
 * doing is still there. The worker writes with plain stores, at every turn and event; nothing is
 * locked, so a reader takes each number by itself. A worker without supervisor writes into memory
 * of its own. */
#ifndef JH_SERVER_HEARTBEAT_H
#define JH_SERVER_HEARTBEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ==== cdef: begin ==== */

enum {
  JH_HEARTBEAT_GENERATIONS = 4, /* the youngest ones have counts */
  JH_HEARTBEAT_TEXT_BYTES = 512
};

/* What the requests of one generation came to, in one worker. */
typedef struct jh_heartbeat_counts {
  volatile uint32_t generation;    /* its number; 0: nobody's */
  volatile uint64_t request_count; /* that Lua was given */
  volatile uint64_t error_count;   /* of these, answered with 500 or above */
} jh_heartbeat_counts;

typedef struct jh_heartbeat {
  volatile uint64_t turn_count;  /* turns of the loop */
  volatile uint64_t turn_at_ms;  /* when the last one began; monotonic clock */
  volatile uint64_t event_count; /* events that Lua has pulled */
  const void *volatile ctx;      /* whom Lua works for, at the worker's own address; NULL nobody */
  jh_heartbeat_counts counts[JH_HEARTBEAT_GENERATIONS];
  /* Written by a worker that does not turn any more, when it is asked to: see stuck.h. */
  volatile bool has_note;
  volatile bool has_place;
  char serving[JH_HEARTBEAT_TEXT_BYTES]; /* "GET /path (request 12ab)"; "" for no request */
  char place[JH_HEARTBEAT_TEXT_BYTES];   /* "app.lua:12" */
} jh_heartbeat;

/* A page that workers forked from now on share. Aborts when memory is out. */
jh_heartbeat *jh_heartbeat_new(void);
void jh_heartbeat_free(jh_heartbeat *heartbeat);

/* Before a worker starts in the slot. */
void jh_heartbeat_clear(jh_heartbeat *heartbeat);

/* For the worker: the counts of a generation (its number, from 1 on), zero when it has none yet.
 * The oldest of JH_HEARTBEAT_GENERATIONS others loses its own then. */
jh_heartbeat_counts *jh_heartbeat_counts_of(jh_heartbeat *heartbeat, uint32_t generation);

/* For the supervisor: those of a generation, or NULL when this worker never had it or lost them. */
const jh_heartbeat_counts *jh_heartbeat_find_counts(const jh_heartbeat *heartbeat,
                                                    uint32_t generation);

/* ==== cdef: end ==== */

#endif
