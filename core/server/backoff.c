/* backoff.c: nothing for the first failure, then doubling up to a bound. */
#include "server/backoff.h"

uint32_t jh_backoff_fail(jh_backoff *backoff, uint64_t served_ms) {
  if (served_ms >= JH_BACKOFF_HEALTHY_MS) backoff->failure_count = 0;
  if (backoff->failure_count < UINT32_MAX) backoff->failure_count++;
  if (backoff->failure_count == 1) return 0;
  uint32_t wait_ms = JH_BACKOFF_FIRST_MS;
  for (uint32_t i = 2; i < backoff->failure_count && wait_ms < JH_BACKOFF_MAX_MS; i++) wait_ms *= 2;
  return wait_ms < JH_BACKOFF_MAX_MS ? wait_ms : JH_BACKOFF_MAX_MS;
}
