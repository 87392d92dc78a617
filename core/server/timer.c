/* timer.c: pooled uv timers that end as events. */
#include "server/timer.h"

#include "base/alloc.h"
#include "base/list.h"

enum { DELAY_MAX_MS = 2147483647 };

void jh_timer_table_init(jh_timer_table *table, uv_loop_t *loop) {
  *table = (jh_timer_table){.loop = loop};
}

void jh_timer_table_close(jh_timer_table *table) {
  for (uint32_t i = 0; i < table->count; i++) uv_close((uv_handle_t *)&table->all[i]->handle, NULL);
}

void jh_timer_table_deinit(jh_timer_table *table) {
  for (uint32_t i = 0; i < table->count; i++) jh_free(table->all[i]);
  jh_free(table->all);
}

static jh_timer *try_add(jh_timer_table *table) {
  if (table->count == table->capacity) {
    uint32_t capacity = table->capacity ? table->capacity * 2 : 64;
    jh_timer **all = jh_try_realloc(table->all, capacity * sizeof *all);
    if (!all) return NULL;
    table->all = all;
    table->capacity = capacity;
  }
  jh_timer *timer = jh_try_calloc(1, sizeof *timer);
  if (!timer) return NULL;
  uv_timer_init(table->loop, &timer->handle);
  timer->handle.data = timer;
  timer->table = table;
  table->all[table->count++] = timer;
  return timer;
}

static void on_due(uv_timer_t *handle) {
  jh_timer *timer = handle->data;
  jh_event_queue_push(timer->queue, &timer->node);
  /* libuv runs due timers before it polls: the poll must not wait while an event is ready. */
  uv_stop(handle->loop);
}

jh_timer *jh_timer_table_start(jh_timer_table *table, jh_event_queue *queue, uint32_t id,
                               double delay_ms) {
  jh_timer *timer = table->free_list;
  if (timer) {
    table->free_list = timer->next_free;
  } else {
    timer = try_add(table);
    if (!timer) return NULL;
  }
  timer->queue = queue;
  timer->is_active = true;
  timer->node.event = (jh_event){.kind = JH_EVENT_WAKE, .id = id};
  timer->node.owner = JH_EVENT_OF_TIMER;
  if (!(delay_ms > 0)) {
    /* Through the loop and not straight into the queue: sockets get their turn before a task that
     * keeps yielding goes on. */
    uv_timer_start(&timer->handle, on_due, 0, 0);
    return timer;
  }
  uint64_t whole_ms = delay_ms < DELAY_MAX_MS ? (uint64_t)delay_ms : DELAY_MAX_MS;
  if ((double)whole_ms < delay_ms && whole_ms < DELAY_MAX_MS) whole_ms++;
  /* The loop's clock stands still while Lua runs and counts whole milliseconds: without an update
   * and one more millisecond a timer would be early. */
  uv_update_time(table->loop);
  whole_ms++;
  uv_timer_start(&timer->handle, on_due, whole_ms, 0);
  return timer;
}

void jh_timer_done(jh_timer *timer) {
  timer->is_active = false;
  timer->next_free = timer->table->free_list;
  timer->table->free_list = timer;
}

void jh_timer_stop(jh_timer *timer, uint32_t id) {
  if (!timer->is_active || timer->node.event.id != id) return;
  uv_timer_stop(&timer->handle);
  timer->node.is_stopped = true; /* a queued node is passed over; it may be pushed again before */
  jh_timer_done(timer);
}
