/* backoff.h: how long to wait before a worker that failed is started again. A single crash is
 * answered at once; a worker that cannot live is tried ever more rarely, so that a broken app costs
 * log lines and not a whole CPU. */
#ifndef JH_SERVER_BACKOFF_H
#define JH_SERVER_BACKOFF_H

#include <stdint.h>

/* ==== cdef: begin ==== */

enum {
  JH_BACKOFF_FIRST_MS = 100, /* after the second failure in a row; doubles from there */
  JH_BACKOFF_MAX_MS = 10000,
  JH_BACKOFF_HEALTHY_MS = 3000 /* a worker that served this long ends the row of failures */
};

/* Zeroed before first use. */
typedef struct jh_backoff {
  uint32_t failure_count; /* in a row */
} jh_backoff;

/* Counts a failure of a worker that had served for `served_ms` (0 when it never did). Returns the
 * time to wait. */
uint32_t jh_backoff_fail(jh_backoff *backoff, uint64_t served_ms);

/* ==== cdef: end ==== */

#endif
