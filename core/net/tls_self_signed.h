/* tls_self_signed.h: a certificate for development, signed by itself, valid for this machine. */
#ifndef JH_NET_TLS_SELF_SIGNED_H
#define JH_NET_TLS_SELF_SIGNED_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

/* Makes a certificate for `names` ("DNS:localhost,IP:127.0.0.1") with its key behind it, as PEM
 * text, NUL-terminated. `fingerprint` (96 bytes) gets its SHA-256. NULL when that failed; otherwise
 * the caller's, for jh_free(). */
char *jh_tls_make_self_signed(const char *names, char *fingerprint);

/* ==== cdef: end ==== */

#endif
