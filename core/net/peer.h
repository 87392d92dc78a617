/* peer.h: who is at the other end of a connection, and whose word about that counts.
 *
 * Taken from accept, because a connection that was reset has no address any more to be asked for. A
 * trusted proxy's own connections are not limited by max_conns_per_ip: they carry many clients. */
#ifndef JH_NET_PEER_H
#define JH_NET_PEER_H

#include "http/ip.h"
#include "http/ip_range.h"
#include "net/ip_table.h"

struct sockaddr;

/* From the options; shared by every connection of a worker. */
typedef struct jh_peer_settings {
  jh_ip_table *table; /* NULL: no limit */
  uint32_t max_conns_per_ip;
  uint32_t slot;              /* this worker's part of the table */
  const jh_ip_range *trusted; /* proxies whose word about the client counts */
  size_t trusted_count;
  bool trusts_unix;        /* whoever connects over a unix socket is trusted */
  bool has_proxy_protocol; /* connections (of trusted proxies, if any are named) begin with it */
} jh_peer_settings;

typedef struct jh_peer {
  jh_ip ip;
  uint16_t port;
  bool has_ip;     /* false for unix sockets, until a PROXY header names one */
  bool is_trusted; /* X-Forwarded-For and X-Forwarded-Proto of its requests count */
  bool awaits_proxy_header;
  uint64_t counted_key; /* in the table; 0: not counted */
} jh_peer;

/* Fills in a new connection's peer from what accept gave. 0, or JH_ELIMIT when its address has too
 * many connections. */
int jh_peer_open(jh_peer *peer, const jh_peer_settings *settings, const struct sockaddr *address);

/* The connection closes. */
void jh_peer_close(jh_peer *peer, const jh_peer_settings *settings);

/* Reads the PROXY header that a connection begins with. *used bytes are it. 0; JH_EWAIT when more
 * is needed; JH_EPROTO when it is none or malformed; JH_ELIMIT as above. */
int jh_peer_read_proxy_header(jh_peer *peer, const jh_peer_settings *settings, jh_str input,
                              size_t *used);

/* The client a trusted proxy speaks for: the last address of X-Forwarded-For that is not itself a
 * trusted proxy. `forwarded` is the field's value, all lines joined. Returns the peer's own address
 * when there is none. */
jh_ip jh_peer_client(const jh_peer *peer, const jh_peer_settings *settings, jh_str forwarded);

#endif
