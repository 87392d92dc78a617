/* alarm.c: uv timers that are used again. They are closed with the loop only: closing one takes a
 * turn, and then its memory would have to outlive its owner. */
#include "net/alarm.h"

#include "base/alloc.h"

struct jh_alarm {
  uv_timer_t timer;
  jh_alarms *alarms;
  jh_alarm *next_free;
  jh_alarm *next; /* in alarms->first */
  jh_alarm_cb on_alarm;
  void *data;
};

void jh_alarms_init(jh_alarms *alarms, uv_loop_t *uv) {
  *alarms = (jh_alarms){.uv = uv};
}

void jh_alarms_close(jh_alarms *alarms) {
  for (jh_alarm *alarm = alarms->first; alarm; alarm = alarm->next) {
    uv_close((uv_handle_t *)&alarm->timer, NULL);
  }
}

void jh_alarms_deinit(jh_alarms *alarms) {
  while (alarms->first) {
    jh_alarm *alarm = alarms->first;
    alarms->first = alarm->next;
    jh_free(alarm);
  }
}

static void give_back(jh_alarm *alarm) {
  alarm->next_free = alarm->alarms->first_free;
  alarm->alarms->first_free = alarm;
}

static void on_timer(uv_timer_t *timer) {
  jh_alarm *alarm = timer->data;
  jh_alarm_cb on_alarm = alarm->on_alarm;
  void *data = alarm->data;
  give_back(alarm);
  /* What it leads to may be an event for Lua: then the poll that follows must not wait. */
  uv_stop(timer->loop);
  on_alarm(data);
}

static jh_alarm *take(jh_alarms *alarms) {
  jh_alarm *alarm = alarms->first_free;
  if (alarm) {
    alarms->first_free = alarm->next_free;
    return alarm;
  }
  alarm = jh_try_calloc(1, sizeof *alarm);
  if (!alarm) return NULL;
  uv_timer_init(alarms->uv, &alarm->timer);
  alarm->timer.data = alarm;
  alarm->alarms = alarms;
  alarm->next = alarms->first;
  alarms->first = alarm;
  return alarm;
}

jh_alarm *jh_alarm_start(jh_alarms *alarms, uint64_t delay_ms, jh_alarm_cb on_alarm, void *data) {
  jh_alarm *alarm = take(alarms);
  if (!alarm) return NULL;
  alarm->on_alarm = on_alarm;
  alarm->data = data;
  /* The loop's clock stands still while Lua runs, and counts whole milliseconds. */
  uv_update_time(alarms->uv);
  uv_timer_start(&alarm->timer, on_timer, delay_ms + 1, 0);
  return alarm;
}

void jh_alarm_stop(jh_alarm *alarm) {
  if (!alarm) return;
  uv_timer_stop(&alarm->timer);
  give_back(alarm);
}
