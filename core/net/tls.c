/* tls.c: one session: an SSL over the socket's own BIO, so that the kernel can take over the
 * encryption (kTLS) where it is able to.
 *
 * Small parts are gathered into one record, because every record costs an encryption and a write of
 * its own. Reading goes on while OpenSSL holds decrypted or unread bytes, so that epoll is needed
 * only when they are used up. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/tls_lookup.h"
#include "net/tls_session.h"
#include "net/tls_sessions.h"

enum {
  NAME_BYTES_MAX = 255,
  PORT_BYTES = 8,       /* ":65535" */
  RECORD_BYTES = 16384, /* plaintext of one record at most */
};

static unsigned port_of_peer(int fd) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } address = {.any = {.sa_family = AF_UNSPEC}};
  socklen_t bytes = sizeof address;
  if (getpeername(fd, &address.any, &bytes) < 0) return 0;
  if (address.any.sa_family == AF_INET) return ntohs(address.v4.sin_port);
  return address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port) : 0;
}

static bool is_address(const char *name) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Tells the peer which name is wanted (addresses are not told), and has its certificate compared
 * with that. False when memory is out. */
static bool set_name(SSL *ssl, const char *name) {
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  if (is_address(name)) return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
         SSL_set_tlsext_host_name(ssl, name) == 1;
}

/* What a client needs to know of its peer. */
static bool set_peer(jh_tls *tls, int fd, jh_str name) {
  if (tls->context->server_name) name = jh_str_of(tls->context->server_name);
  if (name.len > 1 && name.ptr[name.len - 1] == '.') name.len--;
  bool is_sound = name.len > 0 && name.len <= NAME_BYTES_MAX && !memchr(name.ptr, '\0', name.len);
  if (!is_sound) {
    jh_tls_complain(tls, "there is no server name to verify the certificate with");
    tls->error = JH_EINVAL;
    return true;
  }
  char text[NAME_BYTES_MAX + 1];
  memcpy(text, name.ptr, name.len);
  text[name.len] = '\0';
  tls->peer = jh_try_alloc(name.len + PORT_BYTES);
  if (!tls->peer || !set_name(tls->ssl, text)) return false;
  tls->name_len = (uint16_t)name.len;
  snprintf(tls->peer, name.len + PORT_BYTES, "%s:%u", text, port_of_peer(fd));
  SSL_SESSION *session = jh_tls_sessions_find(tls->context->sessions, jh_str_of(tls->peer));
  if (session) SSL_set_session(tls->ssl, session);
  return true;
}

jh_tls *jh_tls_open(jh_tls_context *context, int fd, bool is_server, jh_str server_name) {
  jh_tls *tls = jh_try_calloc(1, sizeof *tls);
  if (!tls) return NULL;
  tls->context = jh_tls_context_acquire(context);
  tls->is_server = is_server;
  tls->wants = UV_READABLE;
  tls->ssl = SSL_new(context->ssl_ctx);
  bool is_fine = tls->ssl && SSL_set_fd(tls->ssl, fd);
  if (is_fine) {
    SSL_set_app_data(tls->ssl, tls);
    if (is_server) {
      SSL_set_accept_state(tls->ssl);
    } else {
      SSL_set_connect_state(tls->ssl);
      is_fine = set_peer(tls, fd, server_name);
    }
  }
  if (is_fine) return tls;
  ERR_clear_error();
  jh_tls_close(tls);
  return NULL;
}

int jh_tls_handshake(jh_tls *tls) {
  if (tls->has_shaken) return 0;
  if (tls->error) return tls->error;
  int result = SSL_do_handshake(tls->ssl);
  if (result == 1) {
    tls->has_shaken = true;
    return 0;
  }
  int error = jh_tls_fail(tls, result);
  if (error == 0) {
    jh_tls_complain(tls, "the other side ended the session during the TLS handshake");
    error = JH_ECLOSED;
  }
  if (error != JH_EWAIT) {
    tls->error = error;
    /* A ticket that the peer chokes on must not be tried for ever. */
    if (tls->peer) jh_tls_sessions_drop(tls->context->sessions, jh_str_of(tls->peer));
  }
  return error;
}

