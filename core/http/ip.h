/* ip.h: addresses of clients, as they are compared, limited and written down.
 *
 * An IPv4 address that came as IPv6 (::ffff:192.0.2.1, from a socket that takes both) is that IPv4
 * address and nothing else here: limits and trust must not depend on the listener. */
#ifndef JH_HTTP_IP_H
#define JH_HTTP_IP_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum { JH_IP_TEXT_BYTES = 46 }; /* room for any address and a NUL */

typedef struct jh_ip {
  uint8_t bytes[16]; /* network byte order; IPv4 in the first four, zeros behind it */
  bool is_ipv6;
} jh_ip;

/* Reads "192.0.2.1" or "2001:db8::1", without brackets, port and zone. 0 or JH_EINVAL. */
int jh_ip_parse(jh_str text, jh_ip *out);

/* Takes the 4 or 16 bytes of a socket address. 0, or JH_EINVAL for another length. */
int jh_ip_from_bytes(const uint8_t *bytes, size_t len, jh_ip *out);

bool jh_ip_is_equal(const jh_ip *a, const jh_ip *b);

/* Writes the usual text and a NUL; returns its length. `out` has room for JH_IP_TEXT_BYTES. */
size_t jh_ip_write(const jh_ip *ip, char *out);

/* A number for limits per client, never 0: one for every IPv4 address and every IPv6 /64, which is
 * the least that one customer of a provider gets. */
uint64_t jh_ip_limit_key(const jh_ip *ip);

/* ==== cdef: end ==== */

#endif
