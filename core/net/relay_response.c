/* relay_response.c: the response's way from the upstream to the client.
 *
 * A short one leaves with its head in one write. The body of a longer one is read into the worker's
 * piece and written from there; what the client does not take is queued behind its connection, and
 * nothing more is read until that has left. A response that breaks off is never ended in good
 * order: the client's connection is cut, so that it cannot take a part for the whole. */
#include <string.h>

#include "base/str.h"
#include "http/method.h"
#include "http/status.h"
#include "net/alarm.h"
#include "net/relay.h"

/* ---- heads ---- */

static jh_str reason_of(const jh_call_response *response) {
  const char *line = response->head.ptr;
  size_t from = 13; /* "HTTP/1.1 200 " */
  size_t end = response->fields;
  while (end > 0 && (line[end - 1] == '\n' || line[end - 1] == '\r')) end--;
  return end > from ? (jh_str){line + from, end - from} : (jh_str){"", 0};
}

static jh_str fields_of(const jh_call_response *response) {
  return (jh_str){response->head.ptr + response->fields, response->head.len - response->fields - 2};
}

jh_forward_response jh_relay_describe(const jh_relay *relay, int status) {
  const jh_call_response *response = &relay->response;
  jh_forward_response forward = {
      .fields = fields_of(response),
      .own = &relay->ctx->response,
      .dropped = relay->changes ? &relay->changes->dropped_of_response : NULL,
      .status = status,
      .is_http10 = relay->ctx->request.http_minor == 0,
  };
  if ((uint32_t)status == response->status) {
    forward.reason = reason_of(response);
  } else {
    forward.reason = jh_str_of(jh_status_reason(status));
  }
  jh_str server_line;
  jh_loop_head_lines(relay->loop, &server_line, &forward.date_line);
  return forward;
}

jh_buf *jh_relay_reserve_head(jh_conn *conn, const jh_forward_response *forward, size_t body_bytes,
                              size_t *len, int *error) {
  jh_buf *buf = jh_conn_reserve(conn, jh_forward_response_bytes(forward) + body_bytes);
  *error = JH_ENOMEM;
  if (!buf) return NULL;
  ssize_t count = jh_forward_write_response(forward, buf->data + buf->end);
  *error = count < 0 ? JH_EPROTO : 0;
  if (count < 0) return NULL;
  *len = (size_t)count;
  return buf;
}

/* Early hints and the like, from HTTP/1 to HTTP/1. */
static void inform(jh_relay *relay, const jh_call_response *interim) {
  jh_conn *conn = relay->ctx->conn;
  if (!conn || conn->protocol != &jh_protocol_http1) return;
  jh_forward_response forward = {.fields = fields_of(interim),
                                 .reason = reason_of(interim),
                                 .status = (int)interim->status,
                                 .is_keep_alive = true};
  size_t len;
  int error;
  jh_buf *buf = jh_relay_reserve_head(conn, &forward, 0, &len, &error);
  if (!buf) return;
  buf->end += (uint32_t)len;
  jh_conn_flush(conn);
}

void jh_relay_pass_interim(jh_relay *relay) {
  jh_call_response interim;
  while (relay->call && jh_call_next_interim(relay->call, &interim) == 0) {
    if (interim.status == 100) {
      jh_relay_on_continue(relay);
    } else {
      inform(relay, &interim);
    }
  }
}

/* ---- whole responses over HTTP/1 ---- */

/* Reads what is known to be there. */
static bool read_body(jh_relay *relay, char *out, size_t bytes) {
  while (bytes > 0) {
    ssize_t count = jh_call_read(relay->call, out, bytes, 0);
    if (count <= 0) return false;
    out += count;
    bytes -= (size_t)count;
  }
  return true;
}

static int send_whole(jh_relay *relay, int status) {
  jh_ctx *ctx = relay->ctx;
  jh_conn *conn = ctx->conn;
  bool has_body = !relay->response.is_over && relay->call->state != JH_CALL_DONE;
  int64_t length = relay->response.content_length;
  size_t body_bytes = has_body && length > 0 ? (size_t)length : 0;
  bool is_bodyless = jh_status_has_no_body(status) || ctx->request.method == JH_METHOD_HEAD;
  jh_forward_response forward = jh_relay_describe(relay, status);
  forward.is_keep_alive = jh_conn_stays_open(conn, ctx, false);
  forward.has_length = !jh_status_has_no_body(status) && (length >= 0 || !is_bodyless);
  forward.body_bytes = length > 0 ? (uint64_t)length : 0;
  size_t len;
  int error;
  jh_buf *buf = jh_relay_reserve_head(conn, &forward, body_bytes, &len, &error);
  if (!buf) return error;
  /* Nothing is committed before all of it is there. */
  if (body_bytes && !read_body(relay, buf->data + buf->end + len, body_bytes)) return JH_EPROTO;
  buf->end += (uint32_t)(is_bodyless ? len : len + body_bytes);
  relay->body_bytes = is_bodyless ? 0 : body_bytes;
  jh_relay_free(relay);
  jh_conn_end_exchange(conn, ctx, forward.is_keep_alive);
  jh_conn_after_answer(conn);
  return 0;
}

/* ---- streamed responses ---- */

