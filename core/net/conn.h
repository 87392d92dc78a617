/* conn.h: one accepted connection and the exchange that is going on in it.
 *
 *   IDLE ──bytes──▶ READING_HEAD ──▶ READING_BODY ──▶ BUSY ──answer──▶ IDLE
 *                        │ bad            small body   │ │ ├─ body unread ──▶ DISCARDING ──▶ IDLE
 *                        └──────▶ answer, LINGERING ◀──┘ └─ hijack, upgrade ──▶ HIJACKED
 *                                                 close
 *
 * A connection is one exchange at a time: the next pipelined request stays unparsed in `in` until
 * this one is answered. IDLE owns neither buffer nor ctx. Input that nobody asked for is not read
 * (back-pressure). conn.c holds the states; conn_read.c and conn_body.c are the way in,
 * conn_respond.c, conn_stream.c and conn_write.c the way out.
 *
 * Closing only marks the connection and detaches its ctx; its memory is freed at the end of the
 * turn or in uv's close callback, so every function here may be called on a closed one. */
#ifndef JH_NET_CONN_H
#define JH_NET_CONN_H

#include <sys/socket.h>
#include <uv.h>

#include "net/loop.h"
#include "net/protocol.h"
#include "net/transport.h"

typedef enum jh_conn_state {
  JH_CONN_IDLE = 0,
  JH_CONN_READING_HEAD,
  JH_CONN_READING_BODY, /* a small body, before its handler starts */
  JH_CONN_BUSY,         /* the ctx waits for its answer */
  JH_CONN_DISCARDING,   /* answered; the rest of the body is thrown away */
  JH_CONN_HIJACKED,     /* Lua's own: no HTTP any more */
  JH_CONN_HTTP2,        /* carries streams (http2_session.h) */
  JH_CONN_LINGERING,    /* answered and shut down; input is thrown away until the peer's end */
  JH_CONN_CLOSED
} jh_conn_state;

typedef struct jh_conn {
  uv_poll_t poll;
  jh_loop *loop;
  const jh_protocol *protocol; /* what carries its exchange */
  const jh_transport *transport;
  void *transport_data;
  jh_list node; /* in loop->open_conns */
  jh_timeout timeout;
  jh_peer peer;
  jh_buf *in;                   /* received and not yet used */
  jh_buf *out_first, *out_last; /* answers not yet taken by the kernel */
  struct jh_file_send *file;    /* sent behind them (conn_file.c); NULL when there is none */
  jh_ctx *ctx;
  struct jh_hub_member *member;   /* NULL: it does not listen to the hub */
  struct jh_guest *guest;         /* JH_CONN_HIJACKED: whose connection this is */
  struct jh_http2_session *http2; /* JH_CONN_HTTP2: its streams */
  struct jh_conn *next_pending;   /* in loop->first_pending, or loop->first_closed */
  union {
    uint32_t request_count;
    uint32_t unacked_bytes; /* JH_CONN_LINGERING: of the answers, when it was looked at last */
  };
  int fd;
  uint8_t state;          /* jh_conn_state */
  uint8_t events;         /* UV_READABLE | UV_WRITABLE that the transport waits for */
  bool is_registered;     /* the uv handle was started once */
  bool is_handle_closed;  /* and has been closed: the memory is ours again */
  bool is_pending;        /* in loop->first_pending */
  bool is_advancing;      /* jh_conn_advance() is on the stack */
  bool allows_half_close; /* an end of the peer's side does not cancel its handler */
  bool has_ended;         /* the peer sent its end; what it asked before is still answered */
  bool closes_after_write;
  bool lingers; /* input may be unread when it closes: end it without a reset */
} jh_conn;

/* Logs, at most once a minute, that max_conns_per_ip refused a connection. */
void jh_conn_log_per_ip(jh_loop *loop);

/* The same for a connection without the PROXY header that it must begin with. */
void jh_conn_log_proxy(jh_loop *loop);

/* Takes over an accepted socket (or, with a transport of its own, something else) and reads it at
 * once. Owns `fd` in every case. 0 or JH_ENOMEM. */
int jh_conn_open(jh_loop *loop, int fd, const jh_peer *peer);

