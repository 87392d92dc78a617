/* range.h: which bytes of a representation a Range field asks for (RFC 9110 §14).
 *
 * For answers with a known size. A field that is malformed, in another unit or abusive is ignored,
 * as §14.2 allows: the client gets the whole representation with status 200. Abusive is: more than
 * 16 ranges, or ranges that together ask for more than there is. Ranges that overlap or touch
 * become one, so no byte is ever sent twice.
 *
 * If several Range fields came, or the method is not GET, the caller does not look at them at all;
 * If-Range is conditional.h's. */
#ifndef JH_HTTP_RANGE_H
#define JH_HTTP_RANGE_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum {
  JH_RANGE_COUNT_MAX = 16,
  JH_RANGE_TEXT_BYTES = 72,     /* room for a Content-Range value */
  JH_RANGE_PART_BYTES_MAX = 512 /* room for what stands before a part */
};

typedef enum jh_range_result {
  JH_RANGE_NONE = 0,      /* ignore the field: 200 with everything */
  JH_RANGE_PARTIAL = 206, /* one or more ranges */
  JH_RANGE_UNSATISFIABLE = 416
} jh_range_result;

typedef struct jh_range {
  uint64_t first; /* offset of its first byte */
  uint64_t len;   /* bytes, at least 1 */
} jh_range;

/* In the order they were asked for, no two of them overlapping or touching. */
typedef struct jh_range_set {
  uint32_t count;
  jh_range ranges[JH_RANGE_COUNT_MAX];
} jh_range_set;

/* Reads a Range field value for a representation of `size` bytes. `out` is set for
 * JH_RANGE_PARTIAL, then with at least one range; one alone is sent as it is, several are sent as
 * multipart/byteranges. */
jh_range_result jh_range_parse(jh_str field, uint64_t size, jh_range_set *out);

/* Writes a Content-Range value, "bytes 0-99/1234", or "bytes * /1234" without the space when
 * `range` is NULL, which is the form for 416. Returns its length; `out` has room for
 * JH_RANGE_TEXT_BYTES. */
size_t jh_range_write_content_range(const jh_range *range, uint64_t size, char *out);

/* ---- multipart/byteranges (§14.6) ---- */

/* What the parts have in common. */
typedef struct jh_range_parts {
  jh_str boundary;     /* that the caller chose: 1 to 70 letters, digits or '-' */
  jh_str content_type; /* of the representation, at most 255 bytes; may be empty */
  uint64_t size;       /* of the representation */
} jh_range_parts;

/* Writes what stands before the bytes of the part `index`. Returns its length, or JH_ERANGE when a
 * slice of `parts` is too long; `out` has room for JH_RANGE_PART_BYTES_MAX. */
int jh_range_write_part(const jh_range_parts *parts, const jh_range_set *set, uint32_t index,
                        char *out);

/* The same for what stands behind the last part. */
int jh_range_write_end(const jh_range_parts *parts, char *out);

/* Bytes of the whole body, for Content-Length; 0 when a slice of `parts` is too long. */
uint64_t jh_range_body_bytes(const jh_range_parts *parts, const jh_range_set *set);

/* ==== cdef: end ==== */

#endif
