/* tls_context.h: what TLS sessions with the same settings share: certificates, trust, protocol
 * versions, sessions to resume.
 *
 * Made at start for listeners and once per set of options for clients; counted, and immutable once
 * a session uses it. tls.h has the sessions. Only net/tls*.c includes OpenSSL's headers. */
#ifndef JH_NET_TLS_CONTEXT_H
#define JH_NET_TLS_CONTEXT_H

#include "justhttp.h"

struct ssl_ctx_st;
struct jh_tls_sessions;
struct jh_tls_hosts;
struct jh_tls_tickets;

/* ==== cdef: begin ==== */

enum { JH_TLS_REASON_BYTES = 512, JH_TLS_ALPN_BYTES = 64 };

typedef struct jh_tls_context jh_tls_context;

/* A context for clients. NULL, with a sentence in `reason` (NUL-terminated, cut at `reason_bytes`),
 * when something in the options is no good. Everything is copied. */
jh_tls_context *jh_tls_context_new_client(const jh_tls_options *options, char *reason,
                                          size_t reason_bytes);

/* One more, or one fewer, holder; the last one frees it. NULL is allowed. */
jh_tls_context *jh_tls_context_acquire(jh_tls_context *context);
void jh_tls_context_release(jh_tls_context *context);

/* ==== cdef: end ==== */

/* The server's half, and how sessions use it, is in tls_server.c. */
struct jh_tls_context {
  struct ssl_ctx_st *ssl_ctx;
  struct jh_tls_sessions *sessions; /* clients: what can be resumed, by peer */
  uint32_t holder_count;
  bool verifies;     /* the peer must prove its name */
  char *server_name; /* clients: instead of the name that is connected to; NULL when none */

  struct jh_tls_hosts *hosts; /* servers: certificates by name */
  struct ssl_ctx_st **more;   /* servers: of the other certificates */
  size_t more_count;
  const struct jh_tls_tickets *tickets; /* servers */
  uint8_t alpn[JH_TLS_ALPN_BYTES];      /* servers: in the wire's form */
  uint8_t alpn_bytes;
  char *ciphers; /* servers: of TLS 1.2, for contexts that are made later */
};

#endif
