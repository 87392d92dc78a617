/* guest.h: who goes on with a connection that HTTP has left.
 *
 * A channel and a WebSocket are guests: a jh_guest is their first member, and conn->guest points to
 * it from their opening until the connection closes or the guest gives it back. They use the
 * connection's transport, input buffer, output queue and deadline; HTTP does not touch it then. */
#ifndef JH_NET_GUEST_H
#define JH_NET_GUEST_H

struct jh_conn;

/* Each may close the connection. */
typedef struct jh_guest_class {
  void (*on_readable)(struct jh_conn *conn); /* it can be read */
  void (*on_written)(struct jh_conn *conn);  /* everything queued was written */
  void (*on_timeout)(struct jh_conn *conn);  /* its deadline passed; never without setting one */
  void (*on_drain)(struct jh_conn *conn);    /* the worker is about to stop; may be NULL */
  void (*on_close)(struct jh_conn *conn);    /* it closes: the guest loses it */
} jh_guest_class;

typedef struct jh_guest {
  const jh_guest_class *class;
} jh_guest;

#endif