/* Head of a streamed response over HTTP/1. */
static int start_http1(jh_relay *relay, int status) {
  jh_ctx *ctx = relay->ctx;
  jh_conn *conn = ctx->conn;
  int64_t length = relay->response.content_length;
  bool is_bodyless = jh_status_has_no_body(status) || ctx->request.method == JH_METHOD_HEAD;
  jh_forward_response forward = jh_relay_describe(relay, status);
  forward.is_keep_alive = jh_conn_stays_open(conn, ctx, true);
  int state = JH_STREAM_BODYLESS;
  if (!is_bodyless && length >= 0) {
    state = JH_STREAM_LENGTH;
  } else if (!is_bodyless && forward.is_http10) {
    state = JH_STREAM_TO_CLOSE;
    forward.is_keep_alive = false;
  } else if (!is_bodyless) {
    state = JH_STREAM_CHUNKED;
    forward.is_chunked = true;
  }
  forward.has_length = length >= 0 && !jh_status_has_no_body(status);
  forward.body_bytes = length >= 0 ? (uint64_t)length : 0;
  size_t len;
  int error;
  jh_buf *buf = jh_relay_reserve_head(conn, &forward, 0, &len, &error);
  if (!buf) return error;
  buf->end += (uint32_t)len;
  ctx->stream_state = (uint8_t)state;
  ctx->stream_left = forward.body_bytes;
  ctx->closes_after_stream = !forward.is_keep_alive;
  jh_conn_mark_pending(conn);
  return 0;
}

int jh_relay_import(jh_relay *relay, bool is_replaced) {
  jh_ctx *ctx = relay->ctx;
  jh_forward_response forward = jh_relay_describe(relay, (int)relay->response.status);
  forward.is_replaced = is_replaced;
  return jh_forward_import(&forward, &ctx->response, &ctx->arena);
}

/* Head of a streamed response over anything else. */
static int start_other(jh_relay *relay, int status) {
  jh_ctx *ctx = relay->ctx;
  int error = jh_relay_import(relay, false);
  if (error) return error;
  return ctx->conn->protocol->start_stream(ctx->conn, ctx, status, JH_TYPE_NONE,
                                           relay->response.content_length);
}

static void go_on(void *data) {
  jh_relay *relay = data;
  relay->alarm = NULL;
  jh_relay_pump_response(relay);
}

/* One piece. 0, JH_EWAIT when nothing more can be done now, 1 at the end, or why it broke off. */
static int pass_piece(jh_relay *relay, size_t *turn_bytes) {
  jh_ctx *ctx = relay->ctx;
  char *piece = relay->loop->relays->response_piece;
  if (!ctx->conn) return JH_ECLOSED;
  ssize_t count = jh_call_read(relay->call, piece, JH_RELAY_PIECE_BYTES, 0);
  if (count < 0) return (int)count;
  if (count == 0) return relay->call->has_read_all ? 1 : 0;
  relay->body_bytes += (uint64_t)count;
  *turn_bytes += (size_t)count;
  jh_str bytes = {piece, (size_t)count};
  int error = ctx->conn->protocol->stream(ctx->conn, ctx, bytes, 1);
  if (error == JH_EWAIT || error == 0) return error;
  relay->is_clients_fault = error == JH_ECLOSED;
  return error;
}

void jh_relay_pump_response(jh_relay *relay) {
  size_t turn_bytes = 0;
  int result = 0;
  if (relay->is_pumping || relay->state != JH_RELAY_STREAMING) return;
  relay->is_pumping = true;
  while (result == 0 && relay->call && !relay->ctx->write_wait_id) {
    if (turn_bytes >= JH_RELAY_TURN_BYTES) {
      relay->alarm = jh_alarm_start(&relay->loop->alarms, 0, go_on, relay);
      result = relay->alarm ? JH_EWAIT : JH_ENOMEM;
      break;
    }
    result = pass_piece(relay, &turn_bytes);
  }
  relay->is_pumping = false;
  if (result == 0 || result == JH_EWAIT) return;
  jh_relay_end_with(relay, result == 1 ? 0 : result);
}

void jh_relay_on_client_writable(jh_relay *relay, int error) {
  if (relay->state != JH_RELAY_STREAMING) return;
  if (error < 0) {
    relay->is_clients_fault = true;
    jh_relay_end_with(relay, error);
  } else {
    jh_relay_pump_response(relay);
  }
}

/* ---- what Lua decides ---- */

int jh_relay_answer(jh_relay *relay, int status, uint32_t wait_id) {
  jh_conn *conn = relay->ctx->conn;
  if (relay->state != JH_RELAY_AT_HEAD) return JH_EINVAL;
  if (!conn) return JH_ECLOSED;
  bool is_http1 = conn->protocol == &jh_protocol_http1;
  bool is_whole = jh_relay_head_code(relay) & JH_RELAY_WHOLE_BIT;
  if (is_http1 && is_whole) return send_whole(relay, status);
  int error = is_http1 ? start_http1(relay, status) : start_other(relay, status);
  if (error) return error;
  relay->state = JH_RELAY_STREAMING;
  jh_relay_pump_response(relay);
  if (relay->state == JH_RELAY_OVER) return relay->error ? relay->error : JH_RELAY_PASSED;
  relay->wait_id = wait_id;
  return JH_EWAIT;
}

int jh_relay_finish(jh_relay *relay) {
  jh_ctx *ctx = relay->ctx;
  jh_conn *conn = ctx->conn;
  jh_str trailers, kept = {NULL, 0};
  if (relay->state != JH_RELAY_OVER || relay->error) return JH_EINVAL;
  if (!conn) return JH_ECLOSED;
  jh_call_trailers(relay->call, &trailers);
  if (trailers.len) {
    kept.ptr = jh_arena_try_dup(&ctx->arena, trailers.ptr, trailers.len);
    kept.len = kept.ptr ? trailers.len : 0;
  }
  jh_relay_free(relay);
  return conn->protocol->end_stream(conn, ctx, kept);
}
