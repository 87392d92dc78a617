/* pool.h: a free list of objects of one size, so that a warm worker does not call malloc.
 *
 * Connections, contexts, buffers and arena blocks come from pools; each worker has its own, so
 * there are no locks. Objects are plain memory: the pool neither clears nor constructs them. A free
 * object is poisoned under ASan. */
#ifndef JH_BASE_POOL_H
#define JH_BASE_POOL_H

#include <stddef.h>

#include "base/alloc.h"
#include "base/check.h"

/* ==== cdef: begin ==== */

/* What a free object holds: the way to the next one. */
typedef struct jh_pool_link {
  struct jh_pool_link *next;
} jh_pool_link;

typedef struct jh_pool {
  jh_pool_link *free_list; /* last released first: its bytes are likely still in the cache */
  size_t object_bytes;
  size_t max_free;   /* released objects beyond this many are freed */
  size_t free_count; /* objects in free_list */
  size_t in_use;     /* objects acquired and not yet released */
} jh_pool;

/* Starts an empty pool; nothing is allocated before the first acquire. `object_bytes` must have
 * room for a pointer. */
void jh_pool_init(jh_pool *pool, size_t object_bytes, size_t max_free);

/* Frees the free list. Every object must have been released. */
void jh_pool_deinit(jh_pool *pool);

/* An object with undefined contents, aligned as by malloc, or NULL when out of memory. */
inline void *jh_pool_try_acquire(jh_pool *pool) __attribute__((warn_unused_result));

/* Gives back an object that came from this pool. */
inline void jh_pool_release(jh_pool *pool, void *object);

/* ==== cdef: end ==== */

/* inline definitions */

inline void *jh_pool_try_acquire(jh_pool *pool) {
  jh_pool_link *link = pool->free_list;
  void *object = link;
  if (link != NULL) {
    JH_UNPOISON(link, pool->object_bytes);
    pool->free_list = link->next;
    pool->free_count--;
  } else {
    object = jh_try_alloc(pool->object_bytes);
    if (object == NULL) return NULL;
  }
  pool->in_use++;
  return object;
}

inline void jh_pool_release(jh_pool *pool, void *object) {
  JH_ASSERT(pool->in_use > 0);
  pool->in_use--;
  if (pool->free_count >= pool->max_free) {
    jh_free(object);
    return;
  }
  jh_pool_link *link = object;
  link->next = pool->free_list;
  pool->free_list = link;
  pool->free_count++;
  JH_POISON(object, pool->object_bytes);
}

#endif
