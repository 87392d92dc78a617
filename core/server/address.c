/* address.c: listen addresses from text and sockaddr, and back.
 *
 * Names are resolved here and only once, at start: `localhost` is common in config files, and a
 * server that listens on a name of another machine must fail at once with that name in the error.
 */
#include "server/address.h"

#include "justhttp.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { HOST_BYTES = 256 };

/* Where to put the one line about what is wrong, and the text it is about. */
typedef struct report {
  const char *text;
  char *error;
  size_t error_bytes;
} report;

__attribute__((format(printf, 2, 3))) static int refuse(const report *report, const char *format,
                                                        ...) {
  char reason[192];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reason, sizeof reason, format, arguments);
  va_end(arguments);
  snprintf(report->error, report->error_bytes, "'%.100s' %s", report->text, reason);
  return JH_EINVAL;
}

/* ---- pieces ------------------------------------------------------------------------------ */

static int read_port(const char *text, uint16_t *port, const report *report) {
  uint32_t number = 0;
  const char *at = text;
  for (; *at >= '0' && *at <= '9' && number <= UINT16_MAX; at++)
    number = number * 10 + (uint32_t)(*at - '0');
  if (at == text) return refuse(report, "has no port; write it as host:port, such as :8080");
  if (number > UINT16_MAX) return refuse(report, "has a port above 65535");
  if (*at != '\0') return refuse(report, "has a port that is not a number; write host:port");
  *port = (uint16_t)number;
  return 0;
}

static int read_ipv6(jh_address *address, char *host, const report *report) {
  char *zone = strchr(host, '%');
  if (zone != NULL) {
    *zone++ = '\0';
    address->scope = if_nametoindex(zone);
    if (address->scope == 0) return refuse(report, "names no network interface '%.32s'", zone);
  }
  address->kind = JH_ADDRESS_IPV6;
  if (inet_pton(AF_INET6, host, address->bytes) != 1)
    return refuse(report, "holds no IPv6 address between [ and ]");
  return 0;
}

static int resolve(jh_address *address, const char *host, const report *report) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  const struct addrinfo *best = NULL;
  int rc = getaddrinfo(host, NULL, &hints, &found);
  if (rc != 0) return refuse(report, "names a host that is not known here (%s)", gai_strerror(rc));
  /* A name with both kinds means IPv4, so that localhost is 127.0.0.1 everywhere. */
  for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
    if (best == NULL || (best->ai_family != AF_INET && at->ai_family == AF_INET)) best = at;
  }
  struct sockaddr_storage storage;
  memset(&storage, 0, sizeof storage);
  if (best != NULL) memcpy(&storage, best->ai_addr, best->ai_addrlen);
  freeaddrinfo(found);
  uint16_t port = address->port;
  if (jh_address_from_sockaddr(address, &storage, sizeof storage) != 0)
    return refuse(report, "names a host without an IP address");
  address->port = port;
  return 0;
}

static int read_path(jh_address *address, const char *path, const report *report) {
  if (path[0] == '\0') return refuse(report, "has no path; write unix:/run/app.sock");
  if (strlen(path) >= sizeof address->path)
    return refuse(report, "has a path above %zu bytes, the most a unix socket can have",
                  sizeof address->path - 1);
  snprintf(address->path, sizeof address->path, "%s", path);
  return 0;
}

static int read_tcp(jh_address *address, const char *text, const report *report) {
  char host[HOST_BYTES];
  const char *colon = strrchr(text, ':');
  const char *digits = text + strspn(text, "0123456789");
  if (colon == NULL && *digits == '\0') { /* a port alone: for this machine only */
    memcpy(address->bytes, (const uint8_t[]){127, 0, 0, 1}, 4);
    return read_port(text, &address->port, report);
  }
  if (text[0] == '[') {
    const char *end = strchr(text, ']');
    if (end == NULL) return refuse(report, "has a [ without ]; write [::1]:8080");
    if (end[1] != ':') return refuse(report, "has no port; write %.60s:8080", text);
    snprintf(host, sizeof host, "%.*s", (int)(end - text - 1), text + 1);
    int rc = read_port(end + 2, &address->port, report);
    return rc != 0 ? rc : read_ipv6(address, host, report);
  }
  if (colon == NULL) return refuse(report, "has no port; write %.60s:8080", text);
  if (memchr(text, ':', (size_t)(colon - text)) != NULL)
    return refuse(report, "looks like IPv6; write it as [::1]:8080");
  int rc = read_port(colon + 1, &address->port, report);
  if (rc != 0) return rc;
  if ((size_t)(colon - text) >= sizeof host) return refuse(report, "has a host that is too long");
  snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
  if (host[0] == '\0' || strcmp(host, "*") == 0) return 0;
  if (inet_pton(AF_INET, host, address->bytes) == 1) return 0;
  return resolve(address, host, report);
}

/* ---- public ------------------------------------------------------------------------------ */

/* Takes "http://" or "https://" off the front. */
static const char *read_scheme(jh_address *address, const char *text) {
  if (strncmp(text, "https://", 8) == 0) {
    address->scheme = JH_ADDRESS_HTTPS;
    return text + 8;
  }
  if (strncmp(text, "http://", 7) == 0) {
    address->scheme = JH_ADDRESS_HTTP;
    return text + 7;
  }
  return text;
}