/* ==== cdef: begin ==== */

/* --- for transports, and for who opens a connection on one --- */

typedef struct jh_conn jh_conn;

/* As jh_conn_open() with another transport; the caller starts the reading. NULL: out of memory. */
jh_conn *jh_conn_new(struct jh_loop *loop, const jh_transport *transport, void *transport_data,
                     int fd);

/* Asks the transport for these events, if it does not wait for them already. */
void jh_conn_poll(jh_conn *conn, int events);

/* It can be read: reads once and goes on. */
void jh_conn_on_readable(jh_conn *conn);

/* Writes what is queued; waits for the rest to become writable. */
void jh_conn_flush(jh_conn *conn);

/* Ends a connection now. Its ctx, when Lua holds it, hears of it by on_abort. */
void jh_conn_close(jh_conn *conn);

/* ==== cdef: end ==== */

/* Ends the exchange of a ctx that was put back without an answer: closes, after answers to earlier
 * requests that are still queued. */
void jh_conn_abandon(jh_conn *conn);

/* Frees the memory of a closed connection. For transports and the loop. */
void jh_conn_free(jh_conn *conn);

/* A deadline of an HTTP/1 connection passed. */
void jh_conn_time_out(jh_conn *conn);

/* --- conn_read.c --- */

/* Uses up the input: parses, and hands on requests, until more input or an answer is needed. */
void jh_conn_advance(jh_conn *conn);

/* Asks for more input, with a deadline from now. */
void jh_conn_await_input(jh_conn *conn, jh_timeout_class timeout_class);

/* As that, with the deadline of what is being read: a head, a small body, one that nobody wants.
 * When the peer's end was read already the connection is finished instead. */
void jh_conn_await_rest(jh_conn *conn);

/* The request is complete enough for its handler. */
void jh_conn_dispatch(jh_conn *conn);

/* --- conn_body.c --- */

/* What every read of a body begins with: 0, and the body is read when it is streaming, or a
 * negative code. Has the client go on that waits for 100. */
int jh_conn_begin_read(jh_conn *conn, jh_ctx *ctx, size_t bytes);

/* See jh_ctx_read(). */
ssize_t jh_conn_read_body(jh_conn *conn, jh_ctx *ctx, char *out, size_t bytes, uint32_t wait_id);

/* More of a body must be waited for: true, and no wait begins, when it came too slowly so far. */
bool jh_conn_is_body_slow(jh_conn *conn, jh_ctx *ctx);

/* Decodes the next bytes of a chunked body where they lie in the input buffer; *body is what they
 * came to. Trailers are kept in the ctx. */
jh_parse jh_conn_decode_body(jh_conn *conn, jh_ctx *ctx, jh_str *body);

/* True when the unread rest of the body can be thrown away within bounds. How much of a chunked one
 * is to come nobody knows, so its end must be here; unless it may still be read, while its answer
 * is streamed. */
bool jh_conn_can_discard(const jh_ctx *ctx, bool may_be_read);

/* Nobody will read more of this body: looks through what has come of a chunked one for its end. */
void jh_conn_find_body_end(jh_conn *conn, jh_ctx *ctx);

/* The answer came before a streamed body was read: JH_CONN_DISCARDING from now on. False when it
 * has arrived whole, so that there is nothing to throw away. */
bool jh_conn_begin_discard(jh_conn *conn, jh_ctx *ctx);

/* Throws away what was received of such a body. True when the state moved on. */
bool jh_conn_discard(jh_conn *conn);

/* --- conn_respond.c --- */

/* See jh_ctx_respond(). Releases the ctx when it returns 0. */
int jh_conn_respond(jh_conn *conn, jh_ctx *ctx, int status, int content_type, jh_str body);

/* See jh_ctx_inform(). */
int jh_conn_inform(jh_conn *conn, int status, jh_str fields);

/* Answers with an error of our own and closes. `reason` is a short static text, or NULL. */
void jh_conn_reject(jh_conn *conn, int status, const char *reason);

/* True when the connection can take another request after this answer; `is_streamed`: the handler
 * may read more of the request while it answers. */
