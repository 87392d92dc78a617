/* offload.c: the life of a job: waiting, running on another thread, taken by Lua.
 *
 * Two hold its memory: Lua's side (the handle, the waiter) and the pool's (the work). Whoever is
 * last frees it. While it runs, only `vm`, `input`, `output` and `error` are touched, and only by
 * the thread. */
#include "server/bundle.h"
#include "server/offload.h"

#include <string.h>

#include "base/alloc.h"
#include "server/worker.h"

enum { IDLE_BYTES_MAX = 64 * 1024 * 1024 /* a state that holds more is not kept */ };

struct jh_offload {
  uv_work_t work;
  jh_waiter waiter;
  jh_list node;       /* in offloads->open */
  jh_list queue_node; /* in offloads->waiting */
  jh_offloads *offloads;
  jh_bundle *bundle; /* of the app that asked, acquired; NULL none */
  jh_offload_vm *vm;
  jh_str output;
  int error;
  bool is_running;
  bool is_held; /* by Lua, or by an event that it has not taken */
  size_t len;
  char input[];
};

static void free_when_unused(jh_offload *job) {
  if (job->is_running || job->is_held) return;
  jh_bundle_close(job->bundle);
  jh_free((void *)(uintptr_t)job->output.ptr);
  jh_free(job);
}

/* ---- states ------------------------------------------------------------------------------- */

static uint64_t number_of(const jh_bundle *bundle) {
  return bundle ? jh_bundle_number(bundle) : 0;
}

/* States of an app that was replaced have its modules loaded: they go. */
static jh_offload_vm *take_vm(jh_offloads *offloads, uint64_t number) {
  while (offloads->idle_count) {
    jh_offload_vm *vm = offloads->idle[--offloads->idle_count];
    if (jh_offload_vm_number(vm) == number) return vm;
    jh_offload_vm_free(vm);
  }
  return NULL;
}

static void give_back(jh_offloads *offloads, jh_offload_vm *vm) {
  if (!vm) return;
  if (offloads->idle_count < JH_OFFLOAD_RUNNING_MAX) {
    offloads->idle[offloads->idle_count++] = vm;
  } else {
    jh_offload_vm_free(vm);
  }
}

/* ---- running ------------------------------------------------------------------------------ */

/* On a thread of the pool. */
static void run(uv_work_t *work) {
  jh_offload *job = work->data;
  if (!job->vm) job->vm = jh_offload_vm_new(number_of(job->bundle));
  if (!job->vm) {
    job->error = JH_ENOMEM;
    return;
  }
  const jh_zip *files = job->bundle ? jh_bundle_zip(job->bundle) : NULL;
  job->error = jh_offload_vm_run(job->vm, files, (jh_str){job->input, job->len}, &job->output);
  if (job->error != JH_ENOMEM && jh_offload_vm_collect(job->vm) <= IDLE_BYTES_MAX) return;
  jh_offload_vm_free(job->vm);
  job->vm = NULL;
}

static void start_waiting(jh_offloads *offloads);

static void on_ended(uv_work_t *work, int status) {
  jh_offload *job = work->data;
  jh_offloads *offloads = job->offloads;
  if (status < 0) job->error = JH_ECLOSED;
  offloads->running_count--;
  job->is_running = false;
  give_back(offloads, job->vm);
  job->vm = NULL;
  jh_waiter_wake(&job->waiter, 0);
  free_when_unused(job);
  start_waiting(offloads);
}

static void start(jh_offload *job) {
  jh_offloads *offloads = job->offloads;
  job->is_running = true;
  job->work.data = job;
  job->vm = take_vm(offloads, number_of(job->bundle));
  offloads->running_count++;
  uv_queue_work(offloads->uv, &job->work, run, on_ended);
}

static void start_waiting(jh_offloads *offloads) {
  while (offloads->running_count < JH_OFFLOAD_RUNNING_MAX &&
         !jh_list_is_empty(&offloads->waiting)) {
    jh_offload *job = JH_LIST_ENTRY(offloads->waiting.next, jh_offload, queue_node);
    jh_list_remove(&job->queue_node);
    start(job);
  }
}

/* ---- Lua's side --------------------------------------------------------------------------- */

static void on_unused(jh_waiter *waiter) {
  jh_offload *job = JH_LIST_ENTRY(waiter, jh_offload, waiter);
  job->is_held = false;
  free_when_unused(job);
}

jh_offload *jh_offload_open(jh_generation *generation, const char *input, size_t len,
                            uint32_t wait_id) {
  jh_offloads *offloads = &generation->worker->offloads;
  jh_offload *job = jh_try_calloc(1, sizeof *job + len);
  if (!job) return NULL;
  job->offloads = offloads;
  if (generation->bundle) job->bundle = jh_bundle_acquire(generation->bundle);
  job->len = len;
  memcpy(job->input, input, len);
  jh_waiter_init(&job->waiter, &generation->ready, offloads->alarms);
  job->waiter.on_unused = on_unused;
  jh_waiter_start(&job->waiter, wait_id, 0);
  job->is_held = true;
  jh_list_init(&job->node);
  jh_list_init(&job->queue_node);
  jh_list_append(&offloads->open, &job->node);
  jh_list_append(&offloads->waiting, &job->queue_node);
  start_waiting(offloads);
  return job;
}

int jh_offload_result(jh_offload *job, jh_str *out) {
  if (job->is_running) return JH_EBUSY;
  *out = job->output;
  return job->error;
}

void jh_offload_close(jh_offload *job) {
  jh_list_remove(&job->node);
  jh_list_remove(&job->queue_node);
  if (!jh_waiter_close(&job->waiter)) return;
  job->is_held = false;
  free_when_unused(job);
}

/* ---- a worker's --------------------------------------------------------------------------- */

void jh_offloads_init(jh_offloads *offloads, uv_loop_t *uv, jh_alarms *alarms) {
  *offloads = (jh_offloads){.uv = uv, .alarms = alarms};
  jh_list_init(&offloads->open);
  jh_list_init(&offloads->waiting);
}

void jh_offloads_cut_off(jh_offloads *offloads, const jh_event_queue *ready) {
  jh_list *node = offloads->open.next;
  while (node != &offloads->open) {
    jh_offload *job = JH_LIST_ENTRY(node, jh_offload, node);
    node = node->next;
    if (job->waiter.ready != ready) continue;
    jh_waiter_abandon(&job->waiter);
    jh_list_remove(&job->node);
    jh_list_remove(&job->queue_node);
  }
}

void jh_offloads_deinit(jh_offloads *offloads) {
  while (offloads->idle_count) jh_offload_vm_free(offloads->idle[--offloads->idle_count]);
}
