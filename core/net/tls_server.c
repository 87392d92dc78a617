/* tls_server.c: settings of listeners into contexts.
 *
 * Every certificate has an SSL_CTX of its own (two with the same names and different kinds of keys
 * share one); a session begins with the first and changes to the one for its name when the client
 * has said it. Settings beside the certificate are the same in all, because a session takes most of
 * them from the context it began with. Defaults are Mozilla's "intermediate" set. */
#include "net/tls_server.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/tls_credentials.h"
#include "net/tls_hosts.h"
#include "net/tls_session.h"

static const char default_ciphers[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

static const char groups[] = "X25519:P-256:P-384";

/* Sessions are resumed only where the same authorities are trusted: who was let in by others must
 * not come back with a ticket. */
static void set_session_id_context(SSL_CTX *ssl_ctx) {
  uint8_t digest[JH_TLS_DIGEST_BYTES];
  jh_tls_digest_authorities(ssl_ctx, digest);
  SSL_CTX_set_session_id_context(ssl_ctx, digest, sizeof digest);
}

/* ---- tickets ---- */

static int start_hmac(EVP_MAC_CTX *mac, jh_tls_ticket_key *key) {
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->hmac, sizeof key->hmac),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "sha256", 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, params);
}

/* 1: go on; 2: go on, and give the client a new ticket; 0: no key, so a full handshake. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_sealing) {
  const jh_tls *tls = SSL_get_app_data(ssl);
  jh_tls_ticket_key key;
  int index = jh_tls_tickets_find(tls->context->tickets, is_sealing ? NULL : name, &key);
  /* Clients use a ticket of TLS 1.3 once. */
  int result = index > 0 || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
  if (index < 0) return 0;
  if (is_sealing) {
    int iv_bytes = EVP_CIPHER_get_iv_length(EVP_aes_256_cbc());
    memcpy(name, key.name, sizeof key.name);
    if (RAND_bytes(iv, iv_bytes) != 1) result = -1;
  }
  if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv, is_sealing) != 1) result = -1;
  if (start_hmac(mac, &key) != 1) result = -1;
  OPENSSL_cleanse(&key, sizeof key);
  return result;
}

/* ---- names and protocols ---- */

