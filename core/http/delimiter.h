/* delimiter.h: finds the line that separates the parts of a multipart body (RFC 2046 §5.1.1).
 *
 * multipart.c runs every byte of a body through it, so this is where uploads are fast or slow. The
 * delimiter is CR LF "--" boundary; its CR stands nowhere else in it, so a match that fails never
 * hides the beginning of another one, and bytes once compared are not compared again. */
#ifndef JH_HTTP_DELIMITER_H
#define JH_HTTP_DELIMITER_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum {
  JH_DELIMITER_BOUNDARY_MAX = 70, /* RFC 2046 */
  JH_DELIMITER_BYTES_MAX = JH_DELIMITER_BOUNDARY_MAX + 4
};

typedef struct jh_delimiter {
  uint32_t len;
  char text[JH_DELIMITER_BYTES_MAX];
} jh_delimiter;

/* True for 1 to 70 of the bytes that RFC 2046 allows, not ending in a space. */
bool jh_delimiter_boundary_is_valid(jh_str boundary);

/* 0, or JH_EINVAL when the boundary is not valid. */
int jh_delimiter_init(jh_delimiter *delimiter, jh_str boundary);

/* The first place in the `len` bytes at `data` where the delimiter stands or, at their end, may
 * begin; *matched is how many of its bytes are there. `len`, with *matched 0, when it is nowhere.
 */
size_t jh_delimiter_find(const jh_delimiter *delimiter, const char *data, size_t len,
                         size_t *matched);

/* How many bytes at `data` continue a delimiter of which `matched` bytes were there. */
size_t jh_delimiter_continue(const jh_delimiter *delimiter, size_t matched, const char *data,
                             size_t len);

/* ==== cdef: end ==== */

#endif
