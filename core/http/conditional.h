/* conditional.h: what the If-… fields of a request make of its answer (RFC 9110 §13).
 *
 * Evaluated in the order of §13.2.2, which is not the order anybody would guess: an entity tag that
 * is there switches the date beside it off. To be asked where the answer would otherwise be 2xx,
 * before it is sent and before anything is changed; never for CONNECT, OPTIONS and TRACE. */
#ifndef JH_HTTP_CONDITIONAL_H
#define JH_HTTP_CONDITIONAL_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

typedef enum jh_conditional_result {
  JH_CONDITIONAL_PROCEED = 0,
  JH_CONDITIONAL_WHOLE = 200, /* proceed as if there were no Range field */
  JH_CONDITIONAL_NOT_MODIFIED = 304,
  JH_CONDITIONAL_FAILED = 412
} jh_conditional_result;

/* Field values as sent; ptr NULL when absent. Lines of one name are joined with commas. */
typedef struct jh_conditional_fields {
  jh_str if_match;
  jh_str if_none_match;
  jh_str if_modified_since;
  jh_str if_unmodified_since;
  jh_str if_range; /* only looked at when there is a Range field */
} jh_conditional_fields;

/* What is known of the representation that a GET would get. */
typedef struct jh_conditional_state {
  jh_str etag; /* with its quotes, and W/ when it is weak; empty when there is none */
  int64_t last_modified_s;
  bool has_last_modified;
  bool exists; /* false: the target has no representation (yet) */
  bool is_get; /* the method is GET or HEAD */
  bool has_range;
  int64_t now_s;
} jh_conditional_state;

jh_conditional_result jh_conditional_check(const jh_conditional_fields *fields,
                                           const jh_conditional_state *state);

/* True for an entity tag as RFC 9110 §8.8.3 writes it: "…" or W/"…". */
bool jh_conditional_etag_is_valid(jh_str etag);

/* ==== cdef: end ==== */

#endif
