/* http2_tunnel.c: see http2_tunnel.h.
 *
 * The guest's own queue is what this transport has not taken yet; the stream's queue, of bounded
 * length, what nghttp2 has not. So a reader whose window is closed blocks its guest, and policies
 * for slow readers hold. On the way in bytes stand with the stream until the guest reads them, and
 * only then is the window opened again. */
#include "net/http2_tunnel.h"

#include <errno.h>
#include <string.h>

enum { QUEUE_BYTES_MAX = 65536 /* of the stream: more waits with the guest */ };

static bool has_input(const jh_http2_stream *stream) {
  return stream->body_first || stream->has_request_end;
}

void jh_http2_tunnel_note_input(jh_http2_stream *stream) {
  if (!(stream->tunnel->events & UV_READABLE) || !jh_list_is_empty(&stream->readable)) return;
  jh_list_append(&stream->conn.loop->http2_readable, &stream->readable);
}

void jh_http2_tunnel_note_room(jh_http2_stream *stream) {
  if (stream->tunnel->events & UV_WRITABLE) jh_conn_mark_pending(stream->tunnel);
}

void jh_http2_tunnels_read(jh_loop *loop) {
  jh_list round;
  jh_list_init(&round);
  while (!jh_list_is_empty(&loop->http2_readable)) {
    jh_list *node = loop->http2_readable.next;
    jh_list_remove(node);
    jh_list_append(&round, node);
  }
  while (!jh_list_is_empty(&round)) {
    jh_http2_stream *stream = JH_LIST_ENTRY(round.next, jh_http2_stream, readable);
    jh_conn *tunnel = stream->tunnel;
    jh_list_remove(&stream->readable);
    if (tunnel->events & UV_READABLE) jh_conn_on_readable(tunnel);
    if (stream->tunnel && has_input(stream)) jh_http2_tunnel_note_input(stream);
  }
}

/* ---- the transport ---- */

static ssize_t tunnel_read(jh_conn *conn, char *out, size_t bytes) {
  jh_http2_stream *stream = conn->transport_data;
  if (!stream) return 0;
  size_t count = jh_http2_stream_take(stream, out, bytes);
  if (count == 0 && !stream->has_request_end) return -EAGAIN;
  return (ssize_t)count;
}

/* Copies into the stream's queue, which is made of buffers of the usual size. */
static bool queue(jh_http2_stream *stream, const char *bytes, size_t len) {
  while (len > 0) {
    jh_buf *buf = jh_conn_reserve(&stream->conn, 1);
    if (!buf) return false;
    size_t count = jh_buf_space(buf) < len ? jh_buf_space(buf) : len;
    memcpy(buf->data + buf->end, bytes, count);
    buf->end += (uint32_t)count;
    stream->queued_bytes += count;
    bytes += count;
    len -= count;
  }
  return true;
}

static ssize_t tunnel_write(jh_conn *conn, const struct iovec *parts, int count) {
  jh_http2_stream *stream = conn->transport_data;
  if (!stream) return -EPIPE;
  size_t before = stream->queued_bytes;
  for (int i = 0; i < count && stream->queued_bytes < QUEUE_BYTES_MAX; i++) {
    size_t room = QUEUE_BYTES_MAX - stream->queued_bytes;
    size_t len = parts[i].iov_len < room ? parts[i].iov_len : room;
    if (!queue(stream, parts[i].iov_base, len)) return -ENOMEM;
  }
  if (stream->queued_bytes == before) return -EAGAIN;
  jh_http2_stream_resume(stream);
  return (ssize_t)(stream->queued_bytes - before);
}

static int tunnel_poll(jh_conn *conn, int events) {
  jh_http2_stream *stream = conn->transport_data;
  if (stream && (events & UV_READABLE) && has_input(stream)) jh_http2_tunnel_note_input(stream);
  return 0;
}

static void tunnel_shutdown_write(jh_conn *conn) {
  jh_http2_stream *stream = conn->transport_data;
  if (!stream) return;
  stream->has_response_end = true;
  jh_http2_stream_resume(stream);
}

/* What the stream has in its queue is still sent when the end is a clean one. */
static bool tunnel_close(jh_conn *conn) {
  jh_http2_stream *stream = conn->transport_data;
  conn->is_handle_closed = true;
  conn->transport_data = NULL;
  if (!stream) return false;
  stream->tunnel = NULL;
  jh_list_remove(&stream->readable);
  jh_http2_stream_drop_body(stream);
  if (!stream->has_response_end && !(conn->closes_after_write && conn->has_ended)) {
    jh_http2_stream_reset(stream, NGHTTP2_CANCEL);
    return false;
  }
  stream->has_response_end = true;
  if (stream->queued_bytes) {
    jh_timeout_set(&conn->loop->timeouts, &stream->conn.timeout, JH_TIMEOUT_WRITE);
  }
  jh_http2_stream_resume(stream);
  return false;
}

static const jh_transport transport_http2_tunnel = {
    .scheme = "http",
    .read = tunnel_read,
    .write = tunnel_write,
    .sendfile = jh_transport_copy_file,
    .poll = tunnel_poll,
    .shutdown_write = tunnel_shutdown_write,
    .close = tunnel_close,
};

/* ---- life ---- */

jh_conn *jh_http2_tunnel_try_new(jh_http2_stream *stream) {
  jh_conn *conn = jh_conn_new(stream->conn.loop, &transport_http2_tunnel, stream, -1);
  if (!conn) return NULL;
  conn->is_registered = true; /* it asks to be told by itself */
  stream->tunnel = conn;
  return conn;
}

void jh_http2_tunnel_lose(jh_http2_stream *stream) {
  jh_conn *conn = stream->tunnel;
  stream->tunnel = NULL;
  jh_list_remove(&stream->readable);
  conn->transport_data = NULL;
  jh_conn_close(conn);
}
