/* ip_range.c: prefixes and how many of their bits agree. */
#include "http/ip_range.h"

#include <string.h>

#include "base/str.h"

enum { IPV4_BITS = 32, IPV6_BITS = 128, MAPPED_PREFIX_BITS = 96 };

/* "0" to "128", no leading zeros. */
static int parse_bits(jh_str text, uint64_t *bits) {
  if (text.len > 3 || (text.len > 1 && text.ptr[0] == '0')) return JH_EINVAL;
  return jh_str_parse_u64(text, bits);
}

/* Sets the bits behind the prefix to 0. */
static void mask(jh_ip *ip, uint32_t prefix_bits) {
  size_t whole = prefix_bits / 8;
  if (whole >= sizeof(ip->bytes)) return;
  ip->bytes[whole] &= (uint8_t)(0xff00U >> prefix_bits % 8);
  memset(ip->bytes + whole + 1, 0, sizeof(ip->bytes) - whole - 1);
}

int jh_ip_range_parse(jh_str text, jh_ip_range *out) {
  const char *slash = text.len == 0 ? NULL : memchr(text.ptr, '/', text.len);
  jh_str address = {text.ptr, slash == NULL ? text.len : (size_t)(slash - text.ptr)};
  if (jh_ip_parse(address, &out->first) != 0) return JH_EINVAL;
  uint64_t bits = out->first.is_ipv6 ? IPV6_BITS : IPV4_BITS;
  bool is_mapped = !out->first.is_ipv6 && memchr(address.ptr, ':', address.len) != NULL;
  if (slash != NULL) {
    uint64_t given = 0;
    if (parse_bits((jh_str){slash + 1, text.len - address.len - 1}, &given) != 0) return JH_EINVAL;
    if (is_mapped && given < MAPPED_PREFIX_BITS) return JH_EINVAL;
    if (is_mapped) given -= MAPPED_PREFIX_BITS;
    if (given > bits) return JH_EINVAL;
    bits = given;
  }
  out->prefix_bits = (uint32_t)bits;
  mask(&out->first, out->prefix_bits);
  return 0;
}

bool jh_ip_range_has(const jh_ip_range *range, const jh_ip *ip) {
  jh_ip network = *ip;
  mask(&network, range->prefix_bits);
  return jh_ip_is_equal(&network, &range->first);
}

bool jh_ip_range_any_has(const jh_ip_range *ranges, size_t count, const jh_ip *ip) {
  for (size_t i = 0; i < count; i++) {
    if (jh_ip_range_has(&ranges[i], ip)) return true;
  }
  return false;
}
