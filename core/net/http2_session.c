/* http2_session.c: life of an HTTP/2 connection, its input and its output.
 *
 * Input is given to nghttp2 as it comes; its callbacks (http2_receive.c) only make requests, queue
 * events and submit frames. Frames leave in jh_http2_flush(), at the end of the turn: so all
 * answers of a turn share one write, and a client that does not read is not read either.
 *
 * What must stay true: nothing calls nghttp2's sending or receiving functions while one of them is
 * on the stack, and the session is not freed under them: callbacks report failure instead. */
#include "net/http2_session.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "net/http2_tunnel.h"

enum {
  QUEUE_HIGH_BYTES = 131072,    /* frames are made for one write until this much is queued */
  TURN_BYTES = 1 << 20,         /* written to one client before the others have their turn */
  STREAM_WINDOW_BYTES = 262144, /* of a body that nobody reads yet */
  WINDOW_BYTES = 1 << 20,       /* of all such bodies of a connection */
  HEAD_SLACK_BYTES = 65536      /* beyond max_header_bytes: compressed fields that are refused */
};

/* ---- life ---- */

static int submit_settings(jh_http2_session *session) {
  const jh_loop_settings *settings = &session->conn->loop->settings;
  nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings->max_streams_per_connection},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings->parse.max_header_bytes},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
  };
  int error = nghttp2_submit_settings(session->engine, NGHTTP2_FLAG_NONE, entries,
                                      sizeof entries / sizeof entries[0]);
  if (error) return error;
  return nghttp2_session_set_local_window_size(session->engine, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES);
}

static int start_engine(jh_http2_session *session) {
  nghttp2_mem mem = {.mem_user_data = &session->heap,
                     .malloc = jh_http2_memory_alloc,
                     .free = jh_http2_memory_free,
                     .calloc = jh_http2_memory_calloc,
                     .realloc = jh_http2_memory_realloc};
  nghttp2_session_callbacks *callbacks = NULL;
  nghttp2_option *option = NULL;
  int error = nghttp2_session_callbacks_new(&callbacks);
  if (error) return error;
  error = nghttp2_option_new(&option);
  if (error) goto done;
  nghttp2_option_set_no_auto_window_update(option, 1);
  /* Streams of the past serve the priorities of RFC 7540 only. */
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
  jh_http2_set_receive_callbacks(callbacks);
  jh_http2_set_send_callbacks(callbacks);
  error = nghttp2_session_server_new3(&session->engine, callbacks, session, option, &mem);
done:
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return error;
}

/* Gives nghttp2 what was received before it was there. */
static void receive(jh_http2_session *session, const char *bytes, size_t len);

static void receive_rest(jh_conn *conn) {
  jh_buf *in = conn->in;
  if (!in) return;
  conn->in = NULL;
  receive(conn->http2, in->data + in->start, jh_buf_len(in));
  jh_buf_release(&conn->loop->bufs, in);
}

void jh_http2_take_over(jh_conn *conn) {
  jh_loop *loop = conn->loop;
  jh_http2_session *session = jh_try_calloc(1, sizeof *session);
  jh_conn_drop_ctx(conn);
  jh_timeout_clear(&conn->timeout);
  if (!session) {
    jh_conn_close(conn);
    return;
  }
  conn->http2 = session;
  conn->state = JH_CONN_HTTP2;
  session->conn = conn;
  session->budget = JH_HTTP2_BUDGET;
  session->budget_at_ms = uv_now(&loop->uv);
  jh_list_init(&session->streams);
  jh_http2_heap_init(&session->heap, &loop->http2_memory);
  if (start_engine(session) || submit_settings(session)) {
    jh_conn_close(conn);
    return;
  }
  jh_conn_mark_pending(conn);
  receive_rest(conn);
}

void jh_http2_free(jh_http2_session *session) {
  while (!jh_list_is_empty(&session->streams)) {
    jh_http2_stream *stream = JH_LIST_ENTRY(session->streams.next, jh_http2_stream, conn.node);
    jh_http2_stream_close(stream);
  }
  /* After running out of memory it would free some of it twice (1.52). */
  if (!session->is_broken) nghttp2_session_del(session->engine);
  jh_http2_heap_deinit(&session->heap);
  jh_free(session);
}

/* ---- limits ---- */

