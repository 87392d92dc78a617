/* resolver.h: names to addresses, by getaddrinfo() on uv's thread pool.
 *
 * So /etc/hosts, nsswitch and search domains count as they do for every program. What was found is
 * kept for ttl_ms; whoever asks for the same name meanwhile waits for the same lookup. A name that
 * was good a moment ago is answered at once and looked up again beside that; when name servers fail
 * what they said last stays good (RFC 8767). Numeric addresses never go to the pool.
 * net/dial.c uses it, and http.resolve. */
#ifndef JH_NET_RESOLVER_H
#define JH_NET_RESOLVER_H

#include <uv.h>

#include "base/list.h"
#include "http/ip.h"

/* ==== cdef: begin ==== */

enum {
  JH_RESOLVER_TTL_MS = 60000,
  JH_RESOLVER_NEGATIVE_TTL_MS = 1000, /* "no such name" */
  JH_RESOLVER_RETRY_MS = 5000,        /* pause when name servers fail and an old answer serves */
  JH_RESOLVER_STALE_MS = 86400000,    /* how long it does */
  JH_RESOLVER_NAMES_MAX = 1024,       /* kept */
  JH_RESOLVER_BUCKETS = 256
};

typedef struct jh_host_address {
  jh_ip ip;
  uint32_t scope; /* interface of a link-local IPv6 address; 0 none */
} jh_host_address;

/* Shared between the cache and those who asked. In the order that getaddrinfo() gives. */
typedef struct jh_addresses {
  uint32_t refs, count;
  uint32_t turn; /* raised with every lookup: who has many to choose from begins here */
  jh_host_address items[];
} jh_addresses;

typedef struct jh_lookup jh_lookup;

/* Somebody who waits for a name; part of a larger object. */
struct jh_lookup {
  jh_list node;
  void (*on_found)(jh_lookup *lookup, int error); /* `found` is set when error is 0 */
  jh_addresses *found;                            /* a reference of its own */
};

typedef struct jh_name jh_name;
typedef struct jh_resolver jh_resolver;

struct jh_resolver {
  uv_loop_t *uv;
  uint32_t ttl_ms;
  uint32_t name_count;
  uint32_t running_count;                /* lookups in the pool */
  int (*look_up)(jh_name *name);         /* starts one; specs put their own here */
  jh_list names;                         /* least recently asked for first */
  jh_name *buckets[JH_RESOLVER_BUCKETS]; /* by hash */
};

void jh_resolver_init(jh_resolver *resolver, uv_loop_t *uv);

/* Tells nobody any more; what the pool still does ends with the loop's last run. */
void jh_resolver_close(jh_resolver *resolver);
void jh_resolver_deinit(jh_resolver *resolver);

/* Asks for a name or numeric address. 0: lookup->found is set; JH_EWAIT: lookup->on_found() will be
 * called; or a negative code, a text of which is jh_resolver_strerror()'s. */
int jh_resolver_start(jh_resolver *resolver, jh_lookup *lookup, jh_str host);

/* Does not wait any more; harmless when it does not. */
void jh_lookup_stop(jh_lookup *lookup);

void jh_addresses_release(jh_addresses *addresses);

/* How a lookup ended; for `look_up`. */
void jh_name_answer(jh_name *name, int error, const jh_host_address *found, uint32_t count);

/* The name that is looked up, NUL-terminated. */
const char *jh_name_host(const jh_name *name);

/* "no such name": static, NUL-terminated, for what jh_resolver_start() and on_found() tell. */
const char *jh_resolver_strerror(int error);

/* ==== cdef: end ==== */

#endif
