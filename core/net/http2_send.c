/* http2_send.c: nghttp2's callbacks for what is sent: bodies become DATA frames.
 *
 * nghttp2 says how long a frame may be (windows, frame size), the source how long it will be, and
 * then the frame is written straight into the connection's queue: from the stream's queue, or from
 * the file behind it. A frame never spans two buffers of the queue, so a full one has one to
 * itself. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/conn_file.h"
#include "net/http2_tunnel.h"

enum {
  FRAME_HEAD_BYTES = 9,
  FRAME_BYTES_MAX = JH_BUF_CAPACITY - FRAME_HEAD_BYTES,
  QUEUE_HIGH_BYTES = 131072 /* in the connection's queue: enough for one write */
};

/* Bytes that can be sent now; with the file's next range at the end of the one before it. False
 * when memory is out. */
static bool find_ready(jh_http2_stream *stream, size_t *ready) {
  jh_conn *conn = &stream->conn;
  while (stream->queued_bytes == 0 && conn->file && conn->file->left == 0) {
    jh_file_send *send = conn->file;
    if (!send->multipart || send->has_ended) {
      jh_conn_drop_file(conn);
    } else {
      if (jh_conn_queue_next_range(conn, send) < 0) return false;
      stream->queued_bytes = jh_conn_queued_bytes(conn);
    }
  }
  *ready = stream->queued_bytes;
  if (*ready == 0 && conn->file) {
    *ready = conn->file->left < SIZE_MAX ? (size_t)conn->file->left : SIZE_MAX;
  }
  return true;
}

static bool is_last_piece(const jh_http2_stream *stream, size_t piece, size_t ready) {
  const jh_file_send *send = stream->conn.file;
  if (!stream->has_response_end || piece < ready) return false;
  if (!send) return true;
  return stream->queued_bytes == 0 && !send->multipart;
}

static ssize_t on_source(nghttp2_session *engine, int32_t id, uint8_t *out, size_t bytes,
                         uint32_t *flags, nghttp2_data_source *source, void *data) {
  (void)engine, (void)id, (void)out, (void)data;
  jh_http2_stream *stream = source->ptr;
  size_t ready;
  if (stream->conn.state == JH_CONN_CLOSED || !find_ready(stream, &ready)) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  if (ready == 0 && !stream->has_response_end) {
    stream->is_deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  size_t piece = ready < bytes ? ready : bytes;
  if (piece > FRAME_BYTES_MAX) piece = FRAME_BYTES_MAX;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (is_last_piece(stream, piece, ready)) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailers) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      if (jh_http2_submit_trailers(stream)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      jh_http2_stream_end_answer(stream);
    }
  }
  return (ssize_t)piece;
}

nghttp2_data_provider jh_http2_body_source(jh_http2_stream *stream) {
  return (nghttp2_data_provider){.source = {.ptr = stream}, .read_callback = on_source};
}

/* ---- the frame itself ---- */

static void take_queued(jh_http2_stream *stream, char *out, size_t bytes) {
  jh_conn *conn = &stream->conn;
  size_t done = 0;
  for (const jh_buf *buf = conn->out_first; done < bytes; buf = buf->next) {
    size_t count = jh_buf_len(buf) < bytes - done ? jh_buf_len(buf) : bytes - done;
    memcpy(out + done, buf->data + buf->start, count);
    done += count;
  }
  jh_conn_consume(conn, bytes);
  stream->queued_bytes -= bytes;
}

/* What was promised of the file, as it was then. False when it is another one by now. */
static bool take_from_file(jh_http2_stream *stream, char *out, size_t bytes) {
  jh_file_send *send = stream->conn.file;
  uint32_t turn = stream->conn.loop->turn;
  if (stream->checked_turn != turn) {
    stream->checked_turn = turn;
    if (!jh_file_is_unchanged(send->file)) return false;
  }
  size_t done = 0;
  while (done < bytes) {
    ssize_t count = pread(send->file->fd, out + done, bytes - done,
                          (off_t)(send->file->offset + send->offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += (size_t)count;
  }
  send->offset += bytes;
  send->left -= bytes;
  return true;
}

/* The client takes what is sent: the writer may go on, the deadline moves. */
static void note_progress(jh_http2_stream *stream) {
  jh_conn *conn = &stream->conn;
  jh_ctx *ctx = conn->ctx;
  if (stream->tunnel) {
    /* How long it may take is the guest's business. */
    if (stream->queued_bytes <= JH_HTTP2_WAKE_BYTES) jh_http2_tunnel_note_room(stream);
    return;
  }
  if (stream->queued_bytes > 0 || conn->file) {
    jh_timeout_set(&conn->loop->timeouts, &conn->timeout, JH_TIMEOUT_WRITE);
  } else if (jh_timeout_is(&conn->timeout, JH_TIMEOUT_WRITE)) {
    jh_timeout_clear(&conn->timeout);
  }
  if (ctx && ctx->write_wait_id && stream->queued_bytes <= JH_HTTP2_WAKE_BYTES) {
    conn->loop->hooks.on_writable(conn->loop, ctx, 0);
  }
}

static int on_send_data(nghttp2_session *engine, nghttp2_frame *frame, const uint8_t *frame_head,
                        size_t bytes, nghttp2_data_source *source, void *data) {
  (void)engine;
  jh_http2_session *session = data;
  jh_http2_stream *stream = source->ptr;
  if (stream->conn.state == JH_CONN_CLOSED) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (session->queued_bytes >= QUEUE_HIGH_BYTES) {
    session->is_full = true;
    return NGHTTP2_ERR_WOULDBLOCK;
  }
  jh_buf *buf = jh_conn_reserve(session->conn, FRAME_HEAD_BYTES + bytes);
  if (!buf) return NGHTTP2_ERR_CALLBACK_FAILURE;
  char *out = buf->data + buf->end;
  memcpy(out, frame_head, FRAME_HEAD_BYTES);
  if (stream->queued_bytes) {
    take_queued(stream, out + FRAME_HEAD_BYTES, bytes);
  } else if (bytes && !take_from_file(stream, out + FRAME_HEAD_BYTES, bytes)) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  buf->end += (uint32_t)(FRAME_HEAD_BYTES + bytes);
  session->queued_bytes += (uint32_t)(FRAME_HEAD_BYTES + bytes);
  session->sent_bytes += bytes;
  note_progress(stream);
  if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) jh_http2_stream_end_answer(stream);
  return 0;
}

void jh_http2_set_send_callbacks(nghttp2_session_callbacks *callbacks) {
  nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
}
