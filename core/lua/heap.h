/* heap.h: memory of one VM: small blocks by size class, large ones from the C heap.
 *
 * LuaJIT's own allocator merges neighbours on every free, which is most of what the few small
 * tables of a request cost. Lua tells the size of what it frees, so here a block needs no header,
 * and taking and giving back are a few instructions. Small blocks are cut from slabs, which stay
 * with the heap until it ends: it keeps what it needed at its worst. */
#ifndef JH_LUA_HEAP_H
#define JH_LUA_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* ==== cdef: begin ==== */

enum {
  JH_HEAP_STEP_BYTES = 16,   /* size classes are its multiples … */
  JH_HEAP_SMALL_BYTES = 512, /* … up to this one */
  JH_HEAP_CLASS_COUNT = JH_HEAP_SMALL_BYTES / JH_HEAP_STEP_BYTES + 1,
  JH_HEAP_SLAB_BYTES = 65536
};

typedef struct jh_heap_block {
  struct jh_heap_block *next;
} jh_heap_block;

typedef struct jh_heap {
  jh_heap_block *free[JH_HEAP_CLASS_COUNT]; /* by size in steps; [0] is not used */
  char *bump, *bump_end;                    /* the rest of the newest slab */
  jh_heap_block *slabs;
  size_t slab_count;
} jh_heap;

void jh_heap_init(jh_heap *heap);

/* Frees the slabs; every large block must have been given back before. */
void jh_heap_deinit(jh_heap *heap);

/* What lua_newstate() takes: `heap` is a jh_heap. Allocates, resizes or (new_bytes 0) frees a block
 * whose size was `bytes`. NULL when out of memory; the old block is as it was then. */
void *jh_heap_resize(void *heap, void *block, size_t bytes, size_t new_bytes);

/* ==== cdef: end ==== */

#endif
