/* accept_encoding.c: weighs the members of the list, then takes the heaviest coding there is.
 *
 * A member that is malformed is skipped. A coding that comes twice has its lower weight: somebody
 * did not want it. Weights are kept in thousandths, which is as fine as they can be written. */
#include "http/accept_encoding.h"

#include <string.h>

#include "base/str.h"
#include "http/token.h"

enum { ANY = JH_CODING_COUNT, SLOT_COUNT, UNKNOWN = -1, NOT_NAMED = -1, WEIGHT_MAX = 1000 };

/* Codings by the size of what they make, the smallest first. */
static const jh_coding preferred[] = {JH_CODING_BROTLI, JH_CODING_ZSTD, JH_CODING_GZIP};

jh_str jh_accept_encoding_name(int coding) {
  bool is_coded = coding > JH_CODING_IDENTITY && coding < JH_CODING_COUNT;
  return is_coded ? jh_coding_name((jh_coding)coding) : JH_STR("");
}

static int find_slot(jh_str name) {
  return jh_str_equal(name, JH_STR("*")) ? (int)ANY : jh_coding_find(name);
}

/* "0", "0.25", "1", "1.000"; -1 for anything else. */
static int parse_weight(jh_str text) {
  if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1')) return -1;
  int weight = (text.ptr[0] - '0') * WEIGHT_MAX;
  if (text.len > 1 && text.ptr[1] != '.') return -1;
  int unit = WEIGHT_MAX / 10;
  for (size_t i = 2; i < text.len; i++, unit /= 10) {
    if (text.ptr[i] < '0' || text.ptr[i] > '9') return -1;
    weight += (text.ptr[i] - '0') * unit;
  }
  return weight <= WEIGHT_MAX ? weight : -1;
}

/* Splits "name;q=weight". The weight, or -1 when the member is malformed. */
static int split_member(jh_str member, jh_str *name) {
  size_t len = 0;
  while (len < member.len && jh_token_byte_is(member.ptr[len], JH_BYTE_TOKEN)) len++;
  *name = (jh_str){member.ptr, len};
  jh_str rest = jh_str_trim((jh_str){member.ptr + len, member.len - len});
  if (len == 0) return -1;
  if (rest.len == 0) return WEIGHT_MAX;
  if (rest.ptr[0] != ';') return -1;
  rest = jh_str_trim((jh_str){rest.ptr + 1, rest.len - 1});
  if (rest.len < 2 || (rest.ptr[0] | 0x20) != 'q' || rest.ptr[1] != '=') return -1;
  return parse_weight((jh_str){rest.ptr + 2, rest.len - 2});
}

static void weigh_list(jh_str field, int weights[SLOT_COUNT]) {
  for (int i = 0; i < SLOT_COUNT; i++) weights[i] = NOT_NAMED;
  while (field.len > 0) {
    const char *comma = memchr(field.ptr, ',', field.len);
    size_t len = comma == NULL ? field.len : (size_t)(comma - field.ptr);
    jh_str name;
    int weight = split_member(jh_str_trim((jh_str){field.ptr, len}), &name);
    int slot = weight < 0 ? (int)UNKNOWN : find_slot(name);
    bool is_lower = slot >= 0 && (weights[slot] == NOT_NAMED || weight < weights[slot]);
    if (is_lower) weights[slot] = weight;
    len += comma != NULL;
    field = (jh_str){field.ptr + len, field.len - len};
  }
}

int jh_accept_encoding_choose(jh_str field, uint32_t available) {
  int weights[SLOT_COUNT];
  bool has_identity = (available & 1U << JH_CODING_IDENTITY) != 0;
  if (field.ptr == NULL && has_identity) return JH_CODING_IDENTITY;
  weigh_list(field, weights);
  int any = weights[ANY];
  if (field.ptr == NULL) any = WEIGHT_MAX;
  int best = JH_ENOTFOUND;
  int best_weight = 0;
  for (size_t i = 0; i < sizeof(preferred) / sizeof(preferred[0]); i++) {
    int coding = preferred[i];
    int weight = weights[coding] == NOT_NAMED ? any : weights[coding];
    bool is_available = (available & 1U << coding) != 0;
    if (is_available && weight > best_weight) {
      best = coding;
      best_weight = weight;
    }
  }
  int identity = weights[JH_CODING_IDENTITY] == NOT_NAMED ? any : weights[JH_CODING_IDENTITY];
  /* Without a word about it identity is acceptable, but less than what was asked for. */
  bool is_last_resort = identity == NOT_NAMED && best == JH_ENOTFOUND;
  if (has_identity && (identity > best_weight || is_last_resort)) return JH_CODING_IDENTITY;
  return best;
}
