/* client_write.c: requests on their way out, as many as there are in one writev.
 *
 * Heads and whole bodies are written from where Lua has them; pieces of a streamed body from the
 * buffers they were copied into, as far as they were not taken at once. When the link takes no more
 * bytes for good, an answer may still have come: a server that refuses a body says so and closes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/client_conn.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/origin.h"

enum { PARTS_MAX = 64, QUEUE_HIGH_BYTES = 65536 /* more than this queued: the writer waits */ };

static void add_part(struct iovec *parts, int *count, jh_str str, size_t skip) {
  if (str.len <= skip || *count == PARTS_MAX) return;
  parts[(*count)++] = (struct iovec){(void *)(uintptr_t)(str.ptr + skip), str.len - skip};
}

/* Bytes of head and body that may be written now. */
static size_t released_bytes(const jh_call *call) {
  return call->head.len + (call->is_held ? 0 : call->body.len);
}

/* The unwritten parts of one call. True when those of the next may follow. */
static bool gather_call(const jh_call *call, struct iovec *parts, int *count) {
  size_t head_len = call->head.len;
  add_part(parts, count, call->head, call->sent);
  if (call->is_held) return false;
  add_part(parts, count, call->body, call->sent > head_len ? call->sent - head_len : 0);
  for (jh_buf *buf = call->out_first; buf; buf = buf->next) {
    add_part(parts, count, (jh_str){buf->data + buf->start, jh_buf_len(buf)}, 0);
  }
  return call->is_body_complete && *count < PARTS_MAX;
}

static int gather(const jh_client_conn *conn, struct iovec *parts) {
  int count = 0;
  jh_call *call = conn->writing;
  while (call && gather_call(call, parts, &count)) {
    if (call->node.next == &conn->calls) break;
    call = JH_LIST_ENTRY(call->node.next, jh_call, node);
  }
  return count;
}

/* Takes written bytes off a call; what is left belongs to the next. */
static size_t consume_call(jh_call *call, size_t written, jh_buf_pool *bufs) {
  size_t fixed = released_bytes(call) - call->sent;
  if (written < fixed) {
    call->sent += written;
    return 0;
  }
  call->sent += fixed;
  written -= fixed;
  while (call->out_first) {
    jh_buf *buf = call->out_first;
    uint32_t len = jh_buf_len(buf);
    if (written < len) {
      buf->start += (uint32_t)written;
      return 0;
    }
    written -= len;
    call->out_first = buf->next;
    if (!buf->next) call->out_last = NULL;
    jh_buf_release(bufs, buf);
  }
  return written;
}

static bool is_written(const jh_call *call) {
  return !call->is_held && call->is_body_complete && !call->out_first &&
         call->sent == call->head.len + call->body.len;
}

static void on_sent(jh_client_conn *conn, jh_call *call) {
  bool is_last = call->node.next == &conn->calls;
  call->is_sent = true;
  bool had_other_deadline = conn->is_blocked || call->stream_bytes > 0;
  if (had_other_deadline && call->state == JH_CALL_ON_CONN) {
    jh_call_set_deadline(call, call->options.read_timeout_ms);
  }
  conn->writing = is_last ? NULL : JH_LIST_ENTRY(call->node.next, jh_call, node);
}

static void consume(jh_client_conn *conn, size_t written) {
  jh_buf_pool *bufs = &conn->origin->clients->loop->bufs;
  while (conn->writing) {
    jh_call *call = conn->writing;
    written = consume_call(call, written, bufs);
    if (!is_written(call)) return;
    on_sent(conn, call);
  }
}

/* Nothing can be written any more. What was received before may be the answer. */
static void on_write_error(jh_client_conn *conn, int error) {
  conn->write_error = error;
  conn->is_retired = true;
  jh_client_conn_poll(conn, UV_READABLE);
  jh_client_conn_read(conn);
}

static void await_writable(jh_client_conn *conn) {
  jh_call *call = conn->writing;
  conn->is_blocked = true;
  jh_client_conn_poll(conn, UV_READABLE | UV_WRITABLE);
  if (call && call->state == JH_CALL_ON_CONN) {
    jh_call_set_deadline(call, call->options.write_timeout_ms);
  }
}

/* The task that streams a body may go on, once little is left of what it gave. */
static void wake_writer(jh_client_conn *conn) {
  jh_call *call = conn->writing;
  if (call && call->write_wait_id && !call->out_first) jh_call_wake_writer(call);
}

void jh_client_conn_flush(jh_client_conn *conn) {
  struct iovec parts[PARTS_MAX];
  if (!conn->is_open || conn->write_error) return;
  while (conn->writing) {
    jh_call *call = conn->writing;
    int count = gather(conn, parts);
    if (count == 0) break;
    ssize_t written = jh_link_write(conn->link, parts, count);
    if (written == -EAGAIN) {
      await_writable(conn);
      return;
    }
    if (written < 0) {
      on_write_error(conn, (int)written);
      return;
    }
    size_t wanted = 0;
    for (int i = 0; i < count; i++) wanted += parts[i].iov_len;
    consume(conn, (size_t)written);
    if ((size_t)written < wanted) {
      await_writable(conn);
      break;
    }
    conn->is_blocked = false;
    if (conn->writing == call) break; /* held, or more of its body is to come */
  }
  wake_writer(conn);
}

/* ---- streamed bodies ---- */

static jh_buf *reserve(jh_call *call) {
  jh_buf_pool *bufs = &call->clients->loop->bufs;
  if (call->out_last && jh_buf_space(call->out_last) > 0) return call->out_last;
  jh_buf *buf = jh_buf_try_acquire(bufs);
  if (!buf) return NULL;
  if (call->out_last) {
    call->out_last->next = buf;
  } else {
    call->out_first = buf;
  }
  call->out_last = buf;
  return buf;
}

