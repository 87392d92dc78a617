/* tls_context.c: settings into an SSL_CTX.
 *
 * Defaults are Mozilla's "intermediate" set: TLS 1.2 and 1.3, forward secrecy, AEAD. */
#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/tls_credentials.h"
#include "net/tls_hosts.h"
#include "net/tls_session.h"
#include "net/tls_sessions.h"

enum { SETTING_BYTES = 2048 };

static int complain(jh_tls_text reason, const char *what, jh_str value) {
  ERR_clear_error();
  snprintf(reason.bytes, reason.capacity, "%s: %.*s", what, (int)value.len, value.ptr);
  return JH_EINVAL;
}

static int version_of(jh_str text) {
  if (jh_str_equal(text, JH_STR("1.0"))) return TLS1_VERSION;
  if (jh_str_equal(text, JH_STR("1.1"))) return TLS1_1_VERSION;
  if (jh_str_equal(text, JH_STR("1.2"))) return TLS1_2_VERSION;
  if (jh_str_equal(text, JH_STR("1.3"))) return TLS1_3_VERSION;
  return -1;
}

int jh_tls_set_versions(SSL_CTX *ssl_ctx, jh_str min_text, jh_str max_text, jh_tls_text reason) {
  int min = min_text.len ? version_of(min_text) : TLS1_2_VERSION;
  int max = max_text.len ? version_of(max_text) : 0;
  if (min < 0) return complain(reason, "no such TLS version", min_text);
  if (max < 0) return complain(reason, "no such TLS version", max_text);
  SSL_CTX_set_min_proto_version(ssl_ctx, min);
  SSL_CTX_set_max_proto_version(ssl_ctx, max);
  return 0;
}

/* "TLS_…" names are TLS 1.3's, which OpenSSL keeps in a list of its own. */
int jh_tls_set_ciphers(SSL_CTX *ssl_ctx, jh_str ciphers, jh_tls_text reason) {
  char older[SETTING_BYTES] = "", newer[SETTING_BYTES] = "";
  if (ciphers.len >= SETTING_BYTES) return complain(reason, "too many ciphers", JH_STR(""));
  size_t at = 0;
  while (at < ciphers.len) {
    const char *name = ciphers.ptr + at;
    const char *colon = memchr(name, ':', ciphers.len - at);
    size_t len = colon ? (size_t)(colon - name) : ciphers.len - at;
    bool is_newer = len > 4 && memcmp(name, "TLS_", 4) == 0;
    char *list = is_newer ? newer : older;
    size_t have = strlen(list);
    snprintf(list + have, SETTING_BYTES - have, "%s%.*s", have ? ":" : "", (int)len, name);
    at += len + 1;
  }
  if (older[0] && !SSL_CTX_set_cipher_list(ssl_ctx, older)) {
    return complain(reason, "no such ciphers", ciphers);
  }
  if (newer[0] && !SSL_CTX_set_ciphersuites(ssl_ctx, newer)) {
    return complain(reason, "no such ciphers", ciphers);
  }
  return 0;
}

/* Each name with its length in front. */
int jh_tls_write_alpn(jh_str alpn, uint8_t *wire, jh_tls_text reason) {
  size_t at = 0;
  if (alpn.len >= JH_TLS_ALPN_BYTES) return complain(reason, "too long a list for ALPN", alpn);
  for (size_t from = 0; from <= alpn.len;) {
    const char *comma = memchr(alpn.ptr + from, ',', alpn.len - from);
    size_t len = comma ? (size_t)(comma - alpn.ptr) - from : alpn.len - from;
    if (len == 0) return complain(reason, "no such protocol for ALPN", alpn);
    wire[at++] = (uint8_t)len;
    memcpy(wire + at, alpn.ptr + from, len);
    at += len;
    from += len + 1;
  }
  return (int)at;
}

