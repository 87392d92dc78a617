/* filename.h: makes a file name that a client sent safe to use as the name of a file.
 *
 * For uploads: the result names a file in whatever directory it is put, on any system, and looks
 * like what it is. It is never empty, never longer than 255 bytes, well-formed UTF-8, without path,
 * control bytes, leading dot and the names that Windows keeps for devices. Sanitising it again
 * changes nothing. It may exist already: that is the caller's business. */
#ifndef JH_HTTP_FILENAME_H
#define JH_HTTP_FILENAME_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum { JH_FILENAME_BYTES_MAX = 255 };

/* Writes the safe form of `raw` to `out`, which has room for JH_FILENAME_BYTES_MAX bytes; returns
 * its length. "file" when nothing is left of it. Not NUL-terminated. */
size_t jh_filename_sanitise(jh_str raw, char *out);

/* ==== cdef: end ==== */

#endif
