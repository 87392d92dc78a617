/* timer.h: timers of Lua tasks: sleep, deadlines, every and after.
 *
 * One uv_timer each, pooled, so the number of sleepers is bounded by memory only. Connections do
 * not use these; their deadlines are in net/timeout.h. */
#ifndef JH_SERVER_TIMER_H
#define JH_SERVER_TIMER_H

#include <uv.h>

#include "base/event_queue.h"

struct jh_timer {
  uv_timer_t handle;
  jh_event_node node;
  jh_event_queue *queue; /* where its event goes */
  struct jh_timer *next_free;
  struct jh_timer_table *table;
  bool is_active; /* started, its event not yet taken */
};

/* Every timer of a worker. Their memory stays until the table closes, so late stops are harmless.
 */
typedef struct jh_timer_table {
  uv_loop_t *loop;
  jh_timer *free_list;
  jh_timer **all;
  uint32_t count, capacity;
} jh_timer_table;

void jh_timer_table_init(jh_timer_table *table, uv_loop_t *loop);

/* Closes every timer; the loop must run once more before jh_timer_table_deinit(). */
void jh_timer_table_close(jh_timer_table *table);
void jh_timer_table_deinit(jh_timer_table *table);

/* A running timer whose event, JH_EVENT_WAKE with `id`, goes to `queue`; NULL when out of memory.
 */
jh_timer *jh_timer_table_start(jh_timer_table *table, jh_event_queue *queue, uint32_t id,
                               double delay_ms);

/* The node of an event that was taken belongs to this timer: gives the timer back. */
void jh_timer_done(jh_timer *timer);

#endif
