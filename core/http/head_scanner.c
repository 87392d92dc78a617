/* head_scanner.c: line ends and byte classes, 32 bytes at a time.
 *
 * Bytes become masks, one bit per byte that is a control byte or not ASCII. In a well-formed head
 * such bytes are rare but for the CRLF of every line, so finding line ends and validating bytes is
 * one walk over few bits. Names are validated by a mask too: the first byte that is neither a
 * letter, a digit nor '-' is nearly always the colon; the table decides about the rest.
 *
 * Without SSE2 the table makes the masks; everything above them is the same. */
#include "http/head_scanner.h"

#include "http/token.h"

enum { BLOCK_BYTES = 32, NAME_BLOCK_BYTES = 16 };

#if defined(__SSE2__) && !defined(JH_NO_SIMD)
#include <emmintrin.h>
#define HAS_SSE2 1

static inline __m128i load_16(const char *at) {
  return _mm_loadu_si128((const __m128i *)at);
}

/* As signed bytes, those from 0x80 on are below a space as control bytes are, and adding one makes
 * 0x7f the smallest of all. */
static inline uint32_t usual_bits_16(const char *at) {
  __m128i next = _mm_add_epi8(load_16(at), _mm_set1_epi8(1));
  return (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(next, _mm_set1_epi8(0x20)));
}

static inline uint32_t unusual_bits_32(const char *at) {
  return ~(usual_bits_16(at) | usual_bits_16(at + 16) << 16);
}

