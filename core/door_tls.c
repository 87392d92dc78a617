/* door_tls.c: the part of justhttp.h that is about TLS; see door.c for its rules. */
#include "base/str.h"
#include "net/tls_info.h"
#include "net/tls_lookup.h"
#include "net/tls_transport.h"
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

int jh_ctx_tls(jh_ctx *ctx, jh_tls_info *info) {
  if (!ctx->conn) return JH_ECLOSED;
  const jh_tls *tls = jh_tls_transport_session(ctx->conn);
  return tls ? jh_tls_describe(tls, &ctx->arena, info) : JH_ENOTFOUND;
}

void jh_tls_lookup_enable(jh_generation *generation) {
  generation->worker->loop.looks_up_certificates = true;
}

jh_tls_lookup *jh_tls_lookup_next(jh_generation *generation, uint32_t wait_id, jh_str *name) {
  jh_list *list = &generation->tls_lookups;
  if (jh_list_is_empty(list)) {
    generation->tls_wait_id = wait_id;
    return NULL;
  }
  jh_tls_lookup *lookup = JH_LIST_ENTRY(list->next, jh_tls_lookup, node);
  jh_tls_lookup_take(lookup, &generation->tls_taken);
  *name = jh_str_of(lookup->name);
  return lookup;
}

int jh_tls_lookup_answer(jh_tls_lookup *lookup, const char *cert, size_t cert_len, const char *key,
                         size_t key_len, jh_str *reason) {
  return jh_tls_lookup_finish(lookup, (jh_str){cert, cert_len}, (jh_str){key, key_len}, reason);
}
