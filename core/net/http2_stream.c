/* http2_stream.c: life of a stream, and the body of its request.
 *
 * A body comes as DATA frames whenever the client likes, as far as the windows go. What is to be
 * whole before the handler starts is gathered behind the head; the rest waits in buffers of its own
 * until Lua reads it, and only then is the window opened again. */
#include "net/http2_stream.h"

#include <string.h>

#include "net/conn_file.h"
#include "net/http2_tunnel.h"
#include "net/hub.h"

enum { DISCARD_BYTES = 262144 /* that nobody reads may come in any case */ };

/* ---- life ---- */

jh_http2_stream *jh_http2_stream_open(jh_http2_session *session, int32_t id) {
  jh_conn *carrier = session->conn;
  jh_loop *loop = carrier->loop;
  jh_ctx *ctx = jh_ctx_try_acquire(&loop->ctxs);
  jh_buf *in = ctx ? jh_buf_try_acquire_small(&loop->bufs) : NULL;
  jh_http2_stream *stream = in ? jh_pool_try_acquire(&loop->http2_streams) : NULL;
  if (!stream) {
    if (in) jh_buf_release(&loop->bufs, in);
    if (ctx) jh_ctx_put_back(&loop->ctxs, ctx);
    return NULL;
  }
  /* It has no socket: what stands in front, the uv handle, is never used. */
  memset((char *)stream + sizeof(uv_poll_t), 0, sizeof *stream - sizeof(uv_poll_t));
  jh_conn *conn = &stream->conn;
  conn->loop = loop;
  conn->protocol = &jh_protocol_http2;
  conn->transport = carrier->transport;
  conn->transport_data = carrier->transport_data;
  conn->peer = carrier->peer;
  conn->fd = -1;
  conn->state = JH_CONN_READING_HEAD;
  conn->in = in;
  conn->ctx = ctx;
  jh_timeout_init(&conn->timeout);
  jh_list_init(&conn->node);
  jh_list_init(&stream->readable);
  jh_list_append(&session->streams, &conn->node);
  ctx->conn = conn;
  ctx->max_body_bytes = loop->settings.max_body_bytes;
  jh_request_reset(&ctx->request);
  ctx->request.base = in->data;
  stream->session = session;
  stream->id = id;
  stream->host_index = -1;
  if (session->stream_count++ == 0) jh_timeout_clear(&carrier->timeout);
  loop->stream_count++;
  return stream;
}

static void release_list(jh_buf_pool *bufs, jh_buf **first, jh_buf **last) {
  while (*first) {
    jh_buf *buf = *first;
    *first = buf->next;
    jh_buf_release(bufs, buf);
  }
  *last = NULL;
}

void jh_http2_stream_drop_body(jh_http2_stream *stream) {
  size_t bytes = 0;
  for (const jh_buf *buf = stream->body_first; buf; buf = buf->next) bytes += jh_buf_len(buf);
  if (bytes) nghttp2_session_consume(stream->session->engine, stream->id, bytes);
  release_list(&stream->conn.loop->bufs, &stream->body_first, &stream->body_last);
}

static void let_go(jh_http2_stream *stream) {
  jh_conn *conn = &stream->conn;
  jh_buf_pool *bufs = &conn->loop->bufs;
  conn->state = JH_CONN_CLOSED;
  jh_timeout_clear(&conn->timeout);
  jh_conn_drop_ctx(conn);
  if (conn->in) jh_buf_release(bufs, conn->in);
  conn->in = NULL;
  release_list(bufs, &conn->out_first, &conn->out_last);
  stream->queued_bytes = 0;
  if (stream->trailers) jh_buf_release(bufs, stream->trailers);
  stream->trailers = NULL;
  jh_http2_stream_drop_body(stream);
  jh_conn_drop_file(conn);
  if (stream->tunnel) jh_http2_tunnel_lose(stream);
}

void jh_http2_stream_reset(jh_http2_stream *stream, uint32_t error_code) {
  jh_http2_session *session = stream->session;
  if (stream->conn.state == JH_CONN_CLOSED) return;
  let_go(stream);
  nghttp2_submit_rst_stream(session->engine, NGHTTP2_FLAG_NONE, stream->id, error_code);
  jh_conn_mark_pending(session->conn);
}

