/* proxy_protocol.h: the line or block with which a load balancer introduces a connection (HAProxy's
 * PROXY protocol, versions 1 and 2).
 *
 * It comes before the first byte of the client, and before TLS. Whoever connects can send one, so
 * it is to be read only from trusted addresses, and must then be there: a connection of a trusted
 * balancer without it is as wrong as one with a malformed one. */
#ifndef JH_HTTP_PROXY_PROTOCOL_H
#define JH_HTTP_PROXY_PROTOCOL_H

#include "http/ip.h"
#include "justhttp.h"

/* ==== cdef: begin ==== */

enum { JH_PROXY_PROTOCOL_BYTES_MAX = 4096 }; /* longer headers are refused */

typedef enum jh_proxy_protocol_result {
  JH_PROXY_PROTOCOL_DONE = 0,
  JH_PROXY_PROTOCOL_MORE = 1,  /* so far it is one: ask again with more bytes */
  JH_PROXY_PROTOCOL_NONE = 2,  /* something else begins here */
  JH_PROXY_PROTOCOL_ERROR = -1 /* it begins like one and is malformed */
} jh_proxy_protocol_result;

typedef struct jh_proxy_protocol {
  jh_ip source, destination; /* the client, and what it connected to */
  uint16_t source_port, destination_port;
  uint8_t version;
  /* False: there is no client behind the balancer (a health check) or none with an address; the
   * connection's own addresses are to be used. */
  bool has_addresses;
} jh_proxy_protocol;

/* Looks at the `len` bytes with which a connection begins: always all of them from the first on.
 * For DONE, `out` is set and *used is the length of the header. For ERROR, *reason is a static
 * text. */
jh_proxy_protocol_result jh_proxy_protocol_parse(const char *data, size_t len, size_t *used,
                                                 jh_proxy_protocol *out, const char **reason);

/* ==== cdef: end ==== */

#endif
