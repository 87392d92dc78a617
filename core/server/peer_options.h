/* peer_options.h: from trusted_proxies, proxy_protocol and max_conns_per_ip to what net/peer.h
 * needs. */
#ifndef JH_SERVER_PEER_OPTIONS_H
#define JH_SERVER_PEER_OPTIONS_H

#include "net/peer.h"
#include "server/options.h"

/* Reads the options, which were checked when they were set. The ranges are allocated and belong to
 * the caller (jh_free). The shared table and the slot are left to the worker. */
void jh_peer_options_read(const jh_options *options, jh_peer_settings *out);

#endif
