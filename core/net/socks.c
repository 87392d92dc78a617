/* socks.c: greeting, password, request, and what is said to each. */
#include "net/socks.h"

#include <arpa/inet.h>
#include <string.h>

typedef enum socks_state { GREETED = 0, LOGGED_IN, ASKED, FREE } socks_state;

enum {
  VERSION = 5,
  AUTH_VERSION = 1,
  NO_AUTH = 0,
  PASSWORD = 2,
  CONNECT = 1,
  IP4 = 1,
  NAME = 3,
  IP6 = 4,
  PART_MAX = 255
};

static void put(jh_socks *socks, const void *bytes, size_t len) {
  memcpy(socks->out + socks->out_len, bytes, len);
  socks->out_len += (uint32_t)len;
}

static void put_byte(jh_socks *socks, unsigned byte) {
  socks->out[socks->out_len++] = (char)byte;
}

static size_t user_len(jh_str auth) {
  const char *colon = memchr(auth.ptr, ':', auth.len);
  return colon ? (size_t)(colon - auth.ptr) : auth.len;
}

int jh_socks_start(jh_socks *socks, jh_str host, uint16_t port, jh_str auth) {
  memset(socks, 0, sizeof *socks);
  socks->host = host;
  socks->port = port;
  socks->auth = auth;
  if (host.len == 0 || host.len > PART_MAX) return JH_EINVAL;
  if (auth.len > 0) {
    size_t len = user_len(auth);
    if (len > PART_MAX || auth.len - len > PART_MAX + 1) return JH_EINVAL;
  }
  put_byte(socks, VERSION);
  put_byte(socks, auth.len > 0 ? 2 : 1);
  put_byte(socks, NO_AUTH);
  if (auth.len > 0) put_byte(socks, PASSWORD);
  return 0;
}

static void log_in(jh_socks *socks) {
  size_t len = user_len(socks->auth);
  size_t rest = socks->auth.len > len ? socks->auth.len - len - 1 : 0;
  put_byte(socks, AUTH_VERSION);
  put_byte(socks, (unsigned)len);
  put(socks, socks->auth.ptr, len);
  put_byte(socks, (unsigned)rest);
  if (rest) put(socks, socks->auth.ptr + len + 1, rest);
  socks->state = LOGGED_IN;
}

static void ask(jh_socks *socks) {
  char text[PART_MAX + 1];
  struct in_addr ip4;
  struct in6_addr ip6;
  memcpy(text, socks->host.ptr, socks->host.len);
  text[socks->host.len] = '\0';
  put_byte(socks, VERSION);
  put_byte(socks, CONNECT);
  put_byte(socks, 0);
  if (inet_pton(AF_INET, text, &ip4) == 1) {
    put_byte(socks, IP4);
    put(socks, &ip4, sizeof ip4);
  } else if (inet_pton(AF_INET6, text, &ip6) == 1) {
    put_byte(socks, IP6);
    put(socks, &ip6, sizeof ip6);
  } else {
    put_byte(socks, NAME);
    put_byte(socks, (unsigned)socks->host.len);
    put(socks, socks->host.ptr, socks->host.len);
  }
  put_byte(socks, socks->port >> 8);
  put_byte(socks, socks->port & 0xff);
  socks->state = ASKED;
}

static int fail(jh_socks *socks, const char *problem) {
  socks->problem = problem;
  return JH_EPROTO;
}

static int take_method(jh_socks *socks, const unsigned char *in, size_t len, size_t *used) {
  if (len >= 1 && in[0] != VERSION) return fail(socks, "the proxy does not speak SOCKS5");
  if (len < 2) return JH_EWAIT;
  *used = 2;
  if (in[1] == NO_AUTH) {
    ask(socks);
  } else if (in[1] == PASSWORD && socks->auth.len > 0) {
    log_in(socks);
  } else if (socks->auth.len > 0) {
    return fail(socks, "the proxy accepts no password");
  } else {
    return fail(socks, "the proxy wants a password");
  }
  return 0;
}

static int take_login(jh_socks *socks, const unsigned char *in, size_t len, size_t *used) {
  if (len < 2) return JH_EWAIT;
  *used = 2;
  if (in[1] != 0) return fail(socks, "the proxy refused the password");
  ask(socks);
  return 0;
}

static const char *problem_of(unsigned reply) {
  static const char *const problems[] = {"",
                                         "the proxy failed",
                                         "the proxy does not allow this connection",
                                         "the proxy says: network unreachable",
                                         "the proxy says: host unreachable",
                                         "the proxy says: connection refused",
                                         "the proxy says: timed out on the way",
                                         "the proxy knows no CONNECT",
                                         "the proxy knows no such kind of address"};
  return reply < sizeof problems / sizeof problems[0] ? problems[reply] : "the proxy failed";
}

static int take_answer(jh_socks *socks, const unsigned char *in, size_t len, size_t *used) {
  if (len >= 1 && in[0] != VERSION) return fail(socks, "the proxy does not speak SOCKS5");
  if (len >= 2 && in[1] != 0) return fail(socks, problem_of(in[1]));
  if (len < 5) return JH_EWAIT;
  size_t address_len;
  if (in[3] == IP4) {
    address_len = 4;
  } else if (in[3] == IP6) {
    address_len = 16;
  } else if (in[3] == NAME) {
    address_len = 1 + (size_t)in[4];
  } else {
    return fail(socks, "the proxy does not speak SOCKS5");
  }
  size_t all = 4 + address_len + 2;
  if (len < all) return JH_EWAIT;
  *used = all;
  socks->state = FREE;
  return 1;
}

int jh_socks_take(jh_socks *socks, const char *in, size_t len, size_t *used) {
  const unsigned char *bytes = (const unsigned char *)in;
  *used = 0;
  socks->out_len = 0;
  switch ((socks_state)socks->state) {
  case GREETED:
    return take_method(socks, bytes, len, used);
  case LOGGED_IN:
    return take_login(socks, bytes, len, used);
  case ASKED:
    return take_answer(socks, bytes, len, used);
  default:
    return 1;
  }
}
