/* range_fuzz.c: reads a Range field.
 *
 * The input is a byte for the size of the representation (255 stands for 2^64 - 1), then the field.
 * What must hold:
 *  - No byte outside the field is read (it is a block of its own under ASan).
 *  - The ranges lie within the representation, hold something and neither overlap nor touch.
 *  - For small representations: a byte is in a range if and only if the field, read plainly, asks
 *    for it; and no range is there without a byte that was asked for.
 *  - The frames of the parts add up to the length that is announced for them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/range.h"

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "range_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static void check_ranges(const jh_range_set *set, uint64_t size) {
  MUST(set->count >= 1 && set->count <= JH_RANGE_COUNT_MAX);
  for (uint32_t i = 0; i < set->count; i++) {
    const jh_range *range = &set->ranges[i];
    MUST(range->len > 0 && range->first < size && range->len <= size - range->first);
    for (uint32_t n = 0; n < i; n++) {
      const jh_range *other = &set->ranges[n];
      MUST(range->first > other->first + other->len || other->first > range->first + range->len);
    }
  }
}

/* Marks what one spec asks for, as sscanf-like reading understands it. */
static void mark(const char *spec, size_t len, uint64_t size, bool *is_wanted) {
  char text[64];
  char *end;
  while (len > 0 && (*spec == ' ' || *spec == '\t')) spec++, len--;
  if (len == 0 || len >= sizeof(text)) return;
  memcpy(text, spec, len);
  text[len] = '\0';
  uint64_t first = 0;
  uint64_t last = size - 1;
  if (text[0] == '-') {
    uint64_t count = strtoull(text + 1, &end, 10);
    if (count < size) first = size - count;
  } else {
    first = strtoull(text, &end, 10);
    if (end[1] >= '0' && end[1] <= '9') last = strtoull(end + 1, &end, 10);
  }
  for (uint64_t n = first; n <= last && n < size; n++) is_wanted[n] = true;
}

static void check_wanted(const char *field, size_t len, const jh_range_set *set, uint64_t size) {
  bool is_wanted[256] = {false};
  const char *at = field + strlen("bytes=");
  const char *end = field + len;
  while (at < end) {
    const char *comma = memchr(at, ',', (size_t)(end - at));
    size_t count = (size_t)((comma == NULL ? end : comma) - at);
    if (count >= 60) return;
    mark(at, count, size, is_wanted);
    at += count + 1;
  }
  for (uint64_t n = 0; n < size; n++) {
    bool is_given = false;
    for (uint32_t i = 0; i < set->count; i++) {
      is_given |= n >= set->ranges[i].first && n - set->ranges[i].first < set->ranges[i].len;
    }
    MUST(is_given == is_wanted[n]);
  }
}

static void check_body(const jh_range_set *set, uint64_t size) {
  char room[JH_RANGE_PART_BYTES_MAX];
  jh_range_parts parts = {JH_STR("boundary"), JH_STR("text/plain"), size};
  uint64_t bytes = (uint64_t)jh_range_write_end(&parts, room);
  for (uint32_t i = 0; i < set->count; i++) {
    int len = jh_range_write_part(&parts, set, i, room);
    MUST(len > 0 && len < JH_RANGE_PART_BYTES_MAX);
    bytes += (uint64_t)len + set->ranges[i].len;
  }
  MUST(bytes == jh_range_body_bytes(&parts, set));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes == 0) return 0;
  uint64_t size = data[0] == 255 ? UINT64_MAX : data[0];
  size_t len = bytes - 1;
  char *field = malloc(len > 0 ? len : 1);
  MUST(field != NULL);
  if (len > 0) memcpy(field, data + 1, len);
  jh_range_set set;
  jh_range_result result = jh_range_parse((jh_str){field, len}, size, &set);
  if (result == JH_RANGE_PARTIAL) {
    check_ranges(&set, size);
    check_body(&set, size);
    if (size != UINT64_MAX) check_wanted(field, len, &set, size);
  }
  MUST(result == JH_RANGE_NONE || result == JH_RANGE_PARTIAL || result == JH_RANGE_UNSATISFIABLE);
  free(field);
  return 0;
}