static int set_alpn(SSL_CTX *ssl_ctx, jh_str alpn, jh_tls_text reason) {
  uint8_t wire[JH_TLS_ALPN_BYTES];
  int bytes = jh_tls_write_alpn(alpn, wire, reason);
  if (bytes < 0) return bytes;
  if (SSL_CTX_set_alpn_protos(ssl_ctx, wire, (unsigned)bytes) == 0) return 0;
  return complain(reason, "no such protocol for ALPN", alpn);
}

/* A ticket came, perhaps long after the handshake. 1: it is kept. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
  jh_tls *tls = SSL_get_app_data(ssl);
  if (!tls->peer) return 0;
  return jh_tls_sessions_put(tls->context->sessions, jh_str_of(tls->peer), session);
}

SSL_CTX *jh_tls_new_ssl_ctx(void) {
  SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_method());
  if (!ssl_ctx) {
    ERR_clear_error();
    return NULL;
  }
  SSL_CTX_set_mode(ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  /* A record's head and body come with one read(2). */
  SSL_CTX_set_read_ahead(ssl_ctx, 1);
  return ssl_ctx;
}

static jh_tls_context *new_context(void) {
  jh_tls_context *context = jh_try_calloc(1, sizeof *context);
  if (!context) return NULL;
  context->holder_count = 1;
  context->ssl_ctx = jh_tls_new_ssl_ctx();
  if (context->ssl_ctx) return context;
  jh_free(context);
  return NULL;
}

static int set_up_client(jh_tls_context *context, const jh_tls_options *options,
                         jh_tls_text reason) {
  SSL_CTX *ssl_ctx = context->ssl_ctx;
  context->verifies = !options->is_unverified;
  context->sessions = jh_tls_sessions_new();
  if (!context->sessions) return complain(reason, "out of memory", JH_STR("TLS sessions"));
  SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(ssl_ctx, on_session);
  SSL_CTX_set_verify(ssl_ctx, context->verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     jh_tls_on_verify);
  if (options->server_name.len) {
    context->server_name = jh_try_calloc(1, options->server_name.len + 1);
    if (!context->server_name) return complain(reason, "out of memory", JH_STR("TLS context"));
    memcpy(context->server_name, options->server_name.ptr, options->server_name.len);
  }
  int error = jh_tls_set_versions(ssl_ctx, options->min_version, options->max_version, reason);
  if (!error && options->ciphers.len) error = jh_tls_set_ciphers(ssl_ctx, options->ciphers, reason);
  if (!error && options->alpn.len) error = set_alpn(ssl_ctx, options->alpn, reason);
  if (!error && options->ca.len) {
    error = jh_tls_trust(ssl_ctx, options->ca, reason.bytes, reason.capacity);
  } else if (!error && context->verifies && !SSL_CTX_set_default_verify_paths(ssl_ctx)) {
    error = complain(reason, "the system's certificate authorities", JH_STR("not found"));
  }
  if (!error && options->cert.len) {
    error =
        jh_tls_use_certificate(ssl_ctx, options->cert, options->key, reason.bytes, reason.capacity);
  }
  return error;
}

jh_tls_context *jh_tls_context_new_client(const jh_tls_options *options, char *reason,
                                          size_t reason_bytes) {
  jh_tls_context *context = new_context();
  if (!context) {
    snprintf(reason, reason_bytes, "out of memory");
    return NULL;
  }
  if (set_up_client(context, options, (jh_tls_text){reason, reason_bytes}) == 0) return context;
  jh_tls_context_release(context);
  return NULL;
}

jh_tls_context *jh_tls_context_acquire(jh_tls_context *context) {
  if (context) context->holder_count++;
  return context;
}

void jh_tls_context_release(jh_tls_context *context) {
  if (!context || --context->holder_count > 0) return;
  SSL_CTX_free(context->ssl_ctx);
  for (size_t i = 0; i < context->more_count; i++) SSL_CTX_free(context->more[i]);
  jh_free(context->more);
  if (context->hosts) jh_tls_hosts_deinit(context->hosts);
  jh_free(context->hosts);
  jh_tls_sessions_free(context->sessions);
  jh_free(context->server_name);
  jh_free(context->ciphers);
  jh_free(context);
}
