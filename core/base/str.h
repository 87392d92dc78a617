/* str.h: what to do with a jh_str, the borrowed slice of bytes that justhttp.h defines.
 *
 * Slices point into somebody else's memory and are compared, cut and read here, never changed.
 * Letters are ASCII: HTTP has no locale. A slice of len 0 may have any `ptr`, NULL too. */
#ifndef JH_BASE_STR_H
#define JH_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "justhttp.h"

/* A slice of a string literal: JH_STR("gzip"). */
#define JH_STR(literal) ((jh_str){"" literal, sizeof(literal) - 1})

/* ==== cdef: begin ==== */

/* A slice of `len` bytes at `ptr`. */
inline jh_str jh_str_make(const char *ptr, size_t len);

/* A slice of a NUL-terminated string, without the NUL; empty for NULL. */
inline jh_str jh_str_of(const char *text);

/* Same bytes. */
inline bool jh_str_equal(jh_str a, jh_str b);

/* Same bytes when the letters A-Z and a-z are taken for the same, as in header names. */
bool jh_str_equal_nocase(jh_str a, jh_str b);

/* The slice without the spaces and tabs at its ends (the OWS of RFC 9110). */
jh_str jh_str_trim(jh_str str);

/* Reads a whole slice of decimal digits, no sign and no spaces, into *value. 0, JH_EINVAL (no
 * digits, or something else) or JH_ERANGE (above UINT64_MAX); *value is then unchanged. */
int jh_str_parse_u64(jh_str str, uint64_t *value) __attribute__((warn_unused_result));

/* FNV-1a. Not for tables whose keys a client chooses: collisions are easy to make. */
uint64_t jh_str_hash(jh_str str);

/* ==== cdef: end ==== */

/* inline definitions */

inline jh_str jh_str_make(const char *ptr, size_t len) {
  jh_str str = {ptr, len};
  return str;
}

inline jh_str jh_str_of(const char *text) {
  return jh_str_make(text, text == NULL ? 0 : strlen(text));
}

inline bool jh_str_equal(jh_str a, jh_str b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

#endif
