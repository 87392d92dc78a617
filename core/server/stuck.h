/* stuck.h: workers whose loop does not turn any more.
 *
 * A loop that waits turns at least every quarter of worker_timeout_ms, because of a timer. So the
 * supervisor needs only to look, several times in that while, whether the number of turns in the
 * heartbeat has changed. What counts is its own looks, and not the time: when the machine sleeps,
 * or everything was stopped, nobody looked. A worker that is found stuck is asked for a note of
 * what it does, and ends by that; should it not even do this, it is killed. */
#ifndef JH_SERVER_STUCK_H
#define JH_SERVER_STUCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/heartbeat.h"

/* ==== cdef: begin ==== */

enum { JH_STUCK_LOOKS = 8, JH_STUCK_NOTE_MS = 250 };

/* What the supervisor knows of a worker; zeroed when one starts. */
typedef struct jh_stuck {
  uint64_t turn_count; /* seen last */
  uint32_t look_count; /* without a change */
  uint64_t kill_at_ms; /* it was asked for its note; 0 not */
} jh_stuck;

/* Looks once. True when JH_STUCK_LOOKS looks in a row found the same number of turns. `is_halted`:
 * it is held by a debugger or a signal, which is not its fault. */
bool jh_stuck_look(jh_stuck *stuck, uint64_t turn_count, bool is_halted);

/* "at app.lua:12, serving GET /path (request 12ab)", as far as there is a note. Returns `out`. */
const char *jh_stuck_describe(const jh_heartbeat *heartbeat, char *out, size_t out_bytes);

/* ==== cdef: end ==== */

/* True when a process is stopped or traced. */
bool jh_stuck_is_halted(pid_t pid);

/* Asks a worker for its note, and to end; the heartbeat is its slot's. */
void jh_stuck_ask(pid_t pid, jh_heartbeat *heartbeat);

/* In the worker: does what jh_stuck_ask() asks for. */
void jh_stuck_answer(void);

#endif
