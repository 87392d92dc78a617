/* waiter.h: a task of Lua that waits for something of the client side: a wait id, a deadline, the
 * event that ends it.
 *
 * Part of what is waited for (a socket has one for reading and one for writing). The deadline's
 * alarm is left running when a wait ends and looks at the next one when it rings, so a wait that
 * ends in time costs no timer. An event that was pushed points into the owner until Lua takes it:
 * who closes asks jh_waiter_close() whether its memory is free already. */
#ifndef JH_NET_WAITER_H
#define JH_NET_WAITER_H

#include "base/event_queue.h"
#include "net/alarm.h"

/* ==== cdef: begin ==== */

typedef struct jh_waiter jh_waiter;

struct jh_waiter {
  jh_event_node node;
  jh_event_queue *ready; /* the queue of the generation whose Lua waits */
  jh_alarms *alarms;
  jh_alarm *alarm;
  uint64_t rings_at_ms; /* when the alarm does */
  uint64_t deadline_ms; /* of this wait; 0 none */
  uint32_t id;          /* 0: nobody waits */
  bool is_closed;
  void (*on_timeout)(jh_waiter *waiter); /* may be NULL: JH_ETIMEDOUT is posted then */
  void (*on_unused)(jh_waiter *waiter);  /* closed, and its last event was taken */
};

void jh_waiter_init(jh_waiter *waiter, jh_event_queue *ready, jh_alarms *alarms);

/* Somebody waits from now on, no longer than timeout_ms when that is above 0. JH_EWAIT, JH_EBUSY
 * when somebody does already, or JH_ENOMEM. */
int jh_waiter_start(jh_waiter *waiter, uint32_t id, double timeout_ms);

inline bool jh_waiter_is_waiting(const jh_waiter *waiter);

/* Ends the wait: a JH_EVENT_WAKE with this code. Nothing when nobody waits. */
void jh_waiter_wake(jh_waiter *waiter, int code);

/* The one with this id does not wait any more. True when it did. */
bool jh_waiter_forget(jh_waiter *waiter, uint32_t id);

/* Tells who waits that it is over. True: its memory is free; otherwise on_unused() will come. */
bool jh_waiter_close(jh_waiter *waiter);

/* The queue and the loop are about to go: nobody is told. */
void jh_waiter_abandon(jh_waiter *waiter);

/* Its event was taken off the ready queue. */
void jh_waiter_on_taken(jh_waiter *waiter);

/* ==== cdef: end ==== */

/* inline definitions */

inline bool jh_waiter_is_waiting(const jh_waiter *waiter) {
  return waiter->id != 0;
}

#endif
