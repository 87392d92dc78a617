/* http2_client.h: HTTP/2 on a link: many calls at once, each a stream of its own.
 *
 * A jh_client_conn becomes one by jh_http2_client_take_over(). From then on what the link receives
 * goes to nghttp2, and what nghttp2 wants to send leaves once per turn of the loop. Life, input and
 * output are in http2_client.c, what makes a request of a call in http2_client_send.c, what makes a
 * response of frames in http2_client_receive.c.
 *
 * What must stay true: nothing calls nghttp2's sending or receiving functions while one of them is
 * on the stack, and the conn does not end under them: what a callback finds is settled behind them.
 */
#ifndef JH_NET_HTTP2_CLIENT_H
#define JH_NET_HTTP2_CLIENT_H

#include <nghttp2/nghttp2.h>

#include "base/buf.h"
#include "net/client_conn.h"
#include "net/http2_memory.h"

typedef struct jh_http2_client {
  nghttp2_session *engine;
  jh_http2_heap heap; /* the engine's, and of its streams */
  jh_client_conn *conn;
  jh_list streams;              /* every one that nghttp2 has not closed: jh_http2_call */
  jh_buf *out_first, *out_last; /* frames that the link has not taken */
  nghttp2_nv *fields;           /* room for those of a request */
  size_t fields_capacity;
  size_t queued_bytes;  /* while frames are gathered */
  uint64_t heard_ms;    /* when something was received last */
  uint32_t goaway_code; /* that the server gave */
  bool has_input;       /* something was received */
  bool has_settings;    /* the server's preface is complete */
  bool has_goaway;      /* it wants no further streams */
  bool has_failed;      /* the server broke the rules: `problem` says how */
  bool is_out_of_memory;
  bool is_doubted; /* it left a call without any answer: nothing is sent before it is heard again */
  bool is_receiving, is_sending, is_full;
  char problem[256];
} jh_http2_client;

/* A call on its stream. */
typedef struct jh_http2_call {
  jh_list node; /* in client->streams */
  jh_http2_client *client;
  jh_call *call; /* NULL: it has ended, or was given up; its stream has not ended yet */
  jh_buf *head;  /* while it comes */
  uint64_t started_ms;
  uint64_t body_bytes; /* received */
  int32_t id;
  uint32_t header_count, trailer_count;
  uint16_t status;
  bool is_on_wire; /* the head was sent */
  bool has_sent_end;
  bool has_head;    /* the final one */
  bool is_deferred; /* nghttp2 waits to be told that there is something to send */
  bool was_reset;   /* by the server */
} jh_http2_call;

/* The link is open, and it speaks HTTP/2: sends what the conn has. False when it is no more. */
bool jh_http2_client_take_over(jh_client_conn *conn);

/* The conn closes. Its calls were taken off. */
void jh_http2_client_free(jh_client_conn *conn);

/* A call was taken off its conn; it may have no stream. */
void jh_http2_client_forget(jh_call *call);

/* --- for the files of HTTP/2 --- */

/* The call fails, and its stream is reset. The conn's name is put in front of the problem. */
void jh_http2_client_fail(jh_http2_call *stream, int error, int failure, const char *problem);

/* Sends a call on a new stream. 0 or a negative code. */
int jh_http2_client_send(jh_http2_client *client, jh_call *call);

/* More of the call's body may be sent. */
void jh_http2_client_go_on(jh_client_conn *conn, jh_call *call);

/* Queues bytes behind what the link has not taken; NULL when out of memory. */
jh_buf *jh_http2_client_reserve(jh_http2_client *client, size_t bytes);

/* Callbacks for what is received and sent. */
void jh_http2_client_set_receive_callbacks(nghttp2_session_callbacks *callbacks);
void jh_http2_client_set_send_callbacks(nghttp2_session_callbacks *callbacks);

enum { JH_HTTP2_CLIENT_QUEUE_BYTES = 131072 /* of frames: enough for one write */ };

#endif
