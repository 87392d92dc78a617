/* range.c: numbers, ranges, lists of them, and the frames of their parts.
 *
 * Numbers that do not fit saturate: they are larger than any representation anyway. */
#include "http/range.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { BOUNDARY_BYTES_MAX = 70, TYPE_BYTES_MAX = 255 };

/* One range as it was asked for. */
typedef struct range_spec {
  uint64_t first, last;
  bool is_suffix; /* the last `last` bytes */
} range_spec;

/* Cuts the digits at the beginning of *text. False when there are none. */
static bool take_number(jh_str *text, uint64_t *value) {
  size_t count = 0;
  while (count < text->len && text->ptr[count] >= '0' && text->ptr[count] <= '9') count++;
  int result = jh_str_parse_u64((jh_str){text->ptr, count}, value);
  if (result == JH_ERANGE) *value = UINT64_MAX;
  text->ptr += count;
  text->len -= count;
  return count > 0;
}

/* "first-", "first-last" or "-count". False when malformed. */
static bool parse_spec(jh_str text, range_spec *spec) {
  spec->is_suffix = !take_number(&text, &spec->first);
  if (text.len == 0 || text.ptr[0] != '-') return false;
  text.ptr++;
  text.len--;
  bool has_last = take_number(&text, &spec->last);
  if (text.len > 0) return false;
  if (spec->is_suffix) return has_last;
  if (!has_last) spec->last = UINT64_MAX;
  return spec->first <= spec->last;
}

/* Clamps a spec to the representation. False when no byte of it is there. */
static bool clamp(const range_spec *spec, uint64_t size, jh_range *range) {
  if (spec->is_suffix) {
    range->len = spec->last < size ? spec->last : size;
    range->first = size - range->len;
    return range->len > 0;
  }
  if (spec->first >= size) return false;
  uint64_t last = spec->last < size ? spec->last : size - 1;
  *range = (jh_range){spec->first, last - spec->first + 1};
  return true;
}

static bool is_joinable(const jh_range *a, const jh_range *b) {
  return a->first <= b->first + b->len && b->first <= a->first + a->len;
}

static void join(jh_range *into, const jh_range *other) {
  uint64_t into_end = into->first + into->len;
  uint64_t other_end = other->first + other->len;
  uint64_t end = into_end > other_end ? into_end : other_end;
  if (other->first < into->first) into->first = other->first;
  into->len = end - into->first;
}

/* Adds a range. What it joins is taken out and joined with it, until nothing is left to join; it
 * takes the place of the earliest of them. */
static void add(jh_range_set *set, jh_range range) {
  uint32_t place = set->count;
  for (uint32_t i = 0; i < set->count;) {
    if (!is_joinable(&set->ranges[i], &range)) {
      i++;
      continue;
    }
    join(&range, &set->ranges[i]);
    set->count--;
    memmove(&set->ranges[i], &set->ranges[i + 1], (set->count - i) * sizeof(jh_range));
    if (i < place) place = i;
    i = 0;
  }
  if (place > set->count) place = set->count;
  memmove(&set->ranges[place + 1], &set->ranges[place], (set->count - place) * sizeof(jh_range));
  set->ranges[place] = range;
  set->count++;
}

/* Cuts the next element of a comma-separated list, trimmed. False at its end. */
static bool take_element(jh_str *list, jh_str *element) {
  if (list->ptr == NULL) return false;
  const char *comma = list->len > 0 ? memchr(list->ptr, ',', list->len) : NULL;
  size_t len = comma == NULL ? list->len : (size_t)(comma - list->ptr);
  *element = jh_str_trim((jh_str){list->ptr, len});
  *list = comma == NULL ? (jh_str){NULL, 0} : (jh_str){comma + 1, list->len - len - 1};
  return true;
}

static bool take_unit(jh_str *field) {
  const jh_str unit = JH_STR("bytes=");
  if (field->len < unit.len) return false;
  if (!jh_str_equal_nocase((jh_str){field->ptr, unit.len}, unit)) return false;
  field->ptr += unit.len;
  field->len -= unit.len;
  return true;
}

jh_range_result jh_range_parse(jh_str field, uint64_t size, jh_range_set *out) {
  out->count = 0;
  /* Nothing of an empty representation can be named in a Content-Range. */
  if (size == 0 || !take_unit(&field)) return JH_RANGE_NONE;
  uint32_t spec_count = 0;
  uint64_t left = size;
  jh_str element;
  while (take_element(&field, &element)) {
    range_spec spec;
    jh_range range;
    if (element.len == 0) continue;
    if (++spec_count > JH_RANGE_COUNT_MAX || !parse_spec(element, &spec)) return JH_RANGE_NONE;
    if (!clamp(&spec, size, &range)) continue;
    if (range.len > left) return JH_RANGE_NONE;
    left -= range.len;
    add(out, range);
  }
  if (spec_count == 0) return JH_RANGE_NONE;
  return out->count > 0 ? JH_RANGE_PARTIAL : JH_RANGE_UNSATISFIABLE;
}

size_t jh_range_write_content_range(const jh_range *range, uint64_t size, char *out) {
  unsigned long long total = size;
  int len = 0;
  if (range == NULL) {
    len = snprintf(out, JH_RANGE_TEXT_BYTES, "bytes */%llu", total);
  } else {
    unsigned long long first = range->first;
    unsigned long long last = range->first + range->len - 1;
    len = snprintf(out, JH_RANGE_TEXT_BYTES, "bytes %llu-%llu/%llu", first, last, total);
  }
  return (size_t)len;
}

/* ---- multipart/byteranges ---- */

static bool is_too_long(const jh_range_parts *parts) {
  return parts->boundary.len > BOUNDARY_BYTES_MAX || parts->content_type.len > TYPE_BYTES_MAX;
}

int jh_range_write_part(const jh_range_parts *parts, const jh_range_set *set, uint32_t index,
                        char *out) {
  if (is_too_long(parts)) return JH_ERANGE;
  char content_range[JH_RANGE_TEXT_BYTES];
  jh_range_write_content_range(&set->ranges[index], parts->size, content_range);
  bool has_type = parts->content_type.len > 0;
  return snprintf(out, JH_RANGE_PART_BYTES_MAX, "%s--%.*s\r\n%s%.*s%sContent-Range: %s\r\n\r\n",
                  index == 0 ? "" : "\r\n", (int)parts->boundary.len, parts->boundary.ptr,
                  has_type ? "Content-Type: " : "", (int)parts->content_type.len,
                  has_type ? parts->content_type.ptr : "", has_type ? "\r\n" : "", content_range);
}

int jh_range_write_end(const jh_range_parts *parts, char *out) {
  if (is_too_long(parts)) return JH_ERANGE;
  return snprintf(out, JH_RANGE_PART_BYTES_MAX, "\r\n--%.*s--\r\n", (int)parts->boundary.len,
                  parts->boundary.ptr);
}

uint64_t jh_range_body_bytes(const jh_range_parts *parts, const jh_range_set *set) {
  char room[JH_RANGE_PART_BYTES_MAX];
  if (is_too_long(parts)) return 0;
  uint64_t bytes = (uint64_t)jh_range_write_end(parts, room);
  for (uint32_t i = 0; i < set->count; i++) {
    bytes += (uint64_t)jh_range_write_part(parts, set, i, room) + set->ranges[i].len;
  }
  return bytes;
}