bool jh_http2_charge(jh_http2_session *session, uint32_t cost) {
  if (session->budget >= cost) {
    session->budget -= cost;
    return true;
  }
  uint64_t now_ms = uv_now(&session->conn->loop->uv);
  uint64_t earned = (now_ms - session->budget_at_ms) * JH_HTTP2_BUDGET_PER_SECOND / 1000 +
                    session->sent_bytes / 1024;
  uint64_t budget = session->budget + earned;
  session->budget = budget < JH_HTTP2_BUDGET ? (uint32_t)budget : JH_HTTP2_BUDGET;
  if (session->budget < cost) {
    session->error_code = NGHTTP2_ENHANCE_YOUR_CALM;
    return false;
  }
  session->budget_at_ms = now_ms;
  session->sent_bytes = 0;
  session->budget -= cost;
  return true;
}

/* Nothing further is taken from this client; it is told why. */
static void terminate(jh_http2_session *session, uint32_t error_code) {
  session->is_final = true;
  nghttp2_session_terminate_session(session->engine, error_code);
  jh_conn_mark_pending(session->conn);
}

static void fail(jh_http2_session *session, int error) {
  jh_conn *conn = session->conn;
  conn->loop->counters.protocol_errors++;
  if (error == NGHTTP2_ERR_NOMEM) session->is_broken = true;
  if (error == NGHTTP2_ERR_NOMEM || error == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
    jh_conn_close(conn);
    return;
  }
  uint32_t code = NGHTTP2_PROTOCOL_ERROR;
  if (error == NGHTTP2_ERR_CALLBACK_FAILURE) code = session->error_code;
  /* Inside of a field block the one error that is not about its bytes is that there are too many.
   */
  bool is_flood = error == NGHTTP2_ERR_FLOODED || session->is_in_head;
  if (is_flood) code = NGHTTP2_ENHANCE_YOUR_CALM;
  terminate(session, code);
  session->has_failed = true;
}

void jh_http2_say_last_goaway(jh_http2_session *session) {
  if (session->is_final) return;
  session->is_final = true;
  nghttp2_submit_goaway(session->engine, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session->engine), NGHTTP2_NO_ERROR,
                        NULL, 0);
  jh_conn_mark_pending(session->conn);
}

void jh_http2_drain(jh_conn *conn) {
  jh_http2_session *session = conn->http2;
  if (session->is_draining) return;
  session->is_draining = true;
  /* Streams that the client has opened before it hears of this are still served: the last GOAWAY
   * comes when its answer to the PING shows that it has heard. */
  nghttp2_submit_shutdown_notice(session->engine);
  nghttp2_submit_ping(session->engine, NGHTTP2_FLAG_NONE, NULL);
  jh_conn_mark_pending(conn);
}

/* ---- deadlines ---- */

static void set_deadline(jh_http2_session *session) {
  jh_conn *conn = session->conn;
  jh_timeouts *timeouts = &conn->loop->timeouts;
  jh_timeout_class timeout_class = JH_TIMEOUT_KEEPALIVE;
  if (session->is_in_head || !session->has_settings) {
    timeout_class = JH_TIMEOUT_HEADER;
  } else if (session->stream_count > 0) {
    jh_timeout_clear(&conn->timeout);
    return;
  } else if (session->is_draining) {
    timeout_class = JH_TIMEOUT_LINGER;
  }
  /* It runs from the beginning of what it bounds. */
  if (!jh_timeout_is(&conn->timeout, timeout_class)) {
    jh_timeout_set(timeouts, &conn->timeout, timeout_class);
  }
}

void jh_http2_time_out(jh_conn *conn) {
  jh_http2_session *session = conn->http2;
  jh_timeout_class timeout_class = (jh_timeout_class)conn->timeout.timeout_class;
  if (timeout_class == JH_TIMEOUT_HEADER || timeout_class == JH_TIMEOUT_WRITE) {
    conn->loop->counters.timeouts++;
  }
  if (timeout_class == JH_TIMEOUT_WRITE || session->has_failed) {
    jh_conn_close(conn);
    return;
  }
  terminate(session, NGHTTP2_NO_ERROR);
  session->has_failed = true;
  jh_http2_flush(conn);
}

/* ---- input ---- */

static void receive(jh_http2_session *session, const char *bytes, size_t len) {
  jh_conn *conn = session->conn;
  if (session->has_failed) return;
  session->is_receiving = true;
  ssize_t used = nghttp2_session_mem_recv(session->engine, (const uint8_t *)bytes, len);
  session->is_receiving = false;
  jh_conn_mark_pending(conn);
  if (used < 0) {
    fail(session, (int)used);
    return;
  }
  jh_http2_tunnels_read(conn->loop);
  session->head_bytes = session->is_in_head ? session->head_bytes + (uint32_t)len : 0;
  if (session->head_bytes > conn->loop->settings.parse.max_header_bytes + HEAD_SLACK_BYTES) {
    session->error_code = NGHTTP2_ENHANCE_YOUR_CALM;
    fail(session, NGHTTP2_ERR_CALLBACK_FAILURE);
  }
}

