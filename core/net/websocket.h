/* websocket.h: a connection that speaks WebSocket (RFC 6455), server's or client's.
 *
 * Frames are parsed where they lie in the connection's input buffer; pings, closes and whatever is
 * against the rules never reach Lua. A message that came in one frame is handed out where it lies,
 * others are put together in a buffer of their own. Lua hears of a message once it is whole, by one
 * event, and while one waits for it nothing more is read. Answers are queued as frames and leave
 * with one write at the end of the turn.
 *
 * An idle WebSocket has no buffer and no coder: those of zlib are shared by all connections whose
 * windows do not live on from message to message.
 *
 *   DIALLING ──a client's handshake──▶ OPEN ──we close──▶ CLOSING ──peer's close, end, 5 s──▶ ENDED
 *      └──error──▶ ENDED ◀──peer's close, error, end──┘
 *
 * ENDED has no connection: what is queued is still written, without us. websocket.c has the life,
 * websocket_read.c the way in, websocket_write.c the way out, websocket_client.c how a client
 * comes to one. What Lua calls is in justhttp.h. */
#ifndef JH_NET_WEBSOCKET_H
#define JH_NET_WEBSOCKET_H

#include "http/websocket_deflate.h"
#include "http/websocket_frame.h"
#include "net/conn.h"
#include "net/guest.h"

typedef enum jh_websocket_state {
  JH_WEBSOCKET_OPEN = 0,
  JH_WEBSOCKET_CLOSING, /* our close frame is sent; what comes is thrown away */
  JH_WEBSOCKET_ENDED,
  JH_WEBSOCKET_DIALLING /* a client's: the server has not answered yet */
} jh_websocket_state;

/* What Lua and the reader are at. */
typedef enum jh_websocket_delivery {
  JH_WEBSOCKET_READING = 0, /* no message is whole */
  JH_WEBSOCKET_WAITING,     /* one is, and Lua has not taken it */
  JH_WEBSOCKET_TAKEN        /* Lua is copying it; as good as READING for all others */
} jh_websocket_delivery;

struct jh_websocket {
  jh_guest guest;
  jh_conn *conn; /* NULL once it ENDED */
  jh_loop *loop;
  jh_event_queue *ready;
  jh_list node; /* in loop->websockets.all */
  jh_event_node read_node, write_node;
  jh_websocket_reader reader;
  jh_buf *message; /* what came of a message in pieces, or of one that was compressed */
  jh_str whole;    /* a message, in `message` or in conn->in */
  jh_websocket_inflater *inflater;
  jh_websocket_deflater *deflater; /* own ones: windows that live on */
  char *close_reason;
  struct jh_websocket_opening *dial; /* while DIALLING, and its error behind that */
  uint64_t heard_ms;                 /* when anything came last */
  uint32_t id;                       /* of its JH_EVENT_WEBSOCKET; 0: whoever waits is woken */
  uint32_t read_wait_id, write_wait_id;
  uint32_t max_message_bytes;
  uint32_t ping_ms, idle_ms;
  jh_websocket_deflate deflate;
  uint16_t close_code; /* why it is CLOSING or ENDED */
  uint8_t close_reason_bytes;
  uint8_t state;    /* jh_websocket_state */
  uint8_t delivery; /* jh_websocket_delivery */
  uint8_t kind;     /* opcode of the message */
  bool is_client;
  bool is_compressed;       /* permessage-deflate was agreed on */
  bool is_armed;            /* an event is to tell of the next message */
  bool is_sending_pieces;   /* a message was begun and not ended */
  bool is_sending_text;     /* and it is text */
  jh_utf8_state sent;       /* of that text */
  bool has_shared_inflater; /* `inflater` is the loop's */
  bool is_released;         /* by Lua: freed with its connection and its last queued event */
  uint8_t depth;            /* functions on the stack that use it */
};

/* Takes over a connection, that of an exchange whose answer is queued, or one that came out of its
 * protocol's upgrade(). The ctx is given back. NULL when
 * out of memory: nothing changed. */
jh_websocket *jh_websocket_open(jh_conn *conn, jh_ctx *ctx, jh_event_queue *ready,
                                const jh_websocket_options *options,
                                const jh_websocket_deflate *deflate);

/* See jh_websocket_dial(). */
jh_websocket *jh_websocket_open_client(jh_loop *loop, jh_event_queue *ready,
                                       const jh_websocket_address *address, jh_str head,
                                       const jh_websocket_options *options, uint32_t wait_id,
                                       int *error);

/* An event of this WebSocket was taken off the ready queue. */
void jh_websocket_on_event_taken(jh_websocket *websocket);

/* Ends, with 1001, what the Lua behind a ready queue left open, and lets go of it. */
void jh_websocket_close_all(jh_loop *loop, const jh_event_queue *ready);

/* --- for these files --- */

/* A WebSocket without a connection. NULL when out of memory. */
jh_websocket *jh_websocket_try_new(jh_loop *loop, jh_event_queue *ready,
                                   const jh_websocket_options *options);

/* It has its connection; jh_websocket_set_deadline() is the next thing to do. */
void jh_websocket_take_over(jh_websocket *websocket, jh_conn *conn);

/* Frames may be read and written from now on. NULL: messages are not compressed. */
void jh_websocket_agree_on(jh_websocket *websocket, const jh_websocket_deflate *deflate);

/* The next look at how silent the peer is. */
void jh_websocket_set_deadline(jh_websocket *websocket);

/* It has lost its connection, or never had one. */
void jh_websocket_lose(jh_websocket *websocket);

/* Around whatever the connection calls: it is not freed in between. */
static inline void jh_websocket_enter(jh_websocket *websocket);
void jh_websocket_leave(jh_websocket *websocket);

/* It is CLOSING or ENDED for this reason, unless there is one already. */
void jh_websocket_note_close(jh_websocket *websocket, int code, jh_str reason);

/* The connection is given back: it closes when what is queued is written. */
void jh_websocket_end(jh_websocket *websocket);

/* Sends a close frame and waits for the peer's. */
void jh_websocket_begin_close(jh_websocket *websocket, int code, jh_str reason);

/* Sends a close frame, and does not wait: the peer broke the protocol. */
void jh_websocket_fail(jh_websocket *websocket);

/* --- websocket_read.c --- */

void jh_websocket_on_readable(jh_conn *conn);

/* Parses what was received, up to the next whole message. */
void jh_websocket_advance(jh_websocket *websocket);

/* Tells Lua that there is something to take. */
void jh_websocket_tell_reader(jh_websocket *websocket);

/* Lets go of the message that Lua has, or was to have. */
void jh_websocket_drop_message(jh_websocket *websocket);

/* --- websocket_client.c --- */

/* The server's answer, or a part of it, can be read. */
void jh_websocket_read_answer(jh_websocket *websocket);

/* Ends the dialling, when it is not over, and frees what it needed. */
void jh_websocket_stop_dialling(jh_websocket *websocket);

/* --- websocket_write.c --- */

/* Queues a control frame. 0 or JH_ENOMEM. */
int jh_websocket_send_control(jh_websocket *websocket, int opcode, jh_str payload);

void jh_websocket_tell_writer(jh_websocket *websocket, int error);

/* inline definitions */

static inline void jh_websocket_enter(jh_websocket *websocket) {
  websocket->depth++;
}

#endif
