/* tls_sessions.h: sessions that a client can resume, by peer.
 *
 * One per context. Bounded: a table of slots in which a peer takes the place of another with the
 * same hash, so that it needs neither growth nor aging; tickets tell their own age. */
#ifndef JH_NET_TLS_SESSIONS_H
#define JH_NET_TLS_SESSIONS_H

#include "justhttp.h"

struct ssl_session_st;

typedef struct jh_tls_sessions jh_tls_sessions;

/* NULL when out of memory. */
jh_tls_sessions *jh_tls_sessions_new(void);
void jh_tls_sessions_free(jh_tls_sessions *sessions);

/* Keeps a session, which becomes the table's, in the place of an older one of that peer. False when
 * out of memory: it is still the caller's. */
bool jh_tls_sessions_put(jh_tls_sessions *sessions, jh_str peer, struct ssl_session_st *session);

/* The session of that peer when it can still be resumed, the table's; or NULL. */
struct ssl_session_st *jh_tls_sessions_find(jh_tls_sessions *sessions, jh_str peer);

/* Forgets it: the peer refused us. */
void jh_tls_sessions_drop(jh_tls_sessions *sessions, jh_str peer);

#endif
