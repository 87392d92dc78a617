/* error.h: the table of result codes, and their names.
 *
 * Functions answer 0 or a negative code: a JH_E* of justhttp.h, or a negated errno that is passed
 * through. jh_strerror(), declared in justhttp.h, has the text for people; the name is for logs and
 * for the `err` that Lua compares. */
#ifndef JH_BASE_ERROR_H
#define JH_BASE_ERROR_H

#include "justhttp.h"

/* XX(code, text), in the order of justhttp.h. */
#define JH_ERROR_MAP(XX)                         \
  XX(JH_EINVAL, "invalid argument")              \
  XX(JH_ERANGE, "number out of range")           \
  XX(JH_ENOMEM, "out of memory")                 \
  XX(JH_EWAIT, "not ready yet")                  \
  XX(JH_ECLOSED, "connection closed")            \
  XX(JH_ESTALE, "the response was already sent") \
  XX(JH_ETIMEDOUT, "timed out")                  \
  XX(JH_ELIMIT, "limit reached")                 \
  XX(JH_EPROTO, "protocol violated by the peer") \
  XX(JH_EBUSY, "in use")                         \
  XX(JH_EUNSUPPORTED, "not supported")           \
  XX(JH_EEXIST, "exists already")                \
  XX(JH_ENOTFOUND, "not found")                  \
  XX(JH_ECANCELED, "cancelled")                  \
  XX(JH_ESTOPPING, "the worker is about to stop")

/* ==== cdef: begin ==== */

/* "JH_ELIMIT", "ECONNRESET", "JH_OK"; "unknown" for other numbers. Static, NUL-terminated. */
const char *jh_error_name(int code);

/* ==== cdef: end ==== */

#endif
