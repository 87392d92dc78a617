/* conn_read.c: the way in: bytes to requests. Bodies that a handler reads are in conn_body.c.
 *
 * One read(2) per wake-up: epoll is level-triggered, so what a read leaves is reported again, and a
 * second read that only says EAGAIN would cost as much as the first. */
#include "net/conn.h"
#include "net/guest.h"
#include "net/http2_session.h"
#include "net/refusal.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"

/* Room that a streamed chunked body is decoded in. */
enum { WINDOW_MIN_BYTES = 4096 };

static jh_str input(const jh_conn *conn) {
  return (jh_str){conn->in->data + conn->in->start, jh_buf_len(conn->in)};
}

/* No further request will come whole: closes when what is queued is written. */
static void finish(jh_conn *conn) {
  jh_timeout_clear(&conn->timeout);
  jh_conn_drop_ctx(conn);
  conn->state = JH_CONN_IDLE;
  conn->closes_after_write = true;
  conn->lingers = false;
  if (conn->is_advancing) {
    jh_conn_mark_pending(conn);
  } else {
    jh_conn_flush(conn);
  }
}

static void on_end(jh_conn *conn) {
  conn->has_ended = true;
  if (conn->state == JH_CONN_BUSY) {
    jh_conn_poll(conn, conn->events & ~UV_READABLE);
    if (conn->allows_half_close) return;
    /* The end of its side is all that a client which leaves in good order shows. Nobody waits for
     * what it had asked besides. */
    conn->in->end = conn->in->start;
    conn->loop->hooks.on_abort(conn->loop, conn->ctx);
    return;
  }
  finish(conn);
}

/* Reads into the input buffer. The bytes read; 0 when there is nothing to go on with. */
static size_t receive(jh_conn *conn) {
  jh_buf *buf = conn->in;
  JH_ASSERT(jh_buf_space(buf) > 0); /* reading nothing would look like the peer's end */
  ssize_t count = conn->transport->read(conn, buf->data + buf->end, jh_buf_space(buf));
  if (count > 0) {
    buf->end += (uint32_t)count;
    if (conn->state == JH_CONN_READING_BODY) {
      jh_body_pace_receive(&conn->ctx->pace, uv_now(&conn->loop->uv), (size_t)count);
    }
    return (size_t)count;
  }
  if (count == 0) {
    on_end(conn);
  } else if (count != -EAGAIN) {
    jh_conn_close(conn);
  }
  return 0;
}

/* Nothing more is answered: input is thrown away, so that closing does not reset the connection
 * under an answer that is on its way. */
static void receive_and_discard(jh_conn *conn) {
  char scrap[16384];
  ssize_t count = conn->transport->read(conn, scrap, sizeof scrap);
  if (count > 0 || count == -EAGAIN) return;
  if (count == 0 && jh_conn_has_output(conn)) {
    conn->has_ended = true;
    jh_conn_poll(conn, UV_WRITABLE);
    return;
  }
  jh_conn_close(conn);
}

/* A handler is at work. Input ahead of it is taken as far as the buffer goes, then left to TCP. */
static void receive_while_busy(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  if (ctx->body_state == JH_BODY_STREAMING) {
    if (ctx->wait_id) {
      if (jh_timeout_is(&conn->timeout, JH_TIMEOUT_BODY)) jh_timeout_clear(&conn->timeout);
      conn->loop->hooks.on_body(conn->loop, ctx, 0);
    } else {
      jh_conn_poll(conn, conn->events & ~UV_READABLE);
    }
    return;
  }
  if (jh_buf_space(conn->in) == 0) {
    jh_conn_poll(conn, conn->events & ~UV_READABLE);
    return;
  }
  receive(conn);
}

