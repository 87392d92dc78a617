/* dial.c: the race of RFC 8305 over non-blocking sockets.
 *
 * Each attempt is an object of its own because its uv handle outlives it by a turn. Whatever ends a
 * dial closes the other attempts first, so no callback comes after that. */
#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/loop.h"

enum { UNIX_RETRY_MS = 10 /* its queue of connections is full; poll(2) does not tell when not */ };

typedef union jh_sockaddr {
  struct sockaddr any;
  struct sockaddr_in ipv4;
  struct sockaddr_in6 ipv6;
  struct sockaddr_un local;
} jh_sockaddr;

typedef struct attempt {
  uv_poll_t poll;
  jh_list node; /* in dial->attempts */
  jh_dial *dial;
  int fd;
  uint32_t index; /* of its address */
} attempt;

struct jh_dial {
  jh_loop *loop;
  jh_lookup lookup;
  jh_addresses *found;
  jh_alarm *pause; /* before the next attempt */
  jh_list attempts;
  jh_dial_cb on_done;
  void *data;
  int error; /* why it failed, as far as it has */
  uint32_t rotation;
  uint32_t counts[2], tried[2]; /* addresses by family: IPv4, IPv6 */
  uint32_t last_index;          /* the address tried last */
  uint16_t port, keepalive_s;
  bool prefers_ipv6, is_numeric, is_resolving, has_local;
  jh_ip local;
  size_t failure_bytes;
  char failures[JH_DIAL_REASON_BYTES]; /* "::1: connection refused, 127.0.0.1: …" */
  struct sockaddr_un *path;            /* a unix socket's, behind the struct */
  socklen_t path_bytes;
};

/* ---- words -------------------------------------------------------------------------------- */

static const char *lower_first(const char *text, char *out, size_t out_bytes) {
  snprintf(out, out_bytes, "%s", text);
  bool is_word = out[0] >= 'A' && out[0] <= 'Z' && out[1] >= 'a' && out[1] <= 'z';
  if (is_word) out[0] = (char)(out[0] + ('a' - 'A'));
  return out;
}

/* Adds what happened to one address; says it once when it is the same for all. */
static void note_failure(jh_dial *dial, const char *where, int error) {
  char text[96];
  size_t room = sizeof dial->failures - dial->failure_bytes;
  lower_first(jh_strerror(error), text, sizeof text);
  int len = snprintf(dial->failures + dial->failure_bytes, room, "%s%s%s%s",
                     dial->failure_bytes ? ", " : "", where, *where ? ": " : "", text);
  if (len > 0) dial->failure_bytes += (size_t)len < room ? (size_t)len : room - 1;
  bool says_more = error != -ENETUNREACH && error != -EHOSTUNREACH && error != -EADDRNOTAVAIL &&
                   error != -EAFNOSUPPORT;
  if (says_more || dial->error == 0) dial->error = error;
}

static void note_attempt(jh_dial *dial, uint32_t index, int error) {
  char where[JH_IP_TEXT_BYTES] = "";
  if (!dial->is_numeric && !dial->path) jh_ip_write(&dial->found->items[index].ip, where);
  note_failure(dial, where, error);
}

bool jh_dial_is_resolving(const jh_dial *dial) {
  return dial->is_resolving;
}

void jh_dial_describe(const jh_dial *dial, char *out, size_t out_bytes) {
  if (dial->failure_bytes) {
    snprintf(out, out_bytes, "%s", dial->failures);
  } else if (dial->is_resolving && dial->error) {
    snprintf(out, out_bytes, "%s", jh_resolver_strerror(dial->error));
  } else if (dial->is_resolving) {
    snprintf(out, out_bytes, "looking up the name");
  } else if (dial->found && !dial->is_numeric) {
    char where[JH_IP_TEXT_BYTES];
    jh_ip_write(&dial->found->items[dial->last_index].ip, where);
    snprintf(out, out_bytes, "%s does not answer", where);
  } else {
    snprintf(out, out_bytes, "it does not answer");
  }
}

/* ---- ends --------------------------------------------------------------------------------- */

static void on_attempt_closed(uv_handle_t *handle) {
  jh_free(handle->data);
}

