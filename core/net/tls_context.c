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
#include "net/tls_session.h"
#include "net/tls_sessions.h"

enum { SETTING_BYTES = 2048, ALPN_BYTES = 256 };

typedef struct reason_text {
  char *text;
  size_t bytes;
} reason_text;

static int complain(reason_text reason, const char *what, jh_str value) {
  ERR_clear_error();
  snprintf(reason.text, reason.bytes, "%s: %.*s", what, (int)value.len, value.ptr);
  return JH_EINVAL;
}

static int version_of(jh_str text) {
  if (jh_str_equal(text, JH_STR("1.0"))) return TLS1_VERSION;
  if (jh_str_equal(text, JH_STR("1.1"))) return TLS1_1_VERSION;
  if (jh_str_equal(text, JH_STR("1.2"))) return TLS1_2_VERSION;
  if (jh_str_equal(text, JH_STR("1.3"))) return TLS1_3_VERSION;
  return -1;
}

static int set_versions(SSL_CTX *ssl_ctx, const jh_tls_options *options, reason_text reason) {
  int min = options->min_version.len ? version_of(options->min_version) : TLS1_2_VERSION;
  int max = options->max_version.len ? version_of(options->max_version) : 0;
  if (min < 0) return complain(reason, "no such TLS version", options->min_version);
  if (max < 0) return complain(reason, "no such TLS version", options->max_version);
  SSL_CTX_set_min_proto_version(ssl_ctx, min);
  SSL_CTX_set_max_proto_version(ssl_ctx, max);
  return 0;
}

/* "TLS_…" names are TLS 1.3's, which OpenSSL keeps in a list of its own. */
static int set_ciphers(SSL_CTX *ssl_ctx, jh_str ciphers, reason_text reason) {
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

/* "h2,http/1.1" into the wire's form: each name with its length in front. */
static int set_alpn(SSL_CTX *ssl_ctx, jh_str alpn, reason_text reason) {
  unsigned char wire[ALPN_BYTES];
  size_t at = 0;
  if (alpn.len >= sizeof wire) return complain(reason, "too long a list for ALPN", alpn);
  for (size_t from = 0; from <= alpn.len;) {
    const char *comma = memchr(alpn.ptr + from, ',', alpn.len - from);
    size_t len = comma ? (size_t)(comma - alpn.ptr) - from : alpn.len - from;
    if (len == 0) return complain(reason, "no such protocol for ALPN", alpn);
    wire[at++] = (unsigned char)len;
    memcpy(wire + at, alpn.ptr + from, len);
    at += len;
    from += len + 1;
  }
  if (SSL_CTX_set_alpn_protos(ssl_ctx, wire, (unsigned)at) == 0) return 0;
  return complain(reason, "no such protocol for ALPN", alpn);
}

/* A ticket came, perhaps long after the handshake. 1: it is kept. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
  jh_tls *tls = SSL_get_app_data(ssl);
  if (!tls->peer) return 0;
  return jh_tls_sessions_put(tls->context->sessions, jh_str_of(tls->peer), session);
}

static jh_tls_context *new_context(void) {
  jh_tls_context *context = jh_try_calloc(1, sizeof *context);
  if (!context) return NULL;
  context->holder_count = 1;
  context->ssl_ctx = SSL_CTX_new(TLS_method());
  if (!context->ssl_ctx) {
    ERR_clear_error();
    jh_free(context);
    return NULL;
  }
  SSL_CTX *ssl_ctx = context->ssl_ctx;
  SSL_CTX_set_mode(ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(ssl_ctx,
                      SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_ENABLE_KTLS);
  /* A record's head and body come with one read(2). */
  SSL_CTX_set_read_ahead(ssl_ctx, 1);
  return context;
}

static int set_up_client(jh_tls_context *context, const jh_tls_options *options,
                         reason_text reason) {
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
  int error = set_versions(ssl_ctx, options, reason);
  if (!error && options->ciphers.len) error = set_ciphers(ssl_ctx, options->ciphers, reason);
  if (!error && options->alpn.len) error = set_alpn(ssl_ctx, options->alpn, reason);
  if (!error && options->ca.len) {
    error = jh_tls_trust(ssl_ctx, options->ca, reason.text, reason.bytes);
  } else if (!error && context->verifies && !SSL_CTX_set_default_verify_paths(ssl_ctx)) {
    error = complain(reason, "the system's certificate authorities", JH_STR("not found"));
  }
  if (!error && options->cert.len) {
    error = jh_tls_use_certificate(ssl_ctx, options->cert, options->key, reason.text, reason.bytes);
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
  if (set_up_client(context, options, (reason_text){reason, reason_bytes}) == 0) return context;
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
  jh_tls_sessions_free(context->sessions);
  jh_free(context->server_name);
  jh_free(context);
}
