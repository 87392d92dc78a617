/* ip_range_fuzz.c: reads addresses and ranges of them.
 *
 * The input is a range, LF, and an address. What must hold:
 *  - No byte outside a text is read (each is a block of its own under ASan).
 *  - An address that is written down and read again is the same one, with the same limit key.
 *  - A range has its first address and no address that differs within the prefix, bit by bit.
 *  - IPv4 addresses are never in IPv6 ranges, nor the other way round. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/ip_range.h"

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "ip_range_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static jh_str copy_of(const char *text, size_t len) {
  char *copy = malloc(len > 0 ? len : 1);
  MUST(copy != NULL);
  if (len > 0) memcpy(copy, text, len);
  return (jh_str){copy, len};
}

static bool bit_of(const jh_ip *ip, uint32_t n) {
  return (ip->bytes[n / 8] >> (7 - n % 8) & 1) != 0;
}

static void check_ip(const jh_ip *ip) {
  char text[JH_IP_TEXT_BYTES];
  jh_ip again;
  size_t len = jh_ip_write(ip, text);
  MUST(len > 1 && len < sizeof(text));
  MUST(jh_ip_parse((jh_str){text, len}, &again) == 0);
  MUST(jh_ip_is_equal(ip, &again));
  MUST(jh_ip_limit_key(ip) == jh_ip_limit_key(&again) && jh_ip_limit_key(ip) != 0);
  MUST(ip->is_ipv6 == (memchr(text, ':', len) != NULL));
}

static void check_range(const jh_ip_range *range, const jh_ip *ip) {
  bool is_same = range->first.is_ipv6 == ip->is_ipv6;
  for (uint32_t n = 0; n < range->prefix_bits && is_same; n++) {
    is_same = bit_of(&range->first, n) == bit_of(ip, n);
  }
  MUST(jh_ip_range_has(range, ip) == is_same);
  MUST(jh_ip_range_any_has(range, 1, ip) == is_same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const char *text = (const char *)data;
  const char *lf = bytes == 0 ? NULL : memchr(text, '\n', bytes);
  size_t range_len = lf == NULL ? bytes : (size_t)(lf - text);
  size_t rest = lf == NULL ? bytes : range_len + 1;
  jh_str range_text = copy_of(text, range_len);
  jh_str ip_text = copy_of(text + rest, bytes - rest);
  jh_ip_range range;
  jh_ip ip;
  bool has_range = jh_ip_range_parse(range_text, &range) == 0;
  bool has_ip = jh_ip_parse(ip_text, &ip) == 0;
  if (has_range) {
    uint32_t bits = range.first.is_ipv6 ? 128 : 32;
    MUST(range.prefix_bits <= bits);
    for (uint32_t n = range.prefix_bits; n < 128; n++) MUST(!bit_of(&range.first, n));
    check_ip(&range.first);
    check_range(&range, &range.first);
  }
  if (has_ip) check_ip(&ip);
  if (has_range && has_ip) check_range(&range, &ip);
  free((char *)range_text.ptr);
  free((char *)ip_text.ptr);
  return 0;
}
