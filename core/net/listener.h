/* listener.h: accepts connections from a listening socket the supervisor opened.
 *
 * The socket belongs to the supervisor: stopping a listener only stops accepting, so what waits in
 * its accept queue is served by the next worker of this slot. When the whole server stops there is
 * no next worker: then the queue is emptied and the socket closed. */
#ifndef JH_NET_LISTENER_H
#define JH_NET_LISTENER_H

#include <uv.h>

#include "net/loop.h"

typedef struct jh_listener {
  uv_poll_t poll;
  uv_timer_t pause; /* runs while the process is out of descriptors */
  jh_loop *loop;
  int fd;
  bool is_tls;
  jh_log_gate gate;
} jh_listener;

/* Starts accepting; the listener must stay in place until it is closed and the loop has run. With
 * `is_tls` loop->server_tls must be set. */
int jh_listener_start(jh_listener *listener, jh_loop *loop, int fd, bool is_tls);

/* Stops accepting and closes the handles. */
void jh_listener_stop(jh_listener *listener);

/* Accepts what waits, stops, and closes the socket: later connections are refused by the kernel. */
void jh_listener_drain(jh_listener *listener);

#endif
