/* socks.h: the client's side of SOCKS5 (RFC 1928, RFC 1929) as pure data: bytes in, bytes out.
 *
 * The proxy is told the name and looks it up itself. tunnel.c moves the bytes. */
#ifndef JH_NET_SOCKS_H
#define JH_NET_SOCKS_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum { JH_SOCKS_BYTES_MAX = 520 /* of one message, either way */ };

typedef struct jh_socks {
  jh_str host; /* name or address; the caller's */
  jh_str auth; /* "user:password", or empty */
  uint16_t port;
  uint8_t state;
  char out[JH_SOCKS_BYTES_MAX]; /* to be sent */
  uint32_t out_len;
  const char *problem; /* after JH_EPROTO: static text */
} jh_socks;

/* Begins; `out` has the first message. 0 or JH_EINVAL (a name or password that is too long). */
int jh_socks_start(jh_socks *socks, jh_str host, uint16_t port, jh_str auth);

/* Looks at the bytes that came and are not used yet. 1: the way is free; 0: go on, `out` may have
 * a further message; JH_EWAIT: more bytes are needed; JH_EPROTO. *used of them were taken. */
int jh_socks_take(jh_socks *socks, const char *in, size_t len, size_t *used);

/* ==== cdef: end ==== */

#endif
