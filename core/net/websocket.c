/* websocket.c: opening, closing and deadlines of a WebSocket.
 *
 * One deadline serves pings and silence: it comes every ping_ms (or idle_ms when there are no
 * pings) and looks when the peer was heard last, so that messages need not move it. */
#include "net/websocket.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/hub.h"

enum { CLOSING_MS = 5000 /* a peer may take to answer a close */ };

static const jh_guest_class websocket_class;

static jh_websocket *websocket_of(jh_conn *conn) {
  return JH_LIST_ENTRY(conn->guest, jh_websocket, guest);
}

void jh_websocket_set_deadline(jh_websocket *websocket) {
  uint32_t ms = websocket->ping_ms ? websocket->ping_ms : websocket->idle_ms;
  if (websocket->idle_ms && websocket->idle_ms < ms) ms = websocket->idle_ms;
  jh_timeout_set_own(&websocket->loop->timeouts, &websocket->conn->timeout, JH_TIMEOUT_KEEPALIVE,
                     ms);
}

jh_websocket *jh_websocket_try_new(jh_loop *loop, jh_event_queue *ready,
                                   const jh_websocket_options *options) {
  jh_websocket *websocket = jh_try_calloc(1, sizeof *websocket);
  if (!websocket) return NULL;
  websocket->guest.class = &websocket_class;
  websocket->loop = loop;
  websocket->ready = ready;
  websocket->id = options->id;
  websocket->max_message_bytes = options->max_message_bytes;
  websocket->ping_ms = options->ping_ms;
  websocket->idle_ms = options->idle_ms;
  jh_websocket_reader_init(&websocket->reader, options->max_message_bytes,
                           options->max_frame_bytes);
  jh_list_init(&websocket->node);
  jh_list_append(&loop->websockets.all, &websocket->node);
  return websocket;
}

void jh_websocket_take_over(jh_websocket *websocket, jh_conn *conn) {
  websocket->conn = conn;
  websocket->heard_ms = uv_now(&websocket->loop->uv);
  conn->guest = &websocket->guest;
  conn->state = JH_CONN_HIJACKED;
}

void jh_websocket_agree_on(jh_websocket *websocket, const jh_websocket_deflate *deflate) {
  if (!deflate) return;
  websocket->deflate = *deflate;
  websocket->is_compressed = true;
  websocket->reader.takes_compressed = true;
}

jh_websocket *jh_websocket_open(jh_conn *conn, jh_ctx *ctx, jh_event_queue *ready,
                                const jh_websocket_options *options,
                                const jh_websocket_deflate *deflate) {
  jh_websocket *websocket = jh_websocket_try_new(conn->loop, ready, options);
  if (!websocket) return NULL;
  jh_websocket_take_over(websocket, conn);
  jh_websocket_agree_on(websocket, deflate);
  ctx->conn->ctx = NULL;
  ctx->is_held_by_lua = false;
  jh_ctx_put_back(&conn->loop->ctxs, ctx);
  jh_websocket_set_deadline(websocket);
  jh_conn_mark_pending(conn);
  jh_conn_poll(conn, conn->events | UV_READABLE);
  if (conn->loop->is_draining) {
    jh_websocket_begin_close(websocket, JH_WEBSOCKET_GOING_AWAY, JH_STR("the server stops"));
  }
  return websocket;
}

/* ---- end ---- */

void jh_websocket_note_close(jh_websocket *websocket, int code, jh_str reason) {
  if (websocket->close_code) return;
  websocket->close_code = (uint16_t)code;
  if (reason.len == 0) return;
  if (reason.len > JH_WEBSOCKET_REASON_BYTES_MAX) reason.len = JH_WEBSOCKET_REASON_BYTES_MAX;
  websocket->close_reason = jh_try_alloc(reason.len);
  if (!websocket->close_reason) return;
  memcpy(websocket->close_reason, reason.ptr, reason.len);
  websocket->close_reason_bytes = (uint8_t)reason.len;
}

