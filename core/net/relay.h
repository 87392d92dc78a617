/* relay.h: an exchange that is passed on: a ctx on one side, a call on the other.
 *
 * Lua opens a relay, waits until the upstream's head is there, and decides what becomes of it;
 * bodies go through in C, in both directions at once. Each side is read only while the other takes
 * what was read: what is under way is bounded by one piece and the high-water marks of the queues.
 * relay.c is the request's way, relay_response.c the response's, relay_pipe.c what follows a 101.
 *
 * A relay belongs to its ctx and ends with it; its call is given up then. The functions Lua calls
 * are declared in justhttp.h. */
#ifndef JH_NET_RELAY_H
#define JH_NET_RELAY_H

#include "net/call.h"
#include "net/conn.h"
#include "net/upstream.h"

struct jh_alarm;

enum {
  JH_RELAY_PIECE_BYTES = 65536, /* read from one side at a time */
  JH_RELAY_TURN_BYTES = 524288, /* of one response in one turn, so that others have theirs */
  JH_RELAY_WHOLE_BYTES = 12288, /* bodies up to this leave with their head, once they are there */
  JH_RELAY_CONTINUE_MS = 1000,  /* that an upstream is given for its 100 */
  JH_RELAY_NAMES_MAX = 32       /* fields that a hook may take away, of each head */
};

typedef enum jh_relay_state {
  JH_RELAY_NEW = 0,
  JH_RELAY_WAITING,   /* for the head of the response */
  JH_RELAY_AT_HEAD,   /* it is there; Lua decides */
  JH_RELAY_STREAMING, /* its body goes through */
  JH_RELAY_OVER       /* nothing more comes; `error` says how it ended */
} jh_relay_state;

/* What a hook changed about the two heads; in the ctx's arena. */
typedef struct jh_relay_changes {
  jh_response fields; /* of the request */
  jh_name_set dropped, dropped_of_response;
  jh_str names[JH_RELAY_NAMES_MAX], names_of_response[JH_RELAY_NAMES_MAX];
  jh_str target, body; /* ptr NULL: unchanged */
} jh_relay_changes;

struct jh_relay {
  jh_cleanup cleanup; /* in ctx->cleanups */
  jh_ctx *ctx;
  jh_loop *loop;
  jh_upstream *upstream;
  jh_event_queue *ready;
  jh_call *call;
  jh_relay_changes *changes; /* NULL: none */
  struct jh_alarm *alarm;    /* a 100 is waited for, or the next turn */
  double timeout_ms;         /* of the whole exchange; 0: no limit */
  uint64_t body_bytes;       /* of the response, passed on so far */
  uint32_t wait_id;          /* Lua waits for the head, or for the end; 0: it does not */
  uint32_t head_turn;        /* turn of the loop in which the head came */
  int error;
  uint8_t state;             /* jh_relay_state */
  const char *problem;       /* with the answer; NULL: the call knows */
  bool asks_upgrade;         /* of the upstream */
  bool is_clients_fault;     /* `error` is about the request's body */
  bool is_request_done;      /* nothing more is read of the request's body */
  bool is_call_blocked;      /* the upstream does not take more now */
  bool is_pumping;           /* the response's body is being passed on, up the stack */
  bool awaits_continue;      /* the body is not asked for before the upstream wants it */
  jh_call_response response; /* from JH_RELAY_AT_HEAD on; not zeroed before */
};

/* What all relays of a loop share. */
typedef struct jh_relays {
  jh_pool pool, pipes;
  char request_piece[JH_RELAY_PIECE_BYTES]; /* between a read and the write behind it */
  char response_piece[JH_RELAY_PIECE_BYTES];
} jh_relays;

/* Makes loop->relays if it is not there. 0 or JH_ENOMEM. */
int jh_relays_open(jh_loop *loop);

/* After all exchanges have ended. */
void jh_relays_free(jh_relays *relays);

/* ---- told by the server side ---- */

/* The request's body can be read on, or not any more. */
void jh_relay_on_client_readable(jh_relay *relay, int error);

/* The client takes more, or is gone. */
void jh_relay_on_client_writable(jh_relay *relay, int error);

/* The client is gone. */
void jh_relay_on_abort(jh_relay *relay);

/* ---- what Lua asks for; see justhttp.h ---- */

jh_relay *jh_relay_new(jh_ctx *ctx, jh_upstream *upstream, int *error);
int jh_relay_run(jh_relay *relay, int rest_param, uint32_t wait_id);
int jh_relay_answer(jh_relay *relay, int status, uint32_t wait_id);
int jh_relay_finish(jh_relay *relay);
int jh_relay_open_tunnel(jh_relay *relay);

/* Gives the upstream's fields to the ctx, whose response is then made as any other. 0 or a negative
 * code. */
int jh_relay_import(jh_relay *relay, bool is_replaced);

/* The changes, made when they are asked for first; NULL when out of memory. */
jh_relay_changes *jh_relay_change(jh_relay *relay);

/* ---- among the files of the relay ---- */

/* Tells Lua, if it waits. */
void jh_relay_wake(jh_relay *relay, int code);

/* Nothing more comes: 0, or why. Tells Lua. */
void jh_relay_end_with(jh_relay *relay, int error);

/* Lets go of call and relay; the ctx goes on. */
void jh_relay_free(jh_relay *relay);

/* Passes on the response's body as far as it goes now. */
void jh_relay_pump_response(jh_relay *relay);

/* Passes on the interim responses that came. */
void jh_relay_pass_interim(jh_relay *relay);

/* The upstream wants the body. */
void jh_relay_on_continue(jh_relay *relay);

/* The code that tells Lua of a head. */
int jh_relay_head_code(const jh_relay *relay);

/* Queues a head over HTTP/1. The buffer that holds it, uncommitted: *len bytes at its end, with
 * room for `body_bytes` behind them; NULL with *error set. */
jh_buf *jh_relay_reserve_head(jh_conn *conn, const jh_forward_response *forward, size_t body_bytes,
                              size_t *len, int *error);

/* What goes on of the upstream's head. */
jh_forward_response jh_relay_describe(const jh_relay *relay, int status);

/* ---- pipes ---- */

typedef struct jh_relay_pipe jh_relay_pipe;

void jh_relay_pipes_init(jh_relays *relays, size_t max_free);

/* Its channel can be read (or written) on. */
void jh_relay_pipe_on_channel(jh_relay_pipe *pipe, bool is_writer);

/* Ends it, both sides. */
void jh_relay_pipe_close(jh_relay_pipe *pipe);

#endif
