/* socket.h: what Lua holds of a link, or of a datagram socket: http.socket.
 *
 * Reading and writing wait under ids of their own, so two tasks can use both directions at once.
 * A socket at rest (in a pool of Lua's) is watched: when its peer ends it, sends something or its
 * time is over, its descriptor is closed at once and jh_socket_resume() says so. The functions that
 * Lua calls are declared in justhttp.h; the bytes Lua reads ahead are Lua's. */
#ifndef JH_NET_SOCKET_H
#define JH_NET_SOCKET_H

#include "net/link.h"
#include "net/waiter.h"

struct jh_socket {
  jh_link *link; /* NULL once it is over */
  struct jh_loop *loop;
  jh_list node;               /* in loop->sockets until Lua closes it */
  jh_waiter reading, writing; /* opening is writing */
  jh_alarm *rest_alarm;
  int failure; /* why its link is gone; 0 when it was closed in good order */
  bool is_open;
  bool is_datagram;
  bool is_resting;
  bool is_drained; /* a read took all there was, and nothing has come since */
  bool has_ended;  /* the peer's end was read */
};

/* A socket whose link is not dialled yet; `ready` is where its events go. NULL: out of memory. */
jh_socket *jh_socket_new(struct jh_loop *loop, jh_event_queue *ready);

/* Dials. As jh_socket_open() in justhttp.h; closes the socket when it fails at once. */
int jh_socket_dial(jh_socket *socket, const jh_link_address *to, uint32_t wait_id);

/* A datagram socket, not yet bound; of a family of socket(2). NULL with *error set. */
jh_socket *jh_socket_new_datagram(struct jh_loop *loop, jh_event_queue *ready, int family,
                                  int *error);

/* Cuts off the sockets that a generation's Lua has not closed. Their memory is still Lua's: it has
 * outlived its worker (specs do that). */
/* Family of a numeric address or unix path, for socket(2); or JH_EINVAL. */
int jh_socket_family(const char *host, size_t host_len);

void jh_socket_close_all(struct jh_loop *loop, const jh_event_queue *ready);

#endif
