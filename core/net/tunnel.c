/* tunnel.c: asks a proxy, over the link that will be the tunnel.
 *
 * Nothing may come behind the proxy's answer: a client speaks first in HTTP and in TLS, so bytes
 * there are not the origin's and would be taken for its own. */
#include "net/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "http/response_parser.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/origin.h"
#include "net/socks.h"

enum { ANSWER_MAX = 8192, REQUEST_MAX = 2048 };

struct jh_tunnel {
  jh_alarm *alarm;
  bool is_socks;
  jh_socks socks;
  jh_response_parser parser;
  char out[REQUEST_MAX];
  size_t out_len, sent;
  char in[ANSWER_MAX];
  size_t in_len;
};

static void give_up(jh_client_conn *conn, int error, int failure, const char *problem) {
  const jh_origin *origin = conn->origin;
  char text[400], name[300];
  jh_origin_name(origin, name, sizeof name);
  snprintf(text, sizeof text, "proxy %s:%u for %s: %s", origin->proxy_host,
           origin->options.proxy_port, name, problem);
  jh_client_conn_break(conn, error, failure, text);
}

static void fail(jh_client_conn *conn, const char *problem) {
  give_up(conn, JH_EPROTO, JH_CALL_PROXY_FAILED, problem);
}

static void flush(jh_client_conn *conn) {
  struct jh_tunnel *tunnel = conn->tunnel;
  while (tunnel->sent < tunnel->out_len) {
    struct iovec part = {tunnel->out + tunnel->sent, tunnel->out_len - tunnel->sent};
    ssize_t written = jh_link_write(conn->link, &part, 1);
    if (written == -EAGAIN) {
      jh_link_poll(conn->link, UV_READABLE | UV_WRITABLE);
      return;
    }
    if (written < 0) {
      fail(conn, jh_strerror((int)written));
      return;
    }
    tunnel->sent += (size_t)written;
  }
  jh_link_poll(conn->link, UV_READABLE);
}

static void finish(jh_client_conn *conn, size_t rest) {
  if (rest > 0) {
    fail(conn, "the proxy sent more than its answer");
    return;
  }
  jh_tunnel_free(conn);
  jh_client_conn_on_tunnel(conn);
}

static void take_http(jh_client_conn *conn) {
  static const jh_response_limits limits = {
      .max_header_bytes = ANSWER_MAX, .max_header_count = 100, .max_interim_count = 10};
  struct jh_tunnel *tunnel = conn->tunnel;
  size_t head_len;
  for (;;) {
    jh_response_parse parse =
        jh_response_parser_head(&tunnel->parser, &limits, tunnel->in, tunnel->in_len, &head_len);
    if (parse == JH_RESPONSE_MORE) return;
    bool is_body_limit = tunnel->parser.status >= 300; /* of a refusal, whose body nobody reads */
    if (parse == JH_RESPONSE_ERROR && !is_body_limit) {
      fail(conn, tunnel->parser.problem);
      return;
    }
    if (!jh_response_parser_is_interim(&tunnel->parser)) break;
    tunnel->in_len -= head_len;
    memmove(tunnel->in, tunnel->in + head_len, tunnel->in_len);
  }
  if (tunnel->parser.status / 100 == 2) {
    finish(conn, tunnel->in_len - head_len);
    return;
  }
  char problem[200];
  snprintf(problem, sizeof problem, "it answered %u %.*s", tunnel->parser.status,
           (int)(tunnel->parser.reason_phrase.len > 120 ? 120 : tunnel->parser.reason_phrase.len),
           tunnel->in + tunnel->parser.reason_phrase.off);
  fail(conn, problem);
}

