/* conditional_fuzz.c: judges preconditions.
 *
 * The input is one byte of flags, then lines: the entity tag, If-Match, If-None-Match,
 * If-Modified-Since, If-Unmodified-Since, If-Range. A line "-" is an absent field. What must hold:
 *  - No byte outside a field is read (each is a block of its own under ASan).
 *  - 304 and 200 are for GET alone, 200 only with a range and If-Range, nothing comes of nothing.
 *  - Later fields never change what earlier ones decided.
 *  - A valid tag in a list of its own matches itself: weakly always, strongly when it is strong. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/conditional.h"

enum { FIELD_COUNT = 6 };

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "conditional_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static jh_str copy_of(const char *text, size_t len) {
  char *copy = malloc(len > 0 ? len : 1);
  MUST(copy != NULL);
  if (len > 0) memcpy(copy, text, len);
  return (jh_str){copy, len};
}

/* Judges with one field taken away. */
static jh_conditional_result without(jh_conditional_fields fields, jh_str *field,
                                     const jh_conditional_fields *original,
                                     const jh_conditional_state *state) {
  size_t offset = (size_t)((const char *)field - (const char *)original);
  jh_str none = {NULL, 0};
  memcpy((char *)&fields + offset, &none, sizeof(none));
  return jh_conditional_check(&fields, state);
}

static void check_result(jh_conditional_fields *fields, const jh_conditional_state *state) {
  jh_conditional_result result = jh_conditional_check(fields, state);
  jh_conditional_result without_range = without(*fields, &fields->if_range, fields, state);
  MUST(result == JH_CONDITIONAL_PROCEED || result == JH_CONDITIONAL_WHOLE ||
       result == JH_CONDITIONAL_NOT_MODIFIED || result == JH_CONDITIONAL_FAILED);
  if (result == JH_CONDITIONAL_WHOLE) {
    MUST(state->is_get && state->has_range && fields->if_range.ptr != NULL);
    MUST(without_range == JH_CONDITIONAL_PROCEED);
  } else {
    MUST(without_range == result);
  }
  if (result == JH_CONDITIONAL_NOT_MODIFIED) MUST(state->is_get && state->exists);
  if (fields->if_match.ptr != NULL) {
    MUST(without(*fields, &fields->if_unmodified_since, fields, state) == result);
  }
  if (fields->if_none_match.ptr != NULL) {
    MUST(without(*fields, &fields->if_modified_since, fields, state) == result);
  }
  jh_conditional_fields none = {0};
  MUST(jh_conditional_check(&none, state) == JH_CONDITIONAL_PROCEED);
}

static void check_own_tag(jh_conditional_state state) {
  if (!jh_conditional_etag_is_valid(state.etag)) return;
  char list[4096];
  int len = snprintf(list, sizeof(list), "W/\"other\" ,, %.*s,\t\"more\"", (int)state.etag.len,
                     state.etag.ptr);
  if ((size_t)len >= sizeof(list)) return;
  jh_conditional_fields fields = {.if_none_match = {list, (size_t)len}};
  state.exists = true;
  state.is_get = true;
  MUST(jh_conditional_check(&fields, &state) == JH_CONDITIONAL_NOT_MODIFIED);
  fields = (jh_conditional_fields){.if_match = {list, (size_t)len}};
  bool is_strong = state.etag.ptr[0] == '"';
  bool passes = jh_conditional_check(&fields, &state) == JH_CONDITIONAL_PROCEED;
  MUST(passes == is_strong);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes == 0 || memchr(data, '\0', bytes) != NULL) return 0;
  jh_str lines[FIELD_COUNT];
  const char *at = (const char *)data + 1;
  size_t left = bytes - 1;
  for (int i = 0; i < FIELD_COUNT; i++) {
    const char *lf = memchr(at, '\n', left);
    size_t len = lf == NULL ? left : (size_t)(lf - at);
    bool is_absent = i > 0 && (lf == NULL || (len == 1 && *at == '-'));
    lines[i] = is_absent ? (jh_str){NULL, 0} : copy_of(at, len);
    at += lf == NULL ? left : len + 1;
    left -= lf == NULL ? left : len + 1;
  }
  jh_conditional_fields fields = {lines[1], lines[2], lines[3], lines[4], lines[5]};
  jh_conditional_state state = {.etag = lines[0],
                                .last_modified_s = 784111777,
                                .has_last_modified = (data[0] & 1) != 0,
                                .exists = (data[0] & 2) != 0,
                                .is_get = (data[0] & 4) != 0,
                                .has_range = (data[0] & 8) != 0,
                                .now_s = 784111777 + (data[0] >> 4)};
  check_result(&fields, &state);
  check_own_tag(state);
  for (int i = 0; i < FIELD_COUNT; i++) free((char *)lines[i].ptr);
  return 0;
}
