/* peer.c: addresses, trust, and the count per address. */
#include "net/peer.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "http/proxy_protocol.h"

static void read_address(jh_peer *peer, const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    peer->has_ip = jh_ip_from_bytes((const uint8_t *)&in->sin_addr, 4, &peer->ip) == 0;
    peer->port = ntohs(in->sin_port);
  } else if (address->sa_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    peer->has_ip = jh_ip_from_bytes((const uint8_t *)&in6->sin6_addr, 16, &peer->ip) == 0;
    peer->port = ntohs(in6->sin6_port);
  }
}

static int count(jh_peer *peer, const jh_peer_settings *settings) {
  if (!settings->table || !peer->has_ip) return 0;
  uint64_t key = jh_ip_limit_key(&peer->ip);
  int error = jh_ip_table_enter(settings->table, settings->slot, key, settings->max_conns_per_ip);
  if (error == 0) peer->counted_key = key;
  return error;
}

static bool is_trusted_ip(const jh_peer_settings *settings, const jh_ip *ip) {
  return jh_ip_range_any_has(settings->trusted, settings->trusted_count, ip);
}

int jh_peer_open(jh_peer *peer, const jh_peer_settings *settings, const struct sockaddr *address) {
  memset(peer, 0, sizeof *peer);
  read_address(peer, address);
  peer->is_trusted = peer->has_ip ? is_trusted_ip(settings, &peer->ip) : settings->trusts_unix;
  bool names_proxies = settings->trusted_count > 0 || settings->trusts_unix;
  peer->awaits_proxy_header = settings->has_proxy_protocol && (peer->is_trusted || !names_proxies);
  if (peer->is_trusted || peer->awaits_proxy_header) return 0;
  return count(peer, settings);
}

void jh_peer_close(jh_peer *peer, const jh_peer_settings *settings) {
  if (peer->counted_key) jh_ip_table_leave(settings->table, settings->slot, peer->counted_key);
  peer->counted_key = 0;
}

int jh_peer_read_proxy_header(jh_peer *peer, const jh_peer_settings *settings, jh_str input,
                              size_t *used) {
  jh_proxy_protocol header;
  const char *reason;
  *used = 0;
  switch (jh_proxy_protocol_parse(input.ptr, input.len, used, &header, &reason)) {
  case JH_PROXY_PROTOCOL_MORE:
    return JH_EWAIT;
  case JH_PROXY_PROTOCOL_NONE:
  case JH_PROXY_PROTOCOL_ERROR:
    return JH_EPROTO;
  case JH_PROXY_PROTOCOL_DONE:
    break;
  }
  peer->awaits_proxy_header = false;
  if (!header.has_addresses) return 0;
  peer->ip = header.source;
  peer->port = header.source_port;
  peer->has_ip = true;
  /* The client is known now, and its own word about whom it forwards counts as any client's. */
  peer->is_trusted = is_trusted_ip(settings, &peer->ip);
  return peer->is_trusted ? 0 : count(peer, settings);
}

/* Takes the last member off a comma-separated list. False when none is left. */
static bool last_member(jh_str *list, jh_str *member) {
  while (list->len) {
    size_t start = list->len;
    while (start > 0 && list->ptr[start - 1] != ',') start--;
    *member = jh_str_trim((jh_str){list->ptr + start, list->len - start});
    list->len = start > 0 ? start - 1 : 0;
    if (member->len) return true;
  }
  return false;
}

jh_ip jh_peer_client(const jh_peer *peer, const jh_peer_settings *settings, jh_str forwarded) {
  jh_ip client = peer->ip;
  jh_str member;
  if (!peer->is_trusted) return client;
  while (last_member(&forwarded, &member)) {
    jh_ip ip;
    if (jh_ip_parse(member, &ip) != 0) break;
    client = ip;
    if (!is_trusted_ip(settings, &ip)) break;
  }
  return client;
}
