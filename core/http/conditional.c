/* conditional.c: entity tags and lists of them, then the order of precedence.
 *
 * Doubt is resolved to the safe side. A field that is malformed matches nothing: If-None-Match then
 * gives the whole answer and If-Match refuses to change anything. A date that cannot be read is
 * ignored, as §13.1.3 and §13.1.4 want it. */
#include "http/conditional.h"

#include <string.h>

#include "base/str.h"
#include "http/date.h"

typedef struct etag {
  jh_str opaque; /* with quotes */
  bool is_weak;
} etag;

static bool is_etag_byte(char byte) {
  uint8_t value = (uint8_t)byte;
  return value == 0x21 || (value >= 0x23 && value != 0x7f);
}

/* Cuts an entity tag from the beginning of *text. False when there is none. */
static bool take_etag(jh_str *text, etag *out) {
  out->is_weak = text->len >= 2 && memcmp(text->ptr, "W/", 2) == 0;
  size_t from = out->is_weak ? 2 : 0;
  if (from >= text->len || text->ptr[from] != '"') return false;
  size_t end = from + 1;
  while (end < text->len && is_etag_byte(text->ptr[end])) end++;
  if (end == text->len || text->ptr[end] != '"') return false;
  end++;
  out->opaque = (jh_str){text->ptr + from, end - from};
  *text = (jh_str){text->ptr + end, text->len - end};
  return true;
}

static bool parse_etag(jh_str text, etag *out) {
  return take_etag(&text, out) && text.len == 0;
}

bool jh_conditional_etag_is_valid(jh_str text) {
  etag etag;
  return parse_etag(text, &etag);
}

static bool is_same(const etag *a, const etag *b, bool is_strong) {
  if (is_strong && (a->is_weak || b->is_weak)) return false;
  return jh_str_equal(a->opaque, b->opaque);
}

/* Whether an If-Match or If-None-Match names the representation. */
static bool is_listed(jh_str list, const jh_conditional_state *state, bool is_strong) {
  etag own;
  list = jh_str_trim(list);
  if (jh_str_equal(list, JH_STR("*"))) return state->exists;
  if (!state->exists || !parse_etag(state->etag, &own)) return false;
  bool found = false;
  while (list.len > 0) {
    etag etag;
    if (list.ptr[0] != ',') {
      if (!take_etag(&list, &etag)) return false;
      found |= is_same(&own, &etag, is_strong);
      list = jh_str_trim(list);
      if (list.len > 0 && list.ptr[0] != ',') return false;
    }
    if (list.len > 0) list = jh_str_trim((jh_str){list.ptr + 1, list.len - 1});
  }
  return found;
}

/* True when the date can be read and the representation has one to compare it with. */
static bool read_date(jh_str field, const jh_conditional_state *state, int64_t *date) {
  if (field.ptr == NULL || !state->exists || !state->has_last_modified) return false;
  return jh_date_parse(jh_str_trim(field), state->now_s, date) == 0;
}

/* §13.1.5. A date is only as good as a strong entity tag when nothing changed in the second it
 * names after it was given out, which is certain once that second is over. */
static bool range_is_wanted(jh_str field, const jh_conditional_state *state) {
  etag own;
  etag wanted;
  int64_t date;
  field = jh_str_trim(field);
  if (state->exists && parse_etag(field, &wanted)) {
    return parse_etag(state->etag, &own) && is_same(&own, &wanted, true);
  }
  return read_date(field, state, &date) && date == state->last_modified_s &&
         state->now_s > state->last_modified_s + 1;
}

static jh_conditional_result check_range(const jh_conditional_fields *fields,
                                         const jh_conditional_state *state) {
  if (fields->if_range.ptr == NULL || !state->has_range || !state->is_get) {
    return JH_CONDITIONAL_PROCEED;
  }
  return range_is_wanted(fields->if_range, state) ? JH_CONDITIONAL_PROCEED : JH_CONDITIONAL_WHOLE;
}

jh_conditional_result jh_conditional_check(const jh_conditional_fields *fields,
                                           const jh_conditional_state *state) {
  int64_t date;
  if (fields->if_match.ptr != NULL) {
    if (!is_listed(fields->if_match, state, true)) return JH_CONDITIONAL_FAILED;
  } else if (read_date(fields->if_unmodified_since, state, &date)) {
    if (state->last_modified_s > date) return JH_CONDITIONAL_FAILED;
  }
  if (fields->if_none_match.ptr != NULL) {
    if (is_listed(fields->if_none_match, state, false)) {
      return state->is_get ? JH_CONDITIONAL_NOT_MODIFIED : JH_CONDITIONAL_FAILED;
    }
  } else if (state->is_get && read_date(fields->if_modified_since, state, &date)) {
    if (state->last_modified_s <= date) return JH_CONDITIONAL_NOT_MODIFIED;
  }
  return check_range(fields, state);
}
