/* tls_session.h: what is inside a TLS session, for net/tls*.c only. */
#ifndef JH_NET_TLS_SESSION_H
#define JH_NET_TLS_SESSION_H

#include <openssl/ssl.h>

#include "base/list.h"
#include "net/tls.h"

/* Where a sentence goes. */
typedef struct jh_tls_text {
  char *bytes;
  size_t capacity;
} jh_tls_text;

struct jh_tls {
  SSL *ssl;
  jh_tls_context *context;
  char *peer;        /* clients: "name:port", the key of their sessions; NULL on servers */
  char *reason;      /* NULL: no failure yet */
  int error;         /* a failure that a later call is to report; 0 none */
  uint16_t name_len; /* the beginning of `peer` that is the name */
  uint8_t wants;
  bool is_server;
  bool has_shaken; /* the handshake is done */
  bool has_failed; /* no close_notify may be sent any more */

  /* For tls_transport.c, beside the gaps above. */
  bool has_looked;      /* the first byte was judged */
  bool has_certificate; /* one of the options is for the name that was asked for */
  bool has_looked_up;   /* the app was asked for one */
  bool has_refused;     /* and what it gave is of no use */
  uint8_t registered;   /* with epoll */
  uint8_t read_needs;   /* what a read waits for, normally UV_READABLE */
  jh_list hidden;       /* in loop->hidden_input */
  struct jh_conn *conn;
  jh_tls_lookup *lookup; /* while the app looks for a certificate */
  jh_tls_context *found; /* of what it found; or NULL */
};

/* An SSL_CTX with what is common to both sides. NULL when out of memory. */
SSL_CTX *jh_tls_new_ssl_ctx(void);

/* OpenSSL's certificate callback; in tls_lookup.c. */
int jh_tls_on_certificate(SSL *ssl, void *data);

/* "1.2" to "1.3", "" for our bounds; names of ciphers of both kinds. 0, or JH_EINVAL with a
 * sentence. */
int jh_tls_set_versions(SSL_CTX *ssl_ctx, jh_str min, jh_str max, jh_tls_text reason);
int jh_tls_set_ciphers(SSL_CTX *ssl_ctx, jh_str ciphers, jh_tls_text reason);

/* "h2,http/1.1" in the wire's form; the bytes written (at most JH_TLS_ALPN_BYTES) or JH_EINVAL with
 * a sentence. */
int jh_tls_write_alpn(jh_str alpn, uint8_t *wire, jh_tls_text reason);

/* "CN=…", or the whole of a name without one. */
void jh_tls_write_subject(X509_NAME *name, char *out, size_t out_bytes);

/* Puts a sentence into tls->reason, unless there is one. */
void jh_tls_complain(jh_tls *tls, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes OpenSSL's errors, makes a sentence of them, and gives the code for the caller. `result` is
 * what the call returned. JH_EWAIT with tls->wants set when nothing failed; 0 when the other side
 * ended the session in good order. */
int jh_tls_fail(jh_tls *tls, int result);

/* OpenSSL's verify callback: writes the sentence about a certificate that is refused. */
int jh_tls_on_verify(int is_ok, X509_STORE_CTX *store);

#endif
