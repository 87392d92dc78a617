/* conn_respond.c: answers: whole responses, interim ones, our own errors, and the end of an
 * exchange.
 *
 * A response is queued with its head and, when it is small, its body; conn_write.c decides when it
 * leaves. Streamed responses are in conn_stream.c. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "http/method.h"
#include "http/status.h"
#include "net/hub.h"

enum { COPY_MAX_BYTES = 8192 /* bodies up to this are copied behind their head */ };

bool jh_conn_stays_open(jh_conn *conn, jh_ctx *ctx, bool is_streamed) {
  const jh_loop_settings *settings = &conn->loop->settings;
  if (!ctx->is_keep_alive || ctx->response.wants_close || conn->loop->is_draining) return false;
  if (settings->max_requests_per_connection &&
      conn->request_count >= settings->max_requests_per_connection) {
    return false;
  }
  if (!is_streamed) jh_conn_find_body_end(conn, ctx);
  return jh_conn_can_discard(ctx, is_streamed);
}

int jh_conn_append_response(jh_conn *conn, jh_ctx *ctx, const jh_response_head *head, jh_str body) {
  size_t bytes = jh_response_head_max_bytes(&ctx->response) + head->field_lines.len + body.len;
  jh_buf *buf = jh_conn_reserve(conn, bytes);
  if (!buf) return JH_ENOMEM;
  char *out = buf->data + buf->end;
  size_t len = jh_response_write_head(&ctx->response, head, out);
  if (body.len) memcpy(out + len, body.ptr, body.len);
  buf->end += (uint32_t)(len + body.len);
  return 0;
}

int jh_conn_append_answer(jh_conn *conn, jh_ctx *ctx, int status, int content_type, jh_str body) {
  bool has_length = !jh_status_has_no_body(status);
  jh_response_head head = {.status = status,
                           .content_type = has_length ? content_type : JH_TYPE_NONE,
                           .is_keep_alive = true,
                           .has_length = has_length,
                           .body_bytes = body.len};
  jh_loop_head_lines(conn->loop, &head.server_line, &head.date_line);
  if (!has_length || ctx->request.method == JH_METHOD_HEAD) body.len = 0;
  return jh_conn_append_response(conn, ctx, &head, body);
}

jh_conn *jh_conn_upgrade(jh_conn *conn, jh_ctx *ctx, int *error) {
  *error = jh_conn_append_answer(conn, ctx, 101, JH_TYPE_NONE, (jh_str){NULL, 0});
  return *error ? NULL : conn;
}

void jh_conn_end_exchange(jh_conn *conn, jh_ctx *ctx, bool is_keep_alive) {
  ctx->is_held_by_lua = false;
  if (conn->member) jh_hub_leave(conn->loop->hub, conn, false);
  bool has_rest = ctx->body_state == JH_BODY_STREAMING && jh_conn_begin_discard(conn, ctx);
  if (is_keep_alive && has_rest) return;
  if (!is_keep_alive) {
    conn->closes_after_write = true;
    /* A client that asked for the close and was read to its end will not send more. */
    conn->lingers = ctx->is_keep_alive || has_rest || jh_buf_len(conn->in) > 0;
  }
  conn->state = JH_CONN_IDLE;
  conn->ctx = NULL;
  jh_ctx_put_back(&conn->loop->ctxs, ctx);
}

/* More is queued than a batch of small answers comes to. */
static bool is_behind(const jh_conn *conn) {
  const jh_buf *first = conn->out_first;
  if (conn->file) return true;
  return first && (first != conn->out_last || jh_buf_len(first) > JH_BUF_CAPACITY);
}

void jh_conn_after_answer(jh_conn *conn) {
  if (conn->is_advancing) {
    jh_conn_mark_pending(conn);
    return;
  }
  /* Whoever is behind with reading gets no further answer made before he catches up. */
  if (is_behind(conn)) jh_conn_flush(conn);
  if (!conn->closes_after_write) jh_conn_proceed(conn);
  if (conn->state == JH_CONN_BUSY) {
    jh_conn_mark_pending(conn);
  } else if (!(conn->events & UV_WRITABLE)) {
    jh_conn_flush(conn);
  }
}

int jh_conn_respond(jh_conn *conn, jh_ctx *ctx, int status, int content_type, jh_str body) {
  jh_loop *loop = conn->loop;
  bool is_keep_alive = jh_conn_stays_open(conn, ctx, false);
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
  int error = jh_conn_append_response(conn, ctx, &head, is_copied ? body : (jh_str){NULL, 0});
  if (error) return error;
  jh_conn_end_exchange(conn, ctx, is_keep_alive);
  if (!is_copied && (error = jh_conn_write_out(conn, body)) < 0) return 0;
  jh_conn_after_answer(conn);
  return 0;
}

int jh_conn_inform(jh_conn *conn, int status, jh_str fields) {
  jh_str line = jh_status_line(status);
  if (line.len == 0) return JH_EINVAL;
  jh_buf *buf = jh_conn_reserve(conn, line.len + fields.len + 2);
  if (!buf) return JH_ENOMEM;
  char *out = buf->data + buf->end;
  memcpy(out, line.ptr, line.len);
  if (fields.len) memcpy(out + line.len, fields.ptr, fields.len);
  memcpy(out + line.len + fields.len, "\r\n", 2);
  buf->end += (uint32_t)(line.len + fields.len + 2);
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
  jh_str body = {text, (size_t)len};
  if (conn->protocol->respond(conn, ctx, status, JH_TYPE_TEXT, body) < 0) {
    jh_conn_close(conn);
  }
}
