/* pool.c: begin and end of a pool; what runs per request is inline in the header.
 *
 * LeakSanitizer does not look into poisoned memory, so it sees the free list end after its first
 * object: a pool that is not deinitialised at exit is reported as a leak, even from a global. */
#include "base/pool.h"

/* The out-of-line copies: for callers that do not inline, and for the specs. */
extern inline void *jh_pool_try_acquire(jh_pool *pool);
extern inline void jh_pool_release(jh_pool *pool, void *object);

void jh_pool_init(jh_pool *pool, size_t object_bytes, size_t max_free) {
  JH_REQUIRE(object_bytes >= sizeof(jh_pool_link));
  *pool = (jh_pool){.object_bytes = object_bytes, .max_free = max_free};
}

void jh_pool_deinit(jh_pool *pool) {
  JH_ASSERT(pool->in_use == 0);
  while (pool->free_list != NULL) {
    jh_pool_link *link = pool->free_list;
    JH_UNPOISON(link, pool->object_bytes);
    pool->free_list = link->next;
    jh_free(link);
  }
  pool->free_count = 0;
}
