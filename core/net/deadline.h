/* deadline.h: moments by which something must have happened, in any order.
 *
 * A binary heap behind one uv_timer. net/timeout.h is cheaper where durations are few; calls bring
 * their own. What is set later than what was set before goes to the heap's end without a
 * comparison more than one, and a deadline that moves away is not moved in the heap until it comes
 * up. Deadlines live inside the objects they belong to. */
#ifndef JH_NET_DEADLINE_H
#define JH_NET_DEADLINE_H

#include <uv.h>

#include "justhttp.h"

/* ==== cdef: begin ==== */

/* Zeroed before first use. */
typedef struct jh_deadline {
  uint64_t at_ms;  /* on the loop's clock; 0 when not set */
  uint64_t key_ms; /* what the heap is ordered by: at most at_ms */
  uint32_t place;  /* in the heap, from 1; 0 when it is not there */
  uint32_t kind;   /* the owner's */
} jh_deadline;

typedef struct jh_deadlines jh_deadlines;

/* It passed, and is cleared already. */
typedef void (*jh_deadline_cb)(jh_deadlines *deadlines, jh_deadline *deadline);

struct jh_deadlines {
  uv_timer_t timer;
  uint64_t armed_at_ms; /* 0: not armed */
  jh_deadline **heap;
  uint32_t count, capacity;
  jh_deadline_cb on_deadline;
  void *data; /* the owner's */
};

int jh_deadlines_init(jh_deadlines *deadlines, uv_loop_t *loop, jh_deadline_cb on_deadline);

/* Closes the timer; the loop must run once more before jh_deadlines_deinit(). */
void jh_deadlines_close(jh_deadlines *deadlines);
void jh_deadlines_deinit(jh_deadlines *deadlines);

/* Sets it to a moment of the loop's clock, in place of any other. 0 or JH_ENOMEM. */
int jh_deadline_set(jh_deadlines *deadlines, jh_deadline *deadline, uint64_t at_ms);

/* Takes it away. */
void jh_deadline_clear(jh_deadlines *deadlines, jh_deadline *deadline);

/* ==== cdef: end ==== */

#endif
