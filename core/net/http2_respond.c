/* http2_respond.c: answers on a stream: the fields of their heads, and what of the body is queued.
 *
 * nghttp2 copies what it is given of a head, but for names and values that live long enough. The
 * body is copied into the stream's queue: how fast it leaves is the client's business (its
 * windows), so nothing of it can be given to the kernel from where it lies. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "http/method.h"
#include "net/conn_file.h"
#include "net/http2_tunnel.h"

enum {
  QUEUE_HIGH_BYTES = 65536, /* more than this queued: the writer waits */
  OWN_FIELDS_MAX = 8,       /* that the server adds to a head */
  FEW_FIELDS = 48           /* need no memory of their own */
};

/* The fields of one head while they are collected. */
typedef struct fields {
  nghttp2_nv *list;
  size_t count;
  char status[3];
  char length[20];
  nghttp2_nv few[FEW_FIELDS];
} fields;

enum {
  STATIC_NAME = NGHTTP2_NV_FLAG_NO_COPY_NAME,
  STATIC_FIELD = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
};

static void add(fields *into, jh_str name, jh_str value, int flags) {
  into->list[into->count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.ptr,
                                           .value = (uint8_t *)(uintptr_t)value.ptr,
                                           .namelen = name.len,
                                           .valuelen = value.len,
                                           .flags = (uint8_t)flags};
}

static void add_status(fields *into, int status) {
  into->status[0] = (char)('0' + status / 100);
  into->status[1] = (char)('0' + status / 10 % 10);
  into->status[2] = (char)('0' + status % 10);
  add(into, JH_STR(":status"), (jh_str){into->status, 3}, STATIC_NAME);
}

static void add_length(fields *into, uint64_t bytes) {
  char *at = into->length + sizeof into->length;
  do {
    *--at = (char)('0' + bytes % 10);
    bytes /= 10;
  } while (bytes);
  jh_str digits = {at, (size_t)(into->length + sizeof into->length - at)};
  add(into, JH_STR("content-length"), digits, STATIC_NAME);
}

/* What concerns a connection of HTTP/1 alone must not be sent (RFC 9113 §8.2.2). */
static bool is_of_http1(jh_str name) {
  switch (name.len) {
  case 7:
    return jh_str_equal_nocase(name, JH_STR("upgrade"));
  case 10:
    return jh_str_equal_nocase(name, JH_STR("connection")) ||
           jh_str_equal_nocase(name, JH_STR("keep-alive"));
  case 16:
    return jh_str_equal_nocase(name, JH_STR("proxy-connection"));
  case 17:
    return jh_str_equal_nocase(name, JH_STR("transfer-encoding"));
  default:
    return false;
  }
}

/* A line "Name: value\r\n"; nghttp2 copies it, and its name in lower case. */
static void add_line(fields *into, jh_str name, jh_str value) {
  value = jh_str_trim(value);
  if (!is_of_http1(name)) add(into, name, value, NGHTTP2_NV_FLAG_NONE);
}

