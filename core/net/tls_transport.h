/* tls_transport.h: TLS between a connection and its socket.
 *
 * A connection on it knows nothing of that: until the handshake is done there is nothing to read,
 * then it goes on as any other. */
#ifndef JH_NET_TLS_TRANSPORT_H
#define JH_NET_TLS_TRANSPORT_H

#include "net/conn.h"
#include "net/tls.h"

extern const jh_transport jh_transport_tls;

/* As jh_conn_open(): takes over an accepted socket, and begins the handshake of loop->server_tls.
 */
int jh_tls_transport_open(jh_loop *loop, int fd, const jh_peer *peer);

/* Reads connections whose bytes wait in memory, where epoll does not see them. */
void jh_tls_transport_read_hidden(jh_loop *loop);

/* Goes on with a handshake that waited for its certificate. */
void jh_tls_transport_resume(jh_conn *conn);

/* The session of a connection; NULL when it has none. */
jh_tls *jh_tls_transport_session(const jh_conn *conn);

#endif