static int on_server_name(SSL *ssl, int *alert, void *data) {
  const jh_tls *tls = SSL_get_app_data(ssl);
  const jh_tls_context *context = tls->context;
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  (void)alert, (void)data;
  SSL_CTX *found = name ? jh_tls_hosts_find(context->hosts, name) : NULL;
  if (!found) return SSL_TLSEXT_ERR_NOACK;
  ((jh_tls *)SSL_get_app_data(ssl))->has_certificate = true;
  if (found != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, found);
  return SSL_TLSEXT_ERR_OK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned offered_len, void *data) {
  const jh_tls *tls = SSL_get_app_data(ssl);
  const jh_tls_context *context = tls->context;
  unsigned char *chosen;
  (void)data;
  int result = SSL_select_next_proto(&chosen, out_len, context->alpn, context->alpn_bytes, offered,
                                     offered_len);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- making one ---- */

static int complain(jh_tls_text reason, const char *text) {
  ERR_clear_error();
  snprintf(reason.bytes, reason.capacity, "%s", text);
  return JH_EINVAL;
}

static int set_client_ca(SSL_CTX *ssl_ctx, const jh_tls_server_options *options,
                         jh_tls_text reason) {
  if (!options->client_ca.len) return 0;
  int mode =
      SSL_VERIFY_PEER | (options->requires_client_cert ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
  SSL_CTX_set_verify(ssl_ctx, mode, jh_tls_on_verify);
  int error = jh_tls_trust(ssl_ctx, options->client_ca, reason.bytes, reason.capacity);
  if (error) return error;
  return jh_tls_name_authorities(ssl_ctx) == 0 ? 0 : complain(reason, "out of memory");
}

static int keep_ciphers(jh_tls_context *context, jh_str ciphers, jh_tls_text reason) {
  context->ciphers = jh_try_calloc(1, ciphers.len + 1);
  if (!context->ciphers) return complain(reason, "out of memory");
  memcpy(context->ciphers, ciphers.ptr, ciphers.len);
  return 0;
}

static SSL_CTX *new_ssl_ctx(jh_tls_context *context, const jh_tls_server_options *options,
                            jh_tls_text reason) {
  SSL_CTX *ssl_ctx = jh_tls_new_ssl_ctx();
  if (!ssl_ctx) {
    complain(reason, "out of memory");
    return NULL;
  }
  SSL_CTX_set_options(ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   (options->uses_ktls ? SSL_OP_ENABLE_KTLS : 0));
  SSL_CTX_set1_groups_list(ssl_ctx, groups);
  SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(ssl_ctx, JH_TLS_TICKET_LIFETIME_S);
  if (options->tickets) SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, on_ticket);
  SSL_CTX_set_cert_cb(ssl_ctx, jh_tls_on_certificate, NULL);
  SSL_CTX_set_tlsext_servername_callback(ssl_ctx, on_server_name);
  if (context->alpn_bytes) SSL_CTX_set_alpn_select_cb(ssl_ctx, on_alpn, NULL);
  jh_str ciphers = options->ciphers.len ? options->ciphers : jh_str_of(default_ciphers);
  int error = jh_tls_set_versions(ssl_ctx, options->min_version, JH_STR(""), reason);
  if (!error) error = jh_tls_set_ciphers(ssl_ctx, ciphers, reason);
  if (!error) error = set_client_ca(ssl_ctx, options, reason);
  set_session_id_context(ssl_ctx);
  if (!error && !context->ciphers) error = keep_ciphers(context, ciphers, reason);
  if (!error) return ssl_ctx;
  SSL_CTX_free(ssl_ctx);
  return NULL;
}

static int check_dates(const X509 *cert, const jh_tls_pair *pair, jh_tls_text reason) {
  int days = 0, seconds = 0;
  bool is_text = memmem(pair->cert.ptr, pair->cert.len, "-----", 5) != NULL;
  jh_str name = is_text ? JH_STR("") : pair->cert;
  const char *space = is_text ? "" : " ";
  if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0) {
    ASN1_TIME_diff(&days, &seconds, X509_get0_notAfter(cert), NULL);
    snprintf(reason.bytes, reason.capacity, "certificate%s%.*s: expired %d day%s ago", space,
             (int)name.len, name.ptr, days, days == 1 ? "" : "s");
    return JH_EINVAL;
  }
  if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0) {
    snprintf(reason.bytes, reason.capacity, "certificate%s%.*s: is not valid yet", space,
             (int)name.len, name.ptr);
    return JH_EINVAL;
  }
  return 0;
}

/* Keeps an SSL_CTX for the life of the context. */
static int keep(jh_tls_context *context, SSL_CTX *ssl_ctx) {
  size_t bytes = (context->more_count + 1) * sizeof *context->more;
  SSL_CTX **grown = jh_try_realloc(context->more, bytes);
  if (!grown) return JH_ENOMEM;
  context->more = grown;
  grown[context->more_count++] = ssl_ctx;
  return 0;
}

/* Puts a pair into an SSL_CTX of its own, or, when its certificate has the names of another one,
 * into that. */
static int add_pair(jh_tls_context *context, const jh_tls_server_options *options,
                    const jh_tls_pair *pair, jh_tls_text reason) {
  bool is_first = !context->ssl_ctx;
  SSL_CTX *ssl_ctx = new_ssl_ctx(context, options, reason);
  if (!ssl_ctx) return JH_EINVAL;
  if (is_first) {
    context->ssl_ctx = ssl_ctx;
  } else if (keep(context, ssl_ctx) < 0) {
    SSL_CTX_free(ssl_ctx);
    return complain(reason, "out of memory");
  }
  int error = jh_tls_use_certificate(ssl_ctx, pair->cert, pair->key, reason.bytes, reason.capacity);
  if (error) return error;
  X509 *cert = SSL_CTX_get0_certificate(ssl_ctx);
  if (!options->accepts_expired) error = check_dates(cert, pair, reason);
  if (error) return error;
  SSL_CTX *same = jh_tls_hosts_same(context->hosts, cert);
  if (same)
    return jh_tls_use_certificate(same, pair->cert, pair->key, reason.bytes, reason.capacity);
  error = jh_tls_hosts_add(context->hosts, cert, ssl_ctx);
  return error ? complain(reason, "out of memory") : 0;
}

