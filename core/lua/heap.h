/* heap.h: memory of one VM: small blocks by size class, large ones from the C heap.
 *
 * LuaJIT's own allocator merges neighbours on every free, which is most of what the few small
 * tables of a request cost. Lua tells the size of what it frees, so here a block needs no header. A
 * slab holds blocks of one size and a bit for each that is free; blocks are taken in the order of
 * their addresses, because memory that comes back from the collector is cold, and the processor
 * fetches ahead only what is in a row. (Free lists are fewer instructions, and slower.) */
#ifndef JH_LUA_HEAP_H
#define JH_LUA_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ==== cdef: begin ==== */

enum {
  JH_HEAP_STEP_BYTES = 16,   /* size classes are its multiples … */
  JH_HEAP_SMALL_BYTES = 512, /* … up to this one */
  JH_HEAP_CLASS_COUNT = JH_HEAP_SMALL_BYTES / JH_HEAP_STEP_BYTES + 1,
  JH_HEAP_SLAB_BYTES = 65536,
  JH_HEAP_SLAB_WORDS = JH_HEAP_SLAB_BYTES / JH_HEAP_STEP_BYTES / 64,
  JH_HEAP_CHUNK_SLABS = 16 /* slabs are allocated so many at a time */
};

/* At the start of its memory, which is aligned to its size. */
typedef struct jh_heap_slab {
  uint64_t word;     /* free blocks of the word that blocks are taken from now … */
  char *word_blocks; /* … and where the first of its blocks is */
  uint32_t word_index;
  uint32_t word_count;
  uint32_t block_bytes;
  uint32_t inverse;    /* 2^32 / block_bytes, rounded up: a product in place of a division */
  uint32_t free_count; /* bits that are set, those in `word` too */
  uint32_t queue_at;   /* it is worth looking at again when so many are free */
  uint32_t block_count;
  bool is_listed;                   /* queued, or taken from now */
  struct jh_heap_slab *next, *prev; /* in its queue; next: in the list of empty ones */
  uint64_t bits[JH_HEAP_SLAB_WORDS];
} jh_heap_slab;

typedef struct jh_heap_class {
  jh_heap_slab *current;      /* blocks are taken from it; NULL at first */
  jh_heap_slab *first, *last; /* queue of others that have enough free blocks */
} jh_heap_class;

typedef struct jh_heap_chunk {
  struct jh_heap_chunk *next;
} jh_heap_chunk;

typedef struct jh_heap {
  jh_heap_class classes[JH_HEAP_CLASS_COUNT]; /* by size in steps; [0] is not used */
  jh_heap_slab *empty;                        /* slabs without a class */
  jh_heap_chunk *chunks;
  size_t slab_count; /* that have a class */
} jh_heap;

void jh_heap_init(jh_heap *heap);

/* Frees all slabs; every large block must have been given back before. */
void jh_heap_deinit(jh_heap *heap);

/* What lua_newstate() takes: `heap` is a jh_heap. Allocates, resizes or (new_bytes 0) frees a block
 * whose size was `bytes`. NULL when out of memory; the old block is as it was then. */
void *jh_heap_resize(void *heap, void *block, size_t bytes, size_t new_bytes);

/* ==== cdef: end ==== */

#endif
