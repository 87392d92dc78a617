/* tls_lookup.c: OpenSSL's certificate callback, which may suspend the handshake, and its answer.
 *
 * What the app gives is made into a context of its own, kept by the text in loop->tls_found: a
 * name is asked for often, and reading PEM costs more than the rest of the lookup. */
#include "net/tls_lookup.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "net/tls_server.h"
#include "net/tls_session.h"
#include "net/tls_transport.h"

/* 1: go on; 0: refuse; -1: wait. */
int jh_tls_on_certificate(SSL *ssl, void *data) {
  jh_tls *tls = SSL_get_app_data(ssl);
  (void)data;
  if (!tls->conn || !tls->conn->loop->looks_up_certificates || tls->has_certificate) return 1;
  if (tls->lookup) return -1;
  if (tls->has_looked_up) return !tls->has_refused && SSL_get_certificate(ssl) != NULL;
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  jh_tls_lookup *lookup = jh_try_calloc(1, sizeof *lookup);
  if (!lookup) return 0;
  jh_list_init(&lookup->node);
  lookup->tls = tls;
  lookup->loop = tls->conn->loop;
  snprintf(lookup->name, sizeof lookup->name, "%s", name ? name : "");
  tls->lookup = lookup;
  tls->has_looked_up = true;
  lookup->loop->hooks.on_certificate(lookup->loop, lookup);
  return -1;
}

void jh_tls_lookup_free_all(jh_list *taken) {
  while (!jh_list_is_empty(taken)) {
    jh_tls_lookup *lookup = JH_LIST_ENTRY(taken->next, jh_tls_lookup, node);
    jh_list_remove(&lookup->node);
    if (lookup->tls) lookup->tls->lookup = NULL;
    jh_free(lookup);
  }
}

void jh_tls_lookup_take(jh_tls_lookup *lookup, jh_list *taken) {
  jh_list_remove(&lookup->node);
  jh_list_append(taken, &lookup->node);
  lookup->is_taken = true;
}

void jh_tls_lookup_abandon(jh_tls_lookup *lookup) {
  lookup->tls = NULL;
  if (lookup->is_taken) return;
  jh_list_remove(&lookup->node);
  jh_free(lookup);
}

/* Puts the certificate into the session. */
static int use(jh_tls *tls, jh_tls_cache *cache, jh_str cert, jh_str key) {
  jh_tls_context *found = jh_tls_cache_acquire_found(cache, tls->context, cert, key);
  if (!found) return JH_EINVAL;
  jh_tls_context_release(tls->found);
  tls->found = found;
  SSL_set_SSL_CTX(tls->ssl, found->ssl_ctx);
  return 0;
}

int jh_tls_lookup_finish(jh_tls_lookup *lookup, jh_str cert, jh_str key, jh_str *reason) {
  jh_tls *tls = lookup->tls;
  jh_tls_cache *cache = &lookup->loop->tls_found;
  int error = 0;
  jh_list_remove(&lookup->node);
  jh_free(lookup);
  if (!tls) return 0;
  tls->lookup = NULL;
  if (!cert.ptr) {
    tls->has_refused = true;
  } else if (cert.len) {
    error = use(tls, cache, cert, key);
    if (error) {
      tls->has_refused = true;
      *reason = jh_str_of(cache->reason);
    }
  }
  jh_tls_transport_resume(tls->conn);
  return error;
}
