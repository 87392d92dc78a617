/* conn.c: life and states of a connection. Reading is in conn_read.c, writing in conn_write.c.
 *
 * What must stay true: an IDLE connection has neither `in` nor `ctx`; a CLOSED one has no ctx, no
 * deadline and no transport events; `loop->conn_count` counts the connections in open_conns. */
#include "net/conn.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/str.h"
#include "net/conn_file.h"
#include "net/guest.h"
#include "net/hub.h"
#include "net/http2_stream.h"

jh_conn *jh_conn_new(jh_loop *loop, const jh_transport *transport, void *transport_data, int fd) {
  jh_conn *conn = jh_pool_try_acquire(&loop->conns);
  if (!conn) return NULL;
  memset(conn, 0, sizeof *conn);
  conn->loop = loop;
  conn->protocol = &jh_protocol_http1;
  conn->transport = transport;
  conn->transport_data = transport_data;
  conn->fd = fd;
  conn->allows_half_close = loop->settings.allows_half_close;
  conn->state = JH_CONN_IDLE;
  jh_timeout_init(&conn->timeout);
  jh_list_init(&conn->node);
  jh_list_append(&loop->open_conns, &conn->node);
  loop->conn_count++;
  return conn;
}

int jh_conn_open(jh_loop *loop, int fd, const jh_peer *peer) {
  jh_conn *conn = jh_conn_new(loop, &jh_transport_plain, NULL, fd);
  if (!conn) {
    close(fd);
    return JH_ENOMEM;
  }
  conn->peer = *peer;
  jh_conn_on_readable(conn);
  /* Registered only when nothing was there yet, or when its answer leaves it open: a connection
   * for one request never reaches epoll. */
  if (conn->state == JH_CONN_IDLE && !conn->in && conn->request_count == 0) {
    jh_timeout_set(&loop->timeouts, &conn->timeout, JH_TIMEOUT_HEADER);
    jh_conn_poll(conn, UV_READABLE);
  } else if (conn->state != JH_CONN_CLOSED && !conn->is_registered) {
    jh_conn_mark_pending(conn);
  }
  return 0;
}

void jh_conn_mark_pending(jh_conn *conn) {
  if (conn->is_pending) return;
  conn->is_pending = true;
  conn->next_pending = conn->loop->first_pending;
  conn->loop->first_pending = conn;
}

void jh_conn_poll(jh_conn *conn, int events) {
  if (conn->events == events || conn->state == JH_CONN_CLOSED) return;
  conn->events = (uint8_t)events;
  if (conn->transport->poll(conn, events) < 0) jh_conn_close(conn);
}

int jh_conn_find_remote(jh_conn *conn, jh_ctx *ctx) {
  char text[JH_IP_TEXT_BYTES] = "unix:";
  const jh_peer *peer = &conn->peer;
  jh_str forwarded = {NULL, 0};
  if (peer->is_trusted) forwarded = jh_request_header(&ctx->request, JH_STR("x-forwarded-for"));
  if (peer->has_ip || forwarded.len) {
    jh_ip client = jh_peer_client(peer, &conn->loop->settings.peers, forwarded);
    jh_ip_write(&client, text);
  }
  ctx->remote_port = peer->port;
  ctx->remote.len = strlen(text);
  ctx->remote.ptr = jh_arena_try_dup(&ctx->arena, text, ctx->remote.len);
  return ctx->remote.ptr ? 0 : JH_ENOMEM;
}

jh_str jh_conn_scheme(const jh_conn *conn, const jh_ctx *ctx) {
  if (conn->peer.is_trusted) {
    jh_str said = jh_request_header(&ctx->request, JH_STR("x-forwarded-proto"));
    if (said.ptr && jh_str_equal_nocase(said, JH_STR("https"))) return JH_STR("https");
    if (said.ptr && jh_str_equal_nocase(said, JH_STR("http"))) return JH_STR("http");
  }
  return jh_str_of(conn->transport->scheme);
}

void jh_conn_log_per_ip(jh_loop *loop) {
  jh_log_limited(loop->log, &loop->per_ip_gate, JH_LOG_WARN,
                 "connection refused with 429: its address has max_conns_per_ip (%u) open",
                 loop->settings.peers.max_conns_per_ip);
}

void jh_conn_log_proxy(jh_loop *loop) {
  jh_log_limited(loop->log, &loop->proxy_gate, JH_LOG_WARN,
                 "connection closed: it does not begin with a PROXY header (proxy_protocol)");
}

