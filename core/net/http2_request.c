/* http2_request.c: the fields of an HTTP/2 head become a request as HTTP/1 would have it.
 *
 * They are copied behind each other into the stream's buffer, so that the spans of a jh_request
 * have one base. nghttp2 has checked names, values and pseudo fields (RFC 9113 §8); here are the
 * limits of the options, what HTTP/1 checks in a target and a host, and what makes handlers see
 * the same request: a host field made of :authority, cookie fields joined into one. */
#include <string.h>

#include "base/str.h"
#include "http/method.h"
#include "http/target.h"
#include "net/http2_stream.h"

enum {
  FIELD_COST_BYTES = 4, /* ": " and CRLF, which HTTP/1 counts too */
  ABUSE_BYTES = 262144  /* beyond the limit: not even worth a 431 */
};

static void refuse(jh_http2_stream *stream, int status, const char *reason) {
  if (stream->refused_status) return;
  stream->refused_status = (uint16_t)status;
  stream->refused_reason = reason;
}

/* Makes room behind what is there. False when memory is out, and the request is refused then. */
static bool make_room(jh_http2_stream *stream, size_t bytes) {
  jh_conn *conn = &stream->conn;
  jh_buf *in = conn->in;
  if (jh_buf_space(in) >= bytes) return true;
  size_t capacity = (size_t)in->capacity * 2;
  if (capacity < in->end + bytes) capacity = in->end + bytes;
  jh_buf *grown = jh_buf_try_grow(&conn->loop->bufs, in, capacity);
  if (!grown) {
    refuse(stream, 503, "out of memory");
    return false;
  }
  conn->in = grown;
  conn->ctx->request.base = grown->data;
  return true;
}

/* Copies bytes behind what is there; there is room. */
static jh_span put(jh_http2_stream *stream, jh_str bytes) {
  jh_buf *in = stream->conn.in;
  jh_span span = {in->end, (uint32_t)bytes.len};
  if (bytes.len) memcpy(in->data + in->end, bytes.ptr, bytes.len);
  in->end += (uint32_t)bytes.len;
  return span;
}

static bool add_header(jh_http2_stream *stream, jh_span name, jh_span value) {
  jh_request *request = &stream->conn.ctx->request;
  const jh_parse_limits *limits = &stream->conn.loop->settings.parse;
  uint32_t count = request->header_count;
  if (count >= limits->max_header_count || count >= request->header_capacity) {
    refuse(stream, 431, "too many headers");
    return false;
  }
  request->headers[request->header_count++] = (jh_header){name, value};
  return true;
}

static void add_pseudo(jh_http2_stream *stream, jh_str name, jh_str value) {
  jh_request *request = &stream->conn.ctx->request;
  if (jh_str_equal(name, JH_STR(":method"))) {
    int method = jh_method_find(value);
    stream->is_method_known = method >= 0;
    request->method = (uint8_t)(method >= 0 ? method : 0);
  } else if (jh_str_equal(name, JH_STR(":path"))) {
    if (value.len > stream->conn.loop->settings.parse.max_target_bytes) {
      refuse(stream, 414, "request target too long");
      return;
    }
    request->target = put(stream, value);
  } else if (jh_str_equal(name, JH_STR(":authority"))) {
    stream->authority = put(stream, value);
  } else if (jh_str_equal(name, JH_STR(":protocol"))) {
    stream->is_websocket = jh_str_equal_nocase(value, JH_STR("websocket"));
    stream->has_unknown_protocol = !stream->is_websocket;
  }
}

static void add_content_length(jh_http2_stream *stream, jh_str value) {
  jh_request *request = &stream->conn.ctx->request;
  request->has_content_length = true;
  if (jh_str_parse_u64(value, &request->content_length) != 0 ||
      request->content_length > INT64_MAX) {
    refuse(stream, 400, "bad Content-Length");
  }
}

static void add_expect(jh_http2_stream *stream, jh_str value) {
  if (jh_str_equal_nocase(value, JH_STR("100-continue"))) {
    stream->conn.ctx->request.expects_continue = true;
  } else {
    refuse(stream, 417, "unknown expectation");
  }
}

int jh_http2_request_add(jh_http2_stream *stream, jh_str name, jh_str value) {
  jh_request *request = &stream->conn.ctx->request;
  uint32_t limit = stream->conn.loop->settings.parse.max_header_bytes;
  stream->head_bytes += (uint32_t)(name.len + value.len) + FIELD_COST_BYTES;
  if (stream->head_bytes > limit) {
    if (stream->head_bytes > limit + ABUSE_BYTES) return JH_ELIMIT;
    refuse(stream, 431, "headers too large");
  }
  if (stream->refused_status || !make_room(stream, name.len + value.len)) return 0;
  if (name.ptr[0] == ':') {
    add_pseudo(stream, name, value);
    return 0;
  }
  uint32_t index = request->header_count;
  jh_span name_span = put(stream, name);
  jh_span value_span = put(stream, value);
  if (!add_header(stream, name_span, value_span)) return 0;
  switch (name.len) {
  case 4:
    if (jh_str_equal(name, JH_STR("host"))) stream->host_index = (int32_t)index;
    break;
  case 6:
    if (jh_str_equal(name, JH_STR("cookie"))) stream->cookie_count++;
    if (jh_str_equal(name, JH_STR("expect"))) add_expect(stream, value);
    break;
  case 14:
    if (jh_str_equal(name, JH_STR("content-length"))) add_content_length(stream, value);
    break;
  default:
    break;
  }
  return 0;
}

