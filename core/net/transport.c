/* transport.c: plain sockets.
 *
 * uv_poll instead of uv_tcp: the same speed, and the socket stays ours for readv, sendfile, TLS and
 * hijacking. uv_poll_start() costs system calls each time, so jh_conn_poll() calls it only when
 * the events change. */
#include "net/transport.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

enum { COPY_PARTS_MAX = 32 };

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

/* The parts wait in the kernel for the file's first bytes, so both share their packets. */
static ssize_t plain_sendfile(jh_conn *conn, const struct iovec *parts, int count, int file_fd,
                              off_t offset, size_t bytes) {
  ssize_t before = 0;
  if (count > 0) {
    size_t total = 0;
    for (int i = 0; i < count; i++) total += parts[i].iov_len;
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = (size_t)count};
    before = sendmsg(conn->fd, &message, MSG_MORE | MSG_NOSIGNAL);
    if (before < 0) return errno == EINTR ? -EAGAIN : -errno;
    if ((size_t)before < total) return before;
  }
  ssize_t sent = sendfile(conn->fd, file_fd, &offset, bytes);
  if (sent > 0) return before + sent;
  if (sent == 0) return -ENODATA;
  if (errno != EAGAIN && errno != EINTR) return -errno;
  return before > 0 ? before : -EAGAIN;
}

/* As much of the file as fits into `piece`, behind the parts. Bytes taken; *is_short when the
 * transport did not take all of it. */
static ssize_t copy_piece(jh_conn *conn, const struct iovec *parts, int count, int file_fd,
                          off_t offset, size_t bytes, bool *is_short) {
  char piece[16384];
  struct iovec all[COPY_PARTS_MAX];
  size_t total = 0;
  ssize_t have = pread(file_fd, piece, bytes < sizeof piece ? bytes : sizeof piece, offset);
  if (have < 0) return errno == EINTR ? -EAGAIN : -errno;
  if (have == 0) return -ENODATA;
  for (int i = 0; i < count; i++) {
    all[i] = parts[i];
    total += parts[i].iov_len;
  }
  all[count] = (struct iovec){piece, (size_t)have};
  ssize_t written = conn->transport->write(conn, all, count + 1);
  *is_short = written < (ssize_t)total + have;
  return written;
}

ssize_t jh_transport_copy_file(jh_conn *conn, const struct iovec *parts, int count, int file_fd,
                               off_t offset, size_t bytes) {
  ssize_t taken = 0;
  size_t queued = 0;
  bool is_short = false;
  if (count >= COPY_PARTS_MAX) return -EINVAL;
  for (int i = 0; i < count; i++) queued += parts[i].iov_len;
  while (!is_short && (size_t)taken < queued + bytes) {
    bool is_first = taken == 0;
    size_t sent = is_first ? 0 : (size_t)taken - queued;
    ssize_t written = copy_piece(conn, parts, is_first ? count : 0, file_fd, offset + (off_t)sent,
                                 bytes - sent, &is_short);
    if (written < 0) return taken > 0 && written == -EAGAIN ? taken : written;
    taken += written;
  }
  return taken;
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

int jh_transport_watch(jh_conn *conn, int events, uv_poll_cb on_event) {
  if (!conn->is_registered) {
    if (events == 0) return 0;
    int error = uv_poll_init(&conn->loop->uv, &conn->poll, conn->fd);
    if (error) return error;
    conn->poll.data = conn;
    conn->is_registered = true;
  }
  return events ? uv_poll_start(&conn->poll, events, on_event) : uv_poll_stop(&conn->poll);
}

static int plain_poll(jh_conn *conn, int events) {
  return jh_transport_watch(conn, events, on_poll);
}

static void plain_shutdown_write(jh_conn *conn) {
  shutdown(conn->fd, SHUT_WR);
}

static void on_poll_closed(uv_handle_t *handle) {
  jh_conn *conn = handle->data;
  conn->is_handle_closed = true;
  if (!conn->is_pending) jh_conn_free(conn);
}

bool jh_transport_close_socket(jh_conn *conn) {
  if (conn->is_registered) uv_close((uv_handle_t *)&conn->poll, on_poll_closed);
  close(conn->fd);
  conn->fd = -1;
  return conn->is_registered;
}

const jh_transport jh_transport_plain = {
    .scheme = "http",
    .read = plain_read,
    .write = plain_write,
    .sendfile = plain_sendfile,
    .poll = plain_poll,
    .shutdown_write = plain_shutdown_write,
    .close = jh_transport_close_socket,
};