static void take_socks(jh_client_conn *conn) {
  struct jh_tunnel *tunnel = conn->tunnel;
  for (;;) {
    size_t used;
    int result = jh_socks_take(&tunnel->socks, tunnel->in, tunnel->in_len, &used);
    if (result == JH_EWAIT) return;
    if (result < 0) {
      fail(conn, tunnel->socks.problem);
      return;
    }
    tunnel->in_len -= used;
    memmove(tunnel->in, tunnel->in + used, tunnel->in_len);
    if (result == 1) {
      finish(conn, tunnel->in_len);
      return;
    }
    memcpy(tunnel->out, tunnel->socks.out, tunnel->socks.out_len);
    tunnel->out_len = tunnel->socks.out_len;
    tunnel->sent = 0;
    flush(conn);
    if (conn->is_closed) return;
  }
}

static void on_readable(jh_link *link) {
  jh_client_conn *conn = link->owner_data;
  struct jh_tunnel *tunnel = conn->tunnel;
  ssize_t count =
      jh_link_read(link, tunnel->in + tunnel->in_len, sizeof tunnel->in - tunnel->in_len);
  if (count == -EAGAIN) return;
  if (count <= 0) {
    fail(conn, count == 0 ? "it closed the connection" : jh_strerror((int)count));
    return;
  }
  tunnel->in_len += (size_t)count;
  if (tunnel->is_socks) {
    take_socks(conn);
  } else {
    take_http(conn);
  }
}

static void on_writable(jh_link *link) {
  flush(link->owner_data);
}

static const jh_link_owner owner = {.on_readable = on_readable, .on_writable = on_writable};

static void on_timeout(void *data) {
  jh_client_conn *conn = data;
  conn->tunnel->alarm = NULL;
  give_up(conn, JH_ETIMEDOUT, JH_CALL_TIMED_OUT, "no answer in time");
}

/* The CONNECT request, or the first message of SOCKS. False when something is too long. */
static bool write_request(jh_client_conn *conn) {
  struct jh_tunnel *tunnel = conn->tunnel;
  const jh_origin_options *options = &conn->origin->options;
  if (tunnel->is_socks) {
    jh_str host = {options->host, options->host_len};
    jh_str auth = {options->proxy_auth, options->proxy_auth_len};
    if (jh_socks_start(&tunnel->socks, host, (uint16_t)options->port, auth) < 0) return false;
    memcpy(tunnel->out, tunnel->socks.out, tunnel->socks.out_len);
    tunnel->out_len = tunnel->socks.out_len;
    return true;
  }
  char name[300];
  jh_origin_name(conn->origin, name, sizeof name);
  bool has_auth = options->proxy_auth_len > 0;
  int len = snprintf(
      tunnel->out, sizeof tunnel->out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", name, name,
      has_auth ? "Proxy-Authorization: " : "", options->proxy_auth, has_auth ? "\r\n" : "");
  tunnel->out_len = (size_t)len;
  jh_response_parser_init(&tunnel->parser, JH_RESPONSE_TO_CONNECT);
  return len > 0 && (size_t)len < sizeof tunnel->out;
}

void jh_tunnel_start(jh_client_conn *conn) {
  jh_origin *origin = conn->origin;
  struct jh_tunnel *tunnel = jh_try_calloc(1, sizeof *tunnel);
  if (!tunnel) {
    jh_client_conn_break(conn, JH_ENOMEM, JH_CALL_NO_MEMORY, "out of memory");
    return;
  }
  conn->tunnel = tunnel;
  tunnel->is_socks = origin->options.proxy_kind == JH_PROXY_SOCKS5;
  if (!write_request(conn)) {
    fail(conn, "its user, password or the host are too long");
    return;
  }
  uint32_t timeout_ms = origin->options.connect_timeout_ms;
  if (timeout_ms) {
    tunnel->alarm = jh_alarm_start(&origin->clients->loop->alarms, timeout_ms, on_timeout, conn);
  }
  jh_link_set_owner(conn->link, &owner, conn);
  flush(conn);
}

void jh_tunnel_free(jh_client_conn *conn) {
  struct jh_tunnel *tunnel = conn->tunnel;
  conn->tunnel = NULL;
  jh_alarm_stop(tunnel->alarm);
  jh_free(tunnel);
}
