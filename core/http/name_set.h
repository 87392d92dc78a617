/* name_set.h: a few names of header fields, asked about for every field of a message.
 *
 * The lengths of the names answer most questions. The names are borrowed, and so is the room for
 * them: a set is made once and read often. */
#ifndef JH_HTTP_NAME_SET_H
#define JH_HTTP_NAME_SET_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

/* Zeroed before first use. */
typedef struct jh_name_set {
  const jh_str *names;
  uint32_t count;
  uint64_t lengths; /* bit n: there is a name of n bytes; bit 63: of 63 or more */
} jh_name_set;

/* Adds a name to the array `names`, which has room for `room` of them and is the same each time.
 * False when it is full. */
bool jh_name_set_add(jh_name_set *set, jh_str *names, uint32_t room, jh_str name);

/* True when the set has that name, in any case. */
bool jh_name_set_has(const jh_name_set *set, jh_str name);

/* ==== cdef: end ==== */

#endif
