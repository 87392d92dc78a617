/* token.c: the table of byte classes and the two checks made from it.
 *
 * The table is written out so that it needs no start-up code and lies in read-only memory; its spec
 * builds it again from the grammar and compares. */
#include "http/token.h"

/* clang-format off */
const uint8_t jh_token_classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, /* 0x00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x10 */
    2, 11, 2, 3, 11, 3, 11, 11, 10, 10, 11, 11, 10, 11, 11, 2, /* 0x20 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 2, 10, 2, 10, 2, 2, /* 0x30 */
    2, 15, 15, 15, 15, 15, 15, 11, 11, 11, 11, 11, 11, 11, 11, 11, /* 0x40 */
    11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 2, 2, 2, 3, 11, /* 0x50 */
    3, 15, 15, 15, 15, 15, 15, 11, 11, 11, 11, 11, 11, 11, 11, 11, /* 0x60 */
    11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 2, 3, 2, 11, 0, /* 0x70 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0x80 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0x90 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xA0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xB0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xC0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xD0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xE0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xF0 */
};
/* clang-format on */

static bool all_bytes_are(jh_str str, uint8_t classes) {
  for (size_t i = 0; i < str.len; i++) {
    if (!jh_token_byte_is(str.ptr[i], classes)) return false;
  }
  return true;
}

bool jh_token_is_valid(jh_str token) {
  return token.len > 0 && all_bytes_are(token, JH_BYTE_TOKEN);
}

bool jh_token_value_is_valid(jh_str value) {
  return all_bytes_are(value, JH_BYTE_VALUE);
}