static int append(jh_call *call, jh_str bytes) {
  while (bytes.len > 0) {
    jh_buf *buf = reserve(call);
    if (!buf) return JH_ENOMEM;
    size_t take = jh_buf_space(buf) < bytes.len ? jh_buf_space(buf) : bytes.len;
    memcpy(buf->data + buf->end, bytes.ptr, take);
    buf->end += (uint32_t)take;
    bytes.ptr += take;
    bytes.len -= take;
  }
  return 0;
}

/* Writes the parts past the queue when that is empty; *taken bytes of them were. */
static void write_through(jh_call *call, const jh_str *strs, int count, size_t *taken) {
  jh_client_conn *conn = call->conn;
  *taken = 0;
  bool is_next = conn && conn->is_open && conn->writing == call && !conn->write_error;
  if (!is_next || call->is_held || call->out_first || call->sent < call->head.len) return;
  struct iovec parts[3];
  for (int i = 0; i < count; i++) {
    parts[i] = (struct iovec){(void *)(uintptr_t)strs[i].ptr, strs[i].len};
  }
  ssize_t written = jh_link_write(conn->link, parts, count);
  if (written > 0) *taken = (size_t)written;
  if (written < 0 && written != -EAGAIN) on_write_error(conn, (int)written);
}

static int send_parts(jh_call *call, const jh_str *strs, int count) {
  size_t taken;
  write_through(call, strs, count, &taken);
  for (int i = 0; i < count; i++) {
    size_t skip = taken < strs[i].len ? taken : strs[i].len;
    taken -= skip;
    int error = append(call, (jh_str){strs[i].ptr + skip, strs[i].len - skip});
    if (error) return error;
  }
  return 0;
}

static size_t queued_bytes(const jh_call *call) {
  size_t bytes = 0;
  for (const jh_buf *buf = call->out_first; buf; buf = buf->next) bytes += jh_buf_len(buf);
  return bytes;
}

/* Whoever streams need not go on: the answer is complete, or there will be none. */
static bool is_over(const jh_call *call) {
  return call->state >= JH_CALL_DONE || call->is_body_complete ||
         (call->conn && call->conn->write_error);
}

/* It is not known yet how the link frames bodies, or it does so itself. */
static bool is_raw(const jh_call *call) {
  if (call->origin->options.http2 == JH_HTTP2_NEVER) return false;
  return !call->conn || !call->conn->is_open || call->conn->http2;
}

static int append_last_chunk(jh_call *call, jh_str trailers) {
  int error = append(call, (jh_str){"0\r\n", 3});
  if (!error) error = append(call, trailers);
  return error ? error : append(call, (jh_str){"\r\n", 2});
}

int jh_client_conn_frame_body(jh_call *call) {
  if (!call->is_raw) return 0;
  call->is_raw = false;
  if (!(call->options.flags & JH_CALL_SENDS_CHUNKED_BIT)) return 0;
  size_t len = queued_bytes(call);
  if (len) {
    jh_buf *line = jh_buf_try_acquire_small(&call->clients->loop->bufs);
    if (!line) return JH_ENOMEM;
    line->end = (uint32_t)snprintf(line->data, line->capacity, "%zx\r\n", len);
    line->next = call->out_first;
    call->out_first = line;
    int error = append(call, (jh_str){"\r\n", 2});
    if (error) return error;
  }
  if (!call->is_body_complete) return 0;
  return append_last_chunk(call, (jh_str){call->own_trailers.ptr, call->own_trailers.len});
}

int jh_call_write(jh_call *call, const char *piece, size_t len, uint32_t wait_id) {
  char size_line[24];
  if (is_over(call)) return JH_ECLOSED;
  if (call->write_wait_id) return JH_EBUSY;
  if (len == 0) return 0;
  call->stream_bytes += len;
  int error;
  if (is_raw(call)) {
    call->is_raw = true;
    error = append(call, (jh_str){piece, len});
  } else if (call->options.flags & JH_CALL_SENDS_CHUNKED_BIT) {
    int size_len = snprintf(size_line, sizeof size_line, "%zx\r\n", len);
    jh_str parts[3] = {{size_line, (size_t)size_len}, {piece, len}, {"\r\n", 2}};
    error = send_parts(call, parts, 3);
  } else {
    jh_str part = {piece, len};
    error = send_parts(call, &part, 1);
  }
  if (error) return error;
  if (is_over(call)) return JH_ECLOSED;
  if (call->conn && call->out_first) call->conn->protocol->go_on(call->conn, call);
  if (is_over(call)) return JH_ECLOSED;
  if (queued_bytes(call) <= QUEUE_HIGH_BYTES) return 0;
  call->write_wait_id = wait_id;
  return JH_EWAIT;
}

int jh_call_end(jh_call *call, const char *trailers, size_t len) {
  int error = 0;
  if (is_over(call)) return JH_ECLOSED;
  if (is_raw(call)) {
    call->is_raw = true;
    if (len) error = jh_call_bytes_append(&call->own_trailers, trailers, len);
  } else if (call->options.flags & JH_CALL_SENDS_CHUNKED_BIT) {
    error = append_last_chunk(call, (jh_str){trailers, len});
  }
  if (error) return error;
  call->is_body_complete = true;
  jh_client_conn *conn = call->conn;
  if (!conn) return 0;
  conn->protocol->go_on(conn, call);
  if (conn->http2) return 0;
  if (call->conn == conn && conn->writing == call && is_written(call)) {
    on_sent(conn, call);
    jh_client_conn_flush(conn);
  }
  return 0;
}