/* Lines behind each other. */
static void add_block(fields *into, jh_str block) {
  while (block.len) {
    const char *end = memchr(block.ptr, '\n', block.len);
    size_t line_len = end ? (size_t)(end - block.ptr) + 1 : block.len;
    const char *colon = memchr(block.ptr, ':', line_len);
    if (colon) {
      jh_str value = {colon + 1, line_len - (size_t)(colon - block.ptr) - 1};
      while (value.len && (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r')) {
        value.len--;
      }
      add_line(into, (jh_str){block.ptr, (size_t)(colon - block.ptr)}, value);
    }
    block.ptr += line_len;
    block.len -= line_len;
  }
}

static size_t count_lines(jh_str block) {
  size_t count = 0;
  for (size_t i = 0; i < block.len; i++) count += block.ptr[i] == '\n';
  return count + 1;
}

/* Room for that many. False when memory is out. */
static bool begin_fields(fields *into, jh_arena *arena, size_t count_max) {
  into->count = 0;
  into->list = into->few;
  if (count_max > FEW_FIELDS)
    into->list = jh_arena_try_alloc(arena, count_max * sizeof(nghttp2_nv));
  return into->list != NULL;
}

static void add_content_type(fields *into, int content_type) {
  static const jh_str values[] = {
      [JH_TYPE_TEXT] = {"text/plain; charset=utf-8", 25},
      [JH_TYPE_HTML] = {"text/html; charset=utf-8", 24},
      [JH_TYPE_JSON] = {"application/json", 16},
      [JH_TYPE_BYTES] = {"application/octet-stream", 24},
  };
  if (content_type == JH_TYPE_NONE) return;
  add(into, JH_STR("content-type"), values[content_type], STATIC_FIELD);
}

/* The value of a line of ours, "Date: …\r\n". It outlives every frame: it is only overwritten by
 * one of the same length. */
static jh_str value_of(jh_str line, size_t name_len) {
  return (jh_str){line.ptr + name_len + 2, line.len - name_len - 4};
}

static bool collect_head(fields *into, jh_ctx *ctx, const jh_response_head *head) {
  const jh_response *response = &ctx->response;
  size_t count_max = OWN_FIELDS_MAX + (head->field_lines.len ? count_lines(head->field_lines) : 0);
  for (const jh_response_line *line = response->first; line; line = line->next) count_max++;
  if (!begin_fields(into, &ctx->arena, count_max)) return false;
  add_status(into, head->status);
  if (!response->has_server && head->server_line.len) {
    add(into, JH_STR("server"), value_of(head->server_line, 6), STATIC_FIELD);
  }
  if (!response->has_date) {
    add(into, JH_STR("date"), value_of(head->date_line, 4), STATIC_FIELD);
  }
  if (!response->has_content_type) add_content_type(into, head->content_type);
  for (const jh_response_line *line = response->first; line; line = line->next) {
    jh_str name = {line->text, line->name_len};
    add_line(into, name, (jh_str){line->text + line->name_len + 2, line->line_len - name.len - 4});
  }
  add_block(into, head->field_lines);
  if (head->has_length) add_length(into, head->body_bytes);
  return true;
}

/* Submits the head; with a body to come when `has_body`. 0 or JH_ENOMEM. */
static int submit_head(jh_http2_stream *stream, jh_ctx *ctx, jh_response_head *head,
                       bool has_body) {
  fields all;
  /* To who asked for a WebSocket 2xx says that here is one. */
  if (stream->is_websocket && !stream->tunnel && head->status / 100 == 2) head->status = 501;
  jh_loop_head_lines(stream->conn.loop, &head->server_line, &head->date_line);
  if (!collect_head(&all, ctx, head)) return JH_ENOMEM;
  nghttp2_data_provider source = jh_http2_body_source(stream);
  int error = nghttp2_submit_response(stream->session->engine, stream->id, all.list, all.count,
                                      has_body ? &source : NULL);
  if (error) return JH_ENOMEM;
  if (has_body)
    jh_timeout_set(&stream->conn.loop->timeouts, &stream->conn.timeout, JH_TIMEOUT_WRITE);
  return 0;
}

/* ---- whole answers ---- */

/* The answer's body into the queue. A small one takes the place of the request in its buffer, which
 * nobody needs any more. False when memory is out. */
static bool queue_body(jh_http2_stream *stream, jh_str body) {
  jh_conn *conn = &stream->conn;
  stream->queued_bytes += body.len;
  if (!conn->in || conn->out_first || body.len > conn->in->capacity) {
    return jh_conn_append(conn, body.ptr, body.len) == 0;
  }
  jh_buf *buf = conn->in;
  conn->in = NULL;
  buf->start = 0;
  buf->end = (uint32_t)body.len;
  memcpy(buf->data, body.ptr, body.len);
  conn->out_first = conn->out_last = buf;
  return true;
}

/* The head is submitted; its exchange is over even when the body cannot follow. */
static void complete(jh_http2_stream *stream, jh_ctx *ctx, jh_str body) {
  bool is_queued = !body.ptr || body.len == 0 || queue_body(stream, body);
  jh_http2_stream_end_exchange(stream, ctx);
  if (!stream->queued_bytes && !stream->conn.file) jh_http2_stream_end_answer(stream);
  if (!is_queued) jh_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
}

int jh_http2_respond(jh_conn *conn, jh_ctx *ctx, int status, int content_type, jh_str body) {
  jh_http2_stream *stream = jh_http2_stream_of(conn);
  bool has_length = !jh_status_has_no_body(status);
  jh_response_head head = {.status = status,
                           .content_type = has_length ? content_type : JH_TYPE_NONE,
                           .has_length = has_length,
                           .body_bytes = body.len};
  if (!has_length || ctx->request.method == JH_METHOD_HEAD) body.len = 0;
  int error = submit_head(stream, ctx, &head, body.len > 0);
  if (error) return error;
  complete(stream, ctx, body);
  return 0;
}

int jh_http2_respond_file(jh_conn *conn, jh_ctx *ctx, int status) {
  jh_http2_stream *stream = jh_http2_stream_of(conn);
  const jh_file_answer *answer = ctx->file_answer;
  if (answer->status == 200 && jh_status_has_no_body(status)) return JH_EINVAL;
  bool is_304 = answer->status == 304;
  jh_response_head head = {.status = answer->status == 200 ? status : answer->status,
                           .has_length = !is_304,
                           .body_bytes = is_304 ? 0 : jh_file_answer_body_bytes(answer),
                           .field_lines = jh_file_answer_fields(ctx, answer)};
  if (!head.field_lines.ptr) return JH_ENOMEM;
  bool has_body = !is_304 && head.body_bytes > 0 && ctx->request.method != JH_METHOD_HEAD;
  jh_str body = has_body ? jh_conn_file_in_memory(answer) : (jh_str){NULL, 0};
  if (has_body && !body.ptr && !jh_conn_begin_file(conn, answer)) return JH_ENOMEM;
  int error = submit_head(stream, ctx, &head, has_body);
  if (error) {
    jh_conn_drop_file(conn);
    return error;
  }
  complete(stream, ctx, body);
  return 0;
}

/* ---- in pieces ---- */

int jh_http2_start_stream(jh_conn *conn, jh_ctx *ctx, int status, int content_type,
                          int64_t length) {
  jh_http2_stream *stream = jh_http2_stream_of(conn);
  bool has_no_body = jh_status_has_no_body(status);
  jh_response_head head = {.status = status,
                           .content_type = has_no_body ? JH_TYPE_NONE : content_type,
                           .has_length = length >= 0 && !has_no_body,
                           .body_bytes = length >= 0 ? (uint64_t)length : 0};
  int error = submit_head(stream, ctx, &head, true);
  if (error) return error;
  if (has_no_body || ctx->request.method == JH_METHOD_HEAD) {
    ctx->stream_state = JH_STREAM_BODYLESS;
  } else if (length >= 0) {
    ctx->stream_state = JH_STREAM_LENGTH;
    ctx->stream_left = (uint64_t)length;
  } else {
    ctx->stream_state = JH_STREAM_CHUNKED;
  }
  /* The time until the first piece is the handler's. */
  jh_timeout_clear(&conn->timeout);
  jh_conn_mark_pending(stream->session->conn);
  return 0;
}

void jh_http2_stream_resume(jh_http2_stream *stream) {
  jh_http2_session *session = stream->session;
  if (stream->is_deferred) {
    stream->is_deferred = false;
    nghttp2_session_resume_data(session->engine, stream->id);
  }
  jh_conn_mark_pending(session->conn);
}

int jh_http2_stream_piece(jh_conn *conn, jh_ctx *ctx, jh_str piece, uint32_t wait_id) {
  jh_http2_stream *stream = jh_http2_stream_of(conn);
  if (ctx->stream_state == JH_STREAM_LENGTH) {
    if (piece.len > ctx->stream_left) return JH_ERANGE;
    ctx->stream_left -= piece.len;
  }
  if (piece.len == 0 || ctx->stream_state == JH_STREAM_BODYLESS) return 0;
  if (jh_conn_append(conn, piece.ptr, piece.len) < 0) return JH_ENOMEM;
  stream->queued_bytes += piece.len;
  if (!jh_timeout_is(&conn->timeout, JH_TIMEOUT_WRITE)) {
    jh_timeout_set(&conn->loop->timeouts, &conn->timeout, JH_TIMEOUT_WRITE);
  }
  jh_http2_stream_resume(stream);
  if (stream->queued_bytes <= QUEUE_HIGH_BYTES) return 0;
  jh_conn_flush(stream->session->conn);
  if (conn->state == JH_CONN_CLOSED) return JH_ECLOSED;
  if (stream->queued_bytes <= JH_HTTP2_WAKE_BYTES) return 0;
  ctx->write_wait_id = wait_id;
  return JH_EWAIT;
}

int jh_http2_end_stream(jh_conn *conn, jh_ctx *ctx, jh_str trailers) {
  jh_http2_stream *stream = jh_http2_stream_of(conn);
  if (ctx->stream_state == JH_STREAM_LENGTH && ctx->stream_left > 0) {
    jh_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    return JH_ERANGE;
  }
  if (ctx->stream_state == JH_STREAM_CHUNKED && trailers.len) {
    jh_buf_pool *bufs = &conn->loop->bufs;
    jh_buf *buf = jh_buf_try_acquire(bufs);
    if (buf && buf->capacity < trailers.len) {
      jh_buf *grown = jh_buf_try_grow(bufs, buf, trailers.len);
      if (!grown) jh_buf_release(bufs, buf);
      buf = grown;
    }
    if (!buf) {
      jh_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
      return JH_ENOMEM;
    }
    memcpy(buf->data, trailers.ptr, trailers.len);
    buf->end = (uint32_t)trailers.len;
    stream->trailers = buf;
  }
  jh_http2_stream_end_exchange(stream, ctx);
  jh_http2_stream_resume(stream);
  return 0;
}

/* ---- other heads ---- */

int jh_http2_submit_trailers(jh_http2_stream *stream) {
  fields all;
  jh_conn *conn = &stream->conn;
  jh_arena arena;
  jh_str block = {stream->trailers->data, jh_buf_len(stream->trailers)};
  jh_arena_init(&arena, &conn->loop->arena_blocks);
  int error = JH_ENOMEM;
  if (begin_fields(&all, &arena, count_lines(block))) {
    add_block(&all, block);
    error = nghttp2_submit_trailer(stream->session->engine, stream->id, all.list, all.count);
  }
  jh_arena_reset(&arena);
  jh_buf_release(&conn->loop->bufs, stream->trailers);
  stream->trailers = NULL;
  return error;
}

int jh_http2_inform(jh_conn *conn, int status, jh_str block) {
  jh_http2_stream *stream = jh_http2_stream_of(conn);
  fields all;
  if (!begin_fields(&all, &conn->ctx->arena, 1 + count_lines(block))) return JH_ENOMEM;
  add_status(&all, status);
  add_block(&all, block);
  int32_t error = nghttp2_submit_headers(stream->session->engine, NGHTTP2_FLAG_NONE, stream->id,
                                         NULL, all.list, all.count, NULL);
  if (error) return JH_ENOMEM;
  jh_conn_flush(stream->session->conn);
  return conn->state == JH_CONN_CLOSED ? JH_ECLOSED : 0;
}

/* The stream carries the bytes of a guest from now on. */
jh_conn *jh_http2_upgrade(jh_conn *conn, jh_ctx *ctx, int *error) {
  jh_http2_stream *stream = jh_http2_stream_of(conn);
  jh_response_head head = {.status = 200, .content_type = JH_TYPE_NONE};
  *error = JH_ENOMEM;
  if (!stream->is_websocket) {
    *error = JH_EUNSUPPORTED;
    return NULL;
  }
  jh_conn *tunnel = jh_http2_tunnel_try_new(stream);
  if (!tunnel || submit_head(stream, ctx, &head, true)) {
    if (tunnel) jh_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    return NULL;
  }
  jh_timeout_clear(&conn->timeout);
  if (conn->in) jh_buf_release(&conn->loop->bufs, conn->in);
  conn->in = NULL;
  jh_conn_mark_pending(stream->session->conn);
  *error = 0;
  return tunnel;
}
