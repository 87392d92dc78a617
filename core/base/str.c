/* str.c: comparing, cutting and reading slices. */
#include "base/str.h"

extern inline jh_str jh_str_make(const char *ptr, size_t len);
extern inline jh_str jh_str_of(const char *text);
extern inline bool jh_str_equal(jh_str a, jh_str b);

static unsigned char lower(char c) {
  return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool jh_str_equal_nocase(jh_str a, jh_str b) {
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++) {
    if (lower(a.ptr[i]) != lower(b.ptr[i])) return false;
  }
  return true;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

jh_str jh_str_trim(jh_str str) {
  while (str.len > 0 && is_blank(str.ptr[0])) {
    str.ptr++;
    str.len--;
  }
  while (str.len > 0 && is_blank(str.ptr[str.len - 1])) str.len--;
  return str;
}

int jh_str_parse_u64(jh_str str, uint64_t *value) {
  uint64_t sum = 0;
  bool is_too_large = false;
  if (str.len == 0) return JH_EINVAL;
  for (size_t i = 0; i < str.len; i++) {
    if (str.ptr[i] < '0' || str.ptr[i] > '9') return JH_EINVAL;
    unsigned digit = (unsigned)(str.ptr[i] - '0');
    if (sum > (UINT64_MAX - digit) / 10) is_too_large = true;
    sum = sum * 10 + digit; /* wraps when too large: not used then */
  }
  if (is_too_large) return JH_ERANGE;
  *value = sum;
  return 0;
}

uint64_t jh_str_hash(jh_str str) {
  uint64_t hash = 14695981039346656037u; /* FNV's offset basis and prime, 64 bit */
  for (size_t i = 0; i < str.len; i++) {
    hash = (hash ^ (unsigned char)str.ptr[i]) * 1099511628211u;
  }
  return hash;
}
