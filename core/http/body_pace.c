/* body_pace.c: the sum of the waits for a body, against what came in them. */
#include "http/body_pace.h"

void jh_body_pace_wait(jh_body_pace *pace, uint64_t now_ms) {
  if (pace->wait_began_ms == 0) pace->wait_began_ms = now_ms;
}

void jh_body_pace_receive(jh_body_pace *pace, uint64_t now_ms, size_t bytes) {
  if (pace->wait_began_ms) pace->waited_ms += now_ms - pace->wait_began_ms;
  pace->wait_began_ms = 0;
  pace->received_bytes += bytes;
}

bool jh_body_pace_is_slow(const jh_body_pace *pace, uint32_t timeout_ms, uint32_t bytes_per_s) {
  if (timeout_ms == 0 || bytes_per_s == 0 || pace->waited_ms <= timeout_ms) return false;
  /* In seconds first: bodies may be so long that their bytes times 1000 do not fit. */
  uint64_t seconds = pace->received_bytes / bytes_per_s;
  uint64_t rest_ms = pace->received_bytes % bytes_per_s * 1000 / bytes_per_s;
  return pace->waited_ms - timeout_ms > seconds * 1000 + rest_ms;
}
