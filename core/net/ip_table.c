/* ip_table.c: open addressing, one writer per part, many readers.
 *
 * An entry whose count is 0 may be taken over by another address, but its key never becomes 0
 * again: so a search may stop at the first key 0, and probes stay short because a part has at least
 * twice as many entries as its worker has connections. A full neighbourhood (which an attacker
 * could aim for) admits the connection uncounted rather than refusing strangers. */
#include "net/ip_table.h"

#include <stdatomic.h>
#include <sys/mman.h>

enum { PROBES_MAX = 64 };

typedef struct entry {
  _Atomic uint64_t key; /* 0: never used */
  _Atomic uint32_t count;
} entry;

struct jh_ip_table {
  uint32_t slot_count;
  uint32_t mask; /* entries of one part, a power of two, less one */
  size_t bytes;
  entry entries[];
};

jh_ip_table *jh_ip_table_new(uint32_t slot_count, uint32_t max_connections) {
  uint32_t size = 1024;
  while (size < max_connections * UINT64_C(2) && size < UINT32_C(1) << 30) size *= 2;
  size_t bytes = sizeof(jh_ip_table) + sizeof(entry) * (size_t)size * slot_count;
  void *memory =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return NULL;
  jh_ip_table *table = memory;
  table->slot_count = slot_count;
  table->mask = size - 1;
  table->bytes = bytes;
  return table;
}

void jh_ip_table_free(jh_ip_table *table) {
  if (table) munmap(table, table->bytes);
}

static uint32_t start_of(const jh_ip_table *table, uint64_t key) {
  return (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & table->mask;
}

static entry *at(jh_ip_table *table, uint32_t slot, uint32_t index) {
  return &table->entries[(size_t)slot * (table->mask + 1) + (index & table->mask)];
}

/* The entry of a key in one part, or NULL. */
static entry *find(const jh_ip_table *table, uint32_t slot, uint64_t key) {
  uint32_t start = start_of(table, key);
  for (uint32_t i = 0; i < PROBES_MAX; i++) {
    entry *candidate = at((jh_ip_table *)(uintptr_t)table, slot, start + i);
    uint64_t found = atomic_load_explicit(&candidate->key, memory_order_acquire);
    if (found == key) return candidate;
    if (found == 0) return NULL;
  }
  return NULL;
}

/* The entry of a key in the worker's own part, made when there is none; NULL when there is no room.
 */
static entry *find_or_take(jh_ip_table *table, uint32_t slot, uint64_t key) {
  entry *own = find(table, slot, key);
  if (own) return own;
  uint32_t start = start_of(table, key);
  for (uint32_t i = 0; i < PROBES_MAX; i++) {
    entry *candidate = at(table, slot, start + i);
    if (atomic_load_explicit(&candidate->count, memory_order_relaxed) == 0) {
      atomic_store_explicit(&candidate->key, key, memory_order_release);
      return candidate;
    }
  }
  return NULL;
}

void jh_ip_table_clear(jh_ip_table *table, uint32_t slot) {
  for (uint32_t i = 0; i <= table->mask; i++) {
    entry *own = at(table, slot, i);
    if (atomic_load_explicit(&own->key, memory_order_relaxed) == 0) continue;
    atomic_store_explicit(&own->count, 0, memory_order_relaxed);
  }
}

uint32_t jh_ip_table_count(const jh_ip_table *table, uint64_t key) {
  uint32_t count = 0;
  for (uint32_t slot = 0; slot < table->slot_count; slot++) {
    const entry *part = find(table, slot, key);
    if (part) count += atomic_load_explicit(&part->count, memory_order_seq_cst);
  }
  return count;
}

int jh_ip_table_enter(jh_ip_table *table, uint32_t slot, uint64_t key, uint32_t limit) {
  entry *own = find_or_take(table, slot, key);
  if (!own) return 0;
  atomic_fetch_add_explicit(&own->count, 1, memory_order_seq_cst);
  if (jh_ip_table_count(table, key) <= limit) return 0;
  atomic_fetch_sub_explicit(&own->count, 1, memory_order_seq_cst);
  return JH_ELIMIT;
}

void jh_ip_table_leave(jh_ip_table *table, uint32_t slot, uint64_t key) {
  entry *own = find(table, slot, key);
  if (!own || atomic_load_explicit(&own->count, memory_order_relaxed) == 0) return;
  atomic_fetch_sub_explicit(&own->count, 1, memory_order_seq_cst);
}
