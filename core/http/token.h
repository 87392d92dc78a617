/* token.h: the byte classes of HTTP field names, values and hosts (RFC 9110 §5.1, §5.5, §5.6.2).
 *
 * Scanners use the table, whoever takes a name or a value from an app uses the two checks: what
 * passes them cannot end a line or start another one. */
#ifndef JH_HTTP_TOKEN_H
#define JH_HTTP_TOKEN_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

/* What a byte may be part of. */
enum {
  JH_BYTE_TOKEN = 1, /* a token: names, methods, transfer codings */
  JH_BYTE_VALUE = 2, /* a field value: visible ASCII, space, tab, 0x80-0xFF */
  JH_BYTE_HEX = 4,   /* a hexadecimal digit */
  JH_BYTE_HOST = 8   /* a registered name (RFC 3986 §3.2.2), besides escapes */
};

/* Bits of JH_BYTE_* for every byte. */
extern const uint8_t jh_token_classes[256];

/* True when all bytes are token bytes and there is at least one. */
bool jh_token_is_valid(jh_str token);

/* True when all bytes may stand in a field value; an empty value is valid. */
bool jh_token_value_is_valid(jh_str value);

/* ==== cdef: end ==== */

/* True when the byte belongs to all of the classes. */
static inline bool jh_token_byte_is(char byte, uint8_t classes) {
  return (jh_token_classes[(uint8_t)byte] & classes) == classes;
}

#endif
