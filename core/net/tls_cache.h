/* tls_cache.h: the contexts of a worker's clients, one per set of settings.
 *
 * Clients that ask with the same options share a context, and with it the sessions to resume, over
 * reloads of the app too. A file that has changed makes another context. */
#ifndef JH_NET_TLS_CACHE_H
#define JH_NET_TLS_CACHE_H

#include "base/list.h"
#include "net/tls_context.h"

/* ==== cdef: begin ==== */

typedef struct jh_tls_cache {
  jh_list entries; /* asked for last at the end */
  uint32_t entry_count;
  char reason[512]; /* of the last failure */
} jh_tls_cache;

void jh_tls_cache_init(jh_tls_cache *cache);

/* Lets go of all contexts. */
void jh_tls_cache_deinit(jh_tls_cache *cache);

/* The context for these settings, with a hold for the caller. NULL: cache->reason is a sentence. */
jh_tls_context *jh_tls_cache_acquire(jh_tls_cache *cache, const jh_tls_options *options);

/* ==== cdef: end ==== */

#endif
