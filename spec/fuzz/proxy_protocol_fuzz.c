/* proxy_protocol_fuzz.c: looks at the first bytes of a connection.
 *
 * The input is these bytes. What must hold:
 *  - No byte outside them is read (every prefix is a block of its own under ASan).
 *  - Every shorter prefix gets the same answer or MORE, and MORE only as long as bytes are missing:
 *    what the kernel delivers at a time makes no difference.
 *  - A header is never longer than its limit, and its length is where MORE ends.
 *  - A line of version 1 with IPv4 addresses is what writing them down gives. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/proxy_protocol.h"

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "proxy_protocol_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

typedef struct answer {
  jh_proxy_protocol header;
  jh_proxy_protocol_result result;
  size_t used;
} answer;

static answer ask(const uint8_t *data, size_t len) {
  const char *reason = NULL;
  answer answer = {.used = 0};
  char *copy = malloc(len > 0 ? len : 1);
  MUST(copy != NULL);
  if (len > 0) memcpy(copy, data, len);
  answer.result = jh_proxy_protocol_parse(copy, len, &answer.used, &answer.header, &reason);
  MUST((answer.result == JH_PROXY_PROTOCOL_ERROR) == (reason != NULL));
  free(copy);
  return answer;
}

static bool is_same(const jh_proxy_protocol *a, const jh_proxy_protocol *b) {
  return jh_ip_is_equal(&a->source, &b->source) &&
         jh_ip_is_equal(&a->destination, &b->destination) && a->source_port == b->source_port &&
         a->destination_port == b->destination_port && a->version == b->version &&
         a->has_addresses == b->has_addresses;
}

static void check_line(const uint8_t *data, const answer *got) {
  const jh_proxy_protocol *header = &got->header;
  bool is_tcp4 = header->version == 1 && header->has_addresses && data[9] == '4';
  if (!is_tcp4) return;
  char source[JH_IP_TEXT_BYTES];
  char destination[JH_IP_TEXT_BYTES];
  char line[200];
  jh_ip_write(&header->source, source);
  jh_ip_write(&header->destination, destination);
  int len = snprintf(line, sizeof(line), "PROXY TCP4 %s %s %d %d\r\n", source, destination,
                     header->source_port, header->destination_port);
  MUST((size_t)len == got->used && memcmp(line, data, got->used) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes > 600) return 0;
  answer whole = ask(data, bytes);
  size_t first_decided = bytes;
  for (size_t len = bytes; len-- > 0;) {
    answer shorter = ask(data, len);
    if (shorter.result == JH_PROXY_PROTOCOL_MORE) continue;
    MUST(shorter.result == whole.result && first_decided == len + 1);
    MUST(whole.result != JH_PROXY_PROTOCOL_DONE || shorter.used == whole.used);
    MUST(whole.result != JH_PROXY_PROTOCOL_DONE || is_same(&shorter.header, &whole.header));
    first_decided = len;
  }
  if (whole.result == JH_PROXY_PROTOCOL_DONE) {
    MUST(whole.used == first_decided && whole.used <= JH_PROXY_PROTOCOL_BYTES_MAX);
    MUST(whole.header.version == 1 || whole.header.version == 2);
    check_line(data, &whole);
  }
  return 0;
}
