/* http2_client_receive.c: nghttp2's callbacks for what a server sends: frames become responses.
 *
 * The head is written down as HTTP/1 would have sent it, "HTTP/2 200" and the fields, so that
 * whoever reads it needs no second way. nghttp2 has judged names, values, their order and the
 * length of the body (RFC 9113 §8). Callbacks run while bytes are given to nghttp2: they take calls
 * off the conn and tell of them, but whether the conn rests or ends is settled behind. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "net/http2_client.h"
#include "net/loop.h"
#include "net/origin.h"

enum { REFUSALS_MAX = 10 /* of one call, before it fails */ };

static jh_http2_call *stream_at(nghttp2_session *engine, int32_t id) {
  return id ? nghttp2_session_get_stream_user_data(engine, id) : NULL;
}

static jh_buf_pool *bufs_of(const jh_http2_call *stream) {
  return &stream->client->conn->origin->clients->loop->bufs;
}

static void out_of_memory(jh_http2_call *stream) {
  jh_http2_client_fail(stream, JH_ENOMEM, JH_CALL_NO_MEMORY, "out of memory");
}

static void over_limit(jh_http2_call *stream, const char *problem) {
  jh_http2_client_fail(stream, JH_ELIMIT, JH_CALL_OVER_LIMIT, problem);
}

/* ---- the end of a call ---- */

