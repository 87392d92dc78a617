/* conn_read.c: the way in: bytes to requests to bodies.
 *
 * One read(2) per wake-up: epoll is level-triggered, so what a read leaves is reported again, and a
 * second read that only says EAGAIN would cost as much as the first. */
#include "net/channel.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"

/* What a body that nobody read may still send before its connection is rather closed. */
enum { DISCARD_MAX_BYTES = 262144 };

/* Room that a streamed chunked body is decoded in. */
enum { WINDOW_MIN_BYTES = 4096 };

static jh_str input(const jh_conn *conn) {
  return (jh_str){conn->in->data + conn->in->start, jh_buf_len(conn->in)};
}

static jh_parse_limits parse_limits(const jh_conn *conn, const jh_ctx *ctx) {
  jh_parse_limits limits = conn->loop->settings.parse;
  limits.max_body_bytes = ctx->max_body_bytes;
  return limits;
}

static void on_end(jh_conn *conn) {
  conn->has_ended = true;
  if (conn->state == JH_CONN_BUSY) {
    jh_conn_poll(conn, conn->events & ~UV_READABLE);
    /* The end of its side is all that a client which leaves in good order shows. */
    if (!conn->allows_half_close) conn->loop->hooks.on_abort(conn->loop, conn->ctx);
    return;
  }
  jh_conn_close(conn);
}

/* Reads into the input buffer. The bytes read; 0 when there is nothing to go on with. */
static size_t receive(jh_conn *conn) {
  jh_buf *buf = conn->in;
  ssize_t count = conn->transport->read(conn, buf->data + buf->end, jh_buf_space(buf));
  if (count > 0) {
    buf->end += (uint32_t)count;
    return (size_t)count;
  }
  if (count == 0) {
    on_end(conn);
  } else if (count != -EAGAIN) {
    jh_conn_close(conn);
  }
  return 0;
}

/* Input is to be thrown away: the rest of a body, or what follows a last answer. */
static void receive_and_discard(jh_conn *conn) {
  char scrap[16384];
  jh_ctx *ctx = conn->ctx;
  size_t wanted = sizeof scrap;
  if (ctx && ctx->body_left < wanted) wanted = (size_t)ctx->body_left;
  ssize_t count = conn->transport->read(conn, scrap, wanted);
  if (count == -EAGAIN) return;
  if (count <= 0) {
    jh_conn_close(conn);
    return;
  }
  if (!ctx) return;
  ctx->body_left -= (uint64_t)count;
  if (ctx->body_left == 0) jh_conn_proceed(conn);
}

