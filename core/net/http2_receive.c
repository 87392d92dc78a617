/* http2_receive.c: nghttp2's callbacks for what a client sends.
 *
 * They run while bytes are given to nghttp2, so they only note, queue events and submit frames. A
 * stream that nghttp2 knows may have none of ours: it was refused when it began. A callback that
 * fails ends the connection; it has then said why in error_code. */
#include "net/http2_stream.h"

enum {
  HEAD_ABUSE_COST = 100 /* of fields far beyond every limit: some bytes may stand for megabytes */
};

static jh_http2_stream *stream_at(nghttp2_session *engine, int32_t id) {
  return nghttp2_session_get_stream_user_data(engine, id);
}

/* The same for frames of a head, which come behind each other. */
static jh_http2_stream *current_stream(jh_http2_session *session, int32_t id) {
  jh_http2_stream *stream = session->current;
  return stream && stream->id == id ? stream : stream_at(session->engine, id);
}

/* ---- heads ---- */

/* A stream that is not even looked at, for the client to try again elsewhere. */
static int refuse(nghttp2_session *engine, int32_t id) {
  int error = nghttp2_submit_rst_stream(engine, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
  return error ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_begin_headers(nghttp2_session *engine, const nghttp2_frame *frame, void *data) {
  jh_http2_session *session = data;
  jh_conn *conn = session->conn;
  jh_loop *loop = conn->loop;
  int32_t id = frame->hd.stream_id;
  session->is_in_head = true;
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  if (loop->stream_count >= loop->settings.max_streams || session->is_final) {
    return refuse(engine, id);
  }
  jh_http2_stream *stream = jh_http2_stream_open(session, id);
  if (!stream) return refuse(engine, id);
  nghttp2_session_set_stream_user_data(engine, id, stream);
  session->current = stream;
  uint32_t max_requests = loop->settings.max_requests_per_connection;
  if (++conn->request_count == max_requests) jh_http2_say_last_goaway(session);
  return 0;
}

static jh_str str_of(const uint8_t *bytes, size_t len) {
  return (jh_str){(const char *)bytes, len};
}

static int on_header(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *data) {
  jh_http2_session *session = data;
  (void)engine, (void)flags;
  jh_http2_stream *stream = current_stream(session, frame->hd.stream_id);
  if (!stream || !stream->conn.ctx) return 0;
  jh_str field = str_of(name, name_len);
  int error = frame->headers.cat == NGHTTP2_HCAT_REQUEST
                  ? jh_http2_request_add(stream, field, str_of(value, value_len))
                  : jh_http2_request_add_trailer(stream, field, str_of(value, value_len));
  if (error == 0) return 0;
  if (!jh_http2_charge(session, HEAD_ABUSE_COST)) return NGHTTP2_ERR_CALLBACK_FAILURE;
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* Left alone nghttp2 would pass over the field; HTTP/1 does not. */
static int on_invalid_header(nghttp2_session *engine, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *data) {
  (void)engine, (void)frame, (void)name, (void)name_len, (void)value, (void)value_len, (void)flags;
  jh_http2_session *session = data;
  session->conn->loop->counters.protocol_errors++;
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* ---- bodies ---- */

static int on_data_chunk(nghttp2_session *engine, uint8_t flags, int32_t id, const uint8_t *bytes,
                         size_t len, void *data) {
  (void)flags, (void)data;
  jh_http2_stream *stream = stream_at(engine, id);
  if (stream && (stream->conn.ctx || stream->tunnel)) {
    jh_http2_stream_receive(stream, str_of(bytes, len));
    return 0;
  }
  if (stream) jh_http2_stream_discard(stream, len);
  /* Nobody wants it, and the others must not wait for that. */
  return nghttp2_session_consume(engine, id, len) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* ---- frames ---- */

static void on_headers_end(jh_http2_session *session, jh_http2_stream *stream,
                           const nghttp2_frame *frame) {
  session->is_in_head = false;
  if (!stream) return;
  bool is_last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
  if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    stream->has_request_end = is_last;
    jh_http2_stream_begin(stream);
  } else if (is_last) {
    jh_http2_stream_end_request(stream);
  }
}

/* What frames cost that ask something of us and bring nothing. */
static uint32_t cost_of(const nghttp2_frame_hd *head) {
  switch (head->type) {
  case NGHTTP2_HEADERS:
    return 0;
  case NGHTTP2_DATA:
    return head->length == 0 && !(head->flags & NGHTTP2_FLAG_END_STREAM);
  case NGHTTP2_SETTINGS:
  case NGHTTP2_PING:
    return !(head->flags & NGHTTP2_FLAG_ACK);
  case NGHTTP2_RST_STREAM:
    return 2; /* and a request was begun for it */
  default:
    return 1;
  }
}

static int on_begin_frame(nghttp2_session *engine, const nghttp2_frame_hd *head, void *data) {
  (void)engine;
  uint32_t cost = cost_of(head);
  return cost && !jh_http2_charge(data, cost) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_frame(nghttp2_session *engine, const nghttp2_frame *frame, void *data) {
  jh_http2_session *session = data;
  switch (frame->hd.type) {
  case NGHTTP2_HEADERS:
    on_headers_end(session, current_stream(session, frame->hd.stream_id), frame);
    break;
  case NGHTTP2_DATA:
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
      jh_http2_stream *stream = stream_at(engine, frame->hd.stream_id);
      if (stream) jh_http2_stream_end_request(stream);
    }
    break;
  case NGHTTP2_SETTINGS:
    session->has_settings = true;
    break;
  case NGHTTP2_PING:
    if (session->is_draining && (frame->hd.flags & NGHTTP2_FLAG_ACK)) {
      jh_http2_say_last_goaway(session);
    }
    break;
  default:
    break;
  }
  return 0;
}

static int on_invalid_frame(nghttp2_session *engine, const nghttp2_frame *frame, int error,
                            void *data) {
  (void)engine, (void)error;
  jh_http2_session *session = data;
  if (frame->hd.type == NGHTTP2_HEADERS) session->is_in_head = false;
  session->conn->loop->counters.protocol_errors++;
  return jh_http2_charge(session, 1) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_close(nghttp2_session *engine, int32_t id, uint32_t code, void *data) {
  (void)code, (void)data;
  jh_http2_stream *stream = stream_at(engine, id);
  if (!stream) return 0;
  jh_http2_stream_close(stream);
  return 0;
}

void jh_http2_set_receive_callbacks(nghttp2_session_callbacks *callbacks) {
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
