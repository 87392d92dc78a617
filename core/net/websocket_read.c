/* websocket_read.c: the way in: bytes to messages.
 *
 * Of what a read brought everything is parsed up to the first whole message; the rest waits in the
 * buffer until Lua has taken that one. So the order is kept, and a peer that sends faster than its
 * handler takes is slowed down by TCP. */
#include "net/websocket.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"

enum { SHARED_BITS = JH_WEBSOCKET_BITS_MAX };

/* ---- telling Lua ---- */

void jh_websocket_tell_reader(jh_websocket *websocket) {
  jh_event_node *node = &websocket->read_node;
  if (websocket->read_wait_id) {
    node->event = (jh_event){.kind = JH_EVENT_WAKE, .id = websocket->read_wait_id};
    websocket->read_wait_id = 0;
  } else if (websocket->is_armed) {
    node->event = (jh_event){.kind = JH_EVENT_WEBSOCKET, .id = websocket->id};
    websocket->is_armed = false;
  } else {
    return;
  }
  node->owner = JH_EVENT_OF_WEBSOCKET_READ;
  jh_event_queue_push(websocket->ready, node);
}

void jh_websocket_drop_message(jh_websocket *websocket) {
  if (websocket->message) jh_buf_release(&websocket->loop->bufs, websocket->message);
  websocket->message = NULL;
  websocket->delivery = JH_WEBSOCKET_READING;
}

/* ---- messages in pieces ---- */

/* Room for `bytes` more of the message, which must not become longer than it may. */
static bool make_room(jh_websocket *websocket, size_t bytes) {
  jh_buf_pool *bufs = &websocket->loop->bufs;
  if (!websocket->message) websocket->message = jh_buf_try_acquire(bufs);
  jh_buf *buf = websocket->message;
  if (!buf) return false;
  if (jh_buf_space(buf) >= bytes) return true;
  size_t capacity = (size_t)buf->capacity * 2;
  if (capacity < buf->end + bytes) capacity = buf->end + bytes;
  jh_buf *grown = jh_buf_try_grow(bufs, buf, capacity);
  if (grown) websocket->message = grown;
  return grown != NULL;
}

static int fail_memory(jh_websocket *websocket) {
  return jh_websocket_reader_fail(&websocket->reader, JH_ENOMEM, JH_WEBSOCKET_INTERNAL_ERROR,
                                  "out of memory");
}

static int append(jh_websocket *websocket, const jh_websocket_event *event) {
  if (!make_room(websocket, event->len)) return fail_memory(websocket);
  jh_buf *buf = websocket->message;
  if (event->len) memcpy(buf->data + buf->end, event->ptr, event->len);
  buf->end += (uint32_t)event->len;
  return 0;
}

/* The one that all share, when it is free; one of its own when the window lives on. */
static bool take_inflater(jh_websocket *websocket) {
  jh_loop *loop = websocket->loop;
  if (websocket->inflater) return true;
  bool lives_on = websocket->is_client ? websocket->deflate.server_takes_over
                                       : websocket->deflate.client_takes_over;
  if (!lives_on && !loop->websockets.is_inflater_in_use) {
    if (!loop->websockets.inflater) {
      loop->websockets.inflater = jh_websocket_inflater_try_new(SHARED_BITS);
    }
    if (!loop->websockets.inflater) return false;
    loop->websockets.is_inflater_in_use = websocket->has_shared_inflater = true;
    websocket->inflater = loop->websockets.inflater;
    jh_websocket_inflater_reset(websocket->inflater);
    return true;
  }
  int bits = websocket->is_client ? websocket->deflate.server_bits : websocket->deflate.client_bits;
  websocket->inflater = jh_websocket_inflater_try_new(bits);
  return websocket->inflater != NULL;
}

/* A message is inflated. */
static void put_back_inflater(jh_websocket *websocket) {
  bool lives_on = websocket->is_client ? websocket->deflate.server_takes_over
                                       : websocket->deflate.client_takes_over;
  if (websocket->has_shared_inflater) {
    websocket->loop->websockets.is_inflater_in_use = websocket->has_shared_inflater = false;
    websocket->inflater = NULL;
  } else if (!lives_on) {
    jh_websocket_inflater_free(websocket->inflater);
    websocket->inflater = NULL;
  }
}