int jh_http2_request_add_trailer(jh_http2_stream *stream, jh_str name, jh_str value) {
  jh_ctx *ctx = stream->conn.ctx;
  const jh_parse_limits *limits = &stream->conn.loop->settings.parse;
  stream->trailer_bytes += (uint32_t)(name.len + value.len) + FIELD_COST_BYTES;
  if (stream->trailer_bytes > limits->max_header_bytes) return JH_ELIMIT;
  if (++stream->trailer_count > limits->max_header_count) return JH_ELIMIT;
  jh_str parts[] = {name, {": ", 2}, value, {"\r\n", 2}};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (parts[i].len == 0) continue;
    int error = jh_trailers_try_append(&ctx->trailers, &ctx->arena, parts[i].ptr, parts[i].len);
    if (error) return error;
  }
  return 0;
}

/* ---- the whole head ---- */

/* Clients may send cookies as many fields, so that they compress well (RFC 9113 §8.2.3). They
 * become one, in the place of the first. */
static void join_cookies(jh_http2_stream *stream) {
  jh_request *request = &stream->conn.ctx->request;
  jh_header *first = NULL;
  jh_span joined = {0, 0};
  uint32_t kept = 0;
  for (uint32_t i = 0; i < request->header_count; i++) {
    jh_header field = request->headers[i];
    bool is_cookie = jh_str_equal(jh_request_str(request, field.name), JH_STR("cookie"));
    if (is_cookie) {
      if (!make_room(stream, field.value.len + 2)) return;
      if (first) {
        put(stream, JH_STR("; "));
      } else {
        joined.off = stream->conn.in->end;
      }
      put(stream, jh_request_str(request, field.value));
      joined.len = stream->conn.in->end - joined.off;
      if (first) continue;
      first = &request->headers[kept];
    }
    request->headers[kept++] = field;
  }
  request->header_count = kept;
  if (first) first->value = joined;
}

static void settle_host(jh_http2_stream *stream) {
  jh_request *request = &stream->conn.ctx->request;
  jh_str authority = jh_request_str(request, stream->authority);
  request->host = stream->authority;
  if (stream->host_index >= 0) {
    jh_span value = request->headers[stream->host_index].value;
    jh_str host = jh_request_str(request, value);
    if (authority.len == 0) {
      request->host = value;
    } else if (!jh_str_equal_nocase(authority, host)) {
      refuse(stream, 400, "Host differs from :authority");
    }
  } else if (authority.len) {
    jh_str name = JH_STR("host");
    if (make_room(stream, name.len)) add_header(stream, put(stream, name), stream->authority);
  }
  request->has_host = true;
  if (!jh_target_host_is_valid(jh_request_str(request, request->host))) {
    refuse(stream, 400, "bad Host");
  }
}

static jh_span span_within(const jh_request *request, jh_str str) {
  if (str.len == 0) return (jh_span){0, 0};
  return (jh_span){(uint32_t)(str.ptr - request->base), (uint32_t)str.len};
}

/* An extended CONNECT (RFC 8441) becomes what asks for a WebSocket in HTTP/1. */
static void settle_protocol(jh_http2_stream *stream) {
  jh_request *request = &stream->conn.ctx->request;
  if (stream->has_unknown_protocol) refuse(stream, 501, "unknown protocol");
  if (!stream->is_websocket) return;
  jh_str name = JH_STR("upgrade"), value = JH_STR("websocket");
  if (stream->has_request_end) refuse(stream, 400, "a WebSocket that has ended already");
  if (!make_room(stream, name.len + value.len)) return;
  jh_span name_span = put(stream, name);
  add_header(stream, name_span, put(stream, value));
  request->method = JH_METHOD_GET;
  request->is_upgrade = true;
}

static void settle_target(jh_http2_stream *stream) {
  jh_request *request = &stream->conn.ctx->request;
  if (request->method == JH_METHOD_CONNECT) request->target = stream->authority;
  jh_target parts;
  if (jh_target_split(jh_request_str(request, request->target), request->method, &parts) != 0) {
    refuse(stream, 400, "bad request target");
    return;
  }
  request->path = span_within(request, parts.path_raw);
  request->query = span_within(request, parts.query);
  request->target_form = parts.form;
  request->path_is_plain = parts.path_is_plain;
  request->has_query = parts.has_query;
}

bool jh_http2_request_finish(jh_http2_stream *stream) {
  jh_request *request = &stream->conn.ctx->request;
  request->http_minor = 1;
  request->is_http2 = true;
  request->is_keep_alive = true;
  if (!stream->is_method_known) refuse(stream, 501, "unknown method");
  if (!stream->refused_status) settle_protocol(stream);
  if (!stream->refused_status) settle_host(stream);
  if (!stream->refused_status && stream->cookie_count > 1) join_cookies(stream);
  if (!stream->refused_status) settle_target(stream);
  if (stream->refused_status) return false;
  /* A length that was not announced is what chunks are in HTTP/1. */
  request->is_chunked =
      !stream->has_request_end && !request->has_content_length && !stream->is_websocket;
  request->expects_continue = request->expects_continue && jh_request_has_body(request);
  return true;
}
