/* hub_sockets.h: what is published in one worker reaches the others: a socket per worker.
 *
 * The supervisor opens a pair of datagram sockets for every slot before it forks; all workers write
 * to one end of it and the worker of the slot reads the other, so a worker that is restarted goes
 * on where its predecessor stopped. Messages are cut into pieces; a worker that does not read has
 * up to some MiB waiting for it in each of the others, then misses messages, which is logged. */
#ifndef JH_SERVER_HUB_SOCKETS_H
#define JH_SERVER_HUB_SOCKETS_H

#include "base/log.h"
#include "net/hub.h"

/* ==== cdef: begin ==== */

/* The supervisor's. */
typedef struct jh_hub_sockets {
  uint32_t count;
  int *ends; /* of each slot the one to read, then the one to write */
} jh_hub_sockets;

/* Of at least two workers, or it does nothing. 0 or a negative errno. */
int jh_hub_sockets_open(jh_hub_sockets *sockets, uint32_t worker_count);
void jh_hub_sockets_close(jh_hub_sockets *sockets);

/* ==== cdef: end ==== */

/* A worker's. */
typedef struct jh_hub_peers jh_hub_peers;

/* Joins the loop's hub with those of the other slots. NULL when there are none, or when memory is
 * out. The sockets are the worker's own from now on. */
jh_hub_peers *jh_hub_peers_try_open(jh_loop *loop, const jh_hub_sockets *sockets, uint32_t slot);

/* Closes its handles; the loop must run once more before jh_hub_peers_free(). */
void jh_hub_peers_close(jh_hub_peers *peers);
void jh_hub_peers_free(jh_hub_peers *peers);

#endif
