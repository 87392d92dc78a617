/* worker_guard.c: starting the CPU budget and the timer of the heartbeat. */
#include "server/worker_guard.h"

#include <errno.h>
#include <string.h>

#include "server/stuck.h"

void jh_worker_guard_start_budget(jh_worker *worker) {
  uint32_t budget_ms = worker->options->cpu_budget_ms;
  if (budget_ms == 0) return;
  worker->budget = jh_budget_try_new(budget_ms, &worker->heartbeat->event_count);
  if (worker->budget) return;
  jh_log_printf(&worker->log, JH_LOG_WARN, "cpu_budget_ms has no effect: no timer (%s)",
                strerror(errno));
}

static void on_turn_timer(uv_timer_t *timer) {
  (void)timer;
}

void jh_worker_guard_start_turning(jh_worker *worker) {
  uint64_t interval_ms = worker->options->worker_timeout_ms / 4;
  uv_timer_init(&worker->loop.uv, &worker->turn_timer);
  if (!worker->config->heartbeat || worker->options->worker_timeout_ms == 0) return;
  uv_timer_start(&worker->turn_timer, on_turn_timer, interval_ms, interval_ms);
  uv_unref((uv_handle_t *)&worker->turn_timer);
  jh_stuck_answer();
}
