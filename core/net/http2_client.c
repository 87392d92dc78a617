/* http2_client.c: life of a link that speaks HTTP/2, its input and its output.
 *
 * The window of the connection is opened again as soon as bytes come, that of a stream when its
 * reader takes them: a response that nobody reads holds up no other. A link that left a call
 * without any answer is asked for a sign (PING), and gets no further calls before it gives one.
 *
 * When the server says GOAWAY the link takes no further calls and ends with the last one it has;
 * nghttp2 closes the streams that the server did not look at, and their calls go elsewhere. */
#include "net/http2_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/origin.h"

enum {
  STREAM_WINDOW_BYTES = 262144, /* of a body that nobody reads yet */
  WINDOW_BYTES = 1 << 24,       /* of what is on its way on all streams */
  HEADER_LIST_BYTES = 65536,
  READS_MAX = 16,       /* per wake-up; others have their turn */
  TURN_BYTES = 1 << 20, /* written before others have their turn */
  PARTS_MAX = 64,
  LAST_STREAM_ID = 0x7fffff00 /* a new link before they run out */
};

static jh_buf_pool *bufs_of(const jh_http2_client *client) {
  return &client->conn->origin->clients->loop->bufs;
}

static uint64_t now_ms(const jh_http2_client *client) {
  return uv_now(&client->conn->origin->clients->loop->uv);
}

/* ---- life ---- */

static int submit_settings(jh_http2_client *client) {
  nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_BYTES},
  };
  int error = nghttp2_submit_settings(client->engine, NGHTTP2_FLAG_NONE, entries,
                                      sizeof entries / sizeof entries[0]);
  if (error) return error;
  return nghttp2_session_set_local_window_size(client->engine, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES);
}

