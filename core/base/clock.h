/* clock.h: the two clocks, and the two ways to write down a time.
 *
 * Deadlines use the monotonic clock, which nobody can set back; what people and clients read uses
 * the Unix clock. Texts are made here, not by strftime(), because HTTP dates are English in every
 * locale. Times outside the years 1970 to 9999 are taken for the nearest of them. */
#ifndef JH_BASE_CLOCK_H
#define JH_BASE_CLOCK_H

#include <stdint.h>

/* ==== cdef: begin ==== */

/* Milliseconds of a clock that only goes forward; its zero means nothing. */
uint64_t jh_clock_monotonic_ms(void);

/* Nanoseconds of the same clock. */
uint64_t jh_clock_monotonic_ns(void);

/* Milliseconds since 1970-01-01 00:00 UTC. */
int64_t jh_clock_unix_ms(void);

/* The value of a Date header, kept for as long as its second lasts. Zeroed before first use. */
typedef struct jh_date {
  int64_t second; /* Unix time that `text` says */
  char text[30];  /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */
} jh_date;

enum { JH_DATE_LEN = 29 };

/* Makes `text` say `unix_s`; does nothing when it says so already. */
void jh_date_update(jh_date *date, int64_t unix_s);

/* Writes "1994-11-06T08:49:37.000Z" and a NUL: the form of RFC 3339 that logs use. */
void jh_clock_write_utc(char out[25], int64_t unix_ms);

/* ==== cdef: end ==== */

#endif
