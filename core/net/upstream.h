/* upstream.h: a server behind a proxy: its origin, and what holds for all requests to it.
 *
 * Made when the app loads, read for every request. The functions Lua calls are declared in
 * justhttp.h. */
#ifndef JH_NET_UPSTREAM_H
#define JH_NET_UPSTREAM_H

#include "base/event_queue.h"
#include "http/forward.h"

struct jh_upstream {
  jh_origin *origin;     /* the opener's; it outlives the upstream */
  jh_event_queue *ready; /* of the generation that opened it */
  jh_forward_rules rules;
  jh_call_options options;
  double timeout_ms; /* of a whole exchange; 0: no limit */
  char *text;        /* what the rules point into */
  jh_str *names;
  uint32_t pending; /* relays that use it */
  bool is_closed;   /* freed with the last of them */
};

/* See jh_upstream_open(); 0 or JH_ENOMEM. */
int jh_upstream_new(jh_origin *origin, jh_event_queue *ready, const jh_upstream_options *options,
                    jh_upstream **upstream);

/* A relay begins to use it, or does not any more. */
void jh_upstream_acquire(jh_upstream *upstream);
void jh_upstream_release(jh_upstream *upstream);

#endif
