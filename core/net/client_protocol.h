/* client_protocol.h: the seam between a call and what carries it.
 *
 * A call knows its conn, and the conn what its link speaks: HTTP/1.1, one call after the other
 * (client_conn.c, client_read.c, client_write.c), or HTTP/2, many at once (http2_client.c and its
 * neighbours). A conn begins as one of HTTP/1.1; when the link is open and TLS has agreed on "h2",
 * or the origin is known to speak it, it becomes the other. Calls, origins and relays go through
 * these functions, so that nothing above can tell the two apart: the head of a response is text
 * either way, and a request is given as HTTP/1.1 has it. */
#ifndef JH_NET_CLIENT_PROTOCOL_H
#define JH_NET_CLIENT_PROTOCOL_H

#include "justhttp.h"

struct jh_client_conn;

typedef struct jh_client_protocol {
  /* Calls do not wait for each other: one that fails says nothing about the others. */
  bool is_shared;

  /* The conn, which has room for it, has got one more call. */
  void (*add)(struct jh_client_conn *conn, jh_call *call);

  /* Writes as much as the link takes. */
  void (*flush)(struct jh_client_conn *conn);

  /* More of the request may be sent: a piece, the end, or all of what waited for 100 Continue. */
  void (*go_on)(struct jh_client_conn *conn, jh_call *call);

  /* The link may have something to be read. */
  void (*read)(struct jh_client_conn *conn);

  /* Whether nothing has come on an idle link that ends it; closes it otherwise. */
  bool (*is_silent)(struct jh_client_conn *conn);

  /* See jh_call_read(); JH_EWAIT when there is nothing yet. */
  ssize_t (*read_body)(struct jh_client_conn *conn, jh_call *call, char *out, size_t bytes);

  /* Whoever reads this call's body waits for more of it, or does not want to be told now. */
  void (*want)(struct jh_client_conn *conn, jh_call *call, bool wants);

  /* A call has waited too long; `problem` says for what. */
  void (*time_out)(struct jh_client_conn *conn, jh_call *call, const char *problem);

  /* A call is given up by its owner. */
  void (*give_up)(struct jh_client_conn *conn, jh_call *call);

  /* Whether a call may be sent again when its link ends without an answer. */
  bool (*may_resend)(const struct jh_client_conn *conn, const jh_call *call, bool is_first,
                     int failure);
} jh_client_protocol;

extern const jh_client_protocol jh_client_protocol_http1, jh_client_protocol_http2;

#endif
