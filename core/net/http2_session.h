/* http2_session.h: HTTP/2 on a connection: many exchanges at once, each a stream of its own.
 *
 * A connection becomes one by jh_http2_take_over(): when its first bytes are the preface of HTTP/2
 * (h2c with prior knowledge), or when TLS has agreed on "h2". From then on its state is
 * JH_CONN_HTTP2, whatever it reads goes to nghttp2, and what nghttp2 wants to send leaves once per
 * turn of the loop. nghttp2 judges the frames (RFC 9113), compresses heads (RFC 7541), counts
 * windows and orders streams (RFC 9218); what a stream is to the server is in http2_stream.h.
 *
 * What a client may cost is bounded: see jh_http2_charge(). */
#ifndef JH_NET_HTTP2_SESSION_H
#define JH_NET_HTTP2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "net/conn.h"
#include "net/http2_memory.h"

/* Beyond these a connection is ended with ENHANCE_YOUR_CALM. */
enum {
  JH_HTTP2_BUDGET = 1000, /* control frames in one go */
  JH_HTTP2_BUDGET_PER_SECOND = 100
};

typedef struct jh_http2_session {
  nghttp2_session *engine;
  jh_http2_heap heap; /* the engine's */
  jh_conn *conn;
  jh_list streams;                 /* every open one, by conn.node */
  struct jh_http2_stream *current; /* whose fields come, or came last; NULL: look it up */
  uint32_t stream_count;
  uint32_t budget;       /* control frames that the client may still send at once */
  uint64_t budget_at_ms; /* when it was filled last */
  uint64_t sent_bytes;   /* of bodies since then: a reader's window updates are earned */
  uint32_t head_bytes;   /* received since an unfinished field block began */
  uint32_t queued_bytes; /* in the connection's queue, while frames are gathered */
  uint32_t error_code;   /* of HTTP/2: why a callback gave up on the connection */
  bool is_in_head;       /* a field block has begun and not ended */
  bool has_settings;     /* the client's preface is complete */
  bool is_receiving;     /* nghttp2 reads: nothing can be sent */
  bool is_sending;
  bool is_full;     /* enough is queued for one write */
  bool has_failed;  /* the GOAWAY that says why is the last to be sent */
  bool is_broken;   /* the engine failed in the middle of something: it is not asked again */
  bool is_draining; /* the first GOAWAY was sent: no new streams are wanted */
  bool is_final;    /* the last GOAWAY was sent: no new streams are taken */
} jh_http2_session;

/* True when these first bytes of a connection can only become HTTP/2's preface. */
static inline bool jh_http2_is_preface(jh_str bytes);

/* Makes the connection one of HTTP/2: it is idle, or reads its first head, and what it has received
 * is used. Closes it when memory is out. */
void jh_http2_take_over(jh_conn *conn);

/* --- what conn.c and its neighbours do with a connection in state JH_CONN_HTTP2 --- */

void jh_http2_on_readable(jh_conn *conn);
void jh_http2_flush(jh_conn *conn);
void jh_http2_time_out(jh_conn *conn);

/* The worker stops: asks the client to open no further streams, and closes after the last one. */
void jh_http2_drain(jh_conn *conn);

/* The connection closes: ends every stream. */
void jh_http2_free(jh_http2_session *session);

/* --- for the files of HTTP/2 --- */

/* Counts `cost` against what the client may have of us for free. False when nothing is left: the
 * callback that asked gives up. */
bool jh_http2_charge(jh_http2_session *session, uint32_t cost);

/* Says that no stream after the ones that began is answered; those are. */
void jh_http2_say_last_goaway(jh_http2_session *session);

/* Sets the callbacks for what is received (http2_receive.c) and sent (http2_send.c). */
void jh_http2_set_receive_callbacks(nghttp2_session_callbacks *callbacks);
void jh_http2_set_send_callbacks(nghttp2_session_callbacks *callbacks);

/* inline definitions */

static inline bool jh_http2_is_preface(jh_str bytes) {
  return bytes.len >= 3 && bytes.ptr[0] == 'P' && bytes.ptr[1] == 'R' && bytes.ptr[2] == 'I';
}

#endif