/* The response is complete. */
static void finish(jh_http2_call *stream) {
  jh_http2_client *client = stream->client;
  jh_client_conn *conn = client->conn;
  jh_call *call = stream->call;
  bool has_sent_end = stream->has_sent_end;
  conn->exchange_count++;
  if (call->options.flags & JH_CALL_CLOSE_BIT) conn->is_retired = true;
  call->is_body_complete = true;
  call->has_read_all = !call->in_first;
  jh_client_conn_remove(conn, call);
  if (!has_sent_end) {
    /* Nobody wants the rest of the request. */
    nghttp2_submit_rst_stream(client->engine, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
  }
  jh_call_finish(call);
}

/* The server has done nothing with it, and says so, or never saw it. */
static bool may_go_elsewhere(const jh_http2_call *stream, uint32_t code) {
  const jh_call *call = stream->call;
  if (call->attempts >= REFUSALS_MAX) return false;
  if (!stream->is_on_wire) return true;
  return code == NGHTTP2_REFUSED_STREAM && call->stream_bytes == 0 && !stream->has_head;
}

static void break_off(jh_http2_call *stream, uint32_t code) {
  char text[320];
  jh_http2_client *client = stream->client;
  jh_client_conn *conn = client->conn;
  jh_call *call = stream->call;
  if (may_go_elsewhere(stream, code)) {
    jh_client_conn_remove(conn, call);
    jh_call_rewind(call);
    conn->origin->retried++;
    jh_origin_requeue(conn->origin, call);
  } else if (stream->was_reset || code == NGHTTP2_REFUSED_STREAM) {
    snprintf(text, sizeof text, "the server reset the stream: %s", nghttp2_http2_strerror(code));
    jh_http2_client_fail(stream, JH_ECLOSED, JH_CALL_LINK_CLOSED, text);
  } else {
    snprintf(text, sizeof text, "%s",
             client->problem[0] ? client->problem : "the server breaks HTTP/2");
    if (!client->has_goaway) client->problem[0] = '\0';
    jh_http2_client_fail(stream, JH_EPROTO, JH_CALL_BAD_ANSWER, text);
  }
}

static int on_stream_close(nghttp2_session *engine, int32_t id, uint32_t code, void *data) {
  jh_http2_client *client = data;
  jh_http2_call *stream = stream_at(engine, id);
  if (!stream) return 0;
  if (stream->call) break_off(stream, code);
  nghttp2_session_set_stream_user_data(engine, id, NULL);
  jh_list_remove(&stream->node);
  jh_http2_memory_free(stream, &client->heap);
  return 0;
}

/* ---- heads ---- */

/* Room for `bytes` more of the head; NULL when out of memory. */
static char *head_room(jh_http2_call *stream, size_t bytes) {
  if (!stream->head) stream->head = jh_buf_try_acquire_small(bufs_of(stream));
  jh_buf *head = stream->head;
  if (head && jh_buf_space(head) < bytes) {
    size_t capacity = (size_t)head->capacity * 2;
    if (capacity < head->end + bytes) capacity = head->end + bytes;
    jh_buf *grown = jh_buf_try_grow(bufs_of(stream), head, capacity);
    if (grown) stream->head = grown;
    head = grown;
  }
  return head ? head->data + head->end : NULL;
}

static char *append(char *out, jh_str text) {
  memcpy(out, text.ptr, text.len);
  return out + text.len;
}

static bool put_status(jh_http2_call *stream, jh_str value) {
  uint64_t status;
  if (stream->head) stream->head->start = stream->head->end = 0; /* an interim one came before */
  stream->header_count = 0;
  if (jh_str_parse_u64(value, &status) || status < 100 || status > 999) return false;
  char *out = head_room(stream, 32);
  if (!out) return false;
  stream->status = (uint16_t)status;
  stream->head->end += (uint32_t)snprintf(out, 32, "HTTP/2 %u\r\n", (unsigned)status);
  return true;
}

/* Facts that the client goes by. */
static void note_field(jh_call *call, jh_str name, jh_str value) {
  jh_response_parser *parser = &call->parser;
  if (jh_str_equal(name, JH_STR("content-length"))) {
    parser->has_length = jh_str_parse_u64(value, &parser->content_length) == 0;
  } else if (jh_str_equal(name, JH_STR("content-encoding"))) {
    parser->has_coding = true;
  }
}

static void put_field(jh_http2_call *stream, jh_str name, jh_str value) {
  jh_call *call = stream->call;
  size_t bytes = name.len + value.len + 4;
  if (stream->head->end + bytes + 2 > call->limits.max_header_bytes) {
    over_limit(stream, "the head is too large");
    return;
  }
  if (++stream->header_count > call->limits.max_header_count) {
    over_limit(stream, "too many header fields");
    return;
  }
  char *out = head_room(stream, bytes + 2); /* and the end of the head */
  if (!out) {
    out_of_memory(stream);
    return;
  }
  out = append(append(append(out, name), JH_STR(": ")), value);
  append(out, JH_STR("\r\n"));
  stream->head->end += (uint32_t)bytes;
  if (stream->status >= 200) note_field(call, name, value);
}

static void put_trailer(jh_http2_call *stream, jh_str name, jh_str value) {
  jh_call *call = stream->call;
  jh_call_bytes *trailers = &call->trailers;
  if (trailers->len + name.len + value.len + 4 > call->limits.max_header_bytes ||
      ++stream->trailer_count > call->limits.max_header_count) {
    over_limit(stream, "the trailers are too large");
    return;
  }
  int error = jh_call_bytes_append(trailers, name.ptr, name.len);
  if (!error) error = jh_call_bytes_append(trailers, ": ", 2);
  if (!error) error = jh_call_bytes_append(trailers, value.ptr, value.len);
  if (!error) error = jh_call_bytes_append(trailers, "\r\n", 2);
  if (error) out_of_memory(stream);
}

static int on_header(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *data) {
  (void)flags, (void)data;
  jh_http2_call *stream = stream_at(engine, frame->hd.stream_id);
  jh_str field = {(const char *)name, name_len}, text = {(const char *)value, value_len};
  if (!stream || !stream->call) return 0;
  if (stream->has_head) {
    put_trailer(stream, field, text);
  } else if (jh_str_equal(field, JH_STR(":status"))) {
    if (!put_status(stream, text)) out_of_memory(stream);
  } else if (stream->head && field.len && field.ptr[0] != ':') {
    put_field(stream, field, text);
  }
  return 0;
}

static int on_invalid_header(nghttp2_session *engine, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *data) {
  (void)value, (void)value_len, (void)flags, (void)data;
  jh_http2_call *stream = stream_at(engine, frame->hd.stream_id);
  char text[128];
  if (!stream || !stream->call) return 0;
  /* Left alone nghttp2 would pass over the field; HTTP/1 does not. */
  int shown = name_len < 40 ? (int)name_len : 40;
  for (int i = 0; i < shown; i++) {
    if (name[i] < ' ' || name[i] > '~') shown = i;
  }
  snprintf(text, sizeof text, "bad bytes in the field \"%.*s\"", shown, (const char *)name);
  jh_http2_client_fail(stream, JH_EPROTO, JH_CALL_BAD_ANSWER, text);
  return 0;
}

static void take_interim(jh_http2_call *stream) {
  jh_call *call = stream->call;
  const jh_buf *head = stream->head;
  if (++call->parser.interim_count > call->limits.max_interim_count) {
    over_limit(stream, "too many interim responses");
    return;
  }
  if (stream->status == 100 && call->is_held) {
    call->is_held = false;
    jh_call_set_first_deadline(call);
    jh_http2_client_go_on(stream->client->conn, call);
  }
  if (!(call->options.flags & JH_CALL_INTERIM_BIT)) return;
  uint32_t fields = (uint32_t)strlen("HTTP/2 100\r\n");
  uint32_t about[3] = {head->end, stream->status, fields};
  bool is_kept = jh_call_bytes_append(&call->interim, (const char *)about, sizeof about) == 0 &&
                 jh_call_bytes_append(&call->interim, head->data, head->end) == 0;
  if (is_kept) jh_call_wake_reader(call);
}

static void take_head(jh_http2_call *stream, bool is_end) {
  jh_call *call = stream->call;
  jh_response_parser *parser = &call->parser;
  bool is_streamed = call->options.flags & JH_CALL_STREAMED_BIT;
  bool is_to_head = call->options.flags & JH_CALL_HEAD_BIT;
  stream->has_head = true;
  if (parser->has_length && !is_to_head && parser->content_length > call->limits.max_body_bytes) {
    over_limit(stream, "the body is too large");
    return;
  }
  call->is_held = false;
  call->buf = stream->head;
  stream->head = NULL;
  call->answer = call->buf->data;
  call->head_len = call->buf->end;
  call->body_ptr = call->buf->data + call->buf->end;
  call->state = JH_CALL_IN_BODY;
  parser->status = stream->status;
  parser->fields = (uint32_t)strlen("HTTP/2 200\r\n");
  parser->header_count = stream->header_count;
  if (is_end) {
    finish(stream);
  } else if (is_streamed) {
    jh_call_set_deadline(call, 0); /* only while somebody reads */
    jh_call_wake_reader(call);
  } else {
    jh_call_set_deadline(call, call->options.read_timeout_ms);
  }
}

static void on_headers_end(jh_http2_call *stream, bool is_end) {
  if (stream->has_head) {
    if (is_end) finish(stream);
    return;
  }
  if (!stream->head) return;
  memcpy(stream->head->data + stream->head->end, "\r\n", 2);
  stream->head->end += 2;
  if (stream->status < 200) {
    take_interim(stream);
  } else {
    take_head(stream, is_end);
  }
}

/* ---- bodies ---- */

/* Adds to a body that is to be whole: behind the head as long as there is room. */
static int collect(jh_call *call, jh_str bytes) {
  jh_call_bytes *large = &call->large_body;
  jh_buf *buf = call->buf;
  if (!large->ptr && jh_buf_space(buf) >= bytes.len) {
    memcpy(buf->data + buf->end, bytes.ptr, bytes.len);
    buf->end += (uint32_t)bytes.len;
    call->body_len += bytes.len;
    return 0;
  }
  if (!large->ptr && call->body_len) {
    int error = jh_call_bytes_append(large, call->body_ptr, call->body_len);
    if (error) return error;
  }
  int error = jh_call_bytes_append(large, bytes.ptr, bytes.len);
  if (error) return error;
  call->body_ptr = large->ptr;
  call->body_len = large->len;
  return 0;
}

static void take_body(jh_http2_call *stream, jh_str bytes) {
  jh_call *call = stream->call;
  nghttp2_session *engine = stream->client->engine;
  bool is_streamed = call->options.flags & JH_CALL_STREAMED_BIT;
  stream->body_bytes += bytes.len;
  if (stream->body_bytes > call->limits.max_body_bytes) {
    over_limit(stream, "the body is too large");
    return;
  }
  if (is_streamed ? jh_call_keep(call, bytes) : collect(call, bytes)) {
    out_of_memory(stream);
    return;
  }
  if (is_streamed) {
    jh_call_set_deadline(call, 0);
    jh_call_wake_reader(call);
  } else {
    nghttp2_session_consume_stream(engine, stream->id, bytes.len);
    jh_call_set_deadline(call, call->options.read_timeout_ms);
  }
}

static int on_data_chunk(nghttp2_session *engine, uint8_t flags, int32_t id, const uint8_t *bytes,
                         size_t len, void *data) {
  (void)flags, (void)data;
  jh_http2_call *stream = stream_at(engine, id);
  if (nghttp2_session_consume_connection(engine, len)) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (stream && stream->call) {
    take_body(stream, (jh_str){(const char *)bytes, len});
  } else {
    nghttp2_session_consume_stream(engine, id, len);
  }
  return 0;
}

/* ---- frames ---- */

static void on_settings(jh_http2_client *client) {
  jh_client_conn *conn = client->conn;
  uint32_t most =
      nghttp2_session_get_remote_settings(client->engine, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  client->has_settings = true;
  conn->capacity = most;
  conn->origin->http2_capacity = most > 0 ? most : 1;
}

/* Debug data is the server's: only what can be read is passed on. */
static void on_goaway(jh_http2_client *client, const nghttp2_goaway *goaway) {
  char text[100];
  size_t len =
      goaway->opaque_data_len < sizeof text - 1 ? goaway->opaque_data_len : sizeof text - 1;
  for (size_t i = 0; i < len; i++) {
    uint8_t byte = goaway->opaque_data[i];
    text[i] = (char)(byte >= ' ' && byte <= '~' ? byte : '?');
  }
  text[len] = '\0';
  client->has_goaway = true;
  client->goaway_code = goaway->error_code;
  client->conn->is_retired = true;
  snprintf(client->problem, sizeof client->problem, "the server ended the connection: %s%s%s",
           nghttp2_http2_strerror(goaway->error_code), len ? ": " : "", text);
}

static int on_frame(nghttp2_session *engine, const nghttp2_frame *frame, void *data) {
  jh_http2_client *client = data;
  jh_http2_call *stream = stream_at(engine, frame->hd.stream_id);
  bool has_call = stream && stream->call;
  bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
  switch (frame->hd.type) {
  case NGHTTP2_HEADERS:
    if (has_call) on_headers_end(stream, is_end);
    break;
  case NGHTTP2_DATA:
    if (has_call && is_end) finish(stream);
    break;
  case NGHTTP2_RST_STREAM:
    if (stream) stream->was_reset = true;
    break;
  case NGHTTP2_SETTINGS:
    if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) on_settings(client);
    break;
  case NGHTTP2_GOAWAY:
    on_goaway(client, &frame->goaway);
    break;
  default:
    break;
  }
  return 0;
}

static int on_problem(nghttp2_session *engine, int code, const char *text, size_t len, void *data) {
  (void)engine, (void)code;
  jh_http2_client *client = data;
  if (client->has_goaway) return 0;
  snprintf(client->problem, sizeof client->problem, "the server breaks HTTP/2: %.*s",
           (int)(len < 200 ? len : 200), text);
  return 0;
}

static int on_invalid_frame(nghttp2_session *engine, const nghttp2_frame *frame, int error,
                            void *data) {
  (void)engine, (void)frame;
  jh_http2_client *client = data;
  if (client->problem[0]) return 0;
  snprintf(client->problem, sizeof client->problem, "the server breaks HTTP/2: %s",
           nghttp2_strerror(error));
  return 0;
}

void jh_http2_client_set_receive_callbacks(nghttp2_session_callbacks *callbacks) {
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  nghttp2_session_callbacks_set_error_callback2(callbacks, on_problem);
}
