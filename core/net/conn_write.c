/* conn_write.c: the way out: answers to one write per batch.
 *
 * Answers of one connection are gathered in `out` while its input still holds complete requests,
 * and written when the input is used up: a pipelined batch leaves in one write, and a lone answer
 * does not wait for other connections. A large body is given to the kernel from where it lies; only
 * what the kernel does not take is copied. */
#include "net/conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "http/method.h"
#include "http/status.h"

enum {
  COPY_MAX_BYTES = 8192, /* bodies up to this are copied behind their head */
  PARTS_MAX = 16         /* buffers given to one writev */
};

/* Room for `bytes` at the end of the queue, or NULL when out of memory. */
static jh_buf *reserve(jh_conn *conn, size_t bytes) {
  jh_buf *last = conn->out_last;
  if (last && jh_buf_space(last) >= bytes) return last;
  jh_buf_pool *bufs = &conn->loop->bufs;
  jh_buf *buf = jh_buf_try_acquire(bufs);
  if (buf && buf->capacity < bytes) {
    jh_buf *grown = jh_buf_try_grow(bufs, buf, bytes);
    if (!grown) jh_buf_release(bufs, buf);
    buf = grown;
  }
  if (!buf) return NULL;
  if (last) {
    last->next = buf;
  } else {
    conn->out_first = buf;
  }
  conn->out_last = buf;
  return buf;
}

static int append(jh_conn *conn, const char *bytes, size_t len) {
  jh_buf *buf = reserve(conn, len);
  if (!buf) return JH_ENOMEM;
  memcpy(buf->data + buf->end, bytes, len);
  buf->end += (uint32_t)len;
  return 0;
}

/* Drops what was written from the queue. Returns what of `count` went beyond it. */
static size_t consume(jh_conn *conn, size_t count) {
  while (conn->out_first) {
    jh_buf *buf = conn->out_first;
    uint32_t len = jh_buf_len(buf);
    if (count < len) {
      buf->start += (uint32_t)count;
      return 0;
    }
    count -= len;
    conn->out_first = buf->next;
    if (!buf->next) conn->out_last = NULL;
    jh_buf_release(&conn->loop->bufs, buf);
  }
  return count;
}

/* One writev of the queue with `tail` behind it. Bytes of the tail that were taken, or a negative
 * code; *is_blocked when the kernel takes no more now. */
static ssize_t write_once(jh_conn *conn, jh_str tail, bool *is_blocked) {
  struct iovec parts[PARTS_MAX];
  size_t total = 0;
  int count = 0;
  jh_buf *buf = conn->out_first;
  for (; buf && count < PARTS_MAX - 1; buf = buf->next) {
    parts[count++] = (struct iovec){buf->data + buf->start, jh_buf_len(buf)};
    total += jh_buf_len(buf);
  }
  if (!buf && tail.len) {
    parts[count++] = (struct iovec){(void *)(uintptr_t)tail.ptr, tail.len};
    total += tail.len;
  }
  ssize_t written = conn->transport->write(conn, parts, count);
  if (written == -EAGAIN) written = 0;
  if (written < 0) return written;
  *is_blocked = (size_t)written < total;
  return (ssize_t)consume(conn, (size_t)written);
}

/* Everything is written: the end of a connection, or of a slow reader's pause. */
static void on_written(jh_conn *conn) {
  jh_loop *loop = conn->loop;
  if (conn->closes_after_write) {
    if (!conn->lingers || conn->has_ended) {
      jh_conn_close(conn);
      return;
    }
    conn->transport->shutdown_write(conn);
    conn->state = JH_CONN_LINGERING;
    jh_timeout_set(&loop->timeouts, &conn->timeout, JH_TIMEOUT_LINGER);
    jh_conn_poll(conn, UV_READABLE);
    return;
  }
  if (!(conn->events & UV_WRITABLE)) return;
  jh_timeout_clear(&conn->timeout);
  jh_conn_poll(conn, conn->has_ended ? 0 : UV_READABLE);
  if (conn->state == JH_CONN_IDLE) jh_conn_proceed(conn);
}

/* The kernel is full: waits, and reads nothing more from a peer that does not read. */
static void await_writable(jh_conn *conn) {
  jh_timeout_set(&conn->loop->timeouts, &conn->timeout, JH_TIMEOUT_WRITE);
  jh_conn_poll(conn, UV_WRITABLE);
}

/* Writes the queue and `tail`; what the kernel does not take of the tail is copied. */
static int write_out(jh_conn *conn, jh_str tail) {
  bool is_blocked = false;
  while (conn->out_first || tail.len) {
    ssize_t taken = write_once(conn, tail, &is_blocked);
    if (taken < 0) {
      jh_conn_close(conn);
      return JH_ECLOSED;
    }
    tail.ptr += taken;
    tail.len -= (size_t)taken;
    if (is_blocked) break;
  }
  if (tail.len && append(conn, tail.ptr, tail.len) < 0) {
    jh_conn_close(conn);
    return JH_ENOMEM;
  }
  return 0;
}