void jh_conn_drop_ctx(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  jh_hub_leave(conn->loop->hub, conn, true);
  if (!ctx) return;
  conn->ctx = NULL;
  if (!ctx->is_held_by_lua) {
    jh_ctx_put_back(&conn->loop->ctxs, ctx);
    return;
  }
  if (!ctx->remote.ptr) jh_conn_find_remote(conn, ctx);
  ctx->conn = NULL;
  /* The handler may go on reading its request, so the bytes it points into go with the ctx. */
  ctx->shadow_in = conn->in;
  conn->in = NULL;
  if (ctx->body_state == JH_BODY_STREAMING) ctx->body_error = JH_ECLOSED;
  if (ctx->wait_id) conn->loop->hooks.on_body(conn->loop, ctx, JH_ECLOSED);
  if (ctx->write_wait_id) conn->loop->hooks.on_writable(conn->loop, ctx, JH_ECLOSED);
  conn->loop->hooks.on_abort(conn->loop, ctx);
}

jh_ctx *jh_conn_detach_ctx(jh_conn *conn) {
  jh_loop *loop = conn->loop;
  jh_ctx *shadow = conn->ctx;
  if (shadow->stream_state != JH_STREAM_NONE) return NULL;
  jh_buf *rest = jh_buf_try_acquire(&loop->bufs);
  jh_ctx *fresh = rest ? jh_ctx_try_acquire(&loop->ctxs) : NULL;
  uint32_t rest_bytes = jh_buf_len(conn->in);
  if (fresh && rest_bytes > rest->capacity) {
    jh_buf *grown = jh_buf_try_grow(&loop->bufs, rest, rest_bytes);
    if (grown) rest = grown;
  }
  if (!fresh || rest_bytes > rest->capacity) {
    if (fresh) jh_ctx_put_back(&loop->ctxs, fresh);
    if (rest) jh_buf_release(&loop->bufs, rest);
    return NULL;
  }
  if (!shadow->remote.ptr) jh_conn_find_remote(conn, shadow);
  memcpy(rest->data, conn->in->data + conn->in->start, rest_bytes);
  rest->end = rest_bytes;
  jh_header *headers = fresh->request.headers;
  fresh->request = shadow->request;
  fresh->request.headers = headers;
  fresh->request.header_count = 0;
  fresh->conn = conn;
  fresh->generation = shadow->generation;
  fresh->is_held_by_lua = true;
  fresh->is_keep_alive = shadow->is_keep_alive;
  fresh->has_continued = shadow->has_continued;
  for (const jh_response_line *line = shadow->response.first; line; line = line->next) {
    jh_str name = {line->text, line->name_len};
    jh_str value = {line->text + line->name_len + 2, line->line_len - line->name_len - 4};
    if (jh_response_try_set(&fresh->response, &fresh->arena, name, value, true) < 0) break;
  }
  fresh->response.wants_close = shadow->response.wants_close;
  /* A body that is still coming belongs to nobody now: the answer throws it away or closes. */
  fresh->body_state = shadow->body_state;
  fresh->body_error = shadow->body_error;
  fresh->body_left = shadow->body_left;
  fresh->window_off = 0;
  fresh->has_body_end = shadow->has_body_end;
  fresh->max_body_bytes = shadow->max_body_bytes;
  fresh->parser = shadow->parser;
  fresh->match.param_count = 0;
  fresh->path = (jh_str){"", 0};
  fresh->request.target = fresh->request.path = fresh->request.query = (jh_span){0, 0};
  fresh->request.host = (jh_span){0, 0};
  if (shadow->body_state == JH_BODY_STREAMING) shadow->body_error = JH_ECLOSED;
  if (shadow->wait_id) loop->hooks.on_body(loop, shadow, JH_ECLOSED);
  if (jh_timeout_is(&conn->timeout, JH_TIMEOUT_BODY)) jh_timeout_clear(&conn->timeout);
  shadow->shadow_in = conn->in;
  shadow->conn = NULL;
  conn->in = rest;
  conn->ctx = fresh;
  return fresh;
}

static void release_buffers(jh_conn *conn) {
  jh_buf_pool *bufs = &conn->loop->bufs;
  if (conn->in) jh_buf_release(bufs, conn->in);
  conn->in = NULL;
  while (conn->out_first) {
    jh_buf *buf = conn->out_first;
    conn->out_first = buf->next;
    jh_buf_release(bufs, buf);
  }
  conn->out_last = NULL;
}

static void close_http1(jh_conn *conn) {
  jh_loop *loop = conn->loop;
  conn->state = JH_CONN_CLOSED;
  conn->events = 0;
  jh_timeout_clear(&conn->timeout);
  jh_list_remove(&conn->node);
  loop->conn_count--;
  jh_conn_drop_ctx(conn);
  if (conn->guest) conn->guest->class->on_close(conn);
  conn->guest = NULL;
  if (conn->http2) jh_http2_free(conn->http2);
  conn->http2 = NULL;
  release_buffers(conn);
  jh_conn_drop_file(conn);
  jh_peer_close(&conn->peer, &loop->settings.peers);
  bool is_freed_later = conn->transport->close(conn);
  if (is_freed_later || conn->is_pending) return;
  conn->next_pending = loop->first_closed;
  loop->first_closed = conn;
}

