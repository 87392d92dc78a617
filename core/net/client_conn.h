/* client_conn.h: HTTP/1.1 on one link: calls are written in order and answered in order.
 *
 * In a pool there is one call at a time; in a pipeline up to max_pending of the origin. Writing is
 * in client_write.c, reading in client_read.c, life and failures in client_conn.c.
 *
 * What must stay true: the first call of `calls` is the one that is answered next; `writing` and
 * those behind it are not written to their end; a conn without calls is in origin->idle. */
#ifndef JH_NET_CLIENT_CONN_H
#define JH_NET_CLIENT_CONN_H

#include "base/buf.h"
#include "base/list.h"
#include "justhttp.h"

struct jh_link;
struct jh_tunnel;

typedef struct jh_client_conn {
  jh_list node; /* in origin->idle or origin->busy */
  jh_origin *origin;
  struct jh_link *link;     /* NULL once closed */
  struct jh_tunnel *tunnel; /* while a proxy is being asked */
  jh_list calls;
  jh_call *writing; /* NULL: all are written */
  jh_buf *in;       /* received, not yet parsed */
  struct jh_client_conn *next_pending, *next_closed;
  uint64_t born_ms, idle_since_ms;
  uint32_t call_count;
  uint32_t exchange_count; /* that are over */
  int32_t write_error;     /* nothing more can be written; what was received still counts */
  bool is_open;            /* dialled, with its tunnel and TLS */
  bool is_idle;
  bool is_tunnelled; /* its proxy agreed */
  bool is_closed;
  bool is_blocked; /* the link took less than it was given */
  bool is_pending; /* to be written at the end of the turn */
  bool is_retired; /* takes no further calls */
  bool said_close; /* the other side did not look at what follows its last answer */
} jh_client_conn;

/* Begins to dial with these calls, all of which it takes. Failures come later or at once, through
 * the calls. NULL when out of memory: the calls are as they were. */
jh_client_conn *jh_client_conn_dial(jh_origin *origin, jh_list *calls);

/* Takes one more call, to be written at once, or at the end of the turn in a pipeline. */
void jh_client_conn_add(jh_client_conn *conn, jh_call *call);

/* The proxy agreed: TLS, if any, comes next. */
void jh_client_conn_on_tunnel(jh_client_conn *conn);

/* Closes it. The calls it still has are sent again on a new link as far as that is safe; the others
 * fail as said. `failure` is a jh_call_failure. */
void jh_client_conn_break(jh_client_conn *conn, int error, int failure, const char *problem);

/* True when the link can take calls now, or will when it is open. */
bool jh_client_conn_is_usable(const jh_client_conn *conn);

/* A call has waited too long; `problem` says for what. */
void jh_client_conn_time_out(jh_client_conn *conn, jh_call *call, const char *problem);

/* A call is given up. */
void jh_client_conn_give_up(jh_client_conn *conn, jh_call *call);

/* Takes a call that is over off the link, which then goes on, rests or closes. */
void jh_client_conn_end_call(jh_client_conn *conn, jh_call *call);

/* Writes as much as the link takes. */
void jh_client_conn_flush(jh_client_conn *conn);

/* Writes at the end of the turn. */
void jh_client_conn_flush_later(jh_client_conn *conn);

/* There is something to read, or may be. */
void jh_client_conn_read(jh_client_conn *conn);

/* Nothing may be read without a call: looks whether the link is as silent as it should be. */
bool jh_client_conn_is_silent(jh_client_conn *conn);

/* jh_call_read() for a call on this link. */
ssize_t jh_client_conn_read_body(jh_client_conn *conn, jh_call *call, char *out, size_t bytes);

/* Sets what the link is polled for: always to be read, written when blocked. */
void jh_client_conn_poll(jh_client_conn *conn, int events);

static inline jh_call *jh_client_conn_first(const jh_client_conn *conn);

/* inline definitions */

#include "net/call.h"

static inline jh_call *jh_client_conn_first(const jh_client_conn *conn) {
  if (jh_list_is_empty(&conn->calls)) return NULL;
  return JH_LIST_ENTRY(conn->calls.next, jh_call, node);
}

#endif
