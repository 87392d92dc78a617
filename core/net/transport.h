/* transport.h: the seam between a connection and what carries its bytes.
 *
 * Six functions, chosen when the connection opens and never asked about again: a plain socket, or
 * memory for in-process requests. TLS is one more of these. */
#ifndef JH_NET_TRANSPORT_H
#define JH_NET_TRANSPORT_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

/* ==== cdef: begin ==== */

struct jh_conn;
struct iovec;

typedef struct jh_transport {
  const char *scheme; /* "http" */

  /* Bytes read, 0 at the peer's end, -EAGAIN, or another negated errno. */
  ssize_t (*read)(struct jh_conn *conn, char *out, size_t bytes);

  /* Bytes taken, possibly fewer than given, -EAGAIN, or another negated errno. */
  ssize_t (*write)(struct jh_conn *conn, const struct iovec *parts, int count);

  /* Writes `parts` and behind them bytes of a file, as one stream. Bytes taken of both together,
   * -EAGAIN when none were, -ENODATA when the file is shorter, or another negated errno. Where the
   * kernel cannot do it this is jh_transport_copy_file(). */
  ssize_t (*sendfile)(struct jh_conn *conn, const struct iovec *parts, int count, int file_fd,
                      off_t offset, size_t bytes);

  /* Wants to be told when it can be read (UV_READABLE) or written (UV_WRITABLE); 0 neither. Not
   * called twice with the same events. 0 or a negative code. */
  int (*poll)(struct jh_conn *conn, int events);

  /* Tells the peer that nothing more will be written. */
  void (*shutdown_write)(struct jh_conn *conn);

  /* Ends it. True when the connection's memory is released by the transport later, in its own
   * callback, by jh_conn_free(). */
  bool (*close)(struct jh_conn *conn);
} jh_transport;

/* sendfile() by reading the file and writing the bytes. */
ssize_t jh_transport_copy_file(struct jh_conn *conn, const struct iovec *parts, int count,
                               int file_fd, off_t offset, size_t bytes);

/* ==== cdef: end ==== */

/* Plain sockets: read(2), writev(2), sendfile(2), uv_poll. */
extern const jh_transport jh_transport_plain;

/* For other transports over sockets: has uv watch for these events and call `on_poll`; closes the
 * socket and the uv handle, with the result of close(). */
typedef struct uv_poll_s uv_poll_t;
int jh_transport_watch(struct jh_conn *conn, int events,
                       void (*on_poll)(uv_poll_t *poll, int status, int events));
bool jh_transport_close_socket(struct jh_conn *conn);

#endif