void jh_conn_on_readable(jh_conn *conn) {
  switch ((jh_conn_state)conn->state) {
  case JH_CONN_CLOSED:
    return;
  case JH_CONN_BUSY:
    receive_while_busy(conn);
    return;
  case JH_CONN_HIJACKED:
    conn->guest->class->on_readable(conn);
    return;
  case JH_CONN_HTTP2:
    jh_http2_on_readable(conn);
    return;
  case JH_CONN_LINGERING:
    receive_and_discard(conn);
    return;
  default:
    break;
  }
  if (conn->closes_after_write) {
    receive_and_discard(conn);
    return;
  }
  /* A reader that is behind is not read either: its buffer may be full of requests. */
  if ((conn->events & UV_WRITABLE) && conn->state == JH_CONN_IDLE) {
    jh_conn_poll(conn, UV_WRITABLE);
    return;
  }
  if (!conn->in) {
    conn->in = jh_buf_try_acquire(&conn->loop->bufs);
    if (!conn->in) {
      jh_conn_close(conn);
      return;
    }
  }
  if (receive(conn) > 0) {
    jh_conn_proceed(conn);
  } else if (conn->state == JH_CONN_IDLE && conn->in && jh_buf_len(conn->in) == 0) {
    jh_buf_release(&conn->loop->bufs, conn->in);
    conn->in = NULL;
  }
}

void jh_conn_dispatch(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  jh_timeout_clear(&conn->timeout);
  conn->state = JH_CONN_BUSY;
  conn->request_count++;
  ctx->is_keep_alive = ctx->request.is_keep_alive;
  int error = jh_ctx_settle_path(ctx);
  if (error) {
    jh_conn_reject(conn, error == JH_EINVAL ? 400 : 503, "the path is malformed");
    return;
  }
  conn->loop->counters.requests++;
  conn->loop->hooks.on_request(conn->loop, ctx);
}

static void dispatch_streaming(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  ctx->body_state = JH_BODY_STREAMING;
  ctx->body_left = ctx->request.content_length;
  ctx->window_off = (uint32_t)(ctx->body.ptr - conn->in->data);
  ctx->has_body_end = false;
  jh_conn_dispatch(conn);
}

/* Makes room for `bytes` more after the input. The head and the body behind it move: answered
 * requests in front of them are dropped first, then the buffer grows. */
static bool make_room(jh_conn *conn, size_t bytes) {
  jh_buf *buf = conn->in;
  jh_ctx *ctx = conn->ctx;
  if (jh_buf_space(buf) >= bytes) return true;
  uint32_t head_off = (uint32_t)(ctx->request.base - buf->data);
  size_t body_off = (size_t)(ctx->body.ptr - buf->data) - head_off;
  memmove(buf->data, buf->data + head_off, buf->end - head_off);
  /* The head counts as content, so that growing carries it along. */
  uint32_t start = buf->start - head_off;
  buf->start = 0;
  buf->end -= head_off;
  jh_buf *grown = jh_buf_try_grow(&conn->loop->bufs, buf, buf->end + bytes);
  if (grown) buf = grown;
  buf->start = start;
  conn->in = buf;
  ctx->request.base = buf->data;
  ctx->body.ptr = buf->data + body_off;
  if (!grown) jh_conn_reject(conn, 503, "out of memory");
  return grown != NULL;
}

void jh_conn_await_input(jh_conn *conn, jh_timeout_class timeout_class) {
  jh_timeouts *timeouts = &conn->loop->timeouts;
  const jh_ctx *ctx = conn->ctx;
  bool is_own = timeout_class == JH_TIMEOUT_BODY && conn->state != JH_CONN_DISCARDING && ctx &&
                ctx->body_timeout_ms != JH_CTX_SERVER_TIMEOUT;
  if (is_own) {
    jh_timeout_set_own(timeouts, &conn->timeout, timeout_class, ctx->body_timeout_ms);
  } else {
    jh_timeout_set(timeouts, &conn->timeout, timeout_class);
  }
  if (!(conn->events & UV_READABLE)) jh_conn_poll(conn, conn->events | UV_READABLE);
}

