/* http2_client_send.c: requests become HEADERS and DATA frames.
 *
 * The head is the text that HTTP/1.1 would send. Its request line and Host become pseudo fields,
 * fields that belong to one link stay behind (RFC 9113 §8.2.2), a long Cookie field is cut into its
 * pairs, which compress better one by one (§8.2.3). nghttp2 copies fields, and makes their names
 * lower case. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/http2_client.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/origin.h"

enum { FRAME_HEAD_BYTES = 9, FRAME_BYTES_MAX = JH_BUF_CAPACITY - FRAME_HEAD_BYTES };

/* ---- heads ---- */

static size_t count_of(jh_str text, char byte) {
  size_t count = 0;
  for (size_t i = 0; i < text.len; i++) count += text.ptr[i] == byte;
  return count;
}

static bool make_room(jh_http2_client *client, size_t count) {
  if (count <= client->fields_capacity) return true;
  nghttp2_nv *fields = jh_try_realloc(client->fields, count * 2 * sizeof *fields);
  if (!fields) return false;
  client->fields = fields;
  client->fields_capacity = count * 2;
  return true;
}

static void put(jh_http2_client *client, size_t *count, jh_str name, jh_str value) {
  bool is_secret = jh_str_equal_nocase(name, JH_STR("authorization"));
  client->fields[(*count)++] =
      (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.ptr,
                   .value = (uint8_t *)(uintptr_t)value.ptr,
                   .namelen = name.len,
                   .valuelen = value.len,
                   .flags = is_secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE};
}

static void put_cookies(jh_http2_client *client, size_t *count, jh_str name, jh_str value) {
  while (value.len) {
    const char *end = memchr(value.ptr, ';', value.len);
    size_t len = end ? (size_t)(end - value.ptr) : value.len;
    put(client, count, name, jh_str_trim((jh_str){value.ptr, len}));
    size_t taken = end ? len + 1 : len;
    value = jh_str_trim((jh_str){value.ptr + taken, value.len - taken});
  }
}

/* The next line without its end; empty at the end of the head. */
static jh_str take_line(jh_str *text) {
  const char *end = text->len ? memchr(text->ptr, '\r', text->len) : NULL;
  if (!end) return (jh_str){text->ptr, 0};
  jh_str line = {text->ptr, (size_t)(end - text->ptr)};
  size_t taken = line.len + 2 <= text->len ? line.len + 2 : text->len;
  *text = (jh_str){text->ptr + taken, text->len - taken};
  return line;
}

static bool split(jh_str line, jh_str *name, jh_str *value) {
  const char *colon = memchr(line.ptr, ':', line.len);
  if (!colon) return false;
  size_t name_len = (size_t)(colon - line.ptr);
  *name = (jh_str){line.ptr, name_len};
  *value = jh_str_trim((jh_str){colon + 1, line.len - name_len - 1});
  return name_len > 0;
}

/* Fields of the link, which another protocol has no use for. */
static bool is_of_link(jh_str name, jh_str value) {
  static const char *const names[] = {"connection",        "keep-alive", "proxy-connection",
                                      "transfer-encoding", "upgrade",    "http2-settings"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (jh_str_equal_nocase(name, jh_str_of(names[i]))) return true;
  }
  return jh_str_equal_nocase(name, JH_STR("te")) && !jh_str_equal_nocase(value, JH_STR("trailers"));
}

/* Whether a Connection field names this one. */
static bool is_named(jh_str list, jh_str name) {
  while (list.len) {
    const char *end = memchr(list.ptr, ',', list.len);
    size_t len = end ? (size_t)(end - list.ptr) : list.len;
    if (jh_str_equal_nocase(jh_str_trim((jh_str){list.ptr, len}), name)) return true;
    size_t taken = end ? len + 1 : len;
    list = (jh_str){list.ptr + taken, list.len - taken};
  }
  return false;
}

static jh_str find_connection(jh_str text) {
  jh_str name, value;
  for (jh_str line = take_line(&text); line.len; line = take_line(&text)) {
    bool is_it = split(line, &name, &value) && jh_str_equal_nocase(name, JH_STR("connection"));
    if (is_it) return value;
  }
  return (jh_str){"", 0};
}

static jh_str take_word(jh_str *line) {
  const char *end = memchr(line->ptr, ' ', line->len);
  size_t len = end ? (size_t)(end - line->ptr) : line->len;
  jh_str word = {line->ptr, len};
  size_t taken = end ? len + 1 : len;
  *line = (jh_str){line->ptr + taken, line->len - taken};
  return word;
}

