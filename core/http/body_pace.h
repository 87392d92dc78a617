/* body_pace.h: how fast the body of a request comes, in the time that somebody waits for it.
 *
 * body_timeout_ms bounds each wait; a client that sends a byte just before it is over could hold a
 * request for ever. So all waits together are bounded as well: by that same timeout, and a second
 * more for every min_body_bytes_per_s that were received. While nobody asks for the body its client
 * is held back, and that time does not count.
 *
 * Filled in by net/conn_body.c, and for HTTP/2 by net/http2_stream.c. */
#ifndef JH_HTTP_BODY_PACE_H
#define JH_HTTP_BODY_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ==== cdef: begin ==== */

typedef struct jh_body_pace {
  uint64_t wait_began_ms; /* 0: nobody waits */
  uint64_t waited_ms;     /* in the waits before that */
  uint64_t received_bytes;
} jh_body_pace;

/* Somebody waits from now on, if not already. `now_ms` is never 0. */
void jh_body_pace_wait(jh_body_pace *pace, uint64_t now_ms);

/* Bytes came: the wait is over. */
void jh_body_pace_receive(jh_body_pace *pace, uint64_t now_ms, size_t bytes);

/* True when all waits that are over took too long for what came. Either number may be 0: there is
 * no such limit then. */
bool jh_body_pace_is_slow(const jh_body_pace *pace, uint32_t timeout_ms, uint32_t bytes_per_s);

/* ==== cdef: end ==== */

#endif
