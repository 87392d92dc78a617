/* door_call.c: the part of justhttp.h that is about calls, as far as it needs to know generations;
 * the rest is in net/call.c and net/origin.c. See door.c for its rules. */
#include "net/call.h"
#include "net/origin.h"
#include "server/worker.h"

jh_origin *jh_origin_open(jh_generation *generation, const char *key, size_t key_len,
                          const jh_origin_options *options, int *error) {
  return jh_origin_acquire(generation->worker->loop.clients, (jh_str){key, key_len}, options,
                           error);
}

jh_call *jh_call_start(jh_generation *generation, jh_origin *origin, const jh_call_options *options,
                       const char *head, size_t head_len, const char *body, size_t body_len,
                       double timeout_ms, uint32_t wait_id) {
  jh_call *call =
      jh_call_new(origin, options, (jh_str){head, head_len}, (jh_str){body, body_len}, timeout_ms);
  if (!call) return NULL;
  call->ready = &generation->ready;
  call->wait_id = wait_id;
  jh_call_submit(call);
  return call;
}