void jh_conn_await_rest(jh_conn *conn) {
  if (conn->has_ended) {
    finish(conn);
    return;
  }
  if (conn->state == JH_CONN_READING_BODY && jh_conn_is_body_slow(conn, conn->ctx)) {
    jh_conn_reject(conn, 408, "the request body came too slowly");
    return;
  }
  bool is_head = conn->state == JH_CONN_READING_HEAD;
  jh_timeout_class timeout_class = is_head ? JH_TIMEOUT_HEADER : JH_TIMEOUT_BODY;
  /* The deadlines of a head, and of a body that nobody wants, run from their beginning: bytes that
   * trickle in do not move them. */
  bool is_fixed = conn->state != JH_CONN_READING_BODY;
  if (is_fixed && jh_timeout_is(&conn->timeout, timeout_class)) return;
  jh_conn_await_input(conn, timeout_class);
}

/* A chunked body on its way into the buffer: decodes what came, in place, behind what is decoded
 * already. True when the state moved on. */
static bool read_small_chunked(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  jh_buf *buf = conn->in;
  jh_str more;
  jh_parse result = jh_conn_decode_body(conn, ctx, &more);
  if (result == JH_PARSE_ERROR) {
    jh_conn_reject(conn, ctx->parser.status, ctx->parser.reason);
    return true;
  }
  char *body = buf->data + (ctx->body.ptr - buf->data);
  if (more.len) memmove(body + ctx->body.len, more.ptr, more.len);
  ctx->body.len += more.len;
  if (result == JH_PARSE_DONE) {
    ctx->body_state = JH_BODY_WHOLE;
    jh_conn_dispatch(conn);
    return true;
  }
  /* Everything was used, so the raw bytes' room is free again. */
  buf->start = buf->end = (uint32_t)(ctx->body.ptr + ctx->body.len - buf->data);
  if (!make_room(conn, WINDOW_MIN_BYTES)) return true;
  if (ctx->body.len > conn->loop->settings.body_buffer_bytes) {
    dispatch_streaming(conn);
    return true;
  }
  jh_conn_await_rest(conn);
  return false;
}

/* A small body of known length. True when the state moved on. */
static bool read_small_body(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  if (ctx->request.is_chunked) return read_small_chunked(conn);
  jh_buf *buf = conn->in;
  size_t length = (size_t)ctx->request.content_length;
  if (jh_buf_len(buf) < length) {
    if (!make_room(conn, length - jh_buf_len(buf))) return true;
    jh_conn_await_rest(conn);
    return false;
  }
  ctx->body = (jh_str){buf->data + buf->start, length};
  ctx->body_state = JH_BODY_WHOLE;
  buf->start += (uint32_t)length;
  jh_conn_dispatch(conn);
  return true;
}

/* The head is complete; decides how its body comes. */
static void frame_body(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  const jh_request *request = &ctx->request;
  if (!jh_request_has_body(request)) {
    jh_conn_dispatch(conn);
    return;
  }
  ctx->body = (jh_str){conn->in->data + conn->in->start, 0};
  bool is_answered_by_handler = conn->loop->hooks.on_head(conn->loop, ctx);
  uint64_t length = request->is_chunked ? 0 : request->content_length;
  bool is_too_large = length > ctx->max_body_bytes;
  if (is_too_large && !is_answered_by_handler) {
    jh_conn_reject(conn, 413, "body too large");
    return;
  }
  bool is_small = length <= conn->loop->settings.body_buffer_bytes && !is_too_large;
  bool is_here = !request->is_chunked && length <= jh_buf_len(conn->in);
  if (is_small && !request->expects_continue && (is_here || !ctx->is_early)) {
    conn->state = JH_CONN_READING_BODY;
    return;
  }
  if (request->is_chunked && !make_room(conn, WINDOW_MIN_BYTES)) return;
  dispatch_streaming(conn);
}

