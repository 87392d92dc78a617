/* tls_transport.c: the transport that decrypts.
 *
 * While the handshake runs the connection is IDLE and asks for nothing; its socket is watched here,
 * for what the handshake wants. Reading and writing then are one call of the engine each. A read
 * may leave bytes behind that are decrypted already; such connections stand in loop->hidden_input
 * and are read again in the next turn, as if epoll had said so. */
#include "net/tls_transport.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "net/http2_session.h"
#include "net/refusal.h"
#include "net/tls_session.h"

enum { PROXY_HEADER_BYTES_MAX = 4096 };

static void on_poll(uv_poll_t *poll, int status, int events);

static int watch(jh_conn *conn, int events) {
  jh_tls *tls = conn->transport_data;
  if (tls->registered == events) return 0;
  tls->registered = (uint8_t)events;
  return jh_transport_watch(conn, events, on_poll);
}

/* What the socket is watched for when the connection wants these events. */
static int needed(const jh_tls *tls, int events) {
  return (events & UV_READABLE ? tls->read_needs : 0) | (events & UV_WRITABLE);
}

static void note_hidden(jh_conn *conn, jh_tls *tls) {
  if (!jh_tls_has_pending(tls)) {
    jh_list_remove(&tls->hidden);
  } else if (jh_list_is_empty(&tls->hidden)) {
    jh_list_append(&conn->loop->hidden_input, &tls->hidden);
  }
}

void jh_tls_transport_read_hidden(jh_loop *loop) {
  jh_list round;
  jh_list_init(&round);
  while (!jh_list_is_empty(&loop->hidden_input)) {
    jh_list *node = loop->hidden_input.next;
    jh_list_remove(node);
    jh_list_append(&round, node);
  }
  while (!jh_list_is_empty(&round)) {
    jh_tls *tls = JH_LIST_ENTRY(round.next, jh_tls, hidden);
    jh_list_remove(&tls->hidden);
    if (tls->conn->events & UV_READABLE) jh_conn_on_readable(tls->conn);
  }
}

/* ---- the handshake ---- */

static void fail(jh_conn *conn, const jh_tls *tls) {
  jh_loop *loop = conn->loop;
  loop->counters.tls_failures++;
  if (jh_log_is_on(loop->log, JH_LOG_DEBUG)) {
    char text[JH_IP_TEXT_BYTES] = "unix:";
    if (conn->peer.has_ip) jh_ip_write(&conn->peer.ip, text);
    jh_log_printf(loop->log, JH_LOG_DEBUG, "TLS with %s: %s", text, jh_tls_reason(tls));
  }
  jh_conn_close(conn);
}

/* The client speaks plain HTTP: it is told so, in its own language. */
static void refuse_plain(jh_conn *conn) {
  const char *text = jh_refusal_text(JH_REFUSAL_PLAIN_HTTP);
  jh_tls *tls = conn->transport_data;
  jh_list_remove(&tls->hidden);
  jh_tls_close(tls);
  conn->transport = &jh_transport_plain;
  conn->transport_data = NULL;
  conn->loop->counters.protocol_errors++;
  jh_timeout_clear(&conn->timeout);
  conn->closes_after_write = conn->lingers = true;
  if (jh_conn_append(conn, text, strlen(text)) < 0) {
    jh_conn_close(conn);
  } else {
    jh_conn_flush(conn);
  }
}

/* A load balancer's word about its client comes before TLS. It is taken out of the socket only as
 * it is complete, so that not a byte of TLS goes with it; until then the socket is not readable to
 * epoll, so that it is not reported over and over. */
static int read_proxy_header(jh_conn *conn) {
  char bytes[PROXY_HEADER_BYTES_MAX];
  jh_loop *loop = conn->loop;
  ssize_t count = recv(conn->fd, bytes, sizeof bytes, MSG_PEEK);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? JH_EWAIT : -errno;
  if (count == 0) return JH_ECLOSED;
  size_t used;
  jh_str input = {bytes, (size_t)count};
  int error = jh_peer_read_proxy_header(&conn->peer, &loop->settings.peers, input, &used);
  if (error == JH_EWAIT && count == (ssize_t)sizeof bytes) error = JH_EPROTO;
  if (error == JH_EPROTO) jh_conn_log_proxy(loop);
  if (error == JH_ELIMIT) {
    loop->counters.rejected++;
    jh_conn_log_per_ip(loop);
  }
  if (error && error != JH_EWAIT) return error;
  int low_water = error == JH_EWAIT ? (int)count + 1 : 1;
  setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water);
  if (error) return error;
  return read(conn->fd, bytes, used) == (ssize_t)used ? 0 : JH_ECLOSED;
}

/* What comes before TLS: 0 when TLS may begin, JH_EWAIT, JH_EUNSUPPORTED for plain HTTP, or another
 * negative code. */
static int look_ahead(jh_conn *conn) {
  jh_tls *tls = conn->transport_data;
  char first;
  if (tls->has_looked) return 0;
  if (conn->peer.awaits_proxy_header) {
    int error = read_proxy_header(conn);
    if (error) return error;
  }
  ssize_t count = recv(conn->fd, &first, 1, MSG_PEEK);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? JH_EWAIT : -errno;
  if (count == 0) return JH_ECLOSED;
  tls->has_looked = true;
  return first >= 'A' && first <= 'Z' ? JH_EUNSUPPORTED : 0;
}

