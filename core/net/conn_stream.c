/* conn_stream.c: responses whose body comes in pieces.
 *
 * Chunked for HTTP/1.1 without a declared length, to the end of the connection for HTTP/1.0. Pieces
 * of one loop turn leave in one write. A writer that is ahead of its reader by more than
 * QUEUE_HIGH_BYTES is told to wait; the write timeout ends a reader that does not read at all. */
#include <stdio.h>
#include <string.h>

#include "http/method.h"
#include "net/conn.h"

enum {
  QUEUE_HIGH_BYTES = 65536, /* more than this queued: the writer waits until it is written */
  PIECE_COPY_BYTES = 16384  /* larger pieces are given to the kernel from where they lie */
};

int jh_conn_start_stream(jh_conn *conn, jh_ctx *ctx, int status, int content_type, int64_t length) {
  bool has_no_body = jh_status_has_no_body(status);
  bool is_http10 = ctx->request.http_minor == 0;
  bool is_keep_alive = jh_conn_stays_open(conn, ctx, true);
  if (has_no_body || ctx->request.method == JH_METHOD_HEAD) {
    ctx->stream_state = JH_STREAM_BODYLESS;
  } else if (length >= 0) {
    ctx->stream_state = JH_STREAM_LENGTH;
    ctx->stream_left = (uint64_t)length;
  } else if (is_http10) {
    ctx->stream_state = JH_STREAM_TO_CLOSE;
    is_keep_alive = false;
  } else {
    ctx->stream_state = JH_STREAM_CHUNKED;
  }
  jh_response_head head = {
      .status = status,
      .content_type = has_no_body ? JH_TYPE_NONE : content_type,
      .is_http10 = is_http10,
      .is_keep_alive = is_keep_alive,
      .has_length = length >= 0 && !has_no_body,
      .is_chunked = length < 0 && !is_http10 && !has_no_body,
      .body_bytes = length >= 0 ? (uint64_t)length : 0,
  };
  jh_loop_head_lines(conn->loop, &head.server_line, &head.date_line);
  int error = jh_conn_append_response(conn, ctx, &head, (jh_str){NULL, 0});
  if (error) {
    ctx->stream_state = JH_STREAM_NONE;
    return error;
  }
  ctx->closes_after_stream = !is_keep_alive;
  jh_conn_mark_pending(conn);
  return 0;
}

/* A piece with its framing. Large ones go to the kernel at once. */
static int queue_piece(jh_conn *conn, const jh_ctx *ctx, jh_str piece) {
  bool is_chunked = ctx->stream_state == JH_STREAM_CHUNKED;
  int error = 0;
  if (is_chunked) {
    char size[20];
    int len = snprintf(size, sizeof size, "%zx\r\n", piece.len);
    error = jh_conn_append(conn, size, (size_t)len);
  }
  if (error) return error;
  if (piece.len > PIECE_COPY_BYTES) {
    error = jh_conn_write_out(conn, piece);
  } else {
    error = jh_conn_append(conn, piece.ptr, piece.len);
  }
  if (error == 0 && is_chunked) error = jh_conn_append(conn, "\r\n", 2);
  return error;
}

int jh_conn_stream(jh_conn *conn, jh_ctx *ctx, jh_str piece, uint32_t wait_id) {
  if (ctx->stream_state == JH_STREAM_LENGTH) {
    if (piece.len > ctx->stream_left) return JH_ERANGE;
    ctx->stream_left -= piece.len;
  }
  if (piece.len == 0 || ctx->stream_state == JH_STREAM_BODYLESS) return 0;
  int error = queue_piece(conn, ctx, piece);
  if (error) return error;
  if (jh_conn_queued_bytes(conn) <= QUEUE_HIGH_BYTES) {
    jh_conn_mark_pending(conn);
    return 0;
  }
  jh_conn_flush(conn);
  if (conn->state == JH_CONN_CLOSED) return JH_ECLOSED;
  if (!conn->out_first) return 0;
  ctx->write_wait_id = wait_id;
  return JH_EWAIT;
}

int jh_conn_end_stream(jh_conn *conn, jh_ctx *ctx, jh_str trailers) {
  if (ctx->stream_state == JH_STREAM_LENGTH && ctx->stream_left > 0) {
    /* The client was promised more: only the end of the connection can tell it. */
    jh_conn_close(conn);
    return JH_ERANGE;
  }
  int error = 0;
  if (ctx->stream_state == JH_STREAM_CHUNKED) {
    error = jh_conn_append(conn, "0\r\n", 3);
    if (!error && trailers.len) error = jh_conn_append(conn, trailers.ptr, trailers.len);
    if (!error) error = jh_conn_append(conn, "\r\n", 2);
  }
  if (error) {
    jh_conn_close(conn);
    return error;
  }
  jh_conn_end_exchange(conn, ctx, !ctx->closes_after_stream);
  jh_conn_after_answer(conn);
  return 0;
}
