/* dispatch.h: from a complete request to an event that Lua pulls.
 *
 * The hooks that net/ calls: they match the route, enforce `concurrency` and append to the ready
 * queue of the current generation. They never enter Lua. */
#ifndef JH_SERVER_DISPATCH_H
#define JH_SERVER_DISPATCH_H

#include "net/loop.h"

/* For jh_loop_init(); the loop's data must be the jh_worker. */
extern const jh_loop_hooks jh_dispatch_hooks;

/* "GET, HEAD, OPTIONS" for a set of methods, in the ctx's arena; ptr NULL when out of memory. */
jh_str jh_dispatch_allow(jh_ctx *ctx);

#endif
