/* sha1.c: RFC 3174, method 1, block by block. */
#include "base/sha1.h"

#include <string.h>

enum { BLOCK_BYTES = 64, LENGTH_BYTES = 8 };

static uint32_t rotate(uint32_t value, unsigned bits) {
  return value << bits | value >> (32 - bits);
}

static uint32_t mix(unsigned step, uint32_t b, uint32_t c, uint32_t d) {
  if (step < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (step < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (step < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

static void add_block(uint32_t state[5], const uint8_t *block) {
  uint32_t words[80];
  for (unsigned i = 0; i < 16; i++) {
    const uint8_t *at = block + (size_t)4 * i;
    words[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
  }
  for (unsigned i = 16; i < 80; i++) {
    words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (unsigned i = 0; i < 80; i++) {
    uint32_t next = rotate(a, 5) + mix(i, b, c, d) + e + words[i];
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

void jh_sha1(jh_str text, uint8_t hash[JH_SHA1_BYTES]) {
  uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  uint8_t last[2 * BLOCK_BYTES] = {0};
  size_t at = 0;
  for (; text.len - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
    add_block(state, (const uint8_t *)text.ptr + at);
  }
  size_t rest = text.len - at;
  if (rest > 0) memcpy(last, text.ptr + at, rest);
  last[rest] = 0x80;
  size_t end = rest + 1 + LENGTH_BYTES <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
  uint64_t bits = (uint64_t)text.len * 8;
  for (unsigned i = 0; i < LENGTH_BYTES; i++) last[end - 1 - i] = (uint8_t)(bits >> 8 * i);
  for (at = 0; at < end; at += BLOCK_BYTES) add_block(state, last + at);
  for (unsigned i = 0; i < JH_SHA1_BYTES; i++)
    hash[i] = (uint8_t)(state[i / 4] >> (24 - i % 4 * 8));
}