/* One step into the room there is. As jh_websocket_inflate_piece(). */
static int inflate_some(jh_websocket *websocket, jh_coding_io *io, bool is_last) {
  jh_websocket_reader *reader = &websocket->reader;
  if (!make_room(websocket, 1)) return fail_memory(websocket);
  jh_buf *buf = websocket->message;
  char *before = buf->data + buf->end;
  io->output = before;
  io->output_bytes = jh_buf_space(buf);
  int code = jh_websocket_inflate_piece(websocket->inflater, io, is_last);
  if (code == JH_ENOMEM) return fail_memory(websocket);
  if (code < 0) {
    return jh_websocket_reader_fail(reader, code, JH_WEBSOCKET_INVALID_TEXT,
                                    "the compressed message is damaged");
  }
  buf->end += (uint32_t)(io->output - before);
  if (websocket->max_message_bytes && buf->end > websocket->max_message_bytes) {
    return jh_websocket_reader_fail(reader, JH_ELIMIT, JH_WEBSOCKET_TOO_BIG,
                                    "the message is too big");
  }
  return code;
}

static int inflate(jh_websocket *websocket, const jh_websocket_event *event) {
  if (!take_inflater(websocket)) return fail_memory(websocket);
  jh_coding_io io = {.input = event->ptr, .input_bytes = event->len};
  uint32_t judged = websocket->message ? websocket->message->end : 0;
  int code;
  do {
    code = inflate_some(websocket, &io, event->is_last);
  } while (code == JH_CODING_FULL);
  if (code < 0) return code;
  if (event->is_last) put_back_inflater(websocket);
  if (event->opcode != JH_WEBSOCKET_TEXT) return 0;
  jh_str fresh = {websocket->message->data + judged, websocket->message->end - judged};
  return jh_websocket_reader_check_text(&websocket->reader, fresh, event->is_last);
}

/* 0 or a negative code. */
static int on_piece(jh_websocket *websocket, const jh_websocket_event *event) {
  if (websocket->state != JH_WEBSOCKET_OPEN) return 0;
  bool is_alone = event->is_first && event->is_last && !event->is_compressed;
  if (is_alone) {
    websocket->whole = (jh_str){event->ptr, event->len};
  } else {
    int error = event->is_compressed ? inflate(websocket, event) : append(websocket, event);
    if (error || !event->is_last) return error;
    websocket->whole = (jh_str){websocket->message->data, websocket->message->end};
  }
  websocket->kind = event->opcode;
  websocket->delivery = JH_WEBSOCKET_WAITING;
  return 0;
}

/* ---- control frames ---- */

/* A close is answered with its own code and reason; then nothing more is said. */
static void on_close_frame(jh_websocket *websocket, const jh_websocket_event *event) {
  char payload[JH_WEBSOCKET_CONTROL_BYTES_MAX];
  if (websocket->state == JH_WEBSOCKET_OPEN) {
    jh_str reason = {event->ptr, event->len};
    size_t len = jh_websocket_write_close(payload, event->close_code, reason);
    jh_websocket_note_close(websocket, event->close_code, reason);
    jh_websocket_send_control(websocket, JH_WEBSOCKET_CLOSE, (jh_str){payload, len});
  }
  jh_websocket_end(websocket);
}

static int on_event(jh_websocket *websocket, const jh_websocket_event *event) {
  switch (event->opcode) {
  case JH_WEBSOCKET_PING:
    if (websocket->state == JH_WEBSOCKET_OPEN) {
      jh_websocket_send_control(websocket, JH_WEBSOCKET_PONG, (jh_str){event->ptr, event->len});
    }
    return 0;
  case JH_WEBSOCKET_PONG:
    return 0;
  case JH_WEBSOCKET_CLOSE:
    on_close_frame(websocket, event);
    return 0;
  default:
    return on_piece(websocket, event);
  }
}

/* ---- input ---- */

void jh_websocket_advance(jh_websocket *websocket) {
  jh_websocket_event event;
  if (websocket->delivery == JH_WEBSOCKET_TAKEN) jh_websocket_drop_message(websocket);
  while (websocket->delivery == JH_WEBSOCKET_READING && websocket->conn && websocket->conn->in) {
    jh_buf *buf = websocket->conn->in;
    size_t used;
    int code = jh_websocket_reader_next(&websocket->reader, buf->data + buf->start, jh_buf_len(buf),
                                        &used, &event);
    buf->start += (uint32_t)used;
    if (code == 0) break;
    if (code > 0) code = on_event(websocket, &event);
    if (code < 0) {
      jh_websocket_fail(websocket);
      return;
    }
  }
  jh_conn *conn = websocket->conn;
  if (!conn) return;
  if (websocket->delivery != JH_WEBSOCKET_READING) {
    jh_websocket_tell_reader(websocket);
  } else if (conn->in && jh_buf_len(conn->in) == 0) {
    jh_buf_release(&websocket->loop->bufs, conn->in);
    conn->in = NULL;
  }
}

