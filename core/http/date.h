/* date.h: reads an HTTP-date in all three forms that RFC 9110 §5.6.7 has.
 *
 *   Sun, 06 Nov 1994 08:49:37 GMT     what everybody sends
 *   Sunday, 06-Nov-94 08:49:37 GMT    RFC 850
 *   Sun Nov  6 08:49:37 1994          asctime()
 *
 * Letters are case-sensitive and every byte counts, as the RFC says. The day of the week must be
 * one but is not compared with the date. jh_date of base/clock.h writes the first form. */
#ifndef JH_HTTP_DATE_H
#define JH_HTTP_DATE_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

/* Reads all of `text` as seconds since 1970-01-01 00:00 UTC, negative before. `now_s` places years
 * of two digits: more than 50 years ahead of it means a century earlier. 0 or JH_EINVAL. */
int jh_date_parse(jh_str text, int64_t now_s, int64_t *unix_s);

/* ==== cdef: end ==== */

#endif
