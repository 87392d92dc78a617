/* arena.c: how an arena gets blocks and gives them back.
 *
 * When a block has no room left its rest is given up, even if a later, smaller request would fit:
 * looking for room would cost every allocation, and an arena lives for one exchange. Under ASan the
 * bytes of a block are poisoned until they are handed out. */
#include "base/arena.h"

#include <string.h>

#include "base/check.h"

extern inline void *jh_arena_try_alloc(jh_arena *arena, size_t bytes);

enum { BLOCK_DATA_BYTES = JH_ARENA_BLOCK_BYTES - sizeof(jh_arena_block) };

_Static_assert(offsetof(jh_arena_block, data) % 8 == 0 && BLOCK_DATA_BYTES % 8 == 0,
               "the fast path relies on `at` and `left_bytes` being multiples of 8");

void jh_arena_init(jh_arena *arena, jh_pool *blocks) {
  JH_REQUIRE(blocks->object_bytes == JH_ARENA_BLOCK_BYTES);
  *arena = (jh_arena){.pool = blocks};
}

void jh_arena_reset(jh_arena *arena) {
  while (arena->blocks != NULL) {
    jh_arena_block *block = arena->blocks;
    arena->blocks = block->next;
    jh_pool_release(arena->pool, block);
  }
  while (arena->oversizes != NULL) {
    jh_arena_block *block = arena->oversizes;
    arena->oversizes = block->next;
    jh_free(block);
  }
  arena->at = NULL;
  arena->left_bytes = 0;
}

static void *try_alloc_oversize(jh_arena *arena, size_t bytes) {
  if (bytes > SIZE_MAX - sizeof(jh_arena_block)) return NULL;
  jh_arena_block *block = jh_try_alloc(sizeof(jh_arena_block) + bytes);
  if (block == NULL) return NULL;
  block->next = arena->oversizes;
  arena->oversizes = block;
  return block->data;
}

void *jh_arena_try_alloc_slow(jh_arena *arena, size_t bytes) {
  if (bytes == 0) return jh_arena_try_alloc(arena, 1);
  if (bytes > BLOCK_DATA_BYTES) return try_alloc_oversize(arena, bytes);
  jh_arena_block *block = jh_pool_try_acquire(arena->pool);
  if (block == NULL) return NULL;
  block->next = arena->blocks;
  arena->blocks = block;
  arena->at = block->data;
  arena->left_bytes = BLOCK_DATA_BYTES;
  JH_POISON(block->data, BLOCK_DATA_BYTES);
  return jh_arena_try_alloc(arena, bytes);
}

char *jh_arena_try_dup(jh_arena *arena, const char *bytes, size_t len) {
  char *copy = jh_arena_try_alloc(arena, len + 1);
  if (copy == NULL) return NULL;
  if (len > 0) memcpy(copy, bytes, len);
  copy[len] = '\0';
  return copy;
}