ssize_t jh_tls_read(jh_tls *tls, char *out, size_t bytes) {
  if (tls->error) return tls->error;
  size_t total = 0;
  while (total < bytes) {
    size_t count;
    int result = SSL_read_ex(tls->ssl, out + total, bytes - total, &count);
    if (result == 1) {
      total += count;
      if (!SSL_has_pending(tls->ssl)) break;
      continue;
    }
    int error = jh_tls_fail(tls, result);
    if (error == 0) break; /* a close_notify */
    if (error == JH_EWAIT) return total ? (ssize_t)total : -EAGAIN;
    tls->error = error;
    if (!total) return error;
    break;
  }
  return (ssize_t)total;
}

/* The next record's bytes: where they lie when they are in one piece, or gathered in `record`. */
static jh_str next_record(const struct iovec *parts, int count, size_t skip, char *record) {
  size_t have = 0;
  for (int i = 0; i < count && have < RECORD_BYTES; i++) {
    const char *base = parts[i].iov_base;
    size_t len = parts[i].iov_len;
    if (skip >= len) {
      skip -= len;
      continue;
    }
    base += skip;
    len -= skip;
    skip = 0;
    if (have == 0 && (len >= RECORD_BYTES || i == count - 1)) {
      return (jh_str){base, len < RECORD_BYTES ? len : RECORD_BYTES};
    }
    if (len > RECORD_BYTES - have) len = RECORD_BYTES - have;
    memcpy(record + have, base, len);
    have += len;
  }
  return (jh_str){record, have};
}

ssize_t jh_tls_write(jh_tls *tls, const struct iovec *parts, int count) {
  char record[RECORD_BYTES];
  size_t total = 0;
  for (;;) {
    jh_str bytes = next_record(parts, count, total, record);
    if (bytes.len == 0) return (ssize_t)total;
    size_t written;
    int result = SSL_write_ex(tls->ssl, bytes.ptr, bytes.len, &written);
    if (result == 1) {
      total += written;
      continue;
    }
    int error = jh_tls_fail(tls, result);
    if (error == JH_EWAIT) return total ? (ssize_t)total : -EAGAIN;
    return error ? error : JH_ECLOSED; /* not kept: what the peer sent before may still be read */
  }
}

ssize_t jh_tls_sendfile(jh_tls *tls, int file_fd, off_t offset, size_t bytes) {
  ossl_ssize_t sent = SSL_sendfile(tls->ssl, file_fd, offset, bytes, 0);
  if (sent > 0) return sent;
  if (sent == 0) return -ENODATA;
  int error = jh_tls_fail(tls, (int)sent);
  if (error == JH_EWAIT) return -EAGAIN;
  return error ? error : JH_ECLOSED;
}

int jh_tls_wants(const jh_tls *tls) {
  return tls->wants;
}

bool jh_tls_has_pending(const jh_tls *tls) {
  bool has_ended = SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN;
  return tls->error || has_ended || SSL_has_pending(tls->ssl);
}

const char *jh_tls_reason(const jh_tls *tls) {
  return tls->reason ? tls->reason : "";
}

void jh_tls_shutdown(jh_tls *tls) {
  if (!tls->has_shaken || tls->has_failed) return;
  SSL_shutdown(tls->ssl);
  ERR_clear_error();
}

void jh_tls_close(jh_tls *tls) {
  if (!tls) return;
  if (tls->ssl) {
    /* Without a close_notify of both sides OpenSSL would take the session for broken. */
    if (!tls->has_failed) SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
  }
  if (tls->lookup) jh_tls_lookup_abandon(tls->lookup);
  jh_tls_context_release(tls->found);
  jh_tls_context_release(tls->context);
  jh_free(tls->peer);
  jh_free(tls->reason);
  jh_free(tls);
}

const char *jh_tls_version(const jh_tls *tls) {
  return SSL_get_version(tls->ssl);
}

const char *jh_tls_cipher(const jh_tls *tls) {
  return SSL_get_cipher_name(tls->ssl);
}

void jh_tls_alpn(const jh_tls *tls, jh_str *protocol) {
  const unsigned char *name;
  unsigned len;
  SSL_get0_alpn_selected(tls->ssl, &name, &len);
  *protocol = (jh_str){(const char *)name, len};
}

bool jh_tls_is_resumed(const jh_tls *tls) {
  return SSL_session_reused(tls->ssl) == 1;
}
