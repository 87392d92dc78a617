/* timeout.c: the one timer behind all deadlines.
 *
 * When it fires it expires what is due at the head of each list and arms itself for the earliest
 * deadline left. A busy keep-alive connection moves its deadline with every request without the
 * timer noticing: it then fires early, finds nothing due and goes back to sleep, once per timeout
 * and not once per request. */
#include "net/timeout.h"

extern inline void jh_timeout_set(jh_timeouts *timeouts, jh_timeout *timeout,
                                  jh_timeout_class timeout_class);
extern inline void jh_timeout_enlist(jh_timeouts *timeouts, jh_timeout *timeout,
                                     jh_timeout_class timeout_class, int list);
extern inline bool jh_timeout_is(const jh_timeout *timeout, jh_timeout_class timeout_class);
extern inline void jh_timeout_clear(jh_timeout *timeout);

static void on_timer(uv_timer_t *timer) {
  jh_timeouts *timeouts = timer->data;
  uint64_t now_ms = uv_now(timer->loop);
  uint64_t next_at_ms = 0;
  timeouts->armed_at_ms = 0;
  /* What a deadline leads to may be an event for Lua: then the poll that follows must not wait. */
  uv_stop(timer->loop);
  for (int i = 0; i < JH_TIMEOUT_LIST_COUNT; i++) {
    jh_list *list = &timeouts->lists[i];
    while (!jh_list_is_empty(list)) {
      jh_timeout *timeout = JH_LIST_ENTRY(list->next, jh_timeout, node);
      if (timeout->at_ms > now_ms) break;
      jh_timeout_clear(timeout);
      timeouts->on_timeout(timeouts, timeout);
    }
  }
  /* Callbacks may have set deadlines anywhere, so the earliest is looked up afterwards. */
  for (int i = 0; i < JH_TIMEOUT_LIST_COUNT; i++) {
    jh_list *list = &timeouts->lists[i];
    if (jh_list_is_empty(list)) continue;
    uint64_t at_ms = JH_LIST_ENTRY(list->next, jh_timeout, node)->at_ms;
    if (next_at_ms == 0 || at_ms < next_at_ms) next_at_ms = at_ms;
  }
  if (next_at_ms) jh_timeouts_arm(timeouts, next_at_ms);
}

int jh_timeouts_init(jh_timeouts *timeouts, uv_loop_t *loop, jh_timeout_cb on_timeout) {
  timeouts->on_timeout = on_timeout;
  timeouts->armed_at_ms = 0;
  for (int i = 0; i < JH_TIMEOUT_LIST_COUNT; i++) jh_list_init(&timeouts->lists[i]);
  timeouts->timer.data = timeouts;
  return uv_timer_init(loop, &timeouts->timer);
}

void jh_timeouts_close(jh_timeouts *timeouts) {
  uv_close((uv_handle_t *)&timeouts->timer, NULL);
}

void jh_timeout_init(jh_timeout *timeout) {
  jh_list_init(&timeout->node);
  timeout->at_ms = 0;
}

void jh_timeouts_arm(jh_timeouts *timeouts, uint64_t at_ms) {
  uint64_t now_ms = uv_now(timeouts->timer.loop);
  timeouts->armed_at_ms = at_ms;
  uv_timer_start(&timeouts->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

/* The list for a duration: its own one; else one that nobody uses; else the next longer one, or the
 * longest. */
static int find_own(jh_timeouts *timeouts, uint32_t duration_ms) {
  int unused = -1, longer = -1, longest = JH_TIMEOUT_CLASS_COUNT;
  const uint32_t *durations_ms = timeouts->durations_ms;
  for (int i = JH_TIMEOUT_CLASS_COUNT; i < JH_TIMEOUT_LIST_COUNT; i++) {
    if (durations_ms[i] == duration_ms) return i;
    if (jh_list_is_empty(&timeouts->lists[i])) unused = i;
    if (durations_ms[i] > durations_ms[longest]) longest = i;
    bool is_longer = durations_ms[i] > duration_ms;
    if (is_longer && (longer < 0 || durations_ms[i] < durations_ms[longer])) longer = i;
  }
  if (unused < 0) return longer >= 0 ? longer : longest;
  timeouts->durations_ms[unused] = duration_ms;
  return unused;
}

void jh_timeout_set_own(jh_timeouts *timeouts, jh_timeout *timeout, jh_timeout_class timeout_class,
                        uint32_t duration_ms) {
  jh_timeout_clear(timeout);
  if (duration_ms == 0) return;
  jh_timeout_enlist(timeouts, timeout, timeout_class, find_own(timeouts, duration_ms));
}