void jh_http2_stream_close(jh_http2_stream *stream) {
  jh_conn *conn = &stream->conn;
  jh_loop *loop = conn->loop;
  if (conn->state != JH_CONN_CLOSED) let_go(stream);
  jh_list_remove(&conn->node);
  if (stream->session->current == stream) stream->session->current = NULL;
  stream->session->stream_count--;
  loop->stream_count--;
  conn->next_pending = loop->first_closed;
  loop->first_closed = conn;
}

void jh_http2_stream_end_exchange(jh_http2_stream *stream, jh_ctx *ctx) {
  jh_conn *conn = &stream->conn;
  stream->has_response_end = true;
  jh_hub_leave(conn->loop->hub, conn, false);
  conn->state = JH_CONN_IDLE;
  /* A body that the handler might have read is let come, as one that it did read. */
  stream->discard_left = ctx->max_body_bytes > DISCARD_BYTES ? ctx->max_body_bytes : DISCARD_BYTES;
  conn->ctx = NULL;
  ctx->is_held_by_lua = false;
  jh_ctx_put_back(&conn->loop->ctxs, ctx);
  if (stream->body_first) jh_http2_stream_drop_body(stream);
  if (conn->in) jh_buf_release(&conn->loop->bufs, conn->in);
  conn->in = NULL;
  jh_conn_mark_pending(stream->session->conn);
}

/* When the answer leaves before the request came whole, some clients (curl) lose it if their stream
 * is reset then: so the rest may come for a while. */
void jh_http2_stream_end_answer(jh_http2_stream *stream) {
  jh_conn *conn = &stream->conn;
  if (stream->has_request_end) return;
  jh_timeout_set(&conn->loop->timeouts, &conn->timeout, JH_TIMEOUT_LINGER);
}

/* ---- the request ---- */

static void await_body(jh_conn *conn) {
  jh_timeouts *timeouts = &conn->loop->timeouts;
  uint32_t own_ms = conn->ctx->body_timeout_ms;
  if (own_ms == JH_CTX_SERVER_TIMEOUT) {
    jh_timeout_set(timeouts, &conn->timeout, JH_TIMEOUT_BODY);
  } else {
    jh_timeout_set_own(timeouts, &conn->timeout, JH_TIMEOUT_BODY, own_ms);
  }
}

static void dispatch_streaming(jh_conn *conn) {
  conn->ctx->body_state = JH_BODY_STREAMING;
  jh_conn_dispatch(conn);
}

void jh_http2_stream_begin(jh_http2_stream *stream) {
  jh_conn *conn = &stream->conn;
  jh_ctx *ctx = conn->ctx;
  if (!ctx) return;
  if (!jh_http2_request_finish(stream)) {
    jh_conn_reject(conn, stream->refused_status, stream->refused_reason);
    return;
  }
  const jh_request *request = &ctx->request;
  conn->in->start = conn->in->end;
  if (!jh_request_has_body(request)) {
    jh_conn_dispatch(conn);
    return;
  }
  ctx->body = (jh_str){conn->in->data + conn->in->end, 0};
  bool is_answered_by_handler = conn->loop->hooks.on_head(conn->loop, ctx);
  uint64_t length = request->is_chunked ? 0 : request->content_length;
  bool is_too_large = length > ctx->max_body_bytes;
  if (is_too_large && !is_answered_by_handler) {
    jh_conn_reject(conn, 413, "body too large");
  } else if (is_too_large || length > conn->loop->settings.body_buffer_bytes ||
             request->expects_continue || ctx->is_early) {
    dispatch_streaming(conn);
  } else {
    conn->state = JH_CONN_READING_BODY;
    jh_body_pace_wait(&ctx->pace, uv_now(&conn->loop->uv));
    await_body(conn);
  }
}

/* Adds to a body that is to be whole. False when memory is out. */
static bool gather(jh_conn *conn, jh_str bytes) {
  jh_ctx *ctx = conn->ctx;
  jh_buf *in = conn->in;
  if (jh_buf_space(in) < bytes.len) {
    size_t body_off = (size_t)(ctx->body.ptr - in->data);
    size_t wanted = (size_t)in->end + bytes.len;
    size_t announced = body_off + (size_t)ctx->request.content_length;
    /* The head in front counts as content, so that growing carries it along. */
    in->start = 0;
    jh_buf *grown = jh_buf_try_grow(&conn->loop->bufs, in,
                                    wanted > announced ? wanted + in->capacity : announced);
    if (!grown) return false;
    conn->in = in = grown;
    ctx->request.base = in->data;
    ctx->body.ptr = in->data + body_off;
  }
  memcpy(in->data + in->end, bytes.ptr, bytes.len);
  in->end += (uint32_t)bytes.len;
  in->start = in->end;
  ctx->body.len += bytes.len;
  return true;
}

