/* resolve.h: a lookup in the hands of Lua: http.resolve. The functions that Lua calls are declared
 * in justhttp.h. */
#ifndef JH_NET_RESOLVE_H
#define JH_NET_RESOLVE_H

#include "net/resolver.h"
#include "net/waiter.h"

struct jh_loop;

/* As jh_resolve_open() in justhttp.h. */
jh_resolve *jh_resolve_new(struct jh_loop *loop, jh_event_queue *ready, jh_str host,
                           uint32_t wait_id, double timeout_ms, int *error);

/* Cuts off those that a generation's Lua has not closed; their memory is still Lua's. */
void jh_resolve_close_all(struct jh_loop *loop, const jh_event_queue *ready);

#endif
