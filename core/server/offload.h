/* offload.h: jobs for uv's thread pool: http.offload.
 *
 * A job is run in a Lua state of its own (lua/offload_vm.h). So many run at a time that names are
 * still looked up beside them, in the same pool; the others wait in order. One whose task is gone
 * runs to its end, and nobody hears of it. Declared in justhttp.h. */
#ifndef JH_SERVER_OFFLOAD_H
#define JH_SERVER_OFFLOAD_H

#include <uv.h>

#include "base/list.h"
#include "lua/offload_vm.h"
#include "net/waiter.h"

enum { JH_OFFLOAD_RUNNING_MAX = 3 /* of the pool's four threads */ };

/* The jobs and states of a worker. */
typedef struct jh_offloads {
  uv_loop_t *uv;
  jh_alarms *alarms;
  jh_list open;    /* every job that Lua holds */
  jh_list waiting; /* those that nothing runs yet */
  jh_offload_vm *idle[JH_OFFLOAD_RUNNING_MAX];
  uint32_t idle_count;
  uint32_t running_count;
} jh_offloads;

void jh_offloads_init(jh_offloads *offloads, uv_loop_t *uv, jh_alarms *alarms);

/* Cuts off the jobs that a generation's Lua has not closed; their memory is still Lua's. */
void jh_offloads_cut_off(jh_offloads *offloads, const jh_event_queue *ready);

/* Nothing runs any more. */
void jh_offloads_deinit(jh_offloads *offloads);

#endif
