/* heartbeat.c: making pages, and whose counts are whose.
 *
 * A mapping and not a file: it needs no name, and is gone with the last process that has it. */
#include "server/heartbeat.h"

#include "base/check.h"

#include <string.h>
#include <sys/mman.h>

jh_heartbeat *jh_heartbeat_new(void) {
  void *page =
      mmap(NULL, sizeof(jh_heartbeat), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  JH_REQUIRE(page != MAP_FAILED);
  return page;
}

void jh_heartbeat_free(jh_heartbeat *heartbeat) {
  if (heartbeat) munmap(heartbeat, sizeof *heartbeat);
}

void jh_heartbeat_clear(jh_heartbeat *heartbeat) {
  memset(heartbeat, 0, sizeof *heartbeat);
}

/* Numbers only grow, so the lowest is the oldest, and a free entry's is lower still. */
jh_heartbeat_counts *jh_heartbeat_counts_of(jh_heartbeat *heartbeat, uint32_t generation) {
  jh_heartbeat_counts *oldest = &heartbeat->counts[0];
  for (int i = 0; i < JH_HEARTBEAT_GENERATIONS; i++) {
    jh_heartbeat_counts *counts = &heartbeat->counts[i];
    if (counts->generation == generation) return counts;
    if (counts->generation < oldest->generation) oldest = counts;
  }
  oldest->generation = 0;
  oldest->request_count = oldest->error_count = 0;
  oldest->generation = generation;
  return oldest;
}

const jh_heartbeat_counts *jh_heartbeat_find_counts(const jh_heartbeat *heartbeat,
                                                    uint32_t generation) {
  for (int i = 0; i < JH_HEARTBEAT_GENERATIONS; i++) {
    if (heartbeat->counts[i].generation == generation) return &heartbeat->counts[i];
  }
  return NULL;
}
