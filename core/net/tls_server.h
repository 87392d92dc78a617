/* tls_server.h: contexts for listeners: certificates by name, tickets, client certificates.
 *
 * Made by the supervisor, which reads the files and may be root, and inherited by workers; made
 * anew by workers from the text when the certificates were replaced. A session keeps the context it
 * began with. */
#ifndef JH_NET_TLS_SERVER_H
#define JH_NET_TLS_SERVER_H

#include "net/tls_context.h"
#include "net/tls_tickets.h"

/* ==== cdef: begin ==== */

/* A certificate with its chain behind it, and its key: PEM text or file names. */
typedef struct jh_tls_pair {
  jh_str cert;
  jh_str key; /* empty: it stands with the certificate */
} jh_tls_pair;

typedef struct jh_tls_server_options {
  const jh_tls_pair *pairs; /* the first one is for clients that name no host of the others */
  size_t pair_count;        /* 0: certificates come from a hook */
  jh_str client_ca;         /* authorities that client certificates may come from; empty: none */
  bool requires_client_cert;
  bool accepts_expired; /* they were good when the server started */
  bool uses_ktls;
  jh_str min_version; /* empty: 1.2 */
  jh_str ciphers;     /* empty: ours */
  jh_str alpn;        /* "h2,http/1.1", best first */
  const jh_tls_tickets *tickets;
} jh_tls_server_options;

/* NULL with a sentence in `reason`. */
jh_tls_context *jh_tls_context_new_server(const jh_tls_server_options *options, char *reason,
                                          size_t reason_bytes);

/* A context as `base`, with one certificate that was found later. NULL with a sentence. */
jh_tls_context *jh_tls_context_new_found(const jh_tls_context *base, const jh_tls_pair *pair,
                                         char *reason, size_t reason_bytes);

/* The days that the certificate which ends first is still valid, and its name ("CN=…"). */
int jh_tls_context_days_left(const jh_tls_context *context, char *name, size_t name_bytes);

/* True when it has a certificate. */
bool jh_tls_context_has_certificate(const jh_tls_context *context);

/* ==== cdef: end ==== */

#endif
