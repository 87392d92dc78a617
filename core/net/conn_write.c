/* conn_write.c: the way out: a queue of bytes, one write per batch.
 *
 * Answers of one connection are gathered in `out` while its input still holds complete requests,
 * and written when the input is used up: a pipelined batch leaves in one write, and a lone answer
 * does not wait for other connections. A large body is given to the kernel from where it lies; only
 * what the kernel does not take is copied. */
#include "net/conn_file.h"
#include "net/guest.h"
#include "net/hub.h"
#include "net/http2_session.h"

#include <errno.h>
#include <string.h>

enum { PARTS_MAX = 16 /* buffers given to one writev */ };

jh_buf *jh_conn_reserve(jh_conn *conn, size_t bytes) {
  if (jh_hub_has_frames(conn)) jh_hub_spill(conn);
  jh_buf *last = conn->out_last;
  if (last && jh_buf_space(last) >= bytes) return last;
  jh_buf_pool *bufs = &conn->loop->bufs;
  jh_buf *buf = jh_buf_try_acquire(bufs);
  if (buf && buf->capacity < bytes) {
    jh_buf *grown = jh_buf_try_grow(bufs, buf, bytes);
    if (!grown) jh_buf_release(bufs, buf);
    buf = grown;
  }
  if (!buf) return NULL;
  if (last) {
    last->next = buf;
  } else {
    conn->out_first = buf;
  }
  conn->out_last = buf;
  return buf;
}

int jh_conn_append(jh_conn *conn, const char *bytes, size_t len) {
  jh_buf *buf = jh_conn_reserve(conn, len);
  if (!buf) return JH_ENOMEM;
  memcpy(buf->data + buf->end, bytes, len);
  buf->end += (uint32_t)len;
  return 0;
}

size_t jh_conn_consume(jh_conn *conn, size_t count) {
  while (conn->out_first) {
    jh_buf *buf = conn->out_first;
    uint32_t len = jh_buf_len(buf);
    if (count < len) {
      buf->start += (uint32_t)count;
      return 0;
    }
    count -= len;
    conn->out_first = buf->next;
    if (!buf->next) conn->out_last = NULL;
    jh_buf_release(&conn->loop->bufs, buf);
  }
  return count;
}

int jh_conn_gather(const jh_conn *conn, struct iovec *parts, int parts_max, size_t *total) {
  int count = 0;
  for (jh_buf *buf = conn->out_first; buf && count < parts_max; buf = buf->next) {
    parts[count++] = (struct iovec){buf->data + buf->start, jh_buf_len(buf)};
    *total += jh_buf_len(buf);
  }
  return count;
}

/* One writev of the queue with `tail` behind it. Bytes of the tail that were taken, or a negative
 * code; *is_blocked when the kernel takes no more now. */
static ssize_t write_once(jh_conn *conn, jh_str tail, bool *is_blocked) {
  struct iovec parts[PARTS_MAX];
  size_t total = 0;
  int count = jh_conn_gather(conn, parts, PARTS_MAX - 1, &total);
  if (count < PARTS_MAX - 1 && tail.len) {
    parts[count++] = (struct iovec){(void *)(uintptr_t)tail.ptr, tail.len};
    total += tail.len;
  }
  ssize_t written = conn->transport->write(conn, parts, count);
  if (written == -EAGAIN) written = 0;
  if (written < 0) return written;
  *is_blocked = (size_t)written < total;
  return (ssize_t)jh_conn_consume(conn, (size_t)written);
}

/* The task that streams an answer may go on. */
static void wake_writer(jh_conn *conn) {
  jh_ctx *ctx = conn->ctx;
  if (ctx && ctx->write_wait_id) conn->loop->hooks.on_writable(conn->loop, ctx, 0);
}

