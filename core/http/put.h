/* put.h: writing the text of a head piece by piece, into room that was measured before.
 *
 * Each returns the end of what it wrote. For code that runs once per message, where formatting
 * functions would cost more than all the rest. */
#ifndef JH_HTTP_PUT_H
#define JH_HTTP_PUT_H

#include <string.h>

#include "base/str.h"

#define JH_PUT(out, literal) jh_put(out, JH_STR(literal))

static inline char *jh_put(char *out, jh_str text) {
  if (text.len) memcpy(out, text.ptr, text.len);
  return out + text.len;
}

/* At most 20 digits. */
static inline char *jh_put_u64(char *out, uint64_t number) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  while (count) *out++ = digits[--count];
  return out;
}

#endif