/* Fields of the head into client->fields; how many, or JH_ENOMEM. */
static ssize_t read_head(jh_http2_client *client, jh_str head) {
  size_t count = 0;
  if (!make_room(client, count_of(head, '\n') + count_of(head, ';') + 4)) return JH_ENOMEM;
  jh_str line = take_line(&head);
  jh_str name, value, method = take_word(&line), path = take_word(&line);
  jh_str connection = find_connection(head);
  put(client, &count, JH_STR(":method"), method);
  put(client, &count, JH_STR(":scheme"),
      client->conn->link->tls ? JH_STR("https") : JH_STR("http"));
  put(client, &count, JH_STR(":path"), path);
  size_t authority_at = count++; /* pseudo fields come first */
  client->fields[authority_at].namelen = 0;
  for (line = take_line(&head); line.len; line = take_line(&head)) {
    if (!split(line, &name, &value)) continue;
    if (jh_str_equal_nocase(name, JH_STR("host"))) {
      put(client, &authority_at, JH_STR(":authority"), value);
      authority_at--;
    } else if (jh_str_equal_nocase(name, JH_STR("cookie"))) {
      put_cookies(client, &count, name, value);
    } else if (!is_of_link(name, value) && !(connection.len && is_named(connection, name))) {
      put(client, &count, name, value);
    }
  }
  if (client->fields[authority_at].namelen == 0) {
    memmove(&client->fields[authority_at], &client->fields[authority_at + 1],
            (count - authority_at - 1) * sizeof *client->fields);
    count--;
  }
  return (ssize_t)count;
}

/* ---- bodies ---- */

static size_t queued_bytes(const jh_call *call) {
  size_t bytes = 0;
  for (const jh_buf *buf = call->out_first; buf; buf = buf->next) {
    bytes += jh_buf_len(buf);
    if (bytes >= FRAME_BYTES_MAX) break; /* that will do for a frame */
  }
  return bytes;
}

/* Bytes that can be sent now. */
static size_t ready_bytes(const jh_call *call) {
  if (call->is_held) return 0;
  size_t fixed = call->head.len + call->body.len - call->sent;
  return fixed ? fixed : queued_bytes(call);
}

static bool is_last(const jh_call *call, size_t piece) {
  size_t fixed = call->head.len + call->body.len - call->sent;
  if (call->is_held || !call->is_body_complete) return false;
  if (fixed) return piece == fixed && !call->out_first;
  size_t left = piece;
  const jh_buf *buf = call->out_first;
  for (; buf && jh_buf_len(buf) <= left; buf = buf->next) left -= jh_buf_len(buf);
  return !buf;
}

static int submit_trailers(jh_http2_call *stream) {
  jh_http2_client *client = stream->client;
  jh_str name, value, text = {stream->call->own_trailers.ptr, stream->call->own_trailers.len};
  size_t count = 0;
  if (!make_room(client, count_of(text, '\n') + 1)) return JH_ENOMEM;
  for (jh_str line = take_line(&text); line.len; line = take_line(&text)) {
    if (split(line, &name, &value)) put(client, &count, name, value);
  }
  return nghttp2_submit_trailer(client->engine, stream->id, client->fields, count);
}

/* The end of the request is on its way: from now on the answer is waited for. */
static void on_sent(jh_http2_call *stream) {
  jh_call *call = stream->call;
  stream->has_sent_end = true;
  call->is_sent = true;
  if (call->state == JH_CALL_ON_CONN) jh_call_set_deadline(call, call->options.read_timeout_ms);
}

static ssize_t on_source(nghttp2_session *engine, int32_t id, uint8_t *out, size_t bytes,
                         uint32_t *flags, nghttp2_data_source *source, void *data) {
  (void)engine, (void)id, (void)out, (void)data;
  jh_http2_call *stream = source->ptr;
  const jh_call *call = stream->call;
  if (!call) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  size_t piece = ready_bytes(call);
  if (piece > bytes) piece = bytes;
  if (piece > FRAME_BYTES_MAX) piece = FRAME_BYTES_MAX;
  bool is_end = is_last(call, piece);
  if (piece == 0 && !is_end) {
    stream->is_deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (is_end) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (call->own_trailers.len) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      if (submit_trailers(stream)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      on_sent(stream);
    }
  }
  return (ssize_t)piece;
}

