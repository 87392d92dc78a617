/* http2_memory.c: size classes in front of the allocator.
 *
 * A block begins with its size and class, in front of what the engine gets: it frees without saying
 * how much. */
#include "net/http2_memory.h"

#include <stdint.h>
#include <string.h>

enum {
  SMALLEST_BYTES = 64,
  HEADER_BYTES = 32,       /* keeps what follows aligned as malloc does */
  FREE_BYTES_MAX = 1 << 20 /* kept per class */
};

typedef struct block {
  jh_list node;        /* in its heap */
  size_t bytes;        /* room for the engine */
  uint32_t size_class; /* JH_HTTP2_MEMORY_CLASSES: an allocation of its own */
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

void jh_http2_heap_init(jh_http2_heap *heap, jh_http2_memory *memory) {
  heap->memory = memory;
  jh_list_init(&heap->blocks);
}

static void release(jh_http2_memory *memory, block *header) {
  jh_list_remove(&header->node);
  if (header->size_class < JH_HTTP2_MEMORY_CLASSES) {
    jh_pool_release(&memory->classes[header->size_class], header);
  } else {
    jh_free(header);
  }
}

void jh_http2_heap_deinit(jh_http2_heap *heap) {
  while (!jh_list_is_empty(&heap->blocks)) {
    release(heap->memory, JH_LIST_ENTRY(heap->blocks.next, block, node));
  }
}

void *jh_http2_memory_alloc(size_t bytes, void *heap) {
  jh_http2_heap *self = heap;
  int size_class = find_class(bytes);
  block *header;
  if (size_class < JH_HTTP2_MEMORY_CLASSES) {
    header = jh_pool_try_acquire(&self->memory->classes[size_class]);
    bytes = class_bytes(size_class);
  } else {
    size_class = JH_HTTP2_MEMORY_CLASSES;
    header = bytes < SIZE_MAX / 2 ? jh_try_alloc(HEADER_BYTES + bytes) : NULL;
  }
  if (!header) return NULL;
  header->bytes = bytes;
  header->size_class = (uint32_t)size_class;
  jh_list_append(&self->blocks, &header->node);
  return (char *)header + HEADER_BYTES;
}

static block *header_of(void *memory) {
  return (block *)(void *)((char *)memory - HEADER_BYTES);
}

void jh_http2_memory_free(void *pointer, void *heap) {
  jh_http2_heap *self = heap;
  if (pointer) release(self->memory, header_of(pointer));
}

void *jh_http2_memory_calloc(size_t count, size_t bytes, void *heap) {
  if (bytes && count > SIZE_MAX / 2 / bytes) return NULL;
  void *pointer = jh_http2_memory_alloc(count * bytes, heap);
  if (pointer) memset(pointer, 0, count * bytes);
  return pointer;
}

void *jh_http2_memory_realloc(void *pointer, size_t bytes, void *heap) {
  if (!pointer) return jh_http2_memory_alloc(bytes, heap);
  size_t had_bytes = header_of(pointer)->bytes;
  if (bytes <= had_bytes) return pointer;
  void *larger = jh_http2_memory_alloc(bytes, heap);
  if (!larger) return NULL;
  memcpy(larger, pointer, had_bytes);
  jh_http2_memory_free(pointer, heap);
  return larger;
}
