/* supervisor_watch.c: ends workers that are stuck. Others take their slots as after any death. */
#include "server/supervisor_state.h"

#include <signal.h>

#include "base/clock.h"

static void ask(jh_supervisor *sup, jh_worker_process *worker, uint64_t now_ms) {
  worker->stuck.kill_at_ms = now_ms + JH_STUCK_NOTE_MS;
  jh_stuck_ask(worker->pid, worker->heartbeat);
  jh_log_printf(&sup->files.log, JH_LOG_DEBUG, "worker %d (pid %ld) is asked what it does",
                worker->slot, (long)worker->pid);
}

static void look(jh_supervisor *sup, jh_worker_process *worker, uint64_t now_ms) {
  uint64_t turn_count = worker->heartbeat->turn_count;
  bool is_halted = turn_count == worker->stuck.turn_count && jh_stuck_is_halted(worker->pid);
  if (jh_stuck_look(&worker->stuck, turn_count, is_halted)) ask(sup, worker, now_ms);
}

void jh_supervisor_watch(jh_supervisor *sup, uint64_t now_ms) {
  uint32_t timeout_ms = sup->options->worker_timeout_ms;
  if (timeout_ms == 0 || sup->state == JH_SUPERVISOR_STOPPING) return;
  bool is_time = now_ms >= sup->next_look_at_ms;
  if (is_time) sup->next_look_at_ms = now_ms + timeout_ms / JH_STUCK_LOOKS + 1;
  for (size_t i = 0; i < sup->slot_count; i++) {
    jh_worker_process *worker = &sup->workers[i];
    if (worker->pid == 0) continue;
    if (worker->stuck.kill_at_ms == 0) {
      if (is_time) look(sup, worker, now_ms);
    } else if (now_ms >= worker->stuck.kill_at_ms) {
      jh_worker_process_signal(worker, SIGKILL);
      worker->stuck.kill_at_ms = UINT64_MAX;
    }
  }
}

uint64_t jh_supervisor_watch_at_ms(const jh_supervisor *sup) {
  if (sup->options->worker_timeout_ms == 0 || sup->state == JH_SUPERVISOR_STOPPING)
    return UINT64_MAX;
  uint64_t at_ms = sup->next_look_at_ms;
  for (size_t i = 0; i < sup->slot_count; i++) {
    uint64_t kill_at_ms = sup->workers[i].stuck.kill_at_ms;
    if (kill_at_ms != 0 && kill_at_ms < at_ms) at_ms = kill_at_ms;
  }
  return at_ms;
}

void jh_supervisor_tell_stuck(jh_supervisor *sup, const jh_worker_process *worker, pid_t pid) {
  char what[JH_HEARTBEAT_TEXT_BYTES * 2];
  if (worker->stuck.kill_at_ms == 0) return;
  jh_log_printf(&sup->files.log, JH_LOG_ERROR,
                "worker %d (pid %ld) was stuck for %u ms and is ended, %s", worker->slot, (long)pid,
                sup->options->worker_timeout_ms,
                jh_stuck_describe(worker->heartbeat, what, sizeof what));
}
