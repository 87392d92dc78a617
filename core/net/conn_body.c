/* conn_body.c: bodies that are not whole when their handler starts: reading them on demand, and
 * getting rid of what was not read.
 *
 * A body of declared length is read straight into the caller's memory; a chunked one is decoded in
 * the input buffer, in the room behind the head. Nothing is read that nobody asked for, so a client
 * is held back by TCP. */
#include <errno.h>
#include <string.h>

#include "net/conn.h"

enum {
  DISCARD_MAX_BYTES = 262144, /* that nobody read may still come before the connection is closed */
  TURN_BYTES = 262144 /* read of one body in one turn of the loop, so that others have theirs */
};

bool jh_conn_can_discard(const jh_ctx *ctx, bool may_be_read) {
  if (ctx->body_state != JH_BODY_STREAMING) return true;
  if (ctx->body_error) return false;
  if (ctx->request.expects_continue && !ctx->has_continued) return false;
  if (!ctx->request.is_chunked) return ctx->body_left <= DISCARD_MAX_BYTES;
  return may_be_read || ctx->has_body_end;
}

bool jh_conn_begin_discard(jh_conn *conn, jh_ctx *ctx) {
  if (ctx->has_body_end) return false;
  if (!ctx->request.is_chunked && ctx->body_left == 0) return false;
  if (ctx->request.is_chunked) ctx->body_left = DISCARD_MAX_BYTES;
  conn->state = JH_CONN_DISCARDING;
  return true;
}

/* Takes what is in the buffer off the body. DONE at its end, ERROR when it is not worth it. */
static jh_parse discard_buffered(jh_conn *conn, jh_ctx *ctx) {
  jh_buf *buf = conn->in;
  size_t used = jh_buf_len(buf);
  jh_parse result = JH_PARSE_MORE;
  if (ctx->request.is_chunked) {
    jh_parse_limits limits = jh_conn_parse_limits(conn, ctx);
    size_t body_len;
    char *raw = buf->data + buf->start;
    result = jh_parser_body(&ctx->parser, &limits, raw, jh_buf_len(buf), &used, &body_len);
  } else if (used >= ctx->body_left) {
    used = (size_t)ctx->body_left;
    result = JH_PARSE_DONE;
  }
  buf->start += (uint32_t)used;
  if (result == JH_PARSE_MORE && used >= ctx->body_left) return JH_PARSE_ERROR;
  ctx->body_left -= used < ctx->body_left ? used : ctx->body_left;
  return result;
}

