/* arena.h: memory that lives as long as one exchange and is given back in one step.
 *
 * A bump allocator over blocks from a pool that all arenas of a worker share: an idle arena holds
 * no memory, a warm one never calls malloc. Nothing is freed one by one. What does not fit into a
 * block gets an allocation of its own, with the same lifetime. */
#ifndef JH_BASE_ARENA_H
#define JH_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/pool.h"

/* ==== cdef: begin ==== */

enum { JH_ARENA_BLOCK_BYTES = 4096 };

typedef struct jh_arena_block {
  struct jh_arena_block *next;
  char data[];
} jh_arena_block;

typedef struct jh_arena {
  char *at;                  /* first free byte of the newest block, a multiple of 8 */
  size_t left_bytes;         /* from `at` to the end of that block */
  jh_pool *pool;             /* where blocks come from */
  jh_arena_block *blocks;    /* of JH_ARENA_BLOCK_BYTES each, newest first */
  jh_arena_block *oversizes; /* allocations of their own */
} jh_arena;

/* Starts an empty arena. `blocks` is a pool of JH_ARENA_BLOCK_BYTES objects that outlives it. */
void jh_arena_init(jh_arena *arena, jh_pool *blocks);

/* Gives every block back; whatever was allocated is gone. The arena may be used again. */
void jh_arena_reset(jh_arena *arena);

/* `bytes` of uninitialised memory, aligned to 8, until the next reset; NULL when out of memory.
 * 0 bytes are allowed and give a pointer that is not NULL. */
inline void *jh_arena_try_alloc(jh_arena *arena, size_t bytes) __attribute__((warn_unused_result));

/* A copy of `len` bytes, with a NUL behind it that `len` does not count; NULL when out of memory.
 * `bytes` may be NULL when `len` is 0. */
char *jh_arena_try_dup(jh_arena *arena, const char *bytes, size_t len)
    __attribute__((warn_unused_result));

/* What jh_arena_try_alloc() does when the newest block has no room. */
void *jh_arena_try_alloc_slow(jh_arena *arena, size_t bytes) __attribute__((warn_unused_result));

/* ==== cdef: end ==== */

/* inline definitions */

inline void *jh_arena_try_alloc(jh_arena *arena, size_t bytes) {
  /* 0 wraps around and takes the slow way. What fits still fits when rounded up: left_bytes is a
   * multiple of 8. */
  if (bytes - 1 >= arena->left_bytes) return jh_arena_try_alloc_slow(arena, bytes);
  size_t rounded = (bytes + 7) & ~(size_t)7;
  void *memory = arena->at;
  arena->at += rounded;
  arena->left_bytes -= rounded;
  JH_UNPOISON(memory, bytes);
  return memory;
}

#endif
