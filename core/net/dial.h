/* dial.h: from a host and a port to a connected socket.
 *
 * Resolves the name and tries its addresses as RFC 8305 says: families in turn, the next address
 * after 250 ms or as soon as one has failed, the first that answers wins. Every address is tried
 * before it fails. Timeouts are its caller's: net/link.c. */
#ifndef JH_NET_DIAL_H
#define JH_NET_DIAL_H

#include "justhttp.h"

struct jh_loop;

/* ==== cdef: begin ==== */

enum {
  JH_DIAL_PAUSE_MS = 250,    /* between two attempts */
  JH_DIAL_REASON_BYTES = 256 /* longest text about a failure, with its NUL */
};

typedef struct jh_dial jh_dial;

/* It ended: a descriptor (non-blocking, close-on-exec, TCP_NODELAY) or a negative code. The dial is
 * freed when this returns; jh_dial_describe() still works in here. */
typedef void (*jh_dial_cb)(jh_dial *dial, void *data, int result);

typedef struct jh_dial_target {
  jh_str host; /* name, address, or "unix:/path"; "unix:@name" is an abstract one */
  uint16_t port;
  uint16_t keepalive_s; /* seconds of silence before the kernel probes the peer; 0 never */
  jh_str local;         /* address to connect from; empty for any */
} jh_dial_target;

/* Starts. A descriptor when it was connected at once; JH_EWAIT: `on_done` will be called; or
 * another negative code. *dial is set when it is JH_EWAIT, NULL otherwise. With a failure at once
 * `reason` (JH_DIAL_REASON_BYTES) is written. */
int jh_dial_start(struct jh_loop *loop, const jh_dial_target *target, jh_dial_cb on_done,
                  void *data, jh_dial **dial, char *reason);

/* Gives up; `on_done` will not be called. */
void jh_dial_stop(jh_dial *dial);

/* True while the name is being looked up, or was not found. */
bool jh_dial_is_resolving(const jh_dial *dial);

/* What it does, or why it failed, NUL-terminated into `out`: "127.0.0.1: connection refused". */
void jh_dial_describe(const jh_dial *dial, char *out, size_t out_bytes);

/* ==== cdef: end ==== */

#endif
