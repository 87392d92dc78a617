/* deadline.c: the heap, and the one timer that is armed for its top. */
#include "net/deadline.h"

#include "base/alloc.h"

enum { FIRST_CAPACITY = 64 };

/* Places count from 1, so that the parent of n is n / 2. */
static void put(jh_deadlines *deadlines, uint32_t place, jh_deadline *deadline) {
  deadlines->heap[place - 1] = deadline;
  deadline->place = place;
}

static jh_deadline *at(const jh_deadlines *deadlines, uint32_t place) {
  return deadlines->heap[place - 1];
}

static void move_up(jh_deadlines *deadlines, jh_deadline *deadline) {
  uint32_t place = deadline->place;
  while (place > 1 && at(deadlines, place / 2)->key_ms > deadline->key_ms) {
    put(deadlines, place, at(deadlines, place / 2));
    place /= 2;
  }
  put(deadlines, place, deadline);
}

static void move_down(jh_deadlines *deadlines, jh_deadline *deadline) {
  uint32_t place = deadline->place;
  for (;;) {
    uint32_t child = place * 2;
    if (child > deadlines->count) break;
    if (child < deadlines->count &&
        at(deadlines, child + 1)->key_ms < at(deadlines, child)->key_ms) {
      child++;
    }
    if (at(deadlines, child)->key_ms >= deadline->key_ms) break;
    put(deadlines, place, at(deadlines, child));
    place = child;
  }
  put(deadlines, place, deadline);
}

static void on_timer(uv_timer_t *timer);

static void arm(jh_deadlines *deadlines, uint64_t at_ms) {
  uint64_t now_ms = uv_now(deadlines->timer.loop);
  deadlines->armed_at_ms = at_ms;
  uv_timer_start(&deadlines->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void on_timer(uv_timer_t *timer) {
  jh_deadlines *deadlines = timer->data;
  uint64_t now_ms = uv_now(timer->loop);
  deadlines->armed_at_ms = 0;
  /* What a deadline leads to may be an event for Lua: then the poll that follows must not wait. */
  uv_stop(timer->loop);
  while (deadlines->count > 0) {
    jh_deadline *top = at(deadlines, 1);
    if (top->key_ms > now_ms) break;
    if (top->at_ms != top->key_ms) {
      top->key_ms = top->at_ms;
      move_down(deadlines, top);
      continue;
    }
    jh_deadline_clear(deadlines, top);
    deadlines->on_deadline(deadlines, top);
  }
  if (deadlines->count > 0) arm(deadlines, at(deadlines, 1)->key_ms);
}

int jh_deadlines_init(jh_deadlines *deadlines, uv_loop_t *loop, jh_deadline_cb on_deadline) {
  *deadlines = (jh_deadlines){.on_deadline = on_deadline};
  deadlines->timer.data = deadlines;
  return uv_timer_init(loop, &deadlines->timer);
}

void jh_deadlines_close(jh_deadlines *deadlines) {
  uv_close((uv_handle_t *)&deadlines->timer, NULL);
}

void jh_deadlines_deinit(jh_deadlines *deadlines) {
  jh_free(deadlines->heap);
}

static int reserve(jh_deadlines *deadlines) {
  if (deadlines->count < deadlines->capacity) return 0;
  uint32_t capacity = deadlines->capacity ? deadlines->capacity * 2 : FIRST_CAPACITY;
  jh_deadline **heap = jh_try_realloc(deadlines->heap, capacity * sizeof *heap);
  if (!heap) return JH_ENOMEM;
  deadlines->heap = heap;
  deadlines->capacity = capacity;
  return 0;
}

int jh_deadline_set(jh_deadlines *deadlines, jh_deadline *deadline, uint64_t at_ms) {
  if (at_ms == 0) at_ms = 1;
  if (deadline->place == 0) {
    if (reserve(deadlines) < 0) return JH_ENOMEM;
    deadline->place = ++deadlines->count;
  } else if (at_ms >= deadline->key_ms) {
    deadline->at_ms = at_ms;
    return 0;
  }
  deadline->at_ms = deadline->key_ms = at_ms;
  move_up(deadlines, deadline);
  if (deadlines->armed_at_ms == 0 || at_ms < deadlines->armed_at_ms) arm(deadlines, at_ms);
  return 0;
}

void jh_deadline_clear(jh_deadlines *deadlines, jh_deadline *deadline) {
  uint32_t place = deadline->place;
  deadline->at_ms = 0;
  if (place == 0) return;
  deadline->place = 0;
  jh_deadline *last = at(deadlines, deadlines->count--);
  if (last == deadline) return;
  put(deadlines, place, last);
  if (last->key_ms < deadline->key_ms) {
    move_up(deadlines, last);
  } else {
    move_down(deadlines, last);
  }
}