/* A slow reader caught up: goes on with what it was doing, and with the deadline of that. */
static void resume(jh_conn *conn) {
  jh_timeout_clear(&conn->timeout);
  jh_conn_poll(conn, conn->has_ended ? 0 : UV_READABLE);
  switch ((jh_conn_state)conn->state) {
  case JH_CONN_IDLE:
    jh_conn_proceed(conn);
    return;
  case JH_CONN_READING_HEAD:
  case JH_CONN_READING_BODY:
  case JH_CONN_DISCARDING:
    jh_conn_await_rest(conn);
    return;
  case JH_CONN_BUSY:
    if (conn->ctx->wait_id) jh_conn_await_input(conn, JH_TIMEOUT_BODY);
    return;
  default:
    return;
  }
}

/* Everything is written: the end of a connection, or of a slow reader's pause. */
static void on_written(jh_conn *conn) {
  jh_loop *loop = conn->loop;
  if (conn->closes_after_write) {
    if (!conn->lingers || conn->has_ended) {
      jh_conn_close(conn);
      return;
    }
    conn->transport->shutdown_write(conn);
    conn->state = JH_CONN_LINGERING;
    conn->unacked_bytes = UINT32_MAX;
    if (conn->in) jh_buf_release(&loop->bufs, conn->in);
    conn->in = NULL;
    jh_timeout_set(&loop->timeouts, &conn->timeout, JH_TIMEOUT_LINGER);
    jh_conn_poll(conn, UV_READABLE);
    return;
  }
  if (conn->guest) {
    conn->guest->class->on_written(conn);
    return;
  }
  if (conn->events & UV_WRITABLE) resume(conn);
  wake_writer(conn); /* who writes in C fills the queue again at once */
}

/* The kernel is full: waits, and reads nothing more from a peer that does not read. Only what is to
 * be thrown away is taken meanwhile: the peer may want to send all of it before it reads. */
static void await_writable(jh_conn *conn) {
  if (conn->guest) {
    jh_conn_poll(conn, conn->events | UV_WRITABLE);
    return;
  }
  jh_timeout_set(&conn->loop->timeouts, &conn->timeout, JH_TIMEOUT_WRITE);
  bool is_closing = conn->closes_after_write && conn->lingers && !conn->has_ended;
  bool is_discarding = conn->state == JH_CONN_DISCARDING;
  jh_conn_poll(conn, is_closing || is_discarding ? UV_WRITABLE | UV_READABLE : UV_WRITABLE);
}

bool jh_conn_has_output(const jh_conn *conn) {
  return conn->out_first || conn->file || jh_hub_has_frames(conn);
}

int jh_conn_write_out(jh_conn *conn, jh_str tail) {
  bool is_blocked = false;
  if (tail.len && jh_hub_has_frames(conn)) jh_hub_spill(conn);
  while (conn->out_first || tail.len) {
    ssize_t taken = write_once(conn, tail, &is_blocked);
    if (taken < 0) {
      jh_conn_close(conn);
      return JH_ECLOSED;
    }
    tail.ptr += taken;
    tail.len -= (size_t)taken;
    if (is_blocked) break;
  }
  if (tail.len && jh_conn_append(conn, tail.ptr, tail.len) < 0) {
    jh_conn_close(conn);
    return JH_ENOMEM;
  }
  return 0;
}

void jh_conn_flush(jh_conn *conn) {
  if (conn->state >= JH_CONN_HTTP2) {
    if (conn->state == JH_CONN_HTTP2) jh_http2_flush(conn);
    return;
  }
  if (conn->file) {
    jh_conn_write_file(conn);
  } else {
    jh_conn_write_out(conn, (jh_str){"", 0});
  }
  if (conn->state == JH_CONN_CLOSED) return;
  if (jh_hub_has_frames(conn) && !conn->out_first && jh_hub_write(conn) < 0) return;
  if (jh_conn_has_output(conn)) {
    await_writable(conn);
  } else {
    on_written(conn);
  }
}

size_t jh_conn_queued_bytes(const jh_conn *conn) {
  size_t bytes = 0;
  for (const jh_buf *buf = conn->out_first; buf; buf = buf->next) bytes += jh_buf_len(buf);
  return bytes;
}