/* Keeps bytes for whoever will read them. False when memory is out. */
static bool keep(jh_http2_stream *stream, jh_str bytes) {
  while (bytes.len) {
    jh_buf *last = stream->body_last;
    if (!last || jh_buf_space(last) == 0) {
      jh_buf *buf = jh_buf_try_acquire(&stream->conn.loop->bufs);
      if (!buf) return false;
      if (last) {
        last->next = buf;
      } else {
        stream->body_first = buf;
      }
      stream->body_last = last = buf;
    }
    size_t count = jh_buf_space(last) < bytes.len ? jh_buf_space(last) : bytes.len;
    memcpy(last->data + last->end, bytes.ptr, count);
    last->end += (uint32_t)count;
    bytes.ptr += count;
    bytes.len -= count;
  }
  return true;
}

static void wake_reader(jh_conn *conn) {
  if (!conn->ctx->wait_id) return;
  if (jh_timeout_is(&conn->timeout, JH_TIMEOUT_BODY)) jh_timeout_clear(&conn->timeout);
  conn->loop->hooks.on_body(conn->loop, conn->ctx, 0);
}

/* Bytes of a WebSocket, or of one that is to be: they wait until it reads them. */
static void receive_for_guest(jh_http2_stream *stream, jh_str bytes) {
  if (!keep(stream, bytes)) {
    jh_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
  } else if (stream->tunnel) {
    jh_http2_tunnel_note_input(stream);
  }
}

void jh_http2_stream_receive(jh_http2_stream *stream, jh_str bytes) {
  jh_conn *conn = &stream->conn;
  jh_ctx *ctx = conn->ctx;
  if (stream->is_websocket) {
    receive_for_guest(stream, bytes);
    return;
  }
  bool is_gathered = conn->state == JH_CONN_READING_BODY;
  if (ctx) jh_body_pace_receive(&ctx->pace, uv_now(&conn->loop->uv), bytes.len);
  if (!ctx || (!is_gathered && ctx->body_state != JH_BODY_STREAMING)) {
    nghttp2_session_consume(stream->session->engine, stream->id, bytes.len);
    return;
  }
  if (!(is_gathered ? gather(conn, bytes) : keep(stream, bytes))) {
    jh_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    return;
  }
  if (!is_gathered) {
    wake_reader(conn);
    return;
  }
  nghttp2_session_consume(stream->session->engine, stream->id, bytes.len);
  if (ctx->body.len > ctx->max_body_bytes) {
    /* Read on demand it fails where it passes the limit; as one piece it fails now. */
    jh_conn_reject(conn, 413, "body too large");
  } else if (ctx->body.len > conn->loop->settings.body_buffer_bytes) {
    dispatch_streaming(conn);
  } else if (jh_conn_is_body_slow(conn, ctx)) {
    jh_conn_reject(conn, 408, "the request body came too slowly");
  } else {
    await_body(conn);
  }
}

void jh_http2_stream_discard(jh_http2_stream *stream, size_t bytes) {
  jh_conn *conn = &stream->conn;
  stream->discard_left -= bytes < stream->discard_left ? bytes : stream->discard_left;
  if (!jh_timeout_is(&conn->timeout, JH_TIMEOUT_LINGER)) return; /* it is still being answered */
  if (stream->discard_left == 0) {
    jh_http2_stream_reset(stream, NGHTTP2_NO_ERROR);
  } else {
    jh_timeout_set(&conn->loop->timeouts, &conn->timeout, JH_TIMEOUT_LINGER);
  }
}

void jh_http2_stream_end_request(jh_http2_stream *stream) {
  jh_conn *conn = &stream->conn;
  jh_ctx *ctx = conn->ctx;
  stream->has_request_end = true;
  if (stream->tunnel) jh_http2_tunnel_note_input(stream);
  if (!ctx) return;
  ctx->has_body_end = true;
  if (conn->state == JH_CONN_READING_BODY) {
    ctx->body_state = JH_BODY_WHOLE;
    jh_conn_dispatch(conn);
  } else if (ctx->body_state == JH_BODY_STREAMING) {
    wake_reader(conn);
  }
}

