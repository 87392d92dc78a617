/* tls_hosts.h: which certificate is for which name.
 *
 * A sorted table from names, and wildcards for one label, to contexts; filled while a server
 * context is made, looked up in each handshake. For net/tls*.c only. */
#ifndef JH_NET_TLS_HOSTS_H
#define JH_NET_TLS_HOSTS_H

#include "justhttp.h"

struct ssl_ctx_st;
struct x509_st;

typedef struct jh_tls_host {
  char *name; /* lower case; "*.example.org" */
  struct ssl_ctx_st *ssl_ctx;
} jh_tls_host;

typedef struct jh_tls_hosts {
  jh_tls_host *items;
  size_t count, capacity;
} jh_tls_hosts;

/* Adds every name of a certificate; the first certificate for a name keeps it. 0 or JH_ENOMEM. */
int jh_tls_hosts_add(jh_tls_hosts *hosts, struct x509_st *cert, struct ssl_ctx_st *ssl_ctx);

/* The context whose certificate has the same names as this one, or NULL: another kind of key. */
struct ssl_ctx_st *jh_tls_hosts_same(const jh_tls_hosts *hosts, struct x509_st *cert);

/* The context for a name as a client wrote it, NUL-terminated; or NULL. */
struct ssl_ctx_st *jh_tls_hosts_find(const jh_tls_hosts *hosts, const char *name);

void jh_tls_hosts_deinit(jh_tls_hosts *hosts);

#endif