bool jh_conn_stays_open(jh_conn *conn, jh_ctx *ctx, bool is_streamed);

/* Head, and a small body behind it, into the queue. 0 or JH_ENOMEM. */
int jh_conn_append_response(jh_conn *conn, jh_ctx *ctx, const jh_response_head *head, jh_str body);

/* The answer in front of a guest: framed like any other, and the connection does not close. 0 or
 * JH_ENOMEM. */
int jh_conn_append_answer(jh_conn *conn, jh_ctx *ctx, int status, int content_type, jh_str body);

/* The same with a 101; the connection itself is the guest's then. */
jh_conn *jh_conn_upgrade(jh_conn *conn, jh_ctx *ctx, int *error);

/* The answer is in the queue: lets the ctx go and sets what happens to the connection. */
void jh_conn_end_exchange(jh_conn *conn, jh_ctx *ctx, bool is_keep_alive);

/* Goes on after an answer: the next request, and the write when there is none. */
void jh_conn_after_answer(jh_conn *conn);

/* --- conn_stream.c --- */

/* See jh_ctx_start(), jh_ctx_write() and jh_ctx_end(). */
int jh_conn_start_stream(jh_conn *conn, jh_ctx *ctx, int status, int content_type, int64_t length);
int jh_conn_stream(jh_conn *conn, jh_ctx *ctx, jh_str piece, uint32_t wait_id);
int jh_conn_end_stream(jh_conn *conn, jh_ctx *ctx, jh_str trailers);

/* --- conn_write.c --- */

/* Room for `bytes` at the end of the queue, or NULL when out of memory. */
jh_buf *jh_conn_reserve(jh_conn *conn, size_t bytes);

/* Fills `parts` with the beginning of the queue; adds its bytes to *total. Returns their number. */
int jh_conn_gather(const jh_conn *conn, struct iovec *parts, int parts_max, size_t *total);

/* Drops what was written from the queue. Returns what of `count` went beyond it. */
size_t jh_conn_consume(jh_conn *conn, size_t count);

/* Copies bytes to the end of the queue. 0 or JH_ENOMEM. */
int jh_conn_append(jh_conn *conn, const char *bytes, size_t len);

/* Writes the queue and `tail`; what the kernel does not take of the tail is copied. 0, or a
 * negative code: the connection is closed then. */
int jh_conn_write_out(jh_conn *conn, jh_str tail);

/* Bytes in the queue, which the kernel has not taken yet. */
size_t jh_conn_queued_bytes(const jh_conn *conn);

/* --- shared by all --- */

/* Has jh_loop_finish_turn() look after this connection. */
void jh_conn_mark_pending(jh_conn *conn);

/* Goes on with what the input allows, and to rest when there is none. */
void jh_conn_proceed(jh_conn *conn);

/* Puts a fresh ctx in the place of the one Lua holds, which becomes a shadow with the input buffer
 * its slices point into. The fresh one, held by Lua, or NULL when out of memory or when a streamed
 * answer has begun. */
jh_ctx *jh_conn_detach_ctx(jh_conn *conn);

/* "http" or "https": the transport's, or what a trusted proxy says in X-Forwarded-Proto. */
jh_str jh_conn_scheme(const jh_conn *conn, const jh_ctx *ctx);

/* Fills ctx->remote and ctx->remote_port, which outlive the connection. 0 or a negative code. */
int jh_conn_find_remote(jh_conn *conn, jh_ctx *ctx);

/* True when something is left to be written. */
bool jh_conn_has_output(const jh_conn *conn);

/* Limits for the body of this request. */
static inline jh_parse_limits jh_conn_parse_limits(const jh_conn *conn, const jh_ctx *ctx);

/* Lets go of the ctx: back to the table, or to Lua as one whose client is gone. */
void jh_conn_drop_ctx(jh_conn *conn);

/* inline definitions */

static inline jh_parse_limits jh_conn_parse_limits(const jh_conn *conn, const jh_ctx *ctx) {
  jh_parse_limits limits = conn->loop->settings.parse;
  limits.max_body_bytes = ctx->max_body_bytes;
  return limits;
}

#endif
