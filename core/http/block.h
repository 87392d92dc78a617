/* block.h: short texts, sixteen bytes at a time.
 *
 * Targets and paths are mostly shorter than 16 bytes and not followed by memory one may read, so
 * the loads here take exactly the bytes there are: with two loads that overlap in the middle, not
 * with a loop. What a text contains then becomes a mask with bit n for byte n.
 *
 * target.c scans with it, router_tree.c finds segments and their hash keys with it. Without SSE2,
 * or with JH_NO_SIMD, plain loops do the same. */
#ifndef JH_HTTP_BLOCK_H
#define JH_HTTP_BLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(JH_NO_SIMD)
#include <emmintrin.h>
typedef __m128i jh_block;
#else
typedef struct jh_block {
  uint8_t bytes[16];
} jh_block;
#endif

enum { JH_BLOCK_BYTES = 16 };

/* Eight bytes as a number in the machine's order. */
static inline uint64_t jh_block_word(const char *text);

/* The first 8 of `len` bytes, at least 1, as a number; the same one whatever follows the text, and
 * different for different texts of one length up to 8. */
static inline uint64_t jh_block_key(const char *text, size_t len);

/* The first 16 of `len` bytes, at least 1; zeros fill it up. */
static inline jh_block jh_block_load(const char *text, size_t len);

/* Bits of the bytes equal to `byte`. */
static inline uint32_t jh_block_find(jh_block block, char byte);

/* Bits of the bytes that are '.' or '/'. */
static inline uint32_t jh_block_find_dot_or_slash(jh_block block);

/* Bits of the bytes that end a path: '?', and '#' and what is not printable ASCII, which no target
 * may have. The zeros after the text are among them. */
static inline uint32_t jh_block_find_path_end(jh_block block);

/* jh_block_key() of the first `len` bytes of the block's text. */
static inline uint64_t jh_block_first_key(jh_block block, const char *text, size_t len);

/* inline definitions */

static inline uint64_t jh_block_word(const char *text) {
  uint64_t word;
  memcpy(&word, text, sizeof word);
  return word;
}

#if defined(__SSE2__) && !defined(JH_NO_SIMD)

static inline uint32_t jh_block_half_word(const char *text) {
  uint32_t word;
  memcpy(&word, text, sizeof word);
  return word;
}

static inline uint64_t jh_block_key(const char *text, size_t len) {
  if (len >= 8) {
    return jh_block_word(text);
  }
  if (len >= 4) {
    return jh_block_half_word(text) | (uint64_t)jh_block_half_word(text + len - 4)
                                          << (8 * (len - 4));
  }
  uint64_t key = (uint8_t)text[0];
  key |= (uint64_t)(uint8_t)text[len / 2] << (8 * (len / 2));
  key |= (uint64_t)(uint8_t)text[len - 1] << (8 * (len - 1));
  return key;
}

static inline jh_block jh_block_load(const char *text, size_t len) {
  if (len >= JH_BLOCK_BYTES) {
    return _mm_loadu_si128((const __m128i *)(const void *)text);
  }
  if (len <= 8) {
    return _mm_cvtsi64_si128((long long)jh_block_key(text, len));
  }
  uint64_t high = jh_block_word(text + len - 8) >> (8 * (JH_BLOCK_BYTES - len));
  return _mm_set_epi64x((long long)high, (long long)jh_block_word(text));
}

static inline uint32_t jh_block_find(jh_block block, char byte) {
  return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(byte)));
}

static inline uint32_t jh_block_find_dot_or_slash(jh_block block) {
  /* The two differ in their last bit alone. */
  return jh_block_find(_mm_or_si128(block, _mm_set1_epi8(1)), '/');
}

static inline uint32_t jh_block_find_path_end(jh_block block) {
  /* The signed comparison takes the bytes from 0x80 on as well. */
  __m128i end = _mm_cmplt_epi8(block, _mm_set1_epi8(0x21));
  end = _mm_or_si128(end, _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f)));
  end = _mm_or_si128(end, _mm_cmpeq_epi8(block, _mm_set1_epi8('#')));
  end = _mm_or_si128(end, _mm_cmpeq_epi8(block, _mm_set1_epi8('?')));
  return (uint32_t)_mm_movemask_epi8(end);
}

static inline uint64_t jh_block_first_key(jh_block block, const char *text, size_t len) {
  (void)text;
  uint64_t word = (uint64_t)_mm_cvtsi128_si64(block);
  return len >= 8 ? word : word & ((UINT64_C(1) << (8 * len)) - 1);
}

#else

static inline uint64_t jh_block_key(const char *text, size_t len) {
  uint64_t key = 0;
  memcpy(&key, text, len < sizeof key ? len : sizeof key);
  return key;
}

static inline jh_block jh_block_load(const char *text, size_t len) {
  jh_block block = {{0}};
  memcpy(block.bytes, text, len < JH_BLOCK_BYTES ? len : JH_BLOCK_BYTES);
  return block;
}

static inline uint32_t jh_block_find(jh_block block, char byte) {
  uint32_t found = 0;
  for (uint32_t n = 0; n < JH_BLOCK_BYTES; n++) {
    found |= (uint32_t)(block.bytes[n] == (uint8_t)byte) << n;
  }
  return found;
}

static inline uint32_t jh_block_find_dot_or_slash(jh_block block) {
  return jh_block_find(block, '.') | jh_block_find(block, '/');
}

static inline uint32_t jh_block_find_path_end(jh_block block) {
  uint32_t found = 0;
  for (uint32_t n = 0; n < JH_BLOCK_BYTES; n++) {
    uint8_t byte = block.bytes[n];
    found |= (uint32_t)(byte <= 0x20 || byte >= 0x7f || byte == '#' || byte == '?') << n;
  }
  return found;
}

static inline uint64_t jh_block_first_key(jh_block block, const char *text, size_t len) {
  (void)block;
  return jh_block_key(text, len);
}

#endif

#endif