static int set_up(jh_tls_context *context, const jh_tls_server_options *options,
                  jh_tls_text reason) {
  context->tickets = options->tickets;
  context->verifies = options->client_ca.len > 0;
  context->hosts = jh_try_calloc(1, sizeof *context->hosts);
  if (!context->hosts) return complain(reason, "out of memory");
  if (options->alpn.len) {
    int bytes = jh_tls_write_alpn(options->alpn, context->alpn, reason);
    if (bytes < 0) return bytes;
    context->alpn_bytes = (uint8_t)bytes;
  }
  for (size_t i = 0; i < options->pair_count; i++) {
    int error = add_pair(context, options, &options->pairs[i], reason);
    if (error) return error;
  }
  if (context->ssl_ctx) return 0;
  context->ssl_ctx = new_ssl_ctx(context, options, reason);
  return context->ssl_ctx ? 0 : JH_EINVAL;
}

jh_tls_context *jh_tls_context_new_server(const jh_tls_server_options *options, char *reason,
                                          size_t reason_bytes) {
  jh_tls_text text = {reason, reason_bytes};
  jh_tls_context *context = jh_try_calloc(1, sizeof *context);
  if (!context) {
    complain(text, "out of memory");
    return NULL;
  }
  context->holder_count = 1;
  if (set_up(context, options, text) == 0) return context;
  jh_tls_context_release(context);
  return NULL;
}

/* What a session takes from the context that it changes to; the rest it has already. */
static int set_up_found(jh_tls_context *context, const jh_tls_context *base,
                        const jh_tls_pair *pair, jh_tls_text reason) {
  SSL_CTX *ssl_ctx = context->ssl_ctx = jh_tls_new_ssl_ctx();
  if (!ssl_ctx) return complain(reason, "out of memory");
  SSL_CTX_set_cert_cb(ssl_ctx, jh_tls_on_certificate, NULL);
  if (base->alpn_bytes) SSL_CTX_set_alpn_select_cb(ssl_ctx, on_alpn, NULL);
  SSL_CTX_set1_cert_store(ssl_ctx, SSL_CTX_get_cert_store(base->ssl_ctx));
  set_session_id_context(ssl_ctx);
  const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(base->ssl_ctx);
  if (names) SSL_CTX_set_client_CA_list(ssl_ctx, SSL_dup_CA_list(names));
  int error = jh_tls_set_ciphers(ssl_ctx, jh_str_of(base->ciphers), reason);
  if (error) return error;
  return jh_tls_use_certificate(ssl_ctx, pair->cert, pair->key, reason.bytes, reason.capacity);
}

jh_tls_context *jh_tls_context_new_found(const jh_tls_context *base, const jh_tls_pair *pair,
                                         char *reason, size_t reason_bytes) {
  jh_tls_text text = {reason, reason_bytes};
  jh_tls_context *context = jh_try_calloc(1, sizeof *context);
  if (!context) {
    complain(text, "out of memory");
    return NULL;
  }
  context->holder_count = 1;
  if (set_up_found(context, base, pair, text) == 0) return context;
  jh_tls_context_release(context);
  return NULL;
}

static void judge_end(X509 *cert, int *days_left, char *name, size_t name_bytes) {
  int days = 0, seconds = 0;
  if (!cert || !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert))) return;
  if (days >= *days_left) return;
  *days_left = days;
  jh_tls_write_subject(X509_get_subject_name(cert), name, name_bytes);
}

int jh_tls_context_days_left(const jh_tls_context *context, char *name, size_t name_bytes) {
  int days_left = INT32_MAX;
  name[0] = '\0';
  judge_end(SSL_CTX_get0_certificate(context->ssl_ctx), &days_left, name, name_bytes);
  for (size_t i = 0; i < context->more_count; i++) {
    judge_end(SSL_CTX_get0_certificate(context->more[i]), &days_left, name, name_bytes);
  }
  return days_left;
}

bool jh_tls_context_has_certificate(const jh_tls_context *context) {
  return SSL_CTX_get0_certificate(context->ssl_ctx) != NULL;
}
