/* trailers.h: the fields that follow the last chunk of a request (RFC 9112 §7.1.2).
 *
 * They come in pieces, checked by the chunk scanner already, and are collected in the arena of
 * their ctx as the lines they are; max_header_bytes bounds them. They are looked at rarely, so a
 * look goes through the lines. They never become headers: what a header decides was decided before
 * the body. Read them when the body has ended, a line before that may be cut. */
#ifndef JH_HTTP_TRAILERS_H
#define JH_HTTP_TRAILERS_H

#include "base/arena.h"
#include "justhttp.h"

/* ==== cdef: begin ==== */

/* Zeroed before first use. */
typedef struct jh_trailers {
  char *text; /* whole lines with their CRLFs, in the arena */
  uint32_t len;
  uint32_t capacity;
} jh_trailers;

/* Adds bytes behind what is there. 0 or JH_ENOMEM. */
int jh_trailers_try_append(jh_trailers *trailers, jh_arena *arena, const char *bytes, size_t len)
    __attribute__((warn_unused_result));

/* The field at `index`, in the order they were sent; slices of the arena. 0 or JH_ENOTFOUND. */
int jh_trailers_at(const jh_trailers *trailers, uint32_t index, jh_str *name, jh_str *value);

/* ==== cdef: end ==== */

#endif
