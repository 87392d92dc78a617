/* buf.h: the byte buffer between socket and parser, and between response and socket.
 *
 * Bytes are written at `end` and taken at `start`; between them lies the content. Header and bytes
 * are one allocation of 16 KiB from a pool, or of about 1 KiB where many are in use at once; a
 * buffer that must grow further leaves the pool and is freed when released. A connection that waits
 * for a request owns none. */
#ifndef JH_BASE_BUF_H
#define JH_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/pool.h"

/* ==== cdef: begin ==== */

typedef struct jh_buf {
  uint32_t start;      /* first byte of the content */
  uint32_t end;        /* one past its last byte: start <= end <= capacity */
  uint32_t capacity;   /* bytes in data */
  struct jh_buf *next; /* the owner's, for queues of buffers; NULL when acquired */
  char data[];
} jh_buf;

enum {
  JH_BUF_BYTES = 16384, /* one pooled buffer, header included */
  JH_BUF_CAPACITY = JH_BUF_BYTES - sizeof(jh_buf),
  JH_BUF_SMALL_BYTES = 1088, /* an odd number of cache lines: neighbours do not share their sets */
  JH_BUF_SMALL_CAPACITY = JH_BUF_SMALL_BYTES - sizeof(jh_buf)
};

typedef struct jh_buf_pool {
  jh_pool pool;  /* of JH_BUF_BYTES objects; grown buffers are not counted in it */
  jh_pool small; /* of JH_BUF_SMALL_BYTES objects */
} jh_buf_pool;

/* As jh_pool_init() and jh_pool_deinit(), which see. */
void jh_buf_pool_init(jh_buf_pool *pool, size_t max_free);
void jh_buf_pool_deinit(jh_buf_pool *pool);

/* An empty buffer of JH_BUF_CAPACITY, or NULL when out of memory. */
inline jh_buf *jh_buf_try_acquire(jh_buf_pool *pool) __attribute__((warn_unused_result));

/* The same with JH_BUF_SMALL_CAPACITY. */
inline jh_buf *jh_buf_try_acquire_small(jh_buf_pool *pool) __attribute__((warn_unused_result));

/* A buffer with room for `capacity` bytes in all and the same content at the same place; `buf`
 * itself if it is that large already, else `buf` is released. NULL when out of memory: `buf` is
 * then as before. */
jh_buf *jh_buf_try_grow(jh_buf_pool *pool, jh_buf *buf, size_t capacity)
    __attribute__((warn_unused_result));

/* Gives a buffer back, grown or not. */
inline void jh_buf_release(jh_buf_pool *pool, jh_buf *buf);

/* Bytes of content. */
inline uint32_t jh_buf_len(const jh_buf *buf);

/* Bytes that can be written at `end`. */
inline uint32_t jh_buf_space(const jh_buf *buf);

/* Moves the content to the front, so that all free space is behind it. Pointers into it dangle. */
inline void jh_buf_compact(jh_buf *buf);

/* ==== cdef: end ==== */

/* inline definitions */

inline jh_buf *jh_buf_try_acquire(jh_buf_pool *pool) {
  jh_buf *buf = jh_pool_try_acquire(&pool->pool);
  if (buf == NULL) return NULL;
  buf->start = 0;
  buf->end = 0;
  buf->capacity = JH_BUF_CAPACITY;
  buf->next = NULL;
  return buf;
}

inline jh_buf *jh_buf_try_acquire_small(jh_buf_pool *pool) {
  jh_buf *buf = jh_pool_try_acquire(&pool->small);
  if (buf == NULL) return NULL;
  buf->start = 0;
  buf->end = 0;
  buf->capacity = JH_BUF_SMALL_CAPACITY;
  buf->next = NULL;
  return buf;
}

inline void jh_buf_release(jh_buf_pool *pool, jh_buf *buf) {
  if (buf->capacity == JH_BUF_CAPACITY) {
    jh_pool_release(&pool->pool, buf);
  } else if (buf->capacity == JH_BUF_SMALL_CAPACITY) {
    jh_pool_release(&pool->small, buf);
  } else {
    jh_free(buf);
  }
}

inline uint32_t jh_buf_len(const jh_buf *buf) {
  return buf->end - buf->start;
}

inline uint32_t jh_buf_space(const jh_buf *buf) {
  return buf->capacity - buf->end;
}

inline void jh_buf_compact(jh_buf *buf) {
  uint32_t len = jh_buf_len(buf);
  if (buf->start == 0) return;
  if (len > 0) memmove(buf->data, buf->data + buf->start, len);
  buf->start = 0;
  buf->end = len;
}

#endif
