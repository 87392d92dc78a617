/* tls_lookup.h: a handshake that waits for the app to find its certificate.
 *
 * Names that a certificate of the options is for are not asked about. The lookup belongs to its
 * session until somebody takes it (jh_tls_lookup_take), then to that one until
 * jh_tls_lookup_finish(); the client may leave meanwhile. */
#ifndef JH_NET_TLS_LOOKUP_H
#define JH_NET_TLS_LOOKUP_H

#include "base/list.h"
#include "net/tls.h"

struct jh_tls_lookup {
  jh_list node; /* among those that wait, or that were taken */
  jh_tls *tls;  /* NULL: the client left */
  struct jh_loop *loop;
  bool is_taken;
  char name[256]; /* NUL-terminated; "" when the client named none */
};

/* Takes it off the list it waits in and puts it into that of those which were taken. */
void jh_tls_lookup_take(jh_tls_lookup *lookup, jh_list *taken);

/* Frees those that were taken and that nobody will finish any more. */
void jh_tls_lookup_free_all(jh_list *taken);

/* Gives the handshake its certificate and lets it go on; empty text: the server's own one, or a
 * refusal when there is none; `cert.ptr` NULL: a refusal. Frees the lookup. 0, or JH_EINVAL with a
 * sentence: refused. */
int jh_tls_lookup_finish(jh_tls_lookup *lookup, jh_str cert, jh_str key, jh_str *reason);

/* The session ends. */
void jh_tls_lookup_abandon(jh_tls_lookup *lookup);

#endif