/* A handler is at work. Input ahead of it is taken as far as the buffer goes, then left to TCP. */
static void receive_while_busy(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  if (ctx->body_state == JH_BODY_STREAMING) {
    if (ctx->wait_id) {
      jh_timeout_clear(&conn->timeout);
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
    jh_channel_on_readable(conn->channel);
    return;
  case JH_CONN_DISCARDING:
  case JH_CONN_LINGERING:
    receive_and_discard(conn);
    return;
  default:
    break;
  }
  if (!conn->in) {
    conn->in = jh_buf_try_acquire(&conn->loop->bufs);
    if (!conn->in) {
      jh_conn_close(conn);
      return;
    }
  }
  if (receive(conn) == 0) {
    if (conn->in && jh_buf_len(conn->in) == 0) {
      jh_buf_release(&conn->loop->bufs, conn->in);
      conn->in = NULL;
    }
    return;
  }
  jh_conn_proceed(conn);
}

/* The request is complete enough for its handler. */
static void dispatch(jh_conn *conn) {
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
  dispatch(conn);
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

/* The rest comes later: asks for it, with a deadline. */
static void await_input(jh_conn *conn, jh_timeout_class timeout_class) {
  jh_timeout_set(&conn->loop->timeouts, &conn->timeout, timeout_class);
  if (!(conn->events & UV_READABLE)) jh_conn_poll(conn, conn->events | UV_READABLE);
}

/* A chunked body on its way into the buffer: decodes what came, in place, behind what is decoded
 * already. True when the state moved on. */
static bool read_small_chunked(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  jh_buf *buf = conn->in;
  jh_parse_limits limits = parse_limits(conn, ctx);
  size_t used = 0, body_len = 0;
  char *raw = buf->data + buf->start;
  jh_parse result = jh_parser_body(&ctx->parser, &limits, raw, jh_buf_len(buf), &used, &body_len);
  if (result == JH_PARSE_ERROR) {
    jh_conn_reject(conn, ctx->parser.status, ctx->parser.reason);
    return true;
  }
  char *body = buf->data + (ctx->body.ptr - buf->data);
  if (body_len) memmove(body + ctx->body.len, raw, body_len);
  ctx->body.len += body_len;
  buf->start += (uint32_t)used;
  if (result == JH_PARSE_DONE) {
    ctx->body_state = JH_BODY_WHOLE;
    dispatch(conn);
    return true;
  }
  /* Everything was used, so the raw bytes' room is free again. */
  buf->start = buf->end = (uint32_t)(ctx->body.ptr + ctx->body.len - buf->data);
  if (!make_room(conn, WINDOW_MIN_BYTES)) return true;
  if (ctx->body.len > conn->loop->settings.body_buffer_bytes) {
    dispatch_streaming(conn);
    return true;
  }
  await_input(conn, JH_TIMEOUT_BODY);
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
    await_input(conn, JH_TIMEOUT_BODY);
    return false;
  }
  ctx->body = (jh_str){buf->data + buf->start, length};
  ctx->body_state = JH_BODY_WHOLE;
  buf->start += (uint32_t)length;
  dispatch(conn);
  return true;
}

/* The head is complete; decides how its body comes. */
static void frame_body(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  const jh_request *request = &ctx->request;
  if (!jh_request_has_body(request)) {
    dispatch(conn);
    return;
  }
  ctx->body = (jh_str){conn->in->data + conn->in->start, 0};
  bool is_small =
      request->is_chunked || request->content_length <= conn->loop->settings.body_buffer_bytes;
  if (is_small && !request->expects_continue) {
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
  /* The deadline runs from the first byte: bytes that trickle in do not move it. */
  bool is_timed = conn->timeout.at_ms && conn->timeout.timeout_class == JH_TIMEOUT_HEADER;
  if (!is_timed) await_input(conn, JH_TIMEOUT_HEADER);
}

/* True when the state moved on. */
static bool read_head(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  if (!ctx) {
    ctx = jh_ctx_try_acquire(&conn->loop->ctxs);
    if (!ctx) {
      jh_conn_close(conn);
      return false;
    }
    conn->ctx = ctx;
    ctx->conn = conn;
    ctx->max_body_bytes = conn->loop->settings.parse.max_body_bytes;
    conn->state = JH_CONN_READING_HEAD;
  }
  jh_str bytes = input(conn);
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

/* The answer was sent before the body was read: takes the rest of it off the buffer. */
static bool discard_buffered(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  uint64_t count = jh_buf_len(conn->in);
  if (count > ctx->body_left) count = ctx->body_left;
  conn->in->start += (uint32_t)count;
  ctx->body_left -= count;
  if (ctx->body_left > 0) {
    conn->in->start = conn->in->end = 0;
    await_input(conn, JH_TIMEOUT_BODY);
    return false;
  }
  conn->ctx = NULL;
  jh_ctx_put_back(&conn->loop->ctxs, ctx);
  conn->state = JH_CONN_IDLE;
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
    return discard_buffered(conn);
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

bool jh_conn_can_discard(const jh_ctx *ctx) {
  if (ctx->body_state != JH_BODY_STREAMING) return true;
  if (ctx->request.is_chunked || ctx->body_error) return false;
  if (ctx->request.expects_continue && !ctx->has_sent_continue) return false;
  return ctx->body_left <= DISCARD_MAX_BYTES;
}

/* Copies decoded bytes out. */
static ssize_t take(jh_str *from, char *out, size_t bytes) {
  size_t count = from->len < bytes ? from->len : bytes;
  memcpy(out, from->ptr, count);
  from->ptr += count;
  from->len -= count;
  return (ssize_t)count;
}

static ssize_t fail_body(jh_ctx *ctx, int error) {
  ctx->body_error = error;
  return error;
}

/* What a read of the socket came to, when it brought no bytes. */
static ssize_t await_body(jh_conn *conn, jh_ctx *ctx, ssize_t count, uint32_t wait_id) {
  if (count == -EAGAIN) {
    ctx->wait_id = wait_id;
    await_input(conn, JH_TIMEOUT_BODY);
    return JH_EWAIT;
  }
  conn->has_ended = true;
  return fail_body(ctx, JH_ECLOSED);
}

static ssize_t read_known_length(jh_conn *conn, jh_ctx *ctx, char *out, size_t bytes,
                                 uint32_t wait_id) {
  if (ctx->body_left == 0) {
    ctx->body_state = JH_BODY_ENDED;
    return 0;
  }
  if (bytes > ctx->body_left) bytes = (size_t)ctx->body_left;
  jh_str ready = input(conn);
  ssize_t count;
  if (ready.len) {
    count = take(&ready, out, bytes);
    conn->in->start += (uint32_t)count;
  } else {
    count = conn->transport->read(conn, out, bytes);
    if (count <= 0) return await_body(conn, ctx, count, wait_id);
  }
  ctx->body_left -= (uint64_t)count;
  return count;
}

static ssize_t read_chunked(jh_conn *conn, jh_ctx *ctx, char *out, size_t bytes, uint32_t wait_id) {
  jh_buf *buf = conn->in;
  for (;;) {
    if (ctx->body.len) return take(&ctx->body, out, bytes);
    if (ctx->has_body_end) {
      ctx->body_state = JH_BODY_ENDED;
      return 0;
    }
    if (jh_buf_len(buf) == 0) {
      buf->start = buf->end = ctx->window_off;
      ssize_t count = conn->transport->read(conn, buf->data + buf->end, jh_buf_space(buf));
      if (count <= 0) return await_body(conn, ctx, count, wait_id);
      buf->end += (uint32_t)count;
    }
    jh_parse_limits limits = parse_limits(conn, ctx);
    size_t used = 0, body_len = 0;
    char *raw = buf->data + buf->start;
    jh_parse result = jh_parser_body(&ctx->parser, &limits, raw, jh_buf_len(buf), &used, &body_len);
    if (result == JH_PARSE_ERROR) {
      return fail_body(ctx, ctx->parser.status == 413 ? JH_ELIMIT : JH_EPROTO);
    }
    ctx->body = (jh_str){raw, body_len};
    buf->start += (uint32_t)used;
    ctx->has_body_end = result == JH_PARSE_DONE;
  }
}

ssize_t jh_conn_read_body(jh_conn *conn, jh_ctx *ctx, char *out, size_t bytes, uint32_t wait_id) {
  if (ctx->body_error) return ctx->body_error;
  if (ctx->body_state != JH_BODY_STREAMING) return 0;
  if (bytes == 0) return JH_EINVAL;
  if (ctx->request.expects_continue && !ctx->has_sent_continue && jh_buf_len(conn->in) == 0) {
    ctx->has_sent_continue = true;
    int error = jh_conn_inform(conn, 100, (jh_str){NULL, 0});
    if (error) return fail_body(ctx, error);
  }
  return ctx->request.is_chunked ? read_chunked(conn, ctx, out, bytes, wait_id)
                                 : read_known_length(conn, ctx, out, bytes, wait_id);
}
