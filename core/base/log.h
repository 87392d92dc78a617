/* log.h: one line per message, one write(2) per line.
 *
 * Workers share one log, so a line is never longer than what the kernel writes to a pipe in one
 * piece: lines of two workers do not mix. Messages often carry what a client sent; bytes that could
 * start a new line, fake one or drive a terminal are escaped.
 *
 *   2026-11-23T06:10:54.123Z info [4711] listening on http://127.0.0.1:8080
 *   {"time":"2026-11-23T06:10:54.123Z","level":"info","pid":4711,"msg":"listening on ..."} */
#ifndef JH_BASE_LOG_H
#define JH_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum {
  JH_LOG_LINE_BYTES = 4096, /* PIPE_BUF of Linux; a longer message is cut and ends in "..." */
  JH_LOG_GATE_MS = 60000
};

typedef struct jh_log {
  int fd;              /* the caller's; never closed here */
  int level;           /* jh_log_level: lines below it are not written */
  bool json;           /* JSON lines instead of text lines */
  uint64_t lost_count; /* lines the kernel did not take */
} jh_log;

/* Holds back a message that would repeat with every request. Zeroed before first use. */
typedef struct jh_log_gate {
  uint64_t open_at_ms; /* on the monotonic clock */
  uint64_t held_count; /* messages held back since the last one written */
} jh_log_gate;

/* Starts a log on a descriptor, standard error for instance. */
void jh_log_init(jh_log *log, int fd, int level, bool json);

/* Writes one line. `text` is any bytes: in text lines control bytes, '\' and what is not UTF-8
 * become \n, \\, \x1b; in JSON lines what JSON needs, and \xff for a byte that is not UTF-8. */
void jh_log_write(jh_log *log, int level, const char *text, size_t len);

/* As jh_log_write() with a message made as printf() does. */
void jh_log_printf(jh_log *log, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As jh_log_printf(), at most once in JH_LOG_GATE_MS per gate; tells how many were held back. */
void jh_log_limited(jh_log *log, jh_log_gate *gate, int level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* True when lines of this level are written: asked before a costly message is made. */
inline bool jh_log_is_on(const jh_log *log, int level);

/* "debug", "info", "warn", "error", "off". */
const char *jh_log_level_name(int level);

/* The level of that name, or JH_ENOTFOUND. */
int jh_log_level_find(jh_str name);

/* ==== cdef: end ==== */

/* inline definitions */

inline bool jh_log_is_on(const jh_log *log, int level) {
  return level >= log->level && level < JH_LOG_OFF;
}

#endif
