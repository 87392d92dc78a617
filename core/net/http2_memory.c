/* http2_memory.c: size classes in front of the allocator.
 *
 * A block begins with the number of its class, or with its size when it is larger than all classes,
 * in front of what the engine gets: it frees without saying how much. */
#include "net/http2_memory.h"

#include <stdint.h>
#include <string.h>

enum {
  SMALLEST_BYTES = 64,
  HEADER_BYTES = 16,       /* keeps what follows aligned as malloc does */
  FREE_BYTES_MAX = 1 << 20 /* kept per class */
};

typedef struct block {
  size_t bytes;   /* room for the engine */
  int size_class; /* JH_HTTP2_MEMORY_CLASSES: an allocation of its own */
} block;

_Static_assert(sizeof(block) <= HEADER_BYTES, "the header holds what is known of a block");

static size_t class_bytes(int size_class) {
  return (size_t)SMALLEST_BYTES << size_class;
}

void jh_http2_memory_init(jh_http2_memory *memory) {
  for (int i = 0; i < JH_HTTP2_MEMORY_CLASSES; i++) {
    jh_pool_init(&memory->classes[i], HEADER_BYTES + class_bytes(i),
                 FREE_BYTES_MAX / class_bytes(i));
  }
}

void jh_http2_memory_deinit(jh_http2_memory *memory) {
  for (int i = 0; i < JH_HTTP2_MEMORY_CLASSES; i++) jh_pool_deinit(&memory->classes[i]);
}

/* The smallest class with room for `bytes`. */
static int find_class(size_t bytes) {
  if (bytes <= SMALLEST_BYTES) return 0;
  return 64 - __builtin_clzl(bytes - 1) - 6;
}

void *jh_http2_memory_alloc(size_t bytes, void *memory) {
  jh_http2_memory *self = memory;
  int size_class = find_class(bytes);
  block *header;
  if (size_class < JH_HTTP2_MEMORY_CLASSES) {
    header = jh_pool_try_acquire(&self->classes[size_class]);
    bytes = class_bytes(size_class);
  } else {
    size_class = JH_HTTP2_MEMORY_CLASSES;
    header = bytes < SIZE_MAX / 2 ? jh_try_alloc(HEADER_BYTES + bytes) : NULL;
  }
  if (!header) return NULL;
  *header = (block){.bytes = bytes, .size_class = size_class};
  return (char *)header + HEADER_BYTES;
}

static block *header_of(void *memory) {
  return (block *)(void *)((char *)memory - HEADER_BYTES);
}

void jh_http2_memory_free(void *pointer, void *memory) {
  jh_http2_memory *self = memory;
  if (!pointer) return;
  block *header = header_of(pointer);
  if (header->size_class < JH_HTTP2_MEMORY_CLASSES) {
    jh_pool_release(&self->classes[header->size_class], header);
  } else {
    jh_free(header);
  }
}

void *jh_http2_memory_calloc(size_t count, size_t bytes, void *memory) {
  if (bytes && count > SIZE_MAX / 2 / bytes) return NULL;
  void *pointer = jh_http2_memory_alloc(count * bytes, memory);
  if (pointer) memset(pointer, 0, count * bytes);
  return pointer;
}

void *jh_http2_memory_realloc(void *pointer, size_t bytes, void *memory) {
  if (!pointer) return jh_http2_memory_alloc(bytes, memory);
  size_t had_bytes = header_of(pointer)->bytes;
  if (bytes <= had_bytes) return pointer;
  void *larger = jh_http2_memory_alloc(bytes, memory);
  if (!larger) return NULL;
  memcpy(larger, pointer, had_bytes);
  jh_http2_memory_free(pointer, memory);
  return larger;
}