/* Takes the descriptor out of an attempt, whose memory goes in the next turn. */
static int end_attempt(attempt *ended) {
  int fd = ended->fd;
  jh_list_remove(&ended->node);
  uv_close((uv_handle_t *)&ended->poll, on_attempt_closed);
  return fd;
}

static void let_go(jh_dial *dial) {
  jh_lookup_stop(&dial->lookup);
  jh_alarm_stop(dial->pause);
  dial->pause = NULL;
  while (!jh_list_is_empty(&dial->attempts)) {
    close(end_attempt(JH_LIST_ENTRY(dial->attempts.next, attempt, node)));
  }
}

static void free_dial(jh_dial *dial) {
  jh_addresses_release(dial->found);
  jh_free(dial);
}

void jh_dial_stop(jh_dial *dial) {
  let_go(dial);
  free_dial(dial);
}

static void finish(jh_dial *dial, int result) {
  let_go(dial);
  dial->on_done(dial, dial->data, result);
  free_dial(dial);
}

/* ---- one attempt -------------------------------------------------------------------------- */

static socklen_t fill_sockaddr(const jh_dial *dial, uint32_t index, jh_sockaddr *out) {
  const jh_host_address *address = &dial->found->items[index];
  memset(out, 0, sizeof *out);
  if (address->ip.is_ipv6) {
    out->ipv6.sin6_family = AF_INET6;
    out->ipv6.sin6_port = htons(dial->port);
    out->ipv6.sin6_scope_id = address->scope;
    memcpy(&out->ipv6.sin6_addr, address->ip.bytes, 16);
    return sizeof out->ipv6;
  }
  out->ipv4.sin_family = AF_INET;
  out->ipv4.sin_port = htons(dial->port);
  memcpy(&out->ipv4.sin_addr, address->ip.bytes, 4);
  return sizeof out->ipv4;
}

static int bind_local(const jh_dial *dial, int fd, int family) {
  int yes = 1;
  if (!dial->has_local) return 0;
  if (dial->local.is_ipv6 != (family == AF_INET6)) return -EAFNOSUPPORT;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  jh_sockaddr from;
  memset(&from, 0, sizeof from);
  from.any.sa_family = (sa_family_t)family;
  if (family == AF_INET6) {
    memcpy(&from.ipv6.sin6_addr, dial->local.bytes, 16);
  } else {
    memcpy(&from.ipv4.sin_addr, dial->local.bytes, 4);
  }
  return bind(fd, &from.any, family == AF_INET6 ? sizeof from.ipv6 : sizeof from.ipv4) ? -errno : 0;
}

static void set_options(const jh_dial *dial, int fd) {
  int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (!dial->keepalive_s) return;
  int seconds = dial->keepalive_s;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof seconds);
}

/* A socket that connects to a free port of this machine may get that very port and so meet itself.
 */
static bool has_met_itself(const jh_dial *dial, uint32_t index, int fd) {
  jh_sockaddr mine = {.any = {0}}, target;
  socklen_t bytes = sizeof mine;
  if (getsockname(fd, &mine.any, &bytes)) return false;
  socklen_t target_bytes = fill_sockaddr(dial, index, &target);
  if (bytes != target_bytes || mine.any.sa_family != target.any.sa_family) return false;
  if (mine.any.sa_family == AF_INET) {
    return mine.ipv4.sin_port == target.ipv4.sin_port &&
           mine.ipv4.sin_addr.s_addr == target.ipv4.sin_addr.s_addr;
  }
  return mine.ipv6.sin6_port == target.ipv6.sin6_port &&
         memcmp(&mine.ipv6.sin6_addr, &target.ipv6.sin6_addr, 16) == 0;
}

/* 0, -EINPROGRESS or another negated errno. On loopback the handshake is over when the first call
 * returns, but only the second one says so. */
static int connect_now(int fd, const jh_sockaddr *to, socklen_t bytes) {
  int result = connect(fd, &to->any, bytes);
  if (result && errno == EINPROGRESS) result = connect(fd, &to->any, bytes);
  if (result == 0 || errno == EISCONN) return 0;
  return errno == EALREADY || errno == EINTR ? -EINPROGRESS : -errno;
}

