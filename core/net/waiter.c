/* waiter.c: the one way for tasks to wait with a deadline. */
#include "net/waiter.h"

extern inline bool jh_waiter_is_waiting(const jh_waiter *waiter);

void jh_waiter_init(jh_waiter *waiter, jh_event_queue *ready, jh_alarms *alarms) {
  *waiter = (jh_waiter){.ready = ready, .alarms = alarms};
  waiter->node.owner = JH_EVENT_OF_WAITER;
}

static void on_alarm(void *data);

static int set_alarm(jh_waiter *waiter, uint64_t now_ms) {
  jh_alarm_stop(waiter->alarm);
  uint64_t delay_ms = waiter->deadline_ms > now_ms ? waiter->deadline_ms - now_ms : 0;
  waiter->rings_at_ms = waiter->deadline_ms;
  waiter->alarm = jh_alarm_start(waiter->alarms, delay_ms, on_alarm, waiter);
  return waiter->alarm ? 0 : JH_ENOMEM;
}

static void on_alarm(void *data) {
  jh_waiter *waiter = data;
  waiter->alarm = NULL;
  if (!waiter->id || !waiter->deadline_ms) return;
  uint64_t now_ms = uv_now(waiter->alarms->uv);
  if (now_ms < waiter->deadline_ms && set_alarm(waiter, now_ms) == 0) return;
  if (waiter->on_timeout) {
    waiter->on_timeout(waiter);
  } else {
    jh_waiter_wake(waiter, JH_ETIMEDOUT);
  }
}

int jh_waiter_start(jh_waiter *waiter, uint32_t id, double timeout_ms) {
  if (waiter->id) return JH_EBUSY;
  waiter->deadline_ms = 0;
  if (timeout_ms > 0) {
    if (timeout_ms > INT32_MAX) timeout_ms = INT32_MAX;
    /* The loop's clock stands still while Lua runs. */
    uv_update_time(waiter->alarms->uv);
    uint64_t now_ms = uv_now(waiter->alarms->uv);
    uint64_t whole_ms = (uint64_t)timeout_ms;
    waiter->deadline_ms = now_ms + whole_ms + ((double)whole_ms < timeout_ms);
    bool is_covered = waiter->alarm && waiter->rings_at_ms <= waiter->deadline_ms;
    if (!is_covered && set_alarm(waiter, now_ms) < 0) return JH_ENOMEM;
  }
  waiter->id = id;
  return JH_EWAIT;
}

void jh_waiter_wake(jh_waiter *waiter, int code) {
  if (!waiter->id) return;
  waiter->node.event = (jh_event){.kind = JH_EVENT_WAKE, .id = waiter->id, .error = code};
  waiter->id = 0;
  jh_event_queue_push(waiter->ready, &waiter->node);
}

bool jh_waiter_forget(jh_waiter *waiter, uint32_t id) {
  if (waiter->id != id) return false;
  waiter->id = 0;
  return true;
}

bool jh_waiter_close(jh_waiter *waiter) {
  jh_waiter_wake(waiter, JH_ECLOSED);
  jh_alarm_stop(waiter->alarm);
  waiter->alarm = NULL;
  waiter->is_closed = true;
  return !waiter->node.is_queued;
}

void jh_waiter_abandon(jh_waiter *waiter) {
  jh_alarm_stop(waiter->alarm);
  waiter->alarm = NULL;
  waiter->id = 0;
}

void jh_waiter_on_taken(jh_waiter *waiter) {
  if (waiter->is_closed && waiter->on_unused) waiter->on_unused(waiter);
}
