/* buf.c: growing a buffer; what runs per request is inline in the header.
 *
 * Grown buffers do not go back to the pool: one large upload must not leave every later connection
 * with a large buffer. */
#include "base/buf.h"

extern inline jh_buf *jh_buf_try_acquire(jh_buf_pool *pool);
extern inline jh_buf *jh_buf_try_acquire_small(jh_buf_pool *pool);
extern inline void jh_buf_release(jh_buf_pool *pool, jh_buf *buf);
extern inline uint32_t jh_buf_len(const jh_buf *buf);
extern inline uint32_t jh_buf_space(const jh_buf *buf);
extern inline void jh_buf_compact(jh_buf *buf);

void jh_buf_pool_init(jh_buf_pool *pool, size_t max_free) {
  jh_pool_init(&pool->pool, JH_BUF_BYTES, max_free);
  jh_pool_init(&pool->small, JH_BUF_SMALL_BYTES, max_free);
}

void jh_buf_pool_deinit(jh_buf_pool *pool) {
  jh_pool_deinit(&pool->pool);
  jh_pool_deinit(&pool->small);
}

jh_buf *jh_buf_try_grow(jh_buf_pool *pool, jh_buf *buf, size_t capacity) {
  if (capacity <= buf->capacity) return buf;
  if (capacity > UINT32_MAX) return NULL; /* offsets are 32 bit */
  bool is_pooled = capacity <= JH_BUF_CAPACITY;
  jh_buf *grown = is_pooled ? jh_buf_try_acquire(pool) : jh_try_alloc(sizeof(jh_buf) + capacity);
  if (grown == NULL) return NULL;
  *grown = *buf;
  grown->capacity = is_pooled ? JH_BUF_CAPACITY : (uint32_t)capacity;
  memcpy(grown->data + buf->start, buf->data + buf->start, jh_buf_len(buf));
  jh_buf_release(pool, buf);
  return grown;
}