static void take_body(jh_call *call, char *out, size_t bytes) {
  size_t fixed = call->head.len + call->body.len - call->sent;
  if (fixed && bytes) {
    memcpy(out, call->body.ptr + (call->sent - call->head.len), bytes);
    call->sent += bytes;
    return;
  }
  while (bytes > 0 && call->out_first) {
    jh_buf *buf = call->out_first;
    size_t count = jh_buf_len(buf) < bytes ? jh_buf_len(buf) : bytes;
    memcpy(out, buf->data + buf->start, count);
    buf->start += (uint32_t)count;
    out += count;
    bytes -= count;
    if (jh_buf_len(buf)) return;
    call->out_first = buf->next;
    if (!buf->next) call->out_last = NULL;
    jh_buf_release(&call->clients->loop->bufs, buf);
  }
}

static int on_send_data(nghttp2_session *engine, nghttp2_frame *frame, const uint8_t *frame_head,
                        size_t bytes, nghttp2_data_source *source, void *data) {
  (void)engine;
  jh_http2_client *client = data;
  jh_http2_call *stream = source->ptr;
  jh_call *call = stream->call;
  if (!call) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (client->queued_bytes >= JH_HTTP2_CLIENT_QUEUE_BYTES) {
    client->is_full = true;
    return NGHTTP2_ERR_WOULDBLOCK;
  }
  jh_buf *buf = jh_http2_client_reserve(client, FRAME_HEAD_BYTES + bytes);
  if (!buf) return NGHTTP2_ERR_CALLBACK_FAILURE;
  char *out = buf->data + buf->end;
  memcpy(out, frame_head, FRAME_HEAD_BYTES);
  take_body(call, out + FRAME_HEAD_BYTES, bytes);
  buf->end += (uint32_t)(FRAME_HEAD_BYTES + bytes);
  client->queued_bytes += FRAME_HEAD_BYTES + bytes;
  if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
    on_sent(stream);
  } else if (call->state == JH_CALL_ON_CONN && !stream->has_sent_end) {
    jh_call_set_deadline(call, call->options.write_timeout_ms);
  }
  /* Whoever is told may close it. */
  if (call->write_wait_id && !call->out_first) {
    if (call->state == JH_CALL_ON_CONN && !call->is_body_complete) jh_call_set_deadline(call, 0);
    jh_call_wake_writer(call);
  }
  return 0;
}

static int on_before_send(nghttp2_session *engine, const nghttp2_frame *frame, void *data) {
  jh_http2_client *client = data;
  if (frame->hd.type == NGHTTP2_HEADERS) {
    jh_http2_call *stream = nghttp2_session_get_stream_user_data(engine, frame->hd.stream_id);
    if (stream) stream->is_on_wire = true;
  } else if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
    client->has_failed = true; /* nghttp2 has found that the server broke the rules */
    if (client->problem[0]) return 0;
    snprintf(client->problem, sizeof client->problem, "the server breaks HTTP/2: %s",
             nghttp2_http2_strerror(frame->goaway.error_code));
  }
  return 0;
}

/* ---- calls ---- */

int jh_http2_client_send(jh_http2_client *client, jh_call *call) {
  ssize_t count = read_head(client, call->head);
  jh_http2_call *stream = NULL;
  if (count > 0) stream = jh_http2_memory_calloc(1, sizeof *stream, &client->heap);
  if (!stream) return JH_ENOMEM;
  bool has_body = call->body.len > 0 || !call->is_body_complete || call->out_first ||
                  call->own_trailers.len > 0;
  nghttp2_data_provider source = {.source = {.ptr = stream}, .read_callback = on_source};
  stream->id = nghttp2_submit_request(client->engine, NULL, client->fields, (size_t)count,
                                      has_body ? &source : NULL, stream);
  if (stream->id < 0) {
    int error = stream->id == NGHTTP2_ERR_NOMEM ? JH_ENOMEM : JH_EPROTO;
    jh_http2_memory_free(stream, &client->heap);
    return error;
  }
  stream->client = client;
  stream->call = call;
  stream->started_ms = uv_now(&call->clients->loop->uv);
  jh_list_init(&stream->node);
  jh_list_append(&client->streams, &stream->node);
  call->stream = stream;
  call->sent = call->head.len;
  if (!has_body) {
    stream->has_sent_end = true;
    call->is_sent = true;
  }
  return 0;
}

void jh_http2_client_go_on(jh_client_conn *conn, jh_call *call) {
  jh_http2_call *stream = call->stream;
  if (stream && stream->is_deferred) {
    stream->is_deferred = false;
    nghttp2_session_resume_data(conn->http2->engine, stream->id);
  }
  jh_client_conn_flush_later(conn);
}

void jh_http2_client_set_send_callbacks(nghttp2_session_callbacks *callbacks) {
  nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
  nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, on_before_send);
}
