/* heap.c: slabs of blocks of one size, taken in the order of their addresses.
 *
 * A slab is in one of four places: `current` of its class, in the queue of its class (enough blocks
 * are free), nowhere (hardly any is free; a free block brings it back), or in the list of empty
 * slabs, from where any class may take it. */
#include "lua/heap.h"

#include <string.h>

#include "base/alloc.h"

enum { WORD_BITS = 64, HEADER_BYTES = (sizeof(jh_heap_slab) + 15) / 16 * 16 };

static inline size_t class_of(size_t bytes) {
  return (bytes + JH_HEAP_STEP_BYTES - 1) / JH_HEAP_STEP_BYTES;
}

static inline jh_heap_slab *slab_of(void *block) {
  return (jh_heap_slab *)((uintptr_t)block & ~(uintptr_t)(JH_HEAP_SLAB_BYTES - 1));
}

static inline char *blocks_of(jh_heap_slab *slab) {
  return (char *)slab + HEADER_BYTES;
}

void jh_heap_init(jh_heap *heap) {
  memset(heap, 0, sizeof *heap);
}

void jh_heap_deinit(jh_heap *heap) {
  while (heap->chunks) {
    jh_heap_chunk *chunk = heap->chunks;
    heap->chunks = chunk->next;
    jh_free(chunk);
  }
}

/* ---- slabs ---- */

static bool try_add_chunk(jh_heap *heap) {
  size_t bytes = (size_t)(JH_HEAP_CHUNK_SLABS + 1) * JH_HEAP_SLAB_BYTES;
  jh_heap_chunk *chunk = jh_try_alloc(bytes);
  if (!chunk) return false;
  chunk->next = heap->chunks;
  heap->chunks = chunk;
  /* The first aligned place behind the link; the last slab's worth of memory is lost to that. */
  char *slab = (char *)slab_of((char *)(chunk + 1) + JH_HEAP_SLAB_BYTES - 1);
  for (int i = JH_HEAP_CHUNK_SLABS - 1; i >= 0; i--) {
    jh_heap_slab *empty = (jh_heap_slab *)(slab + (size_t)i * JH_HEAP_SLAB_BYTES);
    empty->next = heap->empty;
    heap->empty = empty;
  }
  return true;
}

/* Gives an empty slab to a class. */
static jh_heap_slab *try_start_slab(jh_heap *heap, size_t class) {
  if (!heap->empty && !try_add_chunk(heap)) return NULL;
  jh_heap_slab *slab = heap->empty;
  heap->empty = slab->next;
  heap->slab_count++;
  uint32_t bytes = (uint32_t) class * JH_HEAP_STEP_BYTES;
  uint32_t count = (JH_HEAP_SLAB_BYTES - HEADER_BYTES) / bytes;
  *slab = (jh_heap_slab){
      .block_bytes = bytes,
      .inverse = (uint32_t)(((UINT64_C(1) << 32) + bytes - 1) / bytes),
      .block_count = count,
      .free_count = count,
      .queue_at = count / 8 + 1,
      .word_count = (count + WORD_BITS - 1) / WORD_BITS,
  };
  for (uint32_t i = 0; i < count / WORD_BITS; i++) slab->bits[i] = UINT64_MAX;
  if (count % WORD_BITS) slab->bits[count / WORD_BITS] = (UINT64_C(1) << count % WORD_BITS) - 1;
  return slab;
}

static void append(jh_heap_class *class, jh_heap_slab *slab) {
  slab->is_listed = true;
  slab->next = NULL;
  slab->prev = class->last;
  if (class->last) {
    class->last->next = slab;
  } else {
    class->first = slab;
  }
  class->last = slab;
}

static void remove_from(jh_heap_class *class, jh_heap_slab *slab) {
  if (slab->prev) {
    slab->prev->next = slab->next;
  } else {
    class->first = slab->next;
  }
  if (slab->next) {
    slab->next->prev = slab->prev;
  } else {
    class->last = slab->prev;
  }
}

/* A slab that is not current has got free blocks: queues it, or lets it go when it is empty. */
static __attribute__((noinline)) void on_freed(jh_heap *heap, jh_heap_slab *slab) {
  jh_heap_class *class = &heap->classes[slab->block_bytes / JH_HEAP_STEP_BYTES];
  if (slab == class->current) return;
  if (slab->free_count < slab->block_count) {
    if (!slab->is_listed) append(class, slab);
    return;
  }
  if (slab->is_listed) remove_from(class, slab);
  heap->slab_count--;
  slab->next = heap->empty;
  heap->empty = slab;
}

/* Goes to the next word of a slab that has free blocks. */
static bool take_word(jh_heap_slab *slab, uint32_t index) {
  while (index < slab->word_count && slab->bits[index] == 0) index++;
  if (index >= slab->word_count) return false;
  slab->word = slab->bits[index];
  slab->bits[index] = 0;
  slab->word_index = index;
  slab->word_blocks = blocks_of(slab) + (size_t)index * WORD_BITS * slab->block_bytes;
  return true;
}

/* ---- blocks ---- */

static inline void *take_block(jh_heap_slab *slab) {
  uint32_t bit = (uint32_t)__builtin_ctzll(slab->word);
  slab->word &= slab->word - 1;
  slab->free_count--;
  return slab->word_blocks + (size_t)bit * slab->block_bytes;
}

/* The word of the current slab is used up, or there is no current slab. */
static __attribute__((noinline)) void *try_take_further(jh_heap *heap, size_t bytes) {
  if (bytes > JH_HEAP_SMALL_BYTES) return jh_try_alloc(bytes);
  jh_heap_class *class = &heap->classes[class_of(bytes)];
  jh_heap_slab *slab = class->current;
  if (slab && take_word(slab, slab->word_index + 1)) return take_block(slab);
  class->current = NULL;
  if (slab) {
    slab->is_listed = false;
    if (slab->free_count >= slab->queue_at) on_freed(heap, slab);
  }
  slab = class->first;
  if (slab) {
    remove_from(class, slab);
  } else {
    slab = try_start_slab(heap, class_of(bytes));
    if (!slab) return NULL;
  }
  slab->is_listed = true;
  class->current = slab;
  take_word(slab, 0);
  return take_block(slab);
}

static inline void *try_take(jh_heap *heap, size_t bytes) {
  if (bytes > JH_HEAP_SMALL_BYTES) return try_take_further(heap, bytes);
  jh_heap_slab *slab = heap->classes[class_of(bytes)].current;
  if (!slab || !slab->word) return try_take_further(heap, bytes);
  return take_block(slab);
}

static inline void *give_back(jh_heap *heap, void *block, size_t bytes) {
  if (bytes > JH_HEAP_SMALL_BYTES) {
    jh_free(block);
  } else if (block) {
    jh_heap_slab *slab = slab_of(block);
    uint64_t offset = (uint64_t)((char *)block - blocks_of(slab));
    uint32_t index = (uint32_t)((offset * slab->inverse) >> 32);
    slab->bits[index / WORD_BITS] |= UINT64_C(1) << index % WORD_BITS;
    slab->free_count++;
    if (slab->free_count == slab->queue_at || slab->free_count == slab->block_count) {
      on_freed(heap, slab);
    }
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
