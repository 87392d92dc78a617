/* delimiter.c: looks for CR LF "--" at 32 places at once, then compares the rest.
 *
 * A CR alone is too weak a sign: one byte of 256 in compressed files, one of 40 in text, all of
 * them when somebody wants to be slow. Four bytes in a row leave at most one candidate in four
 * bytes whatever the data is. Without SSE2, memchr() looks for the CR. */
#include "http/delimiter.h"

#include <string.h>

#if defined(__SSE2__) && !defined(JH_NO_SIMD)
#include <emmintrin.h>
#define HAS_SSE2 1
#endif

enum { LEAD_BYTES = 4, BLOCK_BYTES = 32 };

static bool is_boundary_byte(char byte) {
  bool is_letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
  if (is_letter || (byte >= '0' && byte <= '9')) return true;
  return byte != '\0' && strchr("'()+_,-./:=? ", byte) != NULL;
}

bool jh_delimiter_boundary_is_valid(jh_str boundary) {
  if (boundary.len == 0 || boundary.len > JH_DELIMITER_BOUNDARY_MAX) return false;
  for (size_t i = 0; i < boundary.len; i++) {
    if (!is_boundary_byte(boundary.ptr[i])) return false;
  }
  return boundary.ptr[boundary.len - 1] != ' ';
}

int jh_delimiter_init(jh_delimiter *delimiter, jh_str boundary) {
  if (!jh_delimiter_boundary_is_valid(boundary)) return JH_EINVAL;
  memcpy(delimiter->text, "\r\n--", LEAD_BYTES);
  memcpy(delimiter->text + LEAD_BYTES, boundary.ptr, boundary.len);
  delimiter->len = (uint32_t)(boundary.len + LEAD_BYTES);
  return 0;
}

/* The bytes of the delimiter at `data`, when all up to its end or the end of the data are; or 0. */
static inline size_t match_at(const jh_delimiter *delimiter, const char *data, size_t len) {
  size_t count = len < delimiter->len ? len : delimiter->len;
  return memcmp(data, delimiter->text, count) == 0 ? count : 0;
}

#ifdef HAS_SSE2
/* One bit for each of 32 bytes that is `byte`. */
static inline uint32_t find_32(const char *at, char byte) {
  __m128i wanted = _mm_set1_epi8(byte);
  __m128i low = _mm_loadu_si128((const __m128i *)(const void *)at);
  __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(at + 16));
  return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(low, wanted)) |
         (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(high, wanted)) << 16;
}

/* Searches whole blocks. Returns where the search has to go on, or the match. */
static size_t find_in_blocks(const jh_delimiter *delimiter, const char *data, size_t len,
                             size_t *matched) {
  size_t at = 0;
  for (; len - at >= BLOCK_BYTES + LEAD_BYTES - 1; at += BLOCK_BYTES) {
    uint32_t places = find_32(data + at, '\r');
    if (places == 0) continue;
    places &= find_32(data + at + 1, '\n') & find_32(data + at + 2, '-');
    places &= find_32(data + at + 3, '-');
    for (; places != 0; places &= places - 1) {
      size_t place = at + (size_t)__builtin_ctz(places);
      *matched = match_at(delimiter, data + place, len - place);
      if (*matched > 0) return place;
    }
  }
  return at;
}
#endif

size_t jh_delimiter_find(const jh_delimiter *delimiter, const char *data, size_t len,
                         size_t *matched) {
  size_t at = 0;
  *matched = 0;
#ifdef HAS_SSE2
  at = find_in_blocks(delimiter, data, len, matched);
  if (*matched > 0) return at;
#endif
  while (at < len) {
    const char *found = memchr(data + at, '\r', len - at);
    if (found == NULL) break;
    at = (size_t)(found - data);
    *matched = match_at(delimiter, found, len - at);
    if (*matched > 0) return at;
    at++;
  }
  return len;
}

size_t jh_delimiter_continue(const jh_delimiter *delimiter, size_t matched, const char *data,
                             size_t len) {
  size_t count = 0;
  while (count < len && matched + count < delimiter->len &&
         data[count] == delimiter->text[matched + count]) {
    count++;
  }
  return count;
}
