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

/* ==== cdef: end ==== */

#endif
