/* sha1.h: SHA-1 (RFC 3174) of a few bytes.
 *
 * The WebSocket handshake wants it and nothing else here may: SHA-1 protects nothing any more. It
 * is our own because this room knows libc only and one short hash is all that is needed. */
#ifndef JH_BASE_SHA1_H
#define JH_BASE_SHA1_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum { JH_SHA1_BYTES = 20 };

/* Writes the hash of all of the text. */
void jh_sha1(jh_str text, uint8_t hash[20]);

/* ==== cdef: end ==== */

#endif