/* The client sends nothing more. */
static void on_end(jh_conn *conn) {
  conn->has_ended = true;
  if (conn->http2->stream_count == 0 || !conn->allows_half_close) {
    jh_conn_close(conn);
  } else {
    jh_conn_poll(conn, conn->events & ~UV_READABLE);
  }
}

void jh_http2_on_readable(jh_conn *conn) {
  jh_buf_pool *bufs = &conn->loop->bufs;
  jh_buf *buf = jh_buf_try_acquire(bufs);
  if (!buf) {
    jh_conn_close(conn);
    return;
  }
  ssize_t count = conn->transport->read(conn, buf->data, buf->capacity);
  if (count > 0) {
    receive(conn->http2, buf->data, (size_t)count);
  } else if (count == 0) {
    on_end(conn);
  } else if (count != -EAGAIN) {
    jh_conn_close(conn);
  }
  jh_buf_release(bufs, buf);
}

/* ---- output ---- */

/* Makes frames until enough for one write is queued. False when memory is out. */
static bool gather_frames(jh_http2_session *session) {
  jh_conn *conn = session->conn;
  bool is_good = true;
  session->is_sending = true;
  session->is_full = false;
  session->queued_bytes = 0;
  while (is_good && !session->is_full) {
    const uint8_t *frame;
    ssize_t len = nghttp2_session_mem_send(session->engine, &frame);
    if (len == 0) break;
    session->is_broken = len < 0;
    is_good = len > 0 && jh_conn_append(conn, (const char *)frame, (size_t)len) == 0;
    session->queued_bytes += (uint32_t)len;
    session->is_full = session->is_full || session->queued_bytes >= QUEUE_HIGH_BYTES;
  }
  session->is_sending = false;
  return is_good;
}

/* Nothing is left to be said: ends it as any answered connection. */
static void finish(jh_conn *conn) {
  jh_http2_session *session = conn->http2;
  conn->http2 = NULL;
  conn->state = JH_CONN_IDLE;
  conn->closes_after_write = true;
  conn->lingers = !conn->has_ended;
  jh_http2_free(session);
  jh_conn_flush(conn);
}

static bool is_over(const jh_http2_session *session) {
  if (nghttp2_session_want_write(session->engine)) return false;
  if (session->has_failed) return true;
  if (session->stream_count > 0) return false;
  if (session->conn->has_ended) return true;
  if (session->is_draining && !session->is_final) return false;
  return !nghttp2_session_want_read(session->engine);
}

/* The kernel takes no more now; the deadline runs from the last bytes that it took. */
static void await_writable(jh_conn *conn, bool has_progressed) {
  if (has_progressed || !jh_timeout_is(&conn->timeout, JH_TIMEOUT_WRITE)) {
    jh_timeout_set(&conn->loop->timeouts, &conn->timeout, JH_TIMEOUT_WRITE);
  }
  jh_conn_poll(conn, UV_WRITABLE);
}

void jh_http2_flush(jh_conn *conn) {
  jh_http2_session *session = conn->http2;
  size_t turn_bytes = 0;
  if (session->is_receiving || session->is_sending) {
    jh_conn_mark_pending(conn);
    return;
  }
  bool has_more = true;
  while (has_more) {
    bool has_rest = conn->out_first != NULL;
    if (!has_rest && !gather_frames(session)) {
      jh_conn_close(conn);
      return;
    }
    size_t queued = jh_conn_queued_bytes(conn);
    turn_bytes += queued;
    if (queued && jh_conn_write_out(conn, (jh_str){"", 0}) < 0) return;
    if (conn->out_first || turn_bytes > TURN_BYTES) {
      await_writable(conn, jh_conn_queued_bytes(conn) < queued);
      return;
    }
    has_more = has_rest || session->is_full;
  }
  if (is_over(session)) {
    finish(conn);
    return;
  }
  if (conn->events & UV_WRITABLE) {
    jh_timeout_clear(&conn->timeout);
    jh_conn_poll(conn, conn->has_ended ? 0 : UV_READABLE);
    if (conn->state == JH_CONN_CLOSED) return;
  }
  set_deadline(session);
}
