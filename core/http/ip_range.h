/* ip_range.h: sets of addresses, for options like trusted_proxies.
 *
 * A range has the addresses of one family: "::/0" has every IPv6 address and no IPv4 one, also when
 * that came as ::ffff:192.0.2.1 (see ip.h). */
#ifndef JH_HTTP_IP_RANGE_H
#define JH_HTTP_IP_RANGE_H

#include "http/ip.h"
#include "justhttp.h"

/* ==== cdef: begin ==== */

typedef struct jh_ip_range {
  jh_ip first; /* bits behind the prefix are 0 */
  uint32_t prefix_bits;
} jh_ip_range;

/* Reads an address or "10.0.0.0/8", "2001:db8::/32". Bits behind the prefix are ignored. An IPv4
 * range may be written as IPv6: ::ffff:10.0.0.0/104. 0 or JH_EINVAL. */
int jh_ip_range_parse(jh_str text, jh_ip_range *out);

bool jh_ip_range_has(const jh_ip_range *range, const jh_ip *ip);

/* True when one of the `count` ranges has it. */
bool jh_ip_range_any_has(const jh_ip_range *ranges, size_t count, const jh_ip *ip);

/* ==== cdef: end ==== */

#endif