void jh_conn_flush(jh_conn *conn) {
  if (conn->state == JH_CONN_CLOSED || conn->state == JH_CONN_LINGERING) return;
  if (write_out(conn, (jh_str){NULL, 0}) < 0) return;
  if (conn->out_first) {
    await_writable(conn);
  } else {
    on_written(conn);
  }
}

/* True when the connection can take another request after this answer. */
static bool stays_open(const jh_conn *conn, const jh_ctx *ctx) {
  const jh_loop_settings *settings = &conn->loop->settings;
  if (!ctx->is_keep_alive || ctx->response.wants_close || conn->loop->is_draining) return false;
  if (settings->max_requests_per_connection &&
      conn->request_count >= settings->max_requests_per_connection) {
    return false;
  }
  return jh_conn_can_discard(ctx);
}

/* Head, and a small body behind it, into the queue. */
static int append_response(jh_conn *conn, jh_ctx *ctx, const jh_response_head *head, jh_str body) {
  size_t bytes = jh_response_head_max_bytes(&ctx->response) + body.len;
  jh_buf *buf = reserve(conn, bytes);
  if (!buf) return JH_ENOMEM;
  char *out = buf->data + buf->end;
  size_t len = jh_response_write_head(&ctx->response, head, out);
  if (body.len) memcpy(out + len, body.ptr, body.len);
  buf->end += (uint32_t)(len + body.len);
  return 0;
}

/* The answer is in the queue: lets the ctx go and sets what happens to the connection. */
static void end_exchange(jh_conn *conn, jh_ctx *ctx, bool is_keep_alive) {
  ctx->is_held_by_lua = false;
  bool has_rest = ctx->body_state == JH_BODY_STREAMING && !ctx->has_body_end && ctx->body_left > 0;
  if (!is_keep_alive) {
    conn->closes_after_write = true;
    /* A client that asked for the close and was read to its end will not send more. */
    conn->lingers = ctx->is_keep_alive || has_rest || !jh_conn_can_discard(ctx);
  }
  if (is_keep_alive && has_rest) {
    conn->state = JH_CONN_DISCARDING;
    return;
  }
  conn->state = JH_CONN_IDLE;
  conn->ctx = NULL;
  jh_ctx_put_back(&conn->loop->ctxs, ctx);
}

int jh_conn_respond(jh_conn *conn, jh_ctx *ctx, int status, int content_type, jh_str body) {
  jh_loop *loop = conn->loop;
  bool is_keep_alive = stays_open(conn, ctx);
  bool has_length = !jh_status_has_no_body(status);
  jh_response_head head = {
      .status = status,
      .content_type = has_length ? content_type : JH_TYPE_NONE,
      .is_http10 = ctx->request.http_minor == 0,
      .is_keep_alive = is_keep_alive,
      .has_length = has_length,
      .body_bytes = body.len,
  };
  jh_loop_head_lines(loop, &head.server_line, &head.date_line);
  if (!has_length || ctx->request.method == JH_METHOD_HEAD) body.len = 0;
  bool is_copied = body.len <= COPY_MAX_BYTES;
  int error = append_response(conn, ctx, &head, is_copied ? body : (jh_str){NULL, 0});
  if (error) return error;
  end_exchange(conn, ctx, is_keep_alive);
  if (!is_copied && (error = write_out(conn, body)) < 0) return 0;
  if (conn->is_advancing) {
    jh_conn_mark_pending(conn);
    return 0;
  }
  if (!conn->closes_after_write) jh_conn_proceed(conn);
  if (conn->state == JH_CONN_BUSY) {
    jh_conn_mark_pending(conn);
  } else {
    jh_conn_flush(conn);
  }
  return 0;
}

int jh_conn_inform(jh_conn *conn, int status, jh_str fields) {
  jh_str line = jh_status_line(status);
  if (line.len == 0) return JH_EINVAL;
  if (append(conn, line.ptr, line.len) < 0 || (fields.len && append(conn, fields.ptr, fields.len)) ||
      append(conn, "\r\n", 2) < 0) {
    return JH_ENOMEM;
  }
  jh_conn_flush(conn);
  return conn->state == JH_CONN_CLOSED ? JH_ECLOSED : 0;
}

void jh_conn_reject(jh_conn *conn, int status, const char *reason) {
  jh_ctx *ctx = conn->ctx;
  char text[256];
  int len = snprintf(text, sizeof text, "%d %s%s%s\n", status, jh_status_reason(status),
                     reason ? ": " : "", reason ? reason : "");
  conn->loop->counters.protocol_errors++;
  jh_timeout_clear(&conn->timeout);
  ctx->response.wants_close = true;
  ctx->is_keep_alive = true; /* whatever it wished: more input may come, so the close lingers */
  ctx->body_state = JH_BODY_NONE;
  if (jh_conn_respond(conn, ctx, status, JH_TYPE_TEXT, (jh_str){text, (size_t)len}) < 0) {
    jh_conn_close(conn);
  }
}
