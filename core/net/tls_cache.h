/* tls_cache.h: the contexts of a worker that are made while it runs, one per set of settings.
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
  uint32_t unused_max; /* kept although nobody holds them */
  char reason[512];    /* of the last failure */
} jh_tls_cache;

void jh_tls_cache_init(jh_tls_cache *cache, uint32_t unused_max);

/* Lets go of all contexts. */
void jh_tls_cache_clear(jh_tls_cache *cache);
void jh_tls_cache_deinit(jh_tls_cache *cache);

/* The context for these settings, with a hold for the caller. NULL: cache->reason is a sentence. */
jh_tls_context *jh_tls_cache_acquire(jh_tls_cache *cache, const jh_tls_options *options);

/* The same for a server's certificate that was found while it runs; see jh_tls_context_new_found().
 */
jh_tls_context *jh_tls_cache_acquire_found(jh_tls_cache *cache, const jh_tls_context *base,
                                           jh_str cert, jh_str key);

/* ==== cdef: end ==== */

#endif
