/* heap.c: size classes over slabs. */
#include "lua/heap.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

static inline size_t class_of(size_t bytes) {
  return (bytes + JH_HEAP_STEP_BYTES - 1) / JH_HEAP_STEP_BYTES;
}

static inline void push(jh_heap *heap, size_t class, void *memory) {
  jh_heap_block *block = memory;
  block->next = heap->free[class];
  heap->free[class] = block;
}

void jh_heap_init(jh_heap *heap) {
  memset(heap, 0, sizeof *heap);
}

void jh_heap_deinit(jh_heap *heap) {
  while (heap->slabs) {
    jh_heap_block *slab = heap->slabs;
    heap->slabs = slab->next;
    jh_free(slab);
  }
}

/* Starts a slab; what is left of the one before becomes a block of its class. */
static bool try_add_slab(jh_heap *heap) {
  jh_heap_block *slab = jh_try_alloc(JH_HEAP_SLAB_BYTES);
  if (!slab) return false;
  size_t rest = (size_t)(heap->bump_end - heap->bump);
  if (rest) push(heap, class_of(rest), heap->bump);
  slab->next = heap->slabs;
  heap->slabs = slab;
  heap->slab_count++;
  heap->bump = (char *)slab + JH_HEAP_STEP_BYTES;
  heap->bump_end = (char *)slab + JH_HEAP_SLAB_BYTES;
  return true;
}

static __attribute__((noinline)) void *try_take_fresh(jh_heap *heap, size_t bytes) {
  if (bytes > JH_HEAP_SMALL_BYTES) return jh_try_alloc(bytes);
  bytes = class_of(bytes) * JH_HEAP_STEP_BYTES;
  if ((size_t)(heap->bump_end - heap->bump) < bytes && !try_add_slab(heap)) return NULL;
  void *block = heap->bump;
  heap->bump += bytes;
  return block;
}

static inline void *try_take(jh_heap *heap, size_t bytes) {
  size_t class = class_of(bytes);
  if (bytes > JH_HEAP_SMALL_BYTES || !heap->free[class]) return try_take_fresh(heap, bytes);
  jh_heap_block *block = heap->free[class];
  heap->free[class] = block->next;
  return block;
}

static inline void *give_back(jh_heap *heap, void *block, size_t bytes) {
  if (bytes > JH_HEAP_SMALL_BYTES) {
    jh_free(block);
  } else if (block) {
    push(heap, class_of(bytes), block);
  }
  return NULL;
}

static __attribute__((noinline)) void *try_move(jh_heap *heap, void *block, size_t bytes,
                                                size_t new_bytes) {
  if (bytes > JH_HEAP_SMALL_BYTES && new_bytes > JH_HEAP_SMALL_BYTES) {
    return jh_try_realloc(block, new_bytes);
  }
  if (bytes <= JH_HEAP_SMALL_BYTES && class_of(bytes) == class_of(new_bytes)) return block;
  void *fresh = try_take(heap, new_bytes);
  if (!fresh) return NULL;
  memcpy(fresh, block, bytes < new_bytes ? bytes : new_bytes);
  give_back(heap, block, bytes);
  return fresh;
}

void *jh_heap_resize(void *heap, void *block, size_t bytes, size_t new_bytes) {
  if (new_bytes == 0) return give_back(heap, block, bytes);
  if (!block) return try_take(heap, new_bytes);
  return try_move(heap, block, bytes, new_bytes);
}