void jh_websocket_lose(jh_websocket *websocket) {
  jh_loop *loop = websocket->loop;
  jh_websocket_note_close(websocket, JH_WEBSOCKET_ABNORMAL, JH_STR(""));
  websocket->conn = NULL;
  websocket->state = JH_WEBSOCKET_ENDED;
  if (websocket->message) jh_buf_release(&loop->bufs, websocket->message);
  websocket->message = NULL;
  websocket->delivery = JH_WEBSOCKET_READING;
  if (websocket->has_shared_inflater) {
    loop->websockets.is_inflater_in_use = false;
  } else {
    jh_websocket_inflater_free(websocket->inflater);
  }
  websocket->inflater = NULL;
  jh_websocket_deflater_free(websocket->deflater);
  websocket->deflater = NULL;
  jh_websocket_tell_reader(websocket);
  jh_websocket_tell_writer(websocket, JH_ECLOSED);
}

void jh_websocket_end(jh_websocket *websocket) {
  jh_conn *conn = websocket->conn;
  jh_hub_leave(conn->loop->hub, conn, false);
  conn->guest = NULL;
  conn->closes_after_write = true;
  conn->lingers = !conn->has_ended;
  conn->state = JH_CONN_IDLE;
  jh_timeout_clear(&conn->timeout);
  jh_websocket_lose(websocket);
  jh_conn_flush(conn);
}

void jh_websocket_begin_close(jh_websocket *websocket, int code, jh_str reason) {
  char payload[JH_WEBSOCKET_CONTROL_BYTES_MAX];
  if (websocket->state != JH_WEBSOCKET_OPEN) return;
  jh_hub_leave(websocket->loop->hub, websocket->conn, false);
  size_t len = jh_websocket_write_close(payload, code, reason);
  jh_websocket_note_close(websocket, code, reason);
  websocket->state = JH_WEBSOCKET_CLOSING;
  if (jh_websocket_send_control(websocket, JH_WEBSOCKET_CLOSE, (jh_str){payload, len}) < 0) {
    jh_conn_close(websocket->conn);
    return;
  }
  jh_timeout_set_own(&websocket->loop->timeouts, &websocket->conn->timeout, JH_TIMEOUT_KEEPALIVE,
                     CLOSING_MS);
  jh_websocket_drop_message(websocket);
  jh_websocket_tell_reader(websocket);
  jh_conn_poll(websocket->conn, websocket->conn->events | UV_READABLE);
  jh_websocket_advance(websocket);
}

void jh_websocket_fail(jh_websocket *websocket) {
  char payload[JH_WEBSOCKET_CONTROL_BYTES_MAX];
  jh_str reason = jh_str_of(websocket->reader.reason);
  int code = websocket->reader.close_code;
  if (websocket->state == JH_WEBSOCKET_OPEN) {
    size_t len = jh_websocket_write_close(payload, code, reason);
    jh_websocket_send_control(websocket, JH_WEBSOCKET_CLOSE, (jh_str){payload, len});
  }
  jh_websocket_note_close(websocket, code, reason);
  jh_websocket_end(websocket);
}

static void on_close(jh_conn *conn) {
  jh_websocket *websocket = websocket_of(conn);
  jh_websocket_enter(websocket);
  jh_websocket_lose(websocket);
  jh_websocket_leave(websocket);
}

static void look_at_silence(jh_websocket *websocket) {
  jh_conn *conn = websocket->conn;
  if (websocket->state == JH_WEBSOCKET_DIALLING) {
    jh_websocket_stop_dialling(websocket);
    return;
  }
  uint64_t silent_ms = uv_now(&websocket->loop->uv) - websocket->heard_ms;
  bool is_dead = websocket->idle_ms && silent_ms >= websocket->idle_ms;
  if (websocket->state == JH_WEBSOCKET_CLOSING || is_dead) {
    if (is_dead) {
      jh_websocket_note_close(websocket, JH_WEBSOCKET_ABNORMAL, JH_STR("the peer is silent"));
      websocket->loop->counters.timeouts++;
    }
    jh_conn_close(conn);
    return;
  }
  if (websocket->ping_ms && silent_ms >= websocket->ping_ms) {
    jh_websocket_send_control(websocket, JH_WEBSOCKET_PING, JH_STR(""));
  }
  jh_websocket_set_deadline(websocket);
}

