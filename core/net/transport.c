/* transport.c: plain sockets.
 *
 * uv_poll instead of uv_tcp: the same speed, and the socket stays ours for readv, sendfile, TLS and
 * hijacking. uv_poll_start() costs system calls each time, so jh_conn_poll() calls it only when
 * the events change. */
#include "net/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

static ssize_t plain_read(jh_conn *conn, char *out, size_t bytes) {
  ssize_t count = read(conn->fd, out, bytes);
  if (count >= 0) return count;
  return errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t plain_write(jh_conn *conn, const struct iovec *parts, int count) {
  ssize_t written = count == 1 ? write(conn->fd, parts[0].iov_base, parts[0].iov_len)
                               : writev(conn->fd, parts, count);
  if (written >= 0) return written;
  return errno == EINTR ? -EAGAIN : -errno;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  jh_conn *conn = poll->data;
  if (status < 0) {
    jh_conn_close(conn);
    return;
  }
  if (events & UV_WRITABLE) jh_conn_flush(conn);
  if (events & UV_READABLE) jh_conn_on_readable(conn);
}

static int plain_poll(jh_conn *conn, int events) {
  if (!conn->is_registered) {
    if (events == 0) return 0;
    int error = uv_poll_init(&conn->loop->uv, &conn->poll, conn->fd);
    if (error) return error;
    conn->poll.data = conn;
    conn->is_registered = true;
  }
  return events ? uv_poll_start(&conn->poll, events, on_poll) : uv_poll_stop(&conn->poll);
}

static void plain_shutdown_write(jh_conn *conn) {
  shutdown(conn->fd, SHUT_WR);
}

static void on_poll_closed(uv_handle_t *handle) {
  jh_conn *conn = handle->data;
  conn->is_handle_closed = true;
  if (!conn->is_pending) jh_conn_free(conn);
}

static bool plain_close(jh_conn *conn) {
  if (conn->is_registered) uv_close((uv_handle_t *)&conn->poll, on_poll_closed);
  close(conn->fd);
  conn->fd = -1;
  return conn->is_registered;
}

const jh_transport jh_transport_plain = {
    .scheme = "http",
    .read = plain_read,
    .write = plain_write,
    .poll = plain_poll,
    .shutdown_write = plain_shutdown_write,
    .close = plain_close,
};