static void go_on(jh_dial *dial);

static void on_attempt(uv_poll_t *poll, int status, int events) {
  attempt *ended = poll->data;
  jh_dial *dial = ended->dial;
  uint32_t index = ended->index;
  int code = 0;
  socklen_t bytes = sizeof code;
  (void)status;
  (void)events;
  int fd = end_attempt(ended);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &bytes)) code = errno;
  if (code == 0 && has_met_itself(dial, index, fd)) code = ECONNREFUSED;
  if (code == 0) {
    finish(dial, fd);
    return;
  }
  close(fd);
  note_attempt(dial, index, -code);
  jh_alarm_stop(dial->pause);
  dial->pause = NULL;
  go_on(dial);
}

static int watch(jh_dial *dial, uint32_t index, int fd) {
  attempt *started = jh_try_calloc(1, sizeof *started);
  if (!started) return JH_ENOMEM;
  int error = uv_poll_init(&dial->loop->uv, &started->poll, fd);
  if (error) {
    jh_free(started);
    return error;
  }
  started->poll.data = started;
  started->dial = dial;
  started->fd = fd;
  started->index = index;
  jh_list_init(&started->node);
  jh_list_append(&dial->attempts, &started->node);
  return uv_poll_start(&started->poll, UV_WRITABLE, on_attempt);
}

/* A connected descriptor, JH_EWAIT, or a negative code. */
static int try_address(jh_dial *dial, uint32_t index) {
  jh_sockaddr to;
  socklen_t to_bytes = fill_sockaddr(dial, index, &to);
  int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  set_options(dial, fd);
  int error = bind_local(dial, fd, to.any.sa_family);
  if (!error) error = connect_now(fd, &to, to_bytes);
  if (error == 0 && !has_met_itself(dial, index, fd)) return fd;
  if (error == 0) error = -ECONNREFUSED;
  if (error == -EINPROGRESS) {
    error = watch(dial, index, fd);
    if (!error) return JH_EWAIT;
  }
  close(fd);
  return error;
}

/* ---- all of them -------------------------------------------------------------------------- */

/* The next address: families in turn, each from where its rotation begins. */
static uint32_t pick(jh_dial *dial) {
  bool is_odd = (dial->tried[0] + dial->tried[1]) % 2;
  bool is_ipv6 = dial->prefers_ipv6 != is_odd;
  if (dial->tried[is_ipv6] == dial->counts[is_ipv6]) is_ipv6 = !is_ipv6;
  uint32_t wanted = (dial->rotation + dial->tried[is_ipv6]++) % dial->counts[is_ipv6];
  for (uint32_t i = 0;; i++) {
    if (dial->found->items[i].ip.is_ipv6 == is_ipv6 && wanted-- == 0) return i;
  }
}

static bool has_more(const jh_dial *dial) {
  return dial->tried[0] < dial->counts[0] || dial->tried[1] < dial->counts[1];
}

static void on_pause_over(void *data) {
  jh_dial *dial = data;
  dial->pause = NULL;
  go_on(dial);
}

static int take_pause(jh_dial *dial, uint64_t pause_ms) {
  dial->pause = jh_alarm_start(&dial->loop->alarms, pause_ms, on_pause_over, dial);
  return dial->pause ? JH_EWAIT : JH_ENOMEM;
}

/* Starts attempts until one waits. A descriptor, JH_EWAIT, or why all have failed. */
static int advance(jh_dial *dial) {
  while (has_more(dial)) {
    uint32_t index = dial->last_index = pick(dial);
    int result = try_address(dial, index);
    if (result >= 0) return result;
    if (result == JH_EWAIT) {
      if (has_more(dial)) take_pause(dial, JH_DIAL_PAUSE_MS);
      return JH_EWAIT;
    }
    note_attempt(dial, index, result);
  }
  return jh_list_is_empty(&dial->attempts) ? dial->error : JH_EWAIT;
}