/* TLS is spoken from now on: as a connection that was just accepted. */
static void begin(jh_conn *conn) {
  jh_str protocol;
  jh_tls_alpn(conn->transport_data, &protocol);
  jh_timeout_set(&conn->loop->timeouts, &conn->timeout, JH_TIMEOUT_HEADER);
  if (jh_str_equal(protocol, JH_STR("h2"))) jh_http2_take_over(conn);
  jh_conn_on_readable(conn);
  if (conn->state == JH_CONN_CLOSED || conn->has_ended) return;
  jh_conn_poll(conn, conn->events | UV_READABLE);
}

static void shake(jh_conn *conn) {
  jh_tls *tls = conn->transport_data;
  int wants = UV_READABLE;
  int result = look_ahead(conn);
  if (result == 0) {
    result = jh_tls_handshake(tls);
    wants = jh_tls_wants(tls);
  }
  if (result == JH_EWAIT) {
    if (watch(conn, wants) < 0) jh_conn_close(conn);
  } else if (result == JH_EUNSUPPORTED) {
    refuse_plain(conn);
  } else if (result < 0) {
    fail(conn, tls);
  } else {
    begin(conn);
  }
}

int jh_tls_transport_open(jh_loop *loop, int fd, const jh_peer *peer) {
  jh_tls *tls = jh_tls_open(loop->server_tls, fd, true, (jh_str){"", 0});
  jh_conn *conn = tls ? jh_conn_new(loop, &jh_transport_tls, tls, fd) : NULL;
  if (!conn) {
    jh_tls_close(tls);
    close(fd);
    return JH_ENOMEM;
  }
  conn->peer = *peer;
  tls->conn = conn;
  tls->read_needs = UV_READABLE;
  jh_list_init(&tls->hidden);
  jh_timeout_set(&loop->timeouts, &conn->timeout, JH_TIMEOUT_HANDSHAKE);
  shake(conn);
  return 0;
}

void jh_tls_transport_resume(jh_conn *conn) {
  shake(conn);
}

jh_tls *jh_tls_transport_session(const jh_conn *conn) {
  return conn->transport == &jh_transport_tls ? conn->transport_data : NULL;
}

/* ---- after it ---- */

static void on_poll(uv_poll_t *poll, int status, int events) {
  jh_conn *conn = poll->data;
  jh_tls *tls = conn->transport_data;
  if (status < 0) {
    jh_conn_close(conn);
    return;
  }
  if (!tls->has_shaken) {
    shake(conn);
    return;
  }
  bool is_readable = (conn->events & UV_READABLE) && (events & tls->read_needs);
  if ((conn->events & UV_WRITABLE) && (events & UV_WRITABLE)) jh_conn_flush(conn);
  if (conn->state == JH_CONN_CLOSED) return;
  if (is_readable) jh_conn_on_readable(conn);
  if (conn->state == JH_CONN_CLOSED) return;
  /* What nobody wants any more is reported once and not over and over. */
  int still_needed = needed(tls, conn->events);
  if ((events & ~still_needed) && watch(conn, still_needed) < 0) jh_conn_close(conn);
}

static ssize_t tls_read(jh_conn *conn, char *out, size_t bytes) {
  jh_tls *tls = conn->transport_data;
  if (!tls->has_shaken) return -EAGAIN;
  ssize_t count = jh_tls_read(tls, out, bytes);
  int needs = count == -EAGAIN ? jh_tls_wants(tls) : UV_READABLE;
  if (needs != tls->read_needs) {
    tls->read_needs = (uint8_t)needs;
    if (conn->events && watch(conn, needed(tls, conn->events)) < 0) return -EIO;
  }
  note_hidden(conn, tls);
  return count;
}

static ssize_t tls_write(jh_conn *conn, const struct iovec *parts, int count) {
  return jh_tls_write(conn->transport_data, parts, count);
}

/* The kernel encrypts (kTLS), so it can take the file's bytes by itself. */
static ssize_t tls_sendfile(jh_conn *conn, const struct iovec *parts, int count, int file_fd,
                            off_t offset, size_t bytes) {
  jh_tls *tls = conn->transport_data;
  size_t total = 0;
  ssize_t before = 0;
  if (!BIO_get_ktls_send(SSL_get_wbio(tls->ssl))) {
    return jh_transport_copy_file(conn, parts, count, file_fd, offset, bytes);
  }
  for (int i = 0; i < count; i++) total += parts[i].iov_len;
  if (total) before = jh_tls_write(tls, parts, count);
  if (before < (ssize_t)total) return before;
  ssize_t sent = jh_tls_sendfile(tls, file_fd, offset, bytes);
  if (sent >= 0) return before + sent;
  return sent == -EAGAIN && before > 0 ? before : sent;
}

static int tls_poll(jh_conn *conn, int events) {
  jh_tls *tls = conn->transport_data;
  if (!tls->has_shaken) return 0;
  if (events & UV_READABLE) note_hidden(conn, tls);
  return watch(conn, needed(tls, events));
}

static void tls_shutdown_write(jh_conn *conn) {
  jh_tls_shutdown(conn->transport_data);
  shutdown(conn->fd, SHUT_WR);
}

static bool tls_close(jh_conn *conn) {
  jh_tls *tls = conn->transport_data;
  jh_list_remove(&tls->hidden);
  jh_tls_shutdown(tls);
  jh_tls_close(tls);
  conn->transport_data = NULL;
  return jh_transport_close_socket(conn);
}

const jh_transport jh_transport_tls = {
    .scheme = "https",
    .read = tls_read,
    .write = tls_write,
    .sendfile = tls_sendfile,
    .poll = tls_poll,
    .shutdown_write = tls_shutdown_write,
    .close = tls_close,
};
