/* channel.h: a connection in the hands of Lua: what is left of HTTP after hijack or upgrade.
 *
 * Bytes in both directions, no parser, no timeouts. Input that was buffered behind the request
 * comes first. Reading and writing wait under ids of their own, so two tasks can use both
 * directions at once. The channel outlives its connection: when the peer goes, reads and writes say
 * so. The functions Lua calls are declared in justhttp.h. */
#ifndef JH_NET_CHANNEL_H
#define JH_NET_CHANNEL_H

#include "net/conn.h"
#include "net/guest.h"

struct jh_channel {
  jh_guest guest;
  jh_conn *conn; /* NULL once it closed */
  jh_loop *loop;
  jh_generation *generation;
  jh_list node; /* in loop->channels until Lua closes it */
  jh_event_node read_node, write_node;
  uint32_t read_wait_id, write_wait_id; /* 0: nobody waits */
  struct jh_relay_pipe *pipe;           /* whose it is; NULL: Lua's */
  bool has_ended;                       /* the peer's end was read */
  bool tells_stop;                      /* the next read that finds nothing says JH_ESTOPPING */
  bool shuts_after_write;               /* jh_channel_shutdown() waits for the queue */
  bool is_closed;                       /* by Lua: freed with its last queued event */
};

/* Takes over the connection of an exchange whose answer, if any, is queued. The ctx is given back.
 * NULL when out of memory: nothing changed. */
jh_channel *jh_channel_open(jh_conn *conn, jh_ctx *ctx);

/* An event of this channel was taken off the ready queue. */
void jh_channel_on_event_taken(jh_channel *channel);

/* Closes the channels that a generation's Lua left open. */
void jh_channel_close_all(jh_loop *loop, const jh_generation *generation);

#endif