bool jh_conn_discard(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  jh_parse result = discard_buffered(conn, ctx);
  if (result == JH_PARSE_MORE) {
    conn->in->start = conn->in->end = 0;
    jh_conn_await_rest(conn);
    return false;
  }
  conn->ctx = NULL;
  jh_ctx_put_back(&conn->loop->ctxs, ctx);
  conn->state = JH_CONN_IDLE;
  if (conn->events & UV_WRITABLE) {
    jh_timeout_set(&conn->loop->timeouts, &conn->timeout, JH_TIMEOUT_WRITE);
    jh_conn_poll(conn, UV_WRITABLE);
  } else {
    jh_timeout_clear(&conn->timeout);
  }
  if (result == JH_PARSE_DONE) return true;
  conn->closes_after_write = true;
  conn->lingers = true;
  jh_conn_mark_pending(conn);
  return false;
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

bool jh_conn_is_body_slow(jh_conn *conn, jh_ctx *ctx) {
  const jh_loop_settings *settings = &conn->loop->settings;
  bool is_own = ctx->body_timeout_ms != JH_CTX_SERVER_TIMEOUT;
  uint32_t timeout_ms = is_own ? ctx->body_timeout_ms : settings->body_timeout_ms;
  if (jh_body_pace_is_slow(&ctx->pace, timeout_ms, settings->min_body_bytes_per_s)) {
    conn->loop->counters.timeouts++;
    return true;
  }
  jh_body_pace_wait(&ctx->pace, uv_now(&conn->loop->uv));
  return false;
}

/* What a read of the socket came to, when it brought no bytes. */
static ssize_t await_body(jh_conn *conn, jh_ctx *ctx, ssize_t count, uint32_t wait_id) {
  if (count == -EAGAIN) {
    if (jh_conn_is_body_slow(conn, ctx)) return fail_body(ctx, JH_ETIMEDOUT);
    ctx->wait_id = wait_id;
    jh_conn_await_input(conn, JH_TIMEOUT_BODY);
    return JH_EWAIT;
  }
  conn->has_ended = true;
  return fail_body(ctx, JH_ECLOSED);
}

/* Reads the socket, unless this body has had its share of the turn: then as if nothing was there,
 * and epoll reports it again in the next one. */
static ssize_t receive(jh_conn *conn, jh_ctx *ctx, char *out, size_t bytes) {
  uint32_t turn = conn->loop->turn;
  if (ctx->read_turn != turn) {
    ctx->read_turn = turn;
    ctx->read_bytes = 0;
  }
  if (ctx->read_bytes >= TURN_BYTES) return -EAGAIN;
  ssize_t count = conn->transport->read(conn, out, bytes);
  if (count > 0) {
    ctx->read_bytes += (uint32_t)count;
    jh_body_pace_receive(&ctx->pace, uv_now(&conn->loop->uv), (size_t)count);
  }
  return count;
}

static ssize_t read_known_length(jh_conn *conn, jh_ctx *ctx, char *out, size_t bytes,
                                 uint32_t wait_id) {
  if (ctx->body_left == 0) {
    ctx->body_state = JH_BODY_ENDED;
    return 0;
  }
  if (bytes > ctx->body_left) bytes = (size_t)ctx->body_left;
  jh_str ready = {conn->in->data + conn->in->start, jh_buf_len(conn->in)};
  ssize_t count;
  if (ready.len) {
    count = take(&ready, out, bytes);
    conn->in->start += (uint32_t)count;
  } else {
    count = receive(conn, ctx, out, bytes);
    if (count <= 0) return await_body(conn, ctx, count, wait_id);
  }
  ctx->body_left -= (uint64_t)count;
  return count;
}

jh_parse jh_conn_decode_body(jh_conn *conn, jh_ctx *ctx, jh_str *body) {
  jh_buf *buf = conn->in;
  jh_parse_limits limits = jh_conn_parse_limits(conn, ctx);
  jh_parser *parser = &ctx->parser;
  size_t used = 0, body_len = 0;
  char *raw = buf->data + buf->start;
  jh_parse result = jh_parser_body(parser, &limits, raw, jh_buf_len(buf), &used, &body_len);
  jh_str trailers = parser->trailers;
  if (result != JH_PARSE_ERROR && trailers.len &&
      jh_trailers_try_append(&ctx->trailers, &ctx->arena, trailers.ptr, trailers.len) < 0) {
    parser->status = 503;
    parser->reason = "out of memory";
    result = JH_PARSE_ERROR;
  }
  *body = (jh_str){raw, body_len};
  buf->start += (uint32_t)used;
  return result;
}

static int error_of(const jh_parser *parser) {
  if (parser->status == 503) return JH_ENOMEM;
  return parser->status == 413 ? JH_ELIMIT : JH_EPROTO;
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
      ssize_t count = receive(conn, ctx, buf->data + buf->end, jh_buf_space(buf));
      if (count <= 0) return await_body(conn, ctx, count, wait_id);
      buf->end += (uint32_t)count;
    }
    jh_parse result = jh_conn_decode_body(conn, ctx, &ctx->body);
    if (result == JH_PARSE_ERROR) return fail_body(ctx, error_of(&ctx->parser));
    ctx->has_body_end = result == JH_PARSE_DONE;
  }
}

void jh_conn_find_body_end(jh_conn *conn, jh_ctx *ctx) {
  if (ctx->body_state != JH_BODY_STREAMING || !ctx->request.is_chunked) return;
  if (ctx->request.expects_continue && !ctx->has_continued) return;
  jh_buf *buf = conn->in;
  ctx->body.len = 0;
  while (!ctx->body_error && !ctx->has_body_end) {
    jh_str body;
    if (jh_buf_len(buf) == 0) {
      buf->start = buf->end = ctx->window_off;
      ssize_t count = receive(conn, ctx, buf->data + buf->end, jh_buf_space(buf));
      if (count == 0) conn->has_ended = true;
      if (count <= 0) return;
      buf->end += (uint32_t)count;
    }
    jh_parse result = jh_conn_decode_body(conn, ctx, &body);
    if (result == JH_PARSE_ERROR) ctx->body_error = error_of(&ctx->parser);
    ctx->has_body_end = result == JH_PARSE_DONE;
  }
}

int jh_conn_begin_read(jh_conn *conn, jh_ctx *ctx, size_t bytes) {
  if (ctx->body_error) return ctx->body_error;
  if (ctx->body_state != JH_BODY_STREAMING) return 0;
  if (bytes == 0) return JH_EINVAL;
  if (!ctx->request.is_chunked && ctx->request.content_length > ctx->max_body_bytes) {
    return JH_ELIMIT;
  }
  if (ctx->wait_id || jh_event_node_is_due(&ctx->wake_node)) return JH_EBUSY;
  if (ctx->request.expects_continue && !ctx->has_continued) {
    ctx->has_continued = true;
    bool has_begun = jh_buf_len(conn->in) > 0;
    int error = has_begun ? 0 : conn->protocol->inform(conn, 100, (jh_str){NULL, 0});
    if (error) {
      ctx->body_error = error;
      return error;
    }
  }
  ctx->is_body_touched = true;
  return 0;
}

ssize_t jh_conn_read_body(jh_conn *conn, jh_ctx *ctx, char *out, size_t bytes, uint32_t wait_id) {
  int error = jh_conn_begin_read(conn, ctx, bytes);
  if (error || ctx->body_state != JH_BODY_STREAMING) return error;
  return ctx->request.is_chunked ? read_chunked(conn, ctx, out, bytes, wait_id)
                                 : read_known_length(conn, ctx, out, bytes, wait_id);
}
