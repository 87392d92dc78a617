/* alarm.h: one-shot timers of the client side: deadlines of links, pauses between two attempts.
 *
 * Pooled uv timers. Stopping one is all its owner has to do; the callback comes once at most and
 * never after jh_alarm_stop(). For server connections there is net/timeout.h, which is cheaper
 * where every deadline of a kind has the same length. */
#ifndef JH_NET_ALARM_H
#define JH_NET_ALARM_H

#include <uv.h>

/* ==== cdef: begin ==== */

typedef struct jh_alarm jh_alarm;

/* The alarm is over and given back already. */
typedef void (*jh_alarm_cb)(void *data);

/* Every alarm of a loop. */
typedef struct jh_alarms {
  uv_loop_t *uv;
  jh_alarm *first_free;
  jh_alarm *first; /* all of them */
} jh_alarms;

void jh_alarms_init(jh_alarms *alarms, uv_loop_t *uv);

/* Closes every timer; the loop must run once more before jh_alarms_deinit(). */
void jh_alarms_close(jh_alarms *alarms);
void jh_alarms_deinit(jh_alarms *alarms);

/* Calls on_alarm(data) in delay_ms, not earlier. NULL when out of memory. */
jh_alarm *jh_alarm_start(jh_alarms *alarms, uint64_t delay_ms, jh_alarm_cb on_alarm, void *data);

/* NULL is allowed; one that rang must not be stopped any more. */
void jh_alarm_stop(jh_alarm *alarm);

/* ==== cdef: end ==== */

#endif