static int advance_path(jh_dial *dial) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (const struct sockaddr *)dial->path, dial->path_bytes) == 0) return fd;
  int error = -errno;
  if (fd >= 0) close(fd);
  if (error == -EAGAIN) return take_pause(dial, UNIX_RETRY_MS);
  note_failure(dial, "", error);
  return error;
}

static void go_on(jh_dial *dial) {
  int result = dial->path ? advance_path(dial) : advance(dial);
  if (result != JH_EWAIT) finish(dial, result);
}

static void begin_race(jh_dial *dial) {
  dial->found = dial->lookup.found;
  dial->is_resolving = false;
  dial->rotation = dial->found->turn;
  dial->prefers_ipv6 = dial->found->items[0].ip.is_ipv6;
  for (uint32_t i = 0; i < dial->found->count; i++)
    dial->counts[dial->found->items[i].ip.is_ipv6]++;
}

static void on_found(jh_lookup *lookup, int error) {
  jh_dial *dial = JH_LIST_ENTRY(lookup, jh_dial, lookup);
  if (error) {
    dial->error = error;
    finish(dial, JH_ENOTFOUND);
    return;
  }
  begin_race(dial);
  go_on(dial);
}

static int begin(jh_dial *dial, jh_str host) {
  if (dial->path) return advance_path(dial);
  dial->is_resolving = true;
  int error = jh_resolver_start(&dial->loop->resolver, &dial->lookup, host);
  if (error == JH_EWAIT) return error;
  if (error) {
    dial->error = error;
    return JH_ENOTFOUND;
  }
  begin_race(dial);
  return advance(dial);
}

/* Behind "unix:"; a name that begins with '@' is abstract. */
static int set_path(jh_dial *dial, jh_str path) {
  dial->path = (struct sockaddr_un *)(void *)(dial + 1);
  if (path.len == 0 || path.len >= sizeof dial->path->sun_path) return JH_EINVAL;
  dial->path->sun_family = AF_UNIX;
  memcpy(dial->path->sun_path, path.ptr, path.len);
  bool is_abstract = path.ptr[0] == '@';
  if (is_abstract) dial->path->sun_path[0] = '\0';
  dial->path_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + !is_abstract);
  return 0;
}

static jh_dial *make(jh_loop *loop, const jh_dial_target *target, int *error) {
  static const jh_str unix_prefix = {"unix:", 5};
  bool is_path = target->host.len >= unix_prefix.len &&
                 memcmp(target->host.ptr, unix_prefix.ptr, unix_prefix.len) == 0;
  jh_dial *dial = jh_try_calloc(1, sizeof *dial + (is_path ? sizeof *dial->path : 0));
  *error = JH_ENOMEM;
  if (!dial) return NULL;
  jh_ip ip;
  dial->loop = loop;
  dial->port = target->port;
  dial->keepalive_s = target->keepalive_s;
  dial->is_numeric = jh_ip_parse(target->host, &ip) == 0;
  jh_list_init(&dial->attempts);
  jh_list_init(&dial->lookup.node);
  dial->lookup.on_found = on_found;
  *error = 0;
  if (is_path) {
    jh_str path = {target->host.ptr + unix_prefix.len, target->host.len - unix_prefix.len};
    *error = set_path(dial, path);
  } else if (target->local.len) {
    dial->has_local = true;
    *error = jh_ip_parse(target->local, &dial->local);
  }
  return dial;
}

int jh_dial_start(struct jh_loop *loop, const jh_dial_target *target, jh_dial_cb on_done,
                  void *data, jh_dial **out, char *reason) {
  int result;
  *out = NULL;
  jh_dial *dial = make(loop, target, &result);
  if (!dial) {
    snprintf(reason, JH_DIAL_REASON_BYTES, "%s", jh_strerror(result));
    return result;
  }
  dial->on_done = on_done;
  dial->data = data;
  if (result) {
    note_failure(dial, "", result);
  } else {
    result = begin(dial, target->host);
  }
  if (result == JH_EWAIT) {
    *out = dial;
    return result;
  }
  if (result < 0) jh_dial_describe(dial, reason, JH_DIAL_REASON_BYTES);
  let_go(dial);
  free_dial(dial);
  return result;
}