/* The peer's end without a close frame: 1006. */
static void on_end(jh_websocket *websocket) {
  jh_conn *conn = websocket->conn;
  conn->has_ended = true;
  jh_websocket_note_close(websocket, JH_WEBSOCKET_ABNORMAL, JH_STR(""));
  jh_websocket_end(websocket);
}

static void receive(jh_websocket *websocket) {
  jh_conn *conn = websocket->conn;
  if (!conn->in) conn->in = jh_buf_try_acquire(&websocket->loop->bufs);
  if (!conn->in) {
    jh_conn_close(conn);
    return;
  }
  jh_buf_compact(conn->in);
  JH_ASSERT(jh_buf_space(conn->in) > 0);
  ssize_t count =
      conn->transport->read(conn, conn->in->data + conn->in->end, jh_buf_space(conn->in));
  if (count == 0) {
    on_end(websocket);
  } else if (count > 0) {
    conn->in->end += (uint32_t)count;
    websocket->heard_ms = uv_now(&websocket->loop->uv);
    jh_websocket_advance(websocket);
  } else if (count != -EAGAIN) {
    jh_conn_close(conn);
  } else if (jh_buf_len(conn->in) == 0) {
    jh_buf_release(&websocket->loop->bufs, conn->in);
    conn->in = NULL;
  }
}

void jh_websocket_on_readable(jh_conn *conn) {
  jh_websocket *websocket = JH_LIST_ENTRY(conn->guest, jh_websocket, guest);
  jh_websocket_enter(websocket);
  if (websocket->delivery == JH_WEBSOCKET_TAKEN) jh_websocket_drop_message(websocket);
  if (websocket->state == JH_WEBSOCKET_DIALLING) {
    jh_websocket_read_answer(websocket);
  } else if (websocket->delivery == JH_WEBSOCKET_READING) {
    receive(websocket);
  } else {
    jh_conn_poll(conn, conn->events & ~UV_READABLE);
  }
  jh_websocket_leave(websocket);
}

/* ---- what Lua calls ---- */

int jh_websocket_take(jh_websocket *websocket, jh_str *message, uint32_t wait_id) {
  if (websocket->read_wait_id) return JH_EBUSY;
  if (websocket->conn && websocket->delivery != JH_WEBSOCKET_WAITING) {
    jh_websocket_advance(websocket);
  }
  jh_conn *conn = websocket->conn;
  if (websocket->state != JH_WEBSOCKET_OPEN || !conn) return 0;
  if (websocket->delivery == JH_WEBSOCKET_WAITING) {
    websocket->delivery = JH_WEBSOCKET_TAKEN;
    *message = websocket->whole;
    /* The control frames behind it do not wait for its handler. */
    if (conn->in && jh_buf_len(conn->in)) jh_conn_mark_pending(conn);
    return websocket->kind;
  }
  websocket->read_wait_id = wait_id;
  jh_conn_poll(conn, conn->events | UV_READABLE);
  return JH_EWAIT;
}

void jh_websocket_arm(jh_websocket *websocket) {
  websocket->is_armed = true;
  if (websocket->conn && websocket->delivery != JH_WEBSOCKET_WAITING) {
    jh_websocket_advance(websocket);
  }
  if (!websocket->is_armed) return;
  jh_conn *conn = websocket->conn;
  bool is_there = websocket->delivery == JH_WEBSOCKET_WAITING;
  if (websocket->state != JH_WEBSOCKET_OPEN || is_there || !conn) {
    jh_websocket_tell_reader(websocket);
    return;
  }
  jh_conn_poll(conn, conn->events | UV_READABLE);
}

void jh_websocket_forget(jh_websocket *websocket, uint32_t wait_id) {
  if (websocket->read_wait_id == wait_id) websocket->read_wait_id = 0;
  if (websocket->write_wait_id == wait_id) websocket->write_wait_id = 0;
}
