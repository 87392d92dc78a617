/* tunnel.c: asking a proxy. */
#include "net/tunnel.h"

void jh_tunnel_start(jh_client_conn *conn) {
  jh_client_conn_break(conn, JH_EUNSUPPORTED, JH_CALL_PROXY_FAILED, "no proxies yet");
}

void jh_tunnel_free(jh_client_conn *conn) {
  (void)conn;
}