/* More of a head is needed; makes room for it within the limits. */
static void await_head(jh_conn *conn) {
  jh_buf *buf = conn->in;
  const jh_parse_limits *limits = &conn->loop->settings.parse;
  size_t largest = (size_t)limits->max_header_bytes + limits->max_target_bytes;
  if (jh_buf_space(buf) == 0) jh_buf_compact(buf);
  if (jh_buf_space(buf) == 0) {
    if (buf->capacity >= largest) {
      jh_conn_reject(conn, 431, "the request head is too large");
      return;
    }
    buf = jh_buf_try_grow(&conn->loop->bufs, buf, buf->capacity * (size_t)2);
    if (!buf) {
      jh_conn_reject(conn, 503, "out of memory");
      return;
    }
    conn->in = buf;
  }
  jh_conn_await_rest(conn);
}

/* The connection begins with the word of a load balancer about its client. False when the head
 * cannot be read yet, or ever. */
static bool read_proxy_header(jh_conn *conn) {
  jh_loop *loop = conn->loop;
  size_t used;
  int error = jh_peer_read_proxy_header(&conn->peer, &loop->settings.peers, input(conn), &used);
  if (error == JH_EWAIT) {
    await_head(conn);
    return false;
  }
  if (error == JH_EPROTO) {
    jh_conn_log_proxy(loop);
  } else if (error == JH_ELIMIT) {
    loop->counters.rejected++;
    jh_conn_log_per_ip(loop);
    jh_refusal_send(conn->fd, JH_REFUSAL_MAX_CONNS_PER_IP);
  }
  if (error) {
    jh_conn_close(conn);
    return false;
  }
  conn->in->start += (uint32_t)used;
  return jh_buf_len(conn->in) > 0;
}

/* A first request may be the preface of HTTP/2. */
static bool is_http2(const jh_conn *conn, jh_str bytes) {
  return jh_http2_is_preface(bytes) && conn->loop->settings.speaks_h2c;
}

/* True when the state moved on. */
static bool read_head(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  if (!ctx && conn->peer.awaits_proxy_header && !read_proxy_header(conn)) {
    return false;
  }
  if (!ctx) {
    ctx = jh_ctx_try_acquire(&conn->loop->ctxs);
    if (!ctx) {
      jh_conn_close(conn);
      return false;
    }
    conn->ctx = ctx;
    ctx->conn = conn;
    ctx->max_body_bytes = conn->loop->settings.max_body_bytes;
    conn->state = JH_CONN_READING_HEAD;
  }
  jh_str bytes = input(conn);
  if (conn->request_count == 0 && is_http2(conn, bytes)) {
    jh_http2_take_over(conn);
    return true;
  }
  size_t head_len = 0;
  jh_parse result = jh_parser_head(&ctx->parser, &ctx->request, &conn->loop->settings.parse,
                                   bytes.ptr, bytes.len, &head_len);
  if (result == JH_PARSE_MORE) {
    await_head(conn);
    return false;
  }
  if (result == JH_PARSE_ERROR) {
    jh_conn_reject(conn, ctx->parser.status, ctx->parser.reason);
    return true;
  }
  conn->in->start += (uint32_t)head_len;
  frame_body(conn);
  return true;
}

static bool step(jh_conn *conn) {
  switch ((jh_conn_state)conn->state) {
  case JH_CONN_IDLE:
    if (!conn->in || jh_buf_len(conn->in) == 0) return false;
    if (conn->events & UV_WRITABLE) return false; /* a slow reader gets no further answers yet */
    return read_head(conn);
  case JH_CONN_READING_HEAD:
    return read_head(conn);
  case JH_CONN_READING_BODY:
    return read_small_body(conn);
  case JH_CONN_DISCARDING:
    return jh_conn_discard(conn);
  default:
    return false;
  }
}

void jh_conn_advance(jh_conn *conn) {
  if (conn->is_advancing) return;
  conn->is_advancing = true;
  while (!conn->closes_after_write && step(conn)) {
  }
  conn->is_advancing = false;
}
