/* utf8.c: decodes one sequence; runs of ASCII are skipped a word or two at a time.
 *
 * The bytes behind the first one of a sequence are all 0x80 to 0xbf, but for the second: there
 * overlong forms, surrogates and what lies above U+10FFFF are kept out (Unicode table 3-7). */
#include "base/utf8.h"

#include <string.h>

static bool is_continuation(char byte) {
  return ((uint8_t)byte & 0xc0) == 0x80;
}

/* Bytes that a sequence with this first byte, 0x80 or above, has; 0 when none begins with it. */
static size_t sequence_len(uint8_t first) {
  if (first < 0xc2) return 0; /* a continuation byte, or the start of an overlong form */
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}

size_t jh_utf8_decode(const char *text, size_t len, uint32_t *code_point) {
  static const uint32_t min[] = {0, 0, 0x80, 0x800, 0x10000};
  if (len == 0) return 0;
  uint8_t first = (uint8_t)text[0];
  if (first < 0x80) {
    *code_point = first;
    return 1;
  }
  size_t count = sequence_len(first);
  if (count == 0 || count > len) return 0;
  uint32_t value = first & (0x7fU >> count);
  for (size_t i = 1; i < count; i++) {
    if (!is_continuation(text[i])) return 0;
    value = value << 6 | ((uint8_t)text[i] & 0x3f);
  }
  bool is_surrogate = value >= 0xd800 && value < 0xe000;
  if (value < min[count] || value > 0x10ffff || is_surrogate) return 0;
  *code_point = value;
  return count;
}

bool jh_utf8_is_valid(jh_str text) {
  uint32_t code_point;
  size_t at = 0;
  while (at < text.len) {
    uint64_t word;
    if (text.len - at >= sizeof(word)) {
      memcpy(&word, text.ptr + at, sizeof(word));
      if ((word & 0x8080808080808080U) == 0) {
        at += sizeof(word);
        continue;
      }
    }
    size_t count = jh_utf8_decode(text.ptr + at, text.len - at, &code_point);
    if (count == 0) return false;
    at += count;
  }
  return true;
}

static bool begin_sequence(jh_utf8_state *state, uint8_t first) {
  size_t count = sequence_len(first);
  if (count == 0) return false;
  *state = (jh_utf8_state){.left = (uint8_t)(count - 1), .low = 0x80, .high = 0xbf};
  if (first == 0xe0) state->low = 0xa0;
  if (first == 0xed) state->high = 0x9f;
  if (first == 0xf0) state->low = 0x90;
  if (first == 0xf4) state->high = 0x8f;
  return true;
}

/* Bytes of ASCII at the beginning, as far as whole pairs of words go. */
static size_t skip_ascii(const char *bytes, size_t len) {
  size_t at = 0;
  uint64_t words[2];
  for (; len - at >= sizeof(words); at += sizeof(words)) {
    memcpy(words, bytes + at, sizeof(words));
    if (((words[0] | words[1]) & 0x8080808080808080U) != 0) break;
  }
  return at;
}

bool jh_utf8_feed(jh_utf8_state *state, jh_str piece) {
  size_t at = 0;
  while (at < piece.len) {
    uint8_t byte = (uint8_t)piece.ptr[at];
    if (state->left > 0) {
      if (byte < state->low || byte > state->high) return false;
      state->left--;
      state->low = 0x80;
      state->high = 0xbf;
      at++;
    } else if (byte >= 0x80) {
      if (!begin_sequence(state, byte)) return false;
      at++;
    } else {
      size_t skipped = skip_ascii(piece.ptr + at, piece.len - at);
      at += skipped > 0 ? skipped : 1;
    }
  }
  return true;
}