/* ---- reading on demand ---- */

static size_t take(char *out, size_t bytes, const char *from, size_t len) {
  size_t count = len < bytes ? len : bytes;
  memcpy(out, from, count);
  return count;
}

size_t jh_http2_stream_take(jh_http2_stream *stream, char *out, size_t bytes) {
  size_t total = 0;
  while (stream->body_first && total < bytes) {
    jh_buf *buf = stream->body_first;
    size_t count = take(out + total, bytes - total, buf->data + buf->start, jh_buf_len(buf));
    buf->start += (uint32_t)count;
    total += count;
    if (jh_buf_len(buf)) break;
    stream->body_first = buf->next;
    if (!buf->next) stream->body_last = NULL;
    jh_buf_release(&stream->conn.loop->bufs, buf);
  }
  if (total == 0) return 0;
  nghttp2_session_consume(stream->session->engine, stream->id, total);
  jh_conn_mark_pending(stream->session->conn);
  return total;
}

static ssize_t read_body(jh_conn *conn, jh_ctx *ctx, char *out, size_t bytes, uint32_t wait_id) {
  jh_http2_stream *stream = jh_http2_stream_of(conn);
  int error = jh_conn_begin_read(conn, ctx, bytes);
  if (error || ctx->body_state != JH_BODY_STREAMING) return error;
  uint64_t left = ctx->max_body_bytes - stream->body_taken;
  bool has_more = ctx->body.len || stream->body_first;
  if (has_more && stream->body_taken >= ctx->max_body_bytes) {
    ctx->body_error = JH_ELIMIT;
    return JH_ELIMIT;
  }
  if (bytes > left) bytes = (size_t)left;
  size_t count;
  if (ctx->body.len) {
    count = take(out, bytes, ctx->body.ptr, ctx->body.len);
    ctx->body.ptr += count;
    ctx->body.len -= count;
  } else if (stream->body_first) {
    count = jh_http2_stream_take(stream, out, bytes);
  } else if (ctx->has_body_end) {
    ctx->body_state = JH_BODY_ENDED;
    return 0;
  } else if (jh_conn_is_body_slow(conn, ctx)) {
    ctx->body_error = JH_ETIMEDOUT;
    return JH_ETIMEDOUT;
  } else {
    ctx->wait_id = wait_id;
    await_body(conn);
    return JH_EWAIT;
  }
  stream->body_taken += count;
  return (ssize_t)count;
}

/* ---- what ends it ---- */

static void abandon(jh_conn *conn) {
  conn->ctx = NULL;
  jh_http2_stream_reset(jh_http2_stream_of(conn), NGHTTP2_INTERNAL_ERROR);
}

static void close_stream(jh_conn *conn) {
  jh_http2_stream_reset(jh_http2_stream_of(conn), NGHTTP2_INTERNAL_ERROR);
}

static void time_out(jh_conn *conn) {
  jh_loop *loop = conn->loop;
  jh_ctx *ctx = conn->ctx;
  if (conn->timeout.timeout_class == JH_TIMEOUT_LINGER) {
    jh_http2_stream_reset(jh_http2_stream_of(conn), NGHTTP2_NO_ERROR);
    return;
  }
  loop->counters.timeouts++;
  if (conn->timeout.timeout_class != JH_TIMEOUT_BODY) {
    jh_http2_stream_reset(jh_http2_stream_of(conn), NGHTTP2_CANCEL);
  } else if (conn->state == JH_CONN_READING_BODY) {
    jh_conn_reject(conn, 408, "the request body took too long");
  } else if (ctx && ctx->wait_id) {
    ctx->body_error = JH_ETIMEDOUT;
    loop->hooks.on_body(loop, ctx, JH_ETIMEDOUT);
  }
}

const jh_protocol jh_protocol_http2 = {
    .is_exclusive = false,
    .respond = jh_http2_respond,
    .respond_file = jh_http2_respond_file,
    .end_stream = jh_http2_end_stream,
    .start_stream = jh_http2_start_stream,
    .stream = jh_http2_stream_piece,
    .inform = jh_http2_inform,
    .read_body = read_body,
    .upgrade = jh_http2_upgrade,
    .abandon = abandon,
    .time_out = time_out,
    .close = close_stream,
};
