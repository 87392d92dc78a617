/* access_log.h: lines of the access log, gathered and written once per loop turn. */
#ifndef JH_SERVER_ACCESS_LOG_H
#define JH_SERVER_ACCESS_LOG_H

#include <stddef.h>

/* ==== cdef: begin ==== */

enum { JH_ACCESS_LOG_BYTES = 65536 };

typedef struct jh_access_log_buffer {
  int fd; /* -1: off; the caller's */
  size_t len;
  char *data; /* JH_ACCESS_LOG_BYTES, made with the first line */
} jh_access_log_buffer;

void jh_access_log_init(jh_access_log_buffer *log, int fd);
void jh_access_log_deinit(jh_access_log_buffer *log);

/* Adds a line; control bytes are replaced by '?', so that no client forges a line. */
void jh_access_log_append(jh_access_log_buffer *log, const char *line, size_t len);

/* Writes what was gathered. */
void jh_access_log_flush(jh_access_log_buffer *log);

/* ==== cdef: end ==== */

#endif
