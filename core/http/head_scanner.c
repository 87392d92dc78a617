/* head_scanner.c: line ends and byte classes, sixteen bytes at a time.
 *
 * One pass looks for the first control byte other than tab: in a well-formed line that is the CR of
 * its end, anything else is an error, so finding the end and validating the bytes is one search.
 * Names are validated by a search too: the first byte that is neither a letter, a digit nor '-' is
 * nearly always the colon, and the table decides about the rest.
 *
 * With SSE2 both searches look at blocks; without it they use the table byte by byte. */
#include "http/head_scanner.h"

#include "http/token.h"

#ifdef __SSE2__
#include <emmintrin.h>

enum { BLOCK = 16 };

static inline __m128i load_block(const char *at) {
  return _mm_loadu_si128((const __m128i *)at);
}

/* One bit per byte that is a control byte other than tab. */
static inline uint32_t control_bits(__m128i block) {
  __m128i is_low = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
  __m128i is_tab = _mm_cmpeq_epi8(block, _mm_set1_epi8('\t'));
  __m128i is_delete = _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f));
  return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(is_tab, is_low), is_delete));
}

/* One bit per byte that is neither a letter, a digit nor '-'. */
static inline uint32_t unusual_name_bits(__m128i block) {
  __m128i letter = _mm_sub_epi8(_mm_or_si128(block, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
  __m128i digit = _mm_sub_epi8(block, _mm_set1_epi8('0'));
  __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
  __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
  __m128i is_dash = _mm_cmpeq_epi8(block, _mm_set1_epi8('-'));
  __m128i is_usual = _mm_or_si128(_mm_or_si128(is_letter, is_digit), is_dash);
  return (uint32_t)_mm_movemask_epi8(is_usual) ^ 0xffffU;
}
#endif

/* Offset of the first control byte other than tab at or after `from`, or `len`. */
static inline size_t find_control(const char *data, size_t from, size_t len) {
  size_t at = from;
#ifdef __SSE2__
  for (; at + BLOCK <= len; at += BLOCK) {
    uint32_t bits = control_bits(load_block(data + at));
    if (bits != 0) return at + (size_t)__builtin_ctz(bits);
  }
  if (at < len && len >= BLOCK) {
    /* The last block again, as far as it was not looked at. */
    size_t last = len - BLOCK;
    uint32_t bits = control_bits(load_block(data + last)) >> (at - last);
    return bits != 0 ? at + (size_t)__builtin_ctz(bits) : len;
  }
#endif
  while (at < len && jh_token_byte_is(data[at], JH_BYTE_VALUE)) at++;
  return at;
}

jh_scan jh_head_scanner_line(jh_head_scanner *scanner, const char *data, size_t len,
                             uint32_t *line_len, const char **reason) {
  size_t at = find_control(data, scanner->seen, len);
  scanner->seen = (uint32_t)at;
  if (at == len) return JH_SCAN_MORE;
  if (data[at] == '\r') {
    if (at + 1 == len) return JH_SCAN_MORE;
    if (data[at + 1] == '\n') {
      *line_len = (uint32_t)at - scanner->line;
      scanner->line = scanner->seen = (uint32_t)at + 2;
      return JH_SCAN_LINE;
    }
    *reason = "bare CR";
  } else if (data[at] == '\n') {
    *reason = "bare LF";
  } else if (data[at] == '\0') {
    *reason = "NUL byte";
  } else {
    *reason = "control byte";
  }
  return JH_SCAN_ERROR;
}

static const char *bad_name_reason(const char *line, uint32_t line_len, uint32_t name_len) {
  if (name_len == line_len) return "header line without a colon";
  char byte = line[name_len];
  bool is_space = byte == ' ' || byte == '\t';
  if (name_len > 0) return is_space ? "space before the colon" : "bad byte in a header name";
  if (is_space) return "folded or indented header line";
  return byte == ':' ? "empty header name" : "bad byte in a header name";
}

int jh_head_scanner_field(const char *line, uint32_t line_len, size_t readable, jh_header *field,
                          const char **reason) {
  uint32_t name_len = 0;
#ifdef __SSE2__
  if (readable >= BLOCK) {
    uint32_t bits = unusual_name_bits(load_block(line));
    name_len = bits != 0 ? (uint32_t)__builtin_ctz(bits) : BLOCK;
  }
#else
  (void)readable;
#endif
  /* The block may reach beyond the line, but never past its CR. */
  while (name_len < line_len && jh_token_byte_is(line[name_len], JH_BYTE_TOKEN)) name_len++;
  if (name_len == 0 || name_len == line_len || line[name_len] != ':') {
    *reason = bad_name_reason(line, line_len, name_len);
    return JH_EINVAL;
  }
  uint32_t start = name_len + 1;
  uint32_t end = line_len;
  while (start < end && (line[start] == ' ' || line[start] == '\t')) start++;
  while (end > start && (line[end - 1] == ' ' || line[end - 1] == '\t')) end--;
  field->name = (jh_span){.off = 0, .len = name_len};
  field->value = (jh_span){.off = start, .len = end - start};
  return 0;
}
