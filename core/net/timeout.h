/* timeout.h: deadlines of connections, one FIFO list per class.
 *
 * All members of a class have the same duration, so the list is sorted by deadline as long as new
 * ones go to its end: setting, moving and clearing a deadline are a few pointer writes, whatever
 * the number of connections. Routes may have timeouts of their own: each duration has a list. One
 * uv_timer serves all lists; it is armed for the earliest deadline and is not touched when a
 * deadline moves away from it. */
#ifndef JH_NET_TIMEOUT_H
#define JH_NET_TIMEOUT_H

#include <uv.h>

#include "base/list.h"

/* ==== cdef: begin ==== */

typedef enum jh_timeout_class {
  JH_TIMEOUT_KEEPALIVE = 0, /* between requests */
  JH_TIMEOUT_HEADER,        /* first byte of a request to the end of its head */
  JH_TIMEOUT_BODY,          /* between two reads of a body */
  JH_TIMEOUT_WRITE,         /* between two writes to a slow reader */
  JH_TIMEOUT_LINGER,        /* answered and closing, waiting for the peer's end */
  JH_TIMEOUT_HANDSHAKE,     /* of TLS, from the beginning */
  JH_TIMEOUT_CLASS_COUNT
} jh_timeout_class;

/* Durations beside those of the classes that can be in use at the same time. */
enum { JH_TIMEOUT_OWN_COUNT = 8, JH_TIMEOUT_LIST_COUNT = JH_TIMEOUT_CLASS_COUNT + 8 };

/* A deadline inside its connection. */
typedef struct jh_timeout {
  jh_list node;
  uint64_t at_ms; /* on the loop's clock; 0 when not set */
  uint8_t timeout_class;
} jh_timeout;

typedef struct jh_timeouts jh_timeouts;

/* A deadline passed; it is cleared already. */
typedef void (*jh_timeout_cb)(jh_timeouts *timeouts, jh_timeout *timeout);

struct jh_timeouts {
  uv_timer_t timer;
  uint64_t armed_at_ms;                         /* when the timer fires; 0 when it is stopped */
  jh_list lists[JH_TIMEOUT_LIST_COUNT];         /* the own ones behind the classes */
  uint32_t durations_ms[JH_TIMEOUT_LIST_COUNT]; /* 0: no limit */
  jh_timeout_cb on_timeout;
  void *data; /* the owner's */
};

int jh_timeouts_init(jh_timeouts *timeouts, uv_loop_t *loop, jh_timeout_cb on_timeout);

/* Closes the timer; the loop must run once more. */
void jh_timeouts_close(jh_timeouts *timeouts);

void jh_timeout_init(jh_timeout *timeout);

/* Sets the deadline of its class, from now; replaces any other. */
inline void jh_timeout_set(jh_timeouts *timeouts, jh_timeout *timeout,
                           jh_timeout_class timeout_class);

/* As jh_timeout_set(), with a duration of its own; 0 is no limit. When more durations than
 * JH_TIMEOUT_OWN_COUNT are in use it is the next longer one of them. */
void jh_timeout_set_own(jh_timeouts *timeouts, jh_timeout *timeout, jh_timeout_class timeout_class,
                        uint32_t duration_ms);

/* True when a deadline of this class is set. */
inline bool jh_timeout_is(const jh_timeout *timeout, jh_timeout_class timeout_class);

/* Takes the deadline away. */
inline void jh_timeout_clear(jh_timeout *timeout);

/* Appends the deadline, `durations_ms` of that list from now. For this file. */
inline void jh_timeout_enlist(jh_timeouts *timeouts, jh_timeout *timeout,
                              jh_timeout_class timeout_class, int list);

/* Arms the timer for `at_ms`, which is earlier than what it waits for. */
void jh_timeouts_arm(jh_timeouts *timeouts, uint64_t at_ms);

/* ==== cdef: end ==== */

/* inline definitions */

inline bool jh_timeout_is(const jh_timeout *timeout, jh_timeout_class timeout_class) {
  return timeout->at_ms != 0 && timeout->timeout_class == timeout_class;
}

inline void jh_timeout_clear(jh_timeout *timeout) {
  timeout->at_ms = 0;
  jh_list_remove(&timeout->node);
}

inline void jh_timeout_enlist(jh_timeouts *timeouts, jh_timeout *timeout,
                              jh_timeout_class timeout_class, int list) {
  jh_timeout_clear(timeout);
  uint32_t duration_ms = timeouts->durations_ms[list];
  if (duration_ms == 0) return;
  timeout->timeout_class = (uint8_t)timeout_class;
  timeout->at_ms = uv_now(timeouts->timer.loop) + duration_ms;
  jh_list_append(&timeouts->lists[list], &timeout->node);
  if (timeouts->armed_at_ms == 0 || timeout->at_ms < timeouts->armed_at_ms) {
    jh_timeouts_arm(timeouts, timeout->at_ms);
  }
}

inline void jh_timeout_set(jh_timeouts *timeouts, jh_timeout *timeout,
                           jh_timeout_class timeout_class) {
  jh_timeout_enlist(timeouts, timeout, timeout_class, (int)timeout_class);
}

#endif
