/* http2_stream.h: one request and its answer on an HTTP/2 connection.
 *
 * To everything above net/ a stream is a jh_conn: its ctx points to it, deadlines, abort, shadows
 * and the freeing at the end of a turn are the same. It has the transport of its connection, so
 * that questions about it (TLS, scheme) have the same answers, but never calls it.
 *
 *   READING_HEAD ──▶ READING_BODY ──▶ BUSY ──answer──▶ IDLE ──sent──▶ CLOSED
 *
 * `conn.in` holds the head and a small body behind it; `conn.out_first` what of the answer is not
 * yet in a frame, `conn.file` the file behind it. The struct lives until nghttp2 has closed the
 * stream: jh_http2_stream_reset() only lets go of what it holds. */
#ifndef JH_NET_HTTP2_STREAM_H
#define JH_NET_HTTP2_STREAM_H

#include "net/http2_session.h"

/* A writer that waits goes on when no more than this is left of what it wrote. */
enum { JH_HTTP2_WAKE_BYTES = 16384 };

typedef struct jh_http2_stream {
  jh_conn conn;
  jh_http2_session *session;
  int32_t id;
  uint32_t head_bytes; /* of fields so far, as HTTP/1 would have sent them */
  uint32_t trailer_bytes;
  uint32_t trailer_count;
  uint32_t cookie_count;   /* cookie fields, which are joined */
  uint16_t refused_status; /* what the head will be answered with; 0 when it is good */
  const char *refused_reason;
  jh_span authority;  /* :authority */
  int32_t host_index; /* of the host field, or -1 */
  bool is_method_known;
  bool is_websocket;              /* an extended CONNECT asks for one */
  bool has_unknown_protocol;      /* or for something else */
  bool has_request_end;           /* the client's side has ended */
  bool has_response_end;          /* nothing more will be queued */
  bool is_deferred;               /* nghttp2 waits to be told that there is something to send */
  jh_buf *body_first, *body_last; /* received and not yet read */
  uint64_t body_taken;            /* bytes that were read */
  uint64_t discard_left;          /* bytes of it that may come after the answer */
  size_t queued_bytes;            /* in conn.out_first */
  jh_buf *trailers;               /* whole lines to be sent behind the body; or NULL */
  jh_conn *tunnel;                /* its guest's, after an extended CONNECT; or NULL */
  jh_list readable;               /* in loop->http2_readable: the tunnel is to be read */
  uint32_t checked_turn;          /* turn of the loop in which conn.file was looked at last */
} jh_http2_stream;

extern const jh_protocol jh_protocol_http2;

static inline jh_http2_stream *jh_http2_stream_of(jh_conn *conn) {
  return (jh_http2_stream *)(void *)conn;
}

/* --- http2_stream.c --- */

/* A new stream with a ctx, or NULL when out of memory. */
jh_http2_stream *jh_http2_stream_open(jh_http2_session *session, int32_t id);

/* The head is there. */
void jh_http2_stream_begin(jh_http2_stream *stream);

/* Bytes of the body. 0, or a negative code when the stream was reset. */
void jh_http2_stream_receive(jh_http2_stream *stream, jh_str bytes);

/* Bytes of a body that came after the answer. */
void jh_http2_stream_discard(jh_http2_stream *stream, size_t bytes);

/* The client's side has ended. */
void jh_http2_stream_end_request(jh_http2_stream *stream);

/* The last frame of the answer is made. */
void jh_http2_stream_end_answer(jh_http2_stream *stream);

/* Ends it with an error of HTTP/2. */
void jh_http2_stream_reset(jh_http2_stream *stream, uint32_t error_code);

/* nghttp2 has closed it: frees it at the end of the turn. */
void jh_http2_stream_close(jh_http2_stream *stream);

/* The answer is complete: lets go of the ctx and what is left of the request. */
void jh_http2_stream_end_exchange(jh_http2_stream *stream, jh_ctx *ctx);

/* Takes bytes that were kept for a reader; the client may send as many again. Their count. */
size_t jh_http2_stream_take(jh_http2_stream *stream, char *out, size_t bytes);

/* Lets go of what was received and nobody will read. */
void jh_http2_stream_drop_body(jh_http2_stream *stream);

/* --- http2_request.c --- */

/* One field of the head. 0, or JH_ELIMIT when the client is far beyond every limit. */
int jh_http2_request_add(jh_http2_stream *stream, jh_str name, jh_str value);

/* One field behind the body. 0 or a negative code. */
int jh_http2_request_add_trailer(jh_http2_stream *stream, jh_str name, jh_str value);

/* All fields are there: completes the ctx's request. False when it is refused. */
bool jh_http2_request_finish(jh_http2_stream *stream);

/* --- http2_respond.c --- */

int jh_http2_respond(jh_conn *conn, jh_ctx *ctx, int status, int content_type, jh_str body);
int jh_http2_respond_file(jh_conn *conn, jh_ctx *ctx, int status);
int jh_http2_start_stream(jh_conn *conn, jh_ctx *ctx, int status, int content_type, int64_t length);
int jh_http2_stream_piece(jh_conn *conn, jh_ctx *ctx, jh_str piece, uint32_t wait_id);
int jh_http2_end_stream(jh_conn *conn, jh_ctx *ctx, jh_str trailers);
int jh_http2_inform(jh_conn *conn, int status, jh_str fields);
jh_conn *jh_http2_upgrade(jh_conn *conn, jh_ctx *ctx, int *error);

/* There is something to send again, or the end. */
void jh_http2_stream_resume(jh_http2_stream *stream);

/* --- http2_send.c --- */

/* The source of a stream's body, for nghttp2. */
nghttp2_data_provider jh_http2_body_source(jh_http2_stream *stream);

/* Sends what is queued in `trailers`. 0 or a negative code. */
int jh_http2_submit_trailers(jh_http2_stream *stream);

#endif
