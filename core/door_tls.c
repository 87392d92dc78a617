/* door_tls.c: the part of justhttp.h that is about TLS; see door.c for its rules. */
#include "base/str.h"
#include "server/worker.h"

jh_tls_context *jh_tls_context_open(jh_generation *generation, const jh_tls_options *options,
                                    jh_str *reason) {
  jh_tls_cache *cache = &generation->worker->loop.tls_contexts;
  jh_tls_context *context = jh_tls_cache_acquire(cache, options);
  if (!context) *reason = jh_str_of(cache->reason);
  return context;
}

void jh_tls_context_close(jh_tls_context *context) {
  jh_tls_context_release(context);
}
