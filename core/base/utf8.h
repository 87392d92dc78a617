/* utf8.h: tells well-formed UTF-8 from other bytes (RFC 3629, Unicode table 3-7).
 *
 * Overlong forms, surrogates and code points above U+10FFFF are not well-formed: two readers that
 * disagree about them see two different texts. Used wherever text of a client becomes a name. */
#ifndef JH_BASE_UTF8_H
#define JH_BASE_UTF8_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

/* Length of the well-formed sequence, 1 to 4 bytes, at the beginning of the `len` bytes at `text`,
 * and its code point; 0 when there is none. */
size_t jh_utf8_decode(const char *text, size_t len, uint32_t *code_point);

/* True when all of the text is well-formed; an empty text is. */
bool jh_utf8_is_valid(jh_str text);

/* Text that comes in pieces, which may end anywhere. Zeroed before the first one. */
typedef struct jh_utf8_state {
  uint8_t left;      /* bytes that the sequence begun still wants; 0 between sequences */
  uint8_t low, high; /* what the next one of them may be */
} jh_utf8_state;

/* False at the first byte that no well-formed text goes on with. The text is whole when after its
 * last piece `left` is 0. */
bool jh_utf8_feed(jh_utf8_state *state, jh_str piece);

/* ==== cdef: end ==== */

#endif
