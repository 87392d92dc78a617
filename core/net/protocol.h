/* protocol.h: the seam between an exchange and what carries it.
 *
 * A ctx knows its connection, and the connection what it speaks. Over HTTP/1 that is the connection
 * a client opened (conn_respond.c and its neighbours); over HTTP/2 it is one stream, which is a
 * jh_conn of its own without a socket (http2_stream.c). Whoever answers a request, reads its body
 * or ends it goes through these functions, so that nothing above can tell the two apart.
 *
 * Every function has the results of the door's function that is named after it. */
#ifndef JH_NET_PROTOCOL_H
#define JH_NET_PROTOCOL_H

#include "justhttp.h"

struct jh_conn;

typedef struct jh_protocol {
  /* The exchange has the connection to itself, so it can be taken over by any protocol. */
  bool is_exclusive;

  /* These three release the ctx when they return 0. */
  int (*respond)(struct jh_conn *conn, jh_ctx *ctx, int status, int content_type, jh_str body);
  int (*respond_file)(struct jh_conn *conn, jh_ctx *ctx, int status);
  int (*end_stream)(struct jh_conn *conn, jh_ctx *ctx, jh_str trailers);

  int (*start_stream)(struct jh_conn *conn, jh_ctx *ctx, int status, int content_type,
                      int64_t length);
  int (*stream)(struct jh_conn *conn, jh_ctx *ctx, jh_str piece, uint32_t wait_id);
  int (*inform)(struct jh_conn *conn, int status, jh_str fields);
  ssize_t (*read_body)(struct jh_conn *conn, jh_ctx *ctx, char *out, size_t bytes,
                       uint32_t wait_id);

  /* Answers that a WebSocket begins, with what the ctx's response has. The connection that it takes
   * over; the ctx stays the caller's. NULL and *error when it cannot be. */
  struct jh_conn *(*upgrade)(struct jh_conn *conn, jh_ctx *ctx, int *error);

  /* The ctx was put back without an answer. */
  void (*abandon)(struct jh_conn *conn);

  /* A deadline of the connection passed. */
  void (*time_out)(struct jh_conn *conn);

  /* Ends the connection, which is not closed yet. */
  void (*close)(struct jh_conn *conn);
} jh_protocol;

/* One exchange at a time, on a connection of its own. */
extern const jh_protocol jh_protocol_http1;

#endif
