/* tls_session.h: what is inside a TLS session, for net/tls*.c only. */
#ifndef JH_NET_TLS_SESSION_H
#define JH_NET_TLS_SESSION_H

#include <openssl/ssl.h>

#include "net/tls.h"

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
};

/* Puts a sentence into tls->reason, unless there is one. */
void jh_tls_complain(jh_tls *tls, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes OpenSSL's errors, makes a sentence of them, and gives the code for the caller. `result` is
 * what the call returned. JH_EWAIT with tls->wants set when nothing failed; 0 when the other side
 * ended the session in good order. */
int jh_tls_fail(jh_tls *tls, int result);

/* OpenSSL's verify callback: writes the sentence about a certificate that is refused. */
int jh_tls_on_verify(int is_ok, X509_STORE_CTX *store);

#endif
