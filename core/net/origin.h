/* origin.h: the links to one host, and who waits for one.
 *
 * An origin hands its calls to links: the one used last first, so that the others grow old and are
 * closed. It opens up to max_connections; beyond that calls wait, oldest first. Idle links are
 * watched: one that its peer ends is gone before anybody can be given it. */
#ifndef JH_NET_ORIGIN_H
#define JH_NET_ORIGIN_H

#include "base/list.h"
#include "base/pool.h"
#include "net/call.h"
#include "net/client_conn.h"
#include "net/deadline.h"

struct jh_loop;

/* The client side of a worker; one per loop. */
typedef struct jh_clients {
  struct jh_loop *loop;
  jh_list origins;
  jh_list calls; /* that were not closed yet */
  jh_deadlines deadlines;
  jh_pool calls_pool, conns_pool;
  jh_client_conn *first_pending; /* with something to write at the end of the turn */
  jh_client_conn *first_closed;  /* freed at the end of the turn */
  uint32_t buckets_mask;
  jh_origin **buckets; /* by key */
  uint32_t origin_count;
} jh_clients;

struct jh_origin {
  jh_list node;
  jh_origin *next_in_bucket;
  jh_clients *clients;
  jh_origin_options options; /* its strings belong to the origin */
  jh_list idle;              /* links without a call, the one used last at the end */
  jh_list busy;              /* the others */
  jh_list waiting;           /* calls, oldest first */
  jh_deadline sweep;         /* when the oldest idle link has to go */
  uint64_t hash;
  char *key, *host, *proxy_host, *proxy_auth, *server_name;
  size_t key_len;
  uint32_t refs;
  uint32_t connection_count, idle_count, waiting_count;
  uint32_t call_count;     /* that point to it */
  uint32_t http2_capacity; /* calls that a link of HTTP/2 takes at once, as far as is known */
  bool is_http1;           /* it was asked for HTTP/2 and did not want to */
  bool is_serving;         /* jh_origin_serve() is at work */
  uint64_t calls, dialled, retried;
};

/* What a deadline belongs to: its `kind`. */
typedef enum jh_client_deadline {
  JH_DEADLINE_OF_CALL = 0,
  JH_DEADLINE_OF_ORIGIN
} jh_client_deadline;

jh_clients *jh_clients_new(struct jh_loop *loop);

/* Closes every link; the loop must run once more before jh_clients_free(). */
void jh_clients_close(jh_clients *clients);
void jh_clients_free(jh_clients *clients);

/* Writes what the turn gathered, and frees what it closed. */
void jh_clients_finish_turn(jh_clients *clients);

/* Finds or makes an origin, and takes a reference. */
jh_origin *jh_origin_acquire(jh_clients *clients, jh_str key, const jh_origin_options *options,
                             int *error);

/* Hands the call to a link, or has it wait for one. */
void jh_origin_submit(jh_origin *origin, jh_call *call);

/* Sends calls once more, in order, on a new link. */
void jh_origin_resend(jh_origin *origin, jh_list *calls);

/* Has a call that was on a link wait for one again, in front of the others. */
void jh_origin_requeue(jh_origin *origin, jh_call *call);

/* A link can take another call, or is gone: those who wait have their turn. */
void jh_origin_serve(jh_origin *origin);

/* Moves a link between the lists. */
void jh_origin_on_idle(jh_origin *origin, jh_client_conn *conn);
void jh_origin_on_busy(jh_origin *origin, jh_client_conn *conn);
void jh_origin_on_closed(jh_origin *origin, jh_client_conn *conn);

/* Frees an origin that nobody needs. */
void jh_origin_free_unused(jh_origin *origin);

/* Links may carry many calls at once: HTTP/2 is spoken, or it is not known yet. */
static inline bool jh_origin_is_shared(const jh_origin *origin) {
  return origin->options.http2 != JH_HTTP2_NEVER && !origin->is_http1;
}

/* "example.com:80", into `out`; for messages. */
const char *jh_origin_name(const jh_origin *origin, char *out, size_t out_bytes);

#endif