static void on_timeout(jh_conn *conn) {
  jh_websocket *websocket = websocket_of(conn);
  jh_websocket_enter(websocket);
  look_at_silence(websocket);
  jh_websocket_leave(websocket);
}

static void on_drain(jh_conn *conn) {
  jh_websocket *websocket = websocket_of(conn);
  jh_websocket_enter(websocket);
  jh_websocket_begin_close(websocket, JH_WEBSOCKET_GOING_AWAY, JH_STR("the server stops"));
  jh_websocket_leave(websocket);
}

static void on_written(jh_conn *conn) {
  jh_websocket *websocket = websocket_of(conn);
  jh_websocket_enter(websocket);
  jh_conn_poll(conn, conn->events & ~UV_WRITABLE);
  jh_websocket_tell_writer(websocket, 0);
  bool is_speaking = websocket->conn && websocket->state != JH_WEBSOCKET_DIALLING;
  if (is_speaking) jh_websocket_advance(websocket);
  jh_websocket_leave(websocket);
}

static const jh_guest_class websocket_class = {.on_readable = jh_websocket_on_readable,
                                               .on_written = on_written,
                                               .on_timeout = on_timeout,
                                               .on_drain = on_drain,
                                               .on_close = on_close};

/* ---- what Lua calls ---- */

int jh_websocket_close(jh_websocket *websocket, int code, const char *reason, size_t len) {
  if (websocket->state != JH_WEBSOCKET_OPEN) return JH_ECLOSED;
  bool is_valid = code == JH_WEBSOCKET_NO_CODE || jh_websocket_code_is_valid(code);
  if (!is_valid || !jh_utf8_is_valid((jh_str){reason, len})) return JH_EINVAL;
  jh_websocket_begin_close(websocket, code, (jh_str){reason, len});
  return 0;
}

int jh_websocket_close_code(jh_websocket *websocket, jh_str *reason) {
  *reason = (jh_str){websocket->close_reason, websocket->close_reason_bytes};
  return websocket->close_code;
}

/* A queued event still points into it, and a connection that is closing. */
void jh_websocket_leave(jh_websocket *websocket) {
  if (--websocket->depth > 0 || !websocket->is_released || websocket->conn) return;
  if (websocket->read_node.is_queued || websocket->write_node.is_queued) return;
  jh_list_remove(&websocket->node);
  jh_free(websocket->close_reason);
  jh_free(websocket->dial);
  jh_free(websocket);
}

void jh_websocket_on_event_taken(jh_websocket *websocket) {
  jh_websocket_enter(websocket);
  jh_websocket_leave(websocket);
}

void jh_websocket_release(jh_websocket *websocket) {
  jh_websocket_enter(websocket);
  websocket->read_wait_id = websocket->write_wait_id = 0;
  websocket->is_armed = false;
  websocket->is_released = true;
  if (websocket->state == JH_WEBSOCKET_DIALLING) jh_websocket_stop_dialling(websocket);
  jh_websocket_begin_close(websocket, JH_WEBSOCKET_NORMAL, JH_STR(""));
  jh_websocket_leave(websocket);
}

void jh_websocket_close_all(jh_loop *loop, const jh_event_queue *ready) {
  jh_list *node = loop->websockets.all.next;
  while (node != &loop->websockets.all) {
    jh_websocket *websocket = JH_LIST_ENTRY(node, jh_websocket, node);
    node = node->next;
    if (websocket->ready != ready || websocket->is_released) continue;
    jh_websocket_begin_close(websocket, JH_WEBSOCKET_GOING_AWAY, JH_STR(""));
    jh_websocket_release(websocket);
  }
}

void jh_websockets_init(jh_websockets *websockets) {
  *websockets = (jh_websockets){.is_inflater_in_use = false};
  jh_list_init(&websockets->all);
}

void jh_websockets_deinit(jh_websockets *websockets) {
  for (int i = 0; i < JH_WEBSOCKETS_DEFLATER_COUNT; i++) {
    jh_websocket_deflater_free(websockets->deflaters[i]);
  }
  jh_websocket_inflater_free(websockets->inflater);
}
