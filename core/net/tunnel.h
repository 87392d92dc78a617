/* tunnel.h: asking a proxy for a way through, before a link is open: CONNECT or SOCKS5. */
#ifndef JH_NET_TUNNEL_H
#define JH_NET_TUNNEL_H

#include "net/client_conn.h"

/* The link to the proxy is open: asks. Ends in jh_client_conn_on_tunnel() or
 * jh_client_conn_break(). */
void jh_tunnel_start(jh_client_conn *conn);

/* The conn is closed. */
void jh_tunnel_free(jh_client_conn *conn);

#endif