int jh_address_parse(jh_address *address, const char *whole, char *error, size_t error_bytes) {
  const report report = {whole, error, error_bytes};
  memset(address, 0, sizeof *address);
  address->kind = JH_ADDRESS_IPV4;
  const char *text = read_scheme(address, whole);
  if (text[0] == '\0') return refuse(&report, "is empty; write host:port, such as :8080");
  if (strncmp(text, "unix:", 5) == 0) {
    address->kind = JH_ADDRESS_UNIX;
    return read_path(address, text + 5, &report);
  }
  if (text[0] == '/') return refuse(&report, "is a path; write unix:%.80s", text);
  if (strcmp(text, "systemd") == 0 || strncmp(text, "systemd:", 8) == 0) {
    address->kind = JH_ADDRESS_SYSTEMD;
    const char *name = text[7] == ':' ? text + 8 : "";
    if (strlen(name) >= sizeof address->path) return refuse(&report, "has a name that is too long");
    snprintf(address->path, sizeof address->path, "%s", name);
    return 0;
  }
  if (strchr(text, '/') != NULL)
    return refuse(&report, "is not host:port; write it without a path");
  return read_tcp(address, text, &report);
}

bool jh_address_is_equal(const jh_address *a, const jh_address *b) {
  if (a->kind != b->kind) return false;
  if (a->kind == JH_ADDRESS_UNIX || a->kind == JH_ADDRESS_SYSTEMD)
    return strcmp(a->path, b->path) == 0;
  return a->port != 0 && a->port == b->port && a->scope == b->scope &&
         memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

const char *jh_address_url(const jh_address *address, char *out, size_t out_bytes) {
  char host[INET6_ADDRSTRLEN] = "";
  const char *scheme = address->scheme == JH_ADDRESS_HTTPS ? "https://" : "http://";
  const char *rare_scheme = address->scheme == JH_ADDRESS_HTTPS ? scheme : "";
  switch (address->kind) {
  case JH_ADDRESS_IPV4:
    inet_ntop(AF_INET, address->bytes, host, sizeof host);
    snprintf(out, out_bytes, "%s%s:%u", scheme, host, address->port);
    break;
  case JH_ADDRESS_IPV6: {
    char zone[IF_NAMESIZE + 3] = "";
    char name[IF_NAMESIZE];
    if (address->scope != 0 && if_indextoname(address->scope, name) != NULL)
      snprintf(zone, sizeof zone, "%%25%s", name);
    inet_ntop(AF_INET6, address->bytes, host, sizeof host);
    snprintf(out, out_bytes, "%s[%s%s]:%u", scheme, host, zone, address->port);
    break;
  }
  case JH_ADDRESS_UNIX:
    snprintf(out, out_bytes, "%sunix:%s", rare_scheme, address->path);
    break;
  default:
    snprintf(out, out_bytes, "%ssystemd%s%s", rare_scheme, address->path[0] ? ":" : "",
             address->path);
  }
  return out;
}

size_t jh_address_to_sockaddr(const jh_address *address, struct sockaddr_storage *out) {
  memset(out, 0, sizeof *out);
  if (address->kind == JH_ADDRESS_IPV4) {
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    in->sin_port = htons(address->port);
    memcpy(&in->sin_addr, address->bytes, sizeof in->sin_addr);
    return sizeof *in;
  }
  if (address->kind == JH_ADDRESS_IPV6) {
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)out;
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(address->port);
    in->sin6_scope_id = address->scope;
    memcpy(&in->sin6_addr, address->bytes, sizeof in->sin6_addr);
    return sizeof *in;
  }
  struct sockaddr_un *un = (struct sockaddr_un *)out;
  un->sun_family = AF_UNIX;
  memcpy(un->sun_path, address->path, strlen(address->path) + 1);
  return sizeof *un;
}

int jh_address_from_sockaddr(jh_address *address, const struct sockaddr_storage *in, size_t len) {
  memset(address, 0, sizeof *address);
  if (in->ss_family == AF_INET) {
    const struct sockaddr_in *from = (const struct sockaddr_in *)in;
    address->kind = JH_ADDRESS_IPV4;
    address->port = ntohs(from->sin_port);
    memcpy(address->bytes, &from->sin_addr, sizeof from->sin_addr);
    return 0;
  }
  if (in->ss_family == AF_INET6) {
    const struct sockaddr_in6 *from = (const struct sockaddr_in6 *)in;
    address->kind = JH_ADDRESS_IPV6;
    address->port = ntohs(from->sin6_port);
    address->scope = from->sin6_scope_id;
    memcpy(address->bytes, &from->sin6_addr, sizeof from->sin6_addr);
    return 0;
  }
  if (in->ss_family == AF_UNIX) {
    const struct sockaddr_un *from = (const struct sockaddr_un *)in;
    size_t path_len = len > offsetof(struct sockaddr_un, sun_path)
                          ? len - offsetof(struct sockaddr_un, sun_path)
                          : 0;
    address->kind = JH_ADDRESS_UNIX;
    if (path_len >= sizeof address->path) path_len = sizeof address->path - 1;
    memcpy(address->path, from->sun_path, path_len);
    return 0;
  }
  return JH_EUNSUPPORTED;
}