/* One bit per byte that is neither a letter, a digit nor '-', of 16 bytes. */
static inline uint32_t unusual_name_bits(const char *at) {
  __m128i block = load_16(at);
  __m128i letter = _mm_sub_epi8(_mm_or_si128(block, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
  __m128i digit = _mm_sub_epi8(block, _mm_set1_epi8('0'));
  __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
  __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
  __m128i is_dash = _mm_cmpeq_epi8(block, _mm_set1_epi8('-'));
  __m128i is_usual = _mm_or_si128(_mm_or_si128(is_letter, is_digit), is_dash);
  return (uint32_t)_mm_movemask_epi8(is_usual) ^ 0xffffU;
}
#endif

/* The mask of at most 32 bytes, made byte by byte. */
static uint32_t unusual_bits(const char *at, size_t count) {
  uint32_t bits = 0;
  for (size_t i = 0; i < count; i++) {
    bool is_usual = at[i] >= ' ' && at[i] < 0x7f && (uint8_t)at[i] < 0x80;
    bits |= (uint32_t)!is_usual << i;
  }
  return bits;
}

/* Makes the mask of the next block. False when all of the data was looked at. */
static inline bool look_at_next_block(jh_head_scanner *scanner, const char *data, size_t len) {
  uint32_t at = scanner->next;
  size_t left = len - at;
  if (left == 0) return false;
  scanner->origin = at;
#ifdef HAS_SSE2
  if (left >= BLOCK_BYTES) {
    scanner->bits = unusual_bits_32(data + at);
    scanner->next = at + BLOCK_BYTES;
    return true;
  }
  if (len >= BLOCK_BYTES) {
    /* The last block of the data, without the bytes already looked at. */
    scanner->bits = unusual_bits_32(data + len - BLOCK_BYTES) >> (BLOCK_BYTES - left);
    scanner->next = (uint32_t)len;
    return true;
  }
#endif
  size_t count = left < BLOCK_BYTES ? left : BLOCK_BYTES;
  scanner->bits = unusual_bits(data + at, count);
  scanner->next = at + (uint32_t)count;
  return true;
}

static const char *bad_byte_reason(char byte) {
  if (byte == '\n') return "bare LF";
  return byte == '\0' ? "NUL byte" : "control byte";
}

/* Behind a CR: its LF has the lowest bit left, or is the first byte not looked at. */
static inline void skip_line_feed(jh_head_scanner *scanner) {
  if (scanner->bits != 0) {
    scanner->bits &= scanner->bits - 1;
  } else {
    scanner->next++;
  }
}

jh_scan jh_head_scanner_line(jh_head_scanner *scanner, const char *data, size_t len,
                             uint32_t *line_len, const char **reason) {
  for (;;) {
    if (scanner->bits == 0) {
      if (!look_at_next_block(scanner, data, len)) return JH_SCAN_MORE;
      continue;
    }
    uint32_t at = scanner->origin + (uint32_t)__builtin_ctz(scanner->bits);
    scanner->bits &= scanner->bits - 1;
    if (data[at] == '\r') {
      if (at + 1 == len) {
        scanner->next = at; /* to be judged again when its LF is there */
        return JH_SCAN_MORE;
      }
      if (data[at + 1] != '\n') {
        *reason = "bare CR";
        return JH_SCAN_ERROR;
      }
      *line_len = at - scanner->line;
      scanner->line = at + 2;
      skip_line_feed(scanner);
      return JH_SCAN_LINE;
    }
    if (!jh_token_byte_is(data[at], JH_BYTE_VALUE)) {
      *reason = bad_byte_reason(data[at]);
      return JH_SCAN_ERROR;
    }
  }
}

static const char *bad_name_reason(jh_str line, size_t name_len) {
  if (name_len == line.len) return "header line without a colon";
  char byte = line.ptr[name_len];
  bool is_space = byte == ' ' || byte == '\t';
  if (name_len > 0) return is_space ? "space before the colon" : "bad byte in a header name";
  if (is_space) return "folded or indented header line";
  return byte == ':' ? "empty header name" : "bad byte in a header name";
}

/* Length of the usual bytes at the beginning of the line, as far as blocks can be read. */
static inline uint32_t usual_name_len(const char *line, size_t readable) {
  uint32_t name_len = 0;
#ifdef HAS_SSE2
  while (name_len + NAME_BLOCK_BYTES <= readable) {
    uint32_t bits = unusual_name_bits(line + name_len);
    if (bits != 0) return name_len + (uint32_t)__builtin_ctz(bits);
    name_len += NAME_BLOCK_BYTES;
  }
#else
  (void)line;
  (void)readable;
#endif
  return name_len;
}

/* The name goes on, or is none. False when it is none. */
static bool finish_name(jh_str line, uint32_t *name_len, const char **reason) {
  size_t end = *name_len;
  while (end < line.len && jh_token_byte_is(line.ptr[end], JH_BYTE_TOKEN)) end++;
  *name_len = (uint32_t)end;
  if (end > 0 && end < line.len && line.ptr[end] == ':') return true;
  *reason = bad_name_reason(line, end);
  return false;
}

static void trim_value(const char *data, jh_span *value) {
  const char *from = data + value->off;
  while (value->len > 0 && (uint8_t)*from <= ' ') {
    from++;
    value->off++;
    value->len--;
  }
  while (value->len > 0 && (uint8_t)from[value->len - 1] <= ' ') value->len--;
}

int jh_head_scanner_field(const char *data, size_t len, uint32_t line, uint32_t line_len,
                          jh_header *field, const char **reason) {
  const char *text = data + line;
  /* Blocks may reach beyond the line, but the CR that ends it ends the name as well. */
  uint32_t name_len = usual_name_len(text, len - line);
  if (name_len == 0 || text[name_len] != ':') {
    if (!finish_name((jh_str){text, line_len}, &name_len, reason)) return JH_EINVAL;
  }
  uint32_t start = name_len + 1;
  start += text[start] == ' ';
  field->name = (jh_span){.off = line, .len = name_len};
  field->value = (jh_span){.off = line + start, .len = line_len - start};
  /* Up to a space the line has only spaces and tabs, and the CR behind it when it ends here. */
  bool may_need_trimming = (uint8_t)text[start] <= ' ' || (uint8_t)text[line_len - 1] <= ' ';
  if (may_need_trimming) trim_value(data, &field->value);
  return 0;
}
