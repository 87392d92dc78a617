/* ip.c: the C library reads and writes the texts; what maps to IPv4 becomes IPv4 here. */
#include "http/ip.h"

#include <arpa/inet.h>
#include <string.h>

enum { IPV4_BYTES = 4, IPV6_BYTES = 16, MAPPED_PREFIX_BYTES = 12 };

static const uint8_t mapped_prefix[MAPPED_PREFIX_BYTES] = {[10] = 0xff, [11] = 0xff};

int jh_ip_from_bytes(const uint8_t *bytes, size_t len, jh_ip *out) {
  *out = (jh_ip){.is_ipv6 = false};
  if (len != IPV4_BYTES && len != IPV6_BYTES) return JH_EINVAL;
  bool is_mapped = len == IPV6_BYTES && memcmp(bytes, mapped_prefix, MAPPED_PREFIX_BYTES) == 0;
  if (is_mapped) {
    bytes += MAPPED_PREFIX_BYTES;
    len = IPV4_BYTES;
  }
  memcpy(out->bytes, bytes, len);
  out->is_ipv6 = len == IPV6_BYTES;
  return 0;
}

int jh_ip_parse(jh_str text, jh_ip *out) {
  char terminated[JH_IP_TEXT_BYTES];
  uint8_t bytes[IPV6_BYTES];
  if (text.len == 0 || text.len >= sizeof(terminated)) return JH_EINVAL;
  memcpy(terminated, text.ptr, text.len);
  terminated[text.len] = '\0';
  if (strlen(terminated) != text.len) return JH_EINVAL;
  bool is_ipv6 = strchr(terminated, ':') != NULL;
  if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, terminated, bytes) != 1) return JH_EINVAL;
  return jh_ip_from_bytes(bytes, is_ipv6 ? IPV6_BYTES : IPV4_BYTES, out);
}

bool jh_ip_is_equal(const jh_ip *a, const jh_ip *b) {
  return a->is_ipv6 == b->is_ipv6 && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* A proxy writes one for every request; inet_ntop() formats with printf. */
static size_t write_ipv4(const uint8_t *bytes, char *out) {
  char *at = out;
  for (int i = 0; i < 4; i++) {
    uint8_t byte = bytes[i];
    if (i > 0) *at++ = '.';
    if (byte >= 100) *at++ = (char)('0' + byte / 100);
    if (byte >= 10) *at++ = (char)('0' + byte / 10 % 10);
    *at++ = (char)('0' + byte % 10);
  }
  *at = '\0';
  return (size_t)(at - out);
}

size_t jh_ip_write(const jh_ip *ip, char *out) {
  if (!ip->is_ipv6) return write_ipv4(ip->bytes, out);
  inet_ntop(AF_INET6, ip->bytes, out, JH_IP_TEXT_BYTES);
  return strlen(out);
}

static uint64_t read_bytes(const uint8_t *bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; i++) value = value << 8 | bytes[i];
  return value;
}

uint64_t jh_ip_limit_key(const jh_ip *ip) {
  /* IPv4 takes the keys of 0:ffff::/32, which is reserved. */
  if (!ip->is_ipv6) return UINT64_C(0xffff) << 32 | read_bytes(ip->bytes, 4);
  uint64_t network = read_bytes(ip->bytes, 8);
  /* ::/64 has the loopback address; the last /64 is multicast, from where nobody connects. */
  return network != 0 ? network : UINT64_MAX;
}