static int start_engine(jh_http2_client *client) {
  nghttp2_mem mem = {.mem_user_data = &client->heap,
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
  nghttp2_option_set_no_closed_streams(option, 1);
  jh_http2_client_set_receive_callbacks(callbacks);
  jh_http2_client_set_send_callbacks(callbacks);
  error = nghttp2_session_client_new3(&client->engine, callbacks, client, option, &mem);
done:
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return error;
}

static void out_of_memory(jh_client_conn *conn) {
  jh_client_conn_break(conn, JH_ENOMEM, JH_CALL_NO_MEMORY, "out of memory");
}

/* Sends a call that is on the conn; one that cannot be sent fails. */
static void start_call(jh_client_conn *conn, jh_call *call) {
  jh_http2_client *client = conn->http2;
  int error = jh_http2_client_send(client, call);
  conn->writing = NULL;
  if (error) {
    jh_client_conn_remove(conn, call);
    jh_call_fail(call, error, error == JH_ENOMEM ? JH_CALL_NO_MEMORY : JH_CALL_LINK_CLOSED,
                 "the request cannot be sent: %s", jh_strerror(error));
  }
  if (nghttp2_session_get_next_stream_id(client->engine) > LAST_STREAM_ID) conn->is_retired = true;
  jh_client_conn_flush_later(conn);
}

bool jh_http2_client_take_over(jh_client_conn *conn) {
  jh_origin *origin = conn->origin;
  jh_http2_client *client = jh_try_calloc(1, sizeof *client);
  if (!client) {
    out_of_memory(conn);
    return false;
  }
  conn->http2 = client;
  conn->protocol = &jh_client_protocol_http2;
  conn->capacity = origin->http2_capacity;
  client->conn = conn;
  client->heard_ms = now_ms(client);
  jh_list_init(&client->streams);
  jh_http2_heap_init(&client->heap, &origin->clients->loop->http2_memory);
  if (start_engine(client) || submit_settings(client)) {
    client->is_out_of_memory = true;
    out_of_memory(conn);
    return false;
  }
  jh_client_conn_flush_later(conn);
  for (jh_list *node = conn->calls.next; node != &conn->calls;) {
    jh_call *call = JH_LIST_ENTRY(node, jh_call, node);
    node = node->next;
    start_call(conn, call);
  }
  return true;
}

/* Says goodbye, as far as the link takes it at once. */
static void say_goaway(jh_http2_client *client) {
  const uint8_t *bytes;
  jh_client_conn *conn = client->conn;
  if (!conn->link || conn->write_error || client->out_first || client->has_failed) return;
  if (nghttp2_session_terminate_session(client->engine, NGHTTP2_NO_ERROR)) return;
  for (;;) {
    ssize_t len = nghttp2_session_mem_send(client->engine, &bytes);
    struct iovec part = {(void *)(uintptr_t)bytes, len > 0 ? (size_t)len : 0};
    if (len <= 0 || jh_link_write(conn->link, &part, 1) != len) return;
  }
}

void jh_http2_client_free(jh_client_conn *conn) {
  jh_http2_client *client = conn->http2;
  JH_ASSERT(!client->is_receiving && !client->is_sending);
  client->is_sending = true;
  if (!client->is_out_of_memory) say_goaway(client);
  while (!jh_list_is_empty(&client->streams)) {
    jh_http2_call *stream = JH_LIST_ENTRY(client->streams.next, jh_http2_call, node);
    JH_ASSERT(!stream->call);
    jh_list_remove(&stream->node);
  }
  while (client->out_first) {
    jh_buf *buf = client->out_first;
    client->out_first = buf->next;
    jh_buf_release(bufs_of(client), buf);
  }
  /* After running out of memory it would free some of it twice (1.52). */
  if (!client->is_out_of_memory) nghttp2_session_del(client->engine);
  jh_http2_heap_deinit(&client->heap);
  jh_free(client->fields);
  jh_free(client);
  conn->http2 = NULL;
}

void jh_http2_client_forget(jh_call *call) {
  jh_http2_call *stream = call->stream;
  if (!stream) return;
  if (stream->head) jh_buf_release(bufs_of(stream->client), stream->head);
  stream->head = NULL;
  stream->call = NULL;
  call->stream = NULL;
}

/* ---- what happened, once nghttp2 is not on the stack ---- */

static void break_by_rules(jh_client_conn *conn) {
  char text[320];
  jh_http2_client *client = conn->http2;
  snprintf(text, sizeof text, "%s", client->problem);
  conn->is_retired = true;
  jh_client_conn_break(conn, JH_EPROTO, JH_CALL_BAD_ANSWER, text);
}

static void settle(jh_client_conn *conn) {
  jh_http2_client *client = conn->http2;
  jh_origin *origin = conn->origin;
  if (conn->is_closed || client->is_receiving || client->is_sending) return;
  if (client->is_out_of_memory) {
    out_of_memory(conn);
  } else if (client->has_failed) {
    break_by_rules(conn);
  } else if (conn->call_count > 0) {
    if (origin->waiting_count > 0) jh_origin_serve(origin);
  } else if (conn->is_retired || client->is_doubted) {
    conn->is_retired = true;
    jh_client_conn_break(conn, JH_ECLOSED, JH_CALL_LINK_CLOSED, "the link was closed");
  } else if (!conn->is_idle) {
    jh_origin_on_idle(origin, conn);
  }
}

/* ---- input ---- */

static void on_end(jh_client_conn *conn) {
  jh_http2_client *client = conn->http2;
  char text[320];
  if (client->has_goaway && client->goaway_code) {
    snprintf(text, sizeof text, "%s", client->problem);
  } else {
    snprintf(text, sizeof text, "the link was closed before the answer");
  }
  jh_client_conn_break(conn, JH_ECLOSED, JH_CALL_LINK_CLOSED, text);
}

static void receive(jh_http2_client *client, const char *bytes, size_t len) {
  jh_client_conn *conn = client->conn;
  client->heard_ms = now_ms(client);
  if (client->is_doubted) {
    client->is_doubted = false;
    conn->capacity = conn->origin->http2_capacity;
  }
  if (!client->has_input && len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
    client->has_failed = true;
    snprintf(client->problem, sizeof client->problem, "the server speaks HTTP/1 here, not HTTP/2");
    return;
  }
  client->has_input = true;
  client->is_receiving = true;
  ssize_t used = nghttp2_session_mem_recv(client->engine, (const uint8_t *)bytes, len);
  client->is_receiving = false;
  jh_client_conn_flush_later(conn);
  if (used >= 0) return;
  if (used == NGHTTP2_ERR_NOMEM || used == NGHTTP2_ERR_CALLBACK_FAILURE) {
    client->is_out_of_memory = true;
    return;
  }
  client->has_failed = true;
  snprintf(client->problem, sizeof client->problem, "the server breaks HTTP/2: %s",
           nghttp2_strerror((int)used));
}

static void read_link(jh_client_conn *conn) {
  jh_http2_client *client = conn->http2;
  jh_buf_pool *bufs = bufs_of(client);
  if (client->is_receiving || client->is_sending) return;
  jh_buf *buf = jh_buf_try_acquire(bufs);
  if (!buf) {
    out_of_memory(conn);
    return;
  }
  for (int i = 0; i < READS_MAX && !client->has_failed && !client->is_out_of_memory; i++) {
    ssize_t count = jh_link_read(conn->link, buf->data, buf->capacity);
    if (count == -EAGAIN) break;
    if (count == 0) on_end(conn);
    if (count < 0) jh_client_conn_break_by_reset(conn, (int)count);
    if (conn->is_closed) break;
    receive(client, buf->data, (size_t)count);
    if ((size_t)count < buf->capacity) break;
  }
  jh_buf_release(bufs, buf);
  if (!conn->is_closed) settle(conn);
}

static bool is_silent(jh_client_conn *conn) {
  conn->origin->refs++; /* whoever asks goes on with it */
  read_link(conn);
  conn->origin->refs--;
  return jh_client_conn_is_usable(conn);
}

/* ---- output ---- */

jh_buf *jh_http2_client_reserve(jh_http2_client *client, size_t bytes) {
  jh_buf *last = client->out_last;
  if (last && jh_buf_space(last) >= bytes) return last;
  jh_buf *buf = jh_buf_try_acquire(bufs_of(client));
  if (buf && buf->capacity < bytes) {
    jh_buf *grown = jh_buf_try_grow(bufs_of(client), buf, bytes);
    if (!grown) jh_buf_release(bufs_of(client), buf);
    buf = grown;
  }
  if (!buf) return NULL;
  if (last) {
    last->next = buf;
  } else {
    client->out_first = buf;
  }
  client->out_last = buf;
  return buf;
}

/* Makes frames until enough for one write is queued. False when memory is out. */
static bool gather_frames(jh_http2_client *client) {
  ssize_t len;
  client->is_sending = true;
  client->is_full = false;
  client->queued_bytes = 0;
  do {
    const uint8_t *frame;
    len = nghttp2_session_mem_send(client->engine, &frame);
    if (len <= 0) break;
    jh_buf *buf = jh_http2_client_reserve(client, (size_t)len);
    if (!buf) {
      len = NGHTTP2_ERR_NOMEM;
      break;
    }
    memcpy(buf->data + buf->end, frame, (size_t)len);
    buf->end += (uint32_t)len;
    client->queued_bytes += (size_t)len;
  } while (!client->is_full && client->queued_bytes < JH_HTTP2_CLIENT_QUEUE_BYTES);
  client->is_sending = false;
  if (len < 0) client->is_out_of_memory = true;
  return len >= 0;
}

static ssize_t write_queue(jh_http2_client *client, size_t *wanted) {
  struct iovec parts[PARTS_MAX];
  int count = 0;
  *wanted = 0;
  for (jh_buf *buf = client->out_first; buf && count < PARTS_MAX; buf = buf->next) {
    parts[count++] = (struct iovec){buf->data + buf->start, jh_buf_len(buf)};
    *wanted += jh_buf_len(buf);
  }
  ssize_t written = jh_link_write(client->conn->link, parts, count);
  size_t left = written > 0 ? (size_t)written : 0;
  while (left > 0 && client->out_first) {
    jh_buf *buf = client->out_first;
    size_t took = jh_buf_len(buf) < left ? jh_buf_len(buf) : left;
    buf->start += (uint32_t)took;
    left -= took;
    if (jh_buf_len(buf)) break;
    client->out_first = buf->next;
    if (!buf->next) client->out_last = NULL;
    jh_buf_release(bufs_of(client), buf);
  }
  return written;
}

/* Nothing can be written any more. What was received before may say why. */
static void on_write_error(jh_client_conn *conn, int error) {
  conn->write_error = error;
  conn->is_retired = true;
  jh_client_conn_poll(conn, UV_READABLE);
  read_link(conn);
}

static void flush(jh_client_conn *conn) {
  jh_http2_client *client = conn->http2;
  size_t turn_bytes = 0;
  if (conn->write_error || client->is_receiving || client->is_sending) return;
  while (turn_bytes < TURN_BYTES) {
    if (!client->out_first && !gather_frames(client)) break;
    if (!client->out_first) break;
    size_t wanted;
    ssize_t written = write_queue(client, &wanted);
    if (written < 0 && written != -EAGAIN) {
      on_write_error(conn, (int)written);
      return;
    }
    if (written > 0) turn_bytes += (size_t)written;
    if (written < 0 || (size_t)written < wanted) break;
  }
  if (client->out_first || turn_bytes >= TURN_BYTES) {
    jh_client_conn_poll(conn, UV_READABLE | UV_WRITABLE);
  }
  settle(conn);
}

/* ---- calls ---- */

static void reset(jh_http2_client *client, int32_t id, uint32_t code) {
  nghttp2_submit_rst_stream(client->engine, NGHTTP2_FLAG_NONE, id, code);
  jh_client_conn_flush_later(client->conn);
}

void jh_http2_client_fail(jh_http2_call *stream, int error, int failure, const char *problem) {
  char name[300];
  jh_http2_client *client = stream->client;
  jh_client_conn *conn = client->conn;
  jh_call *call = stream->call;
  jh_origin_name(conn->origin, name, sizeof name);
  conn->exchange_count++;
  jh_client_conn_remove(conn, call);
  reset(client, stream->id, NGHTTP2_CANCEL);
  jh_call_fail(call, error, failure, "%s: %s", name, problem);
}

static void time_out(jh_client_conn *conn, jh_call *call, const char *problem) {
  jh_http2_client *client = conn->http2;
  jh_origin *origin = conn->origin;
  bool is_dumb = client->heard_ms <= call->stream->started_ms && call->is_sent;
  if (is_dumb && !client->is_doubted) {
    client->is_doubted = true;
    conn->capacity = 0;
    nghttp2_submit_ping(client->engine, NGHTTP2_FLAG_NONE, NULL);
  }
  origin->refs++;
  jh_http2_client_fail(call->stream, JH_ETIMEDOUT, JH_CALL_TIMED_OUT, problem);
  if (!conn->is_closed) settle(conn);
  jh_origin_close(origin);
}

static void give_up(jh_client_conn *conn, jh_call *call) {
  jh_http2_client *client = conn->http2;
  jh_origin *origin = conn->origin;
  int32_t id = call->stream->id;
  origin->refs++;
  call->is_closed = true;
  conn->exchange_count++;
  jh_client_conn_remove(conn, call);
  reset(client, id, NGHTTP2_CANCEL);
  jh_call_free_unused(call);
  settle(conn);
  jh_origin_close(origin);
}

static ssize_t read_body(jh_client_conn *conn, jh_call *call, char *out, size_t bytes) {
  ssize_t count = jh_call_take_kept(call, out, bytes);
  if (count == 0) return JH_EWAIT;
  nghttp2_session_consume_stream(conn->http2->engine, call->stream->id, (size_t)count);
  jh_client_conn_flush_later(conn);
  return count;
}

/* The link is read whatever one of its calls wants; its window holds the server back. */
static void want(jh_client_conn *conn, jh_call *call, bool wants) {
  (void)conn, (void)call, (void)wants;
}

static bool may_resend(const jh_client_conn *conn, const jh_call *call, bool is_first,
                       int failure) {
  enum { ATTEMPTS_MAX = 100 };
  const jh_http2_call *stream = call->stream;
  (void)is_first;
  if (failure != JH_CALL_LINK_CLOSED || call->attempts >= ATTEMPTS_MAX || !stream) return false;
  if (!stream->is_on_wire) return true;
  bool has_answer = call->state != JH_CALL_ON_CONN || call->parser.interim_count > 0;
  if (has_answer || call->stream_bytes > 0 || conn->exchange_count == 0) return false;
  return call->options.flags & JH_CALL_IDEMPOTENT_BIT;
}

const jh_client_protocol jh_client_protocol_http2 = {
    .is_shared = true,
    .add = start_call,
    .flush = flush,
    .go_on = jh_http2_client_go_on,
    .read = read_link,
    .is_silent = is_silent,
    .read_body = read_body,
    .want = want,
    .time_out = time_out,
    .give_up = give_up,
    .may_resend = may_resend,
};