void jh_conn_close(jh_conn *conn) {
  if (conn->state != JH_CONN_CLOSED) conn->protocol->close(conn);
}

void jh_conn_abandon(jh_conn *conn) {
  conn->ctx = NULL;
  conn->state = JH_CONN_IDLE;
  conn->closes_after_write = true;
  conn->lingers = false;
  jh_conn_flush(conn);
}

void jh_conn_free(jh_conn *conn) {
  JH_ASSERT(conn->state == JH_CONN_CLOSED);
  bool is_stream = conn->protocol == &jh_protocol_http2;
  jh_pool_release(is_stream ? &conn->loop->http2_streams : &conn->loop->conns, conn);
}

/* The peer of a lingering connection still reads what the kernel has for it: closing before it has
 * all of that would, with the next byte it sends, throw the rest away. */
static bool is_still_read(jh_conn *conn) {
  int unacked = 0;
  if (conn->fd < 0 || ioctl(conn->fd, SIOCOUTQ, &unacked) < 0 || unacked <= 0) return false;
  bool has_moved = (uint32_t)unacked < conn->unacked_bytes;
  conn->unacked_bytes = (uint32_t)unacked;
  return has_moved;
}

void jh_conn_time_out(jh_conn *conn) {
  jh_loop *loop = conn->loop;
  if (conn->state == JH_CONN_LINGERING && is_still_read(conn)) {
    jh_timeout_set(&loop->timeouts, &conn->timeout, JH_TIMEOUT_WRITE);
    return;
  }
  if (conn->http2) {
    jh_http2_time_out(conn);
    return;
  }
  if (conn->guest) {
    conn->guest->class->on_timeout(conn);
    return;
  }
  switch ((jh_timeout_class)conn->timeout.timeout_class) {
  case JH_TIMEOUT_HEADER:
    /* Nothing was sent at all: as silent as an idle connection. */
    if (conn->state == JH_CONN_READING_HEAD) {
      loop->counters.timeouts++;
      jh_conn_reject(conn, 408, "the request head took too long");
      return;
    }
    break;
  case JH_TIMEOUT_BODY:
    loop->counters.timeouts++;
    if (conn->state == JH_CONN_READING_BODY) {
      jh_conn_reject(conn, 408, "the request body took too long");
      return;
    }
    if (conn->state == JH_CONN_BUSY && conn->ctx->wait_id) {
      conn->ctx->body_error = JH_ETIMEDOUT;
      loop->hooks.on_body(loop, conn->ctx, JH_ETIMEDOUT);
      return;
    }
    break;
  case JH_TIMEOUT_WRITE:
    loop->counters.timeouts++;
    break;
  case JH_TIMEOUT_HANDSHAKE:
    loop->counters.tls_failures++;
    break;
  default:
    break;
  }
  jh_conn_close(conn);
}

/* An idle connection holds nothing but itself and its deadline; and its buffer, when memory is not
 * to be spared. */
static void rest(jh_conn *conn) {
  jh_loop *loop = conn->loop;
  if (conn->in && (loop->settings.spares_memory || conn->in->capacity > JH_BUF_CAPACITY)) {
    jh_buf_release(&loop->bufs, conn->in);
    conn->in = NULL;
  } else if (conn->in) {
    conn->in->start = conn->in->end = 0;
  }
  if (conn->has_ended || loop->is_draining) {
    conn->closes_after_write = true;
    conn->lingers = !conn->has_ended;
    return;
  }
  if (jh_conn_has_output(conn) && (conn->events & UV_WRITABLE)) return;
  jh_timeout_set(&loop->timeouts, &conn->timeout, JH_TIMEOUT_KEEPALIVE);
  if (!(conn->events & UV_READABLE)) jh_conn_poll(conn, conn->events | UV_READABLE);
}

void jh_conn_proceed(jh_conn *conn) {
  jh_conn_advance(conn);
  if (conn->state == JH_CONN_IDLE && !conn->is_advancing && !conn->closes_after_write &&
      (!conn->in || jh_buf_len(conn->in) == 0)) {
    rest(conn);
    if (conn->closes_after_write && !jh_conn_has_output(conn)) jh_conn_flush(conn);
  }
}

const jh_protocol jh_protocol_http1 = {
    .is_exclusive = true,
    .respond = jh_conn_respond,
    .respond_file = jh_conn_respond_file,
    .end_stream = jh_conn_end_stream,
    .start_stream = jh_conn_start_stream,
    .stream = jh_conn_stream,
    .inform = jh_conn_inform,
    .read_body = jh_conn_read_body,
    .upgrade = jh_conn_upgrade,
    .abandon = jh_conn_abandon,
    .time_out = jh_conn_time_out,
    .close = close_http1,
};
