/* call.h: one outgoing request and its response, from the moment it is asked for.
 *
 * A call waits for a link, is on one (client_conn.h), and ends: whole, streamed to its end, or
 * failed. It is made for Lua, which is told by events of its ready queue, or for C code of this
 * room, which sets `hooks` and is told at once. The functions Lua calls are declared in justhttp.h.
 *
 * What must stay true: `conn` is set exactly while the call is in the conn's list; a call that was
 * closed stays while an event of it is queued, or while its response still has to be passed over.
 */
#ifndef JH_NET_CALL_H
#define JH_NET_CALL_H

#include "base/buf.h"
#include "base/event_queue.h"
#include "base/list.h"
#include "http/response_parser.h"
#include "net/deadline.h"

struct jh_client_conn;
struct jh_clients;
struct jh_http2_call;
struct jh_link;

typedef enum jh_call_state {
  JH_CALL_WAITING = 0, /* in origin->waiting */
  JH_CALL_ON_CONN,     /* being sent, or waiting for the head of its response */
  JH_CALL_IN_BODY,     /* the head is there; without a conn: so is all of a streamed body */
  JH_CALL_DONE,        /* everything is there; no link any more */
  JH_CALL_FAILED
} jh_call_state;

/* For users in C: called where an event would be posted. May call any function of the call, closing
 * it included. */
typedef struct jh_call_hooks {
  void (*on_readable)(jh_call *call,
                      void *data); /* head, body or failure: jh_call_read_response() */
  void (*on_writable)(jh_call *call, void *data);
} jh_call_hooks;

/* A growing run of bytes. */
typedef struct jh_call_bytes {
  char *ptr;
  size_t len, capacity;
} jh_call_bytes;

struct jh_call {
  jh_list node;      /* in conn->calls or origin->waiting */
  jh_list open_node; /* in clients->calls, until it is closed */
  struct jh_clients *clients;
  jh_origin *origin;
  struct jh_client_conn *conn;
  struct jh_http2_call *stream; /* over HTTP/2, from when it is asked for to its end */
  jh_event_queue *ready;
  const jh_call_hooks *hooks;
  void *hooks_data;
  jh_event_node read_node, write_node;
  uint32_t wait_id, write_wait_id; /* 0: nobody waits */
  jh_call_options options;
  jh_response_limits limits;
  uint64_t end_at_ms; /* of all of it; 0: no limit */
  jh_deadline deadline;
  uint8_t state;
  uint8_t attempts;
  uint8_t failure;       /* jh_call_failure */
  uint8_t pins;          /* how many on the stack still look at it: not to be freed */
  bool is_closed;        /* by its owner: its response, if one comes, is passed over */
  bool is_held;          /* its body waits for 100 Continue */
  bool is_sent;          /* the request is written to its end */
  bool is_body_complete; /* jh_call_end() was called, or the body is no stream */
  bool has_read_all;     /* of a streamed body */
  /* the request */
  jh_str head, body;
  size_t sent;                  /* of head and body */
  uint64_t stream_bytes;        /* taken by jh_call_write() */
  bool is_raw;                  /* what was taken is not framed: HTTP/2, or not known yet */
  jh_call_bytes own_trailers;   /* of such a body */
  jh_buf *out_first, *out_last; /* of a streamed body, not yet written */
  uint64_t acked_before; /* what the other side's kernel had taken before; see client_conn.c */
  /* the response */
  jh_response_parser parser;
  jh_buf *buf;        /* holds the head and what came with it; or */
  char *memory;       /* a copy of just that */
  const char *answer; /* the head in one of them */
  uint32_t head_len;
  uint32_t raw_start, raw_end; /* in buf: body bytes of a streamed response, not yet decoded */
  jh_buf *in_first, *in_last;  /* decoded bytes of a streamed response that nobody has read yet */
  char *body_ptr;              /* decoded body of a whole response */
  size_t body_len, body_capacity;
  jh_call_bytes large_body; /* where body_ptr points once it does not fit into buf */
  jh_call_bytes trailers;
  jh_call_bytes interim; /* heads of interim responses, each behind its length */
  size_t interim_taken;
  struct jh_link *link; /* taken over by jh_call_take_link() */
  int32_t error;
  char *reason; /* NULL, or a sentence */
};

/* A call that waits for nothing yet. Its owner: a ready queue, or hooks. NULL when out of memory.
 */
jh_call *jh_call_new(jh_origin *origin, const jh_call_options *options, jh_str head, jh_str body,
                     double timeout_ms);

/* Sends it. */
void jh_call_submit(jh_call *call);

/* For origin.c and client_conn.c from here. */

/* Its request begins anew, on another link. */
void jh_call_rewind(jh_call *call);

/* Tells whoever waits for the response or for more of it. */
void jh_call_wake_reader(jh_call *call);
void jh_call_wake_writer(jh_call *call);

/* The call failed; it is on no link any more. */
void jh_call_fail(jh_call *call, int error, int failure, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The response is there to its end, though it may still have to be read; the call is on no link any
 * more. */
void jh_call_finish(jh_call *call);

/* Sets the deadline of what it waits for, or of all of it when that is earlier. */
void jh_call_set_deadline(jh_call *call, uint32_t timeout_ms);

/* The same for a call that has got its link. */
void jh_call_set_first_deadline(jh_call *call);

/* Appends bytes. 0 or JH_ENOMEM. */
int jh_call_bytes_append(jh_call_bytes *bytes, const char *from, size_t len);

/* Keeps bytes of a streamed response for its reader, and gives them to him. */
int jh_call_keep(jh_call *call, jh_str bytes);
ssize_t jh_call_take_kept(jh_call *call, char *out, size_t bytes);

/* Somebody on the stack looks at it no longer. */
void jh_call_unpin(jh_call *call);

/* Frees a call that is closed and that nothing points to. */
void jh_call_free_unused(jh_call *call);

/* An event of this call was taken off the ready queue. */
void jh_call_on_event_taken(jh_call *call);

/* A deadline of a call passed. */
void jh_call_on_deadline(jh_call *call);

/* The link of a response that is a tunnel, and what came behind its head: the caller's from now.
 * NULL when it is none. */
struct jh_link *jh_call_take_link(jh_call *call, jh_str *rest);

/* Closes the calls that a generation's Lua left open. */
void jh_call_close_all(struct jh_clients *clients, const jh_event_queue *ready);

#endif
