/* http2_memory.h: the memory of the HTTP/2 engine, from free lists.
 *
 * nghttp2 asks for a few small blocks per stream and gives them back with it. Each worker keeps the
 * freed ones by size class, so that a warm worker calls no malloc for a request; large blocks,
 * which it asks for once per connection, are allocated. A connection knows its blocks, so that it
 * can give them back without nghttp2, which is not to be trusted once its memory ran out. Used by
 * http2_session.c alone. */
#ifndef JH_NET_HTTP2_MEMORY_H
#define JH_NET_HTTP2_MEMORY_H

#include "base/list.h"
#include "base/pool.h"

/* ==== cdef: begin ==== */

enum { JH_HTTP2_MEMORY_CLASSES = 6 }; /* of 64, 128, … 2048 bytes */

typedef struct jh_http2_memory {
  jh_pool classes[JH_HTTP2_MEMORY_CLASSES];
} jh_http2_memory;

void jh_http2_memory_init(jh_http2_memory *memory);

/* Every block must have been given back. */
void jh_http2_memory_deinit(jh_http2_memory *memory);

/* What one connection has of it. */
typedef struct jh_http2_heap {
  jh_http2_memory *memory;
  jh_list blocks; /* every one that is in use */
} jh_http2_heap;

void jh_http2_heap_init(jh_http2_heap *heap, jh_http2_memory *memory);

/* Gives back whatever is still in use. */
void jh_http2_heap_deinit(jh_http2_heap *heap);

/* As malloc, free, calloc and realloc; NULL when out of memory. */
void *jh_http2_memory_alloc(size_t bytes, void *heap);
void jh_http2_memory_free(void *block, void *heap);
void *jh_http2_memory_calloc(size_t count, size_t bytes, void *heap);
void *jh_http2_memory_realloc(void *block, size_t bytes, void *heap);

/* ==== cdef: end ==== */

#endif
