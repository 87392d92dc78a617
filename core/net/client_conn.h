/* client_conn.h: one link with the calls on it.
 *
 * It speaks HTTP/1.1: calls are written in order and answered in order; in a pool there is one at a
 * time, in a pipeline up to max_pending of the origin. Or it speaks HTTP/2 (client_protocol.h says
 * which is done where). Writing HTTP/1.1 is in client_write.c, reading it in client_read.c, life
 * and failures of both in client_conn.c.
 *
 * What must stay true: over HTTP/1.1 the first call of `calls` is the one that is answered next;
 * `writing` and those behind it are not written to their end; an open conn without calls is in
 * origin->idle. */
#ifndef JH_NET_CLIENT_CONN_H
#define JH_NET_CLIENT_CONN_H

#include "base/buf.h"
#include "base/list.h"
#include "net/client_protocol.h"

struct jh_http2_client;
struct jh_link;
struct jh_tunnel;

typedef struct jh_client_conn {
  jh_list node; /* in origin->idle or origin->busy */
  jh_origin *origin;
  struct jh_link *link;     /* NULL once closed */
  struct jh_tunnel *tunnel; /* while a proxy is being asked */
  const jh_client_protocol *protocol;
  struct jh_http2_client *http2; /* NULL: it speaks HTTP/1.1, or it is not known yet */
  jh_list calls;
  jh_call *writing; /* NULL: all are written */
  jh_buf *in;       /* received, not yet parsed */
  struct jh_client_conn *next_pending, *next_closed;
  uint64_t born_ms, idle_since_ms;
  uint32_t call_count;
  uint32_t capacity;       /* calls it may have at once */
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

/* Takes one more call. */
void jh_client_conn_add(jh_client_conn *conn, jh_call *call);

/* Takes a call off: it is over, or goes elsewhere. */
void jh_client_conn_remove(jh_client_conn *conn, jh_call *call);

/* The proxy agreed: TLS, if any, comes next. */
void jh_client_conn_on_tunnel(jh_client_conn *conn);

/* Closes it. The calls it still has are sent again on a new link as far as that is safe; the others
 * fail as said. `failure` is a jh_call_failure. */
void jh_client_conn_break(jh_client_conn *conn, int error, int failure, const char *problem);

/* True when the link can take calls now, or will when it is open. */
bool jh_client_conn_is_usable(const jh_client_conn *conn);

/* Writes at the end of the turn. */
void jh_client_conn_flush_later(jh_client_conn *conn);

/* Reading failed with this code. */
void jh_client_conn_break_by_reset(jh_client_conn *conn, int error);

/* --- HTTP/1.1; see client_protocol.h --- */

void jh_client_conn_flush(jh_client_conn *conn);
void jh_client_conn_read(jh_client_conn *conn);
ssize_t jh_client_conn_read_body(jh_client_conn *conn, jh_call *call, char *out, size_t bytes);

/* Takes a call that is over off the link, which then goes on, rests or closes. */
void jh_client_conn_end_call(jh_client_conn *conn, jh_call *call);

/* A body that was queued before it was known what the link speaks gets its chunk. 0 or JH_ENOMEM.
 */
int jh_client_conn_frame_body(jh_call *call);

/* --- --- */

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
