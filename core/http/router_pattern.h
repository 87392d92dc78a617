/* router_pattern.h: checks the text of a route pattern and cuts it into segments.
 *
 * Only router.c calls it, while an app loads. A pattern that can never match, or that likely means
 * something else in another framework, is an error here rather than a route that stays silent. */
#ifndef JH_HTTP_ROUTER_PATTERN_H
#define JH_HTTP_ROUTER_PATTERN_H

#include "http/router.h"

/* ==== cdef: begin ==== */

typedef enum jh_segment_kind {
  JH_SEGMENT_LITERAL = 0, /* text is matched as it is; empty after a trailing '/' */
  JH_SEGMENT_PARAM,       /* text is the name */
  JH_SEGMENT_REST         /* text is the name */
} jh_segment_kind;

typedef struct jh_router_pattern {
  uint32_t segment_count; /* at least 1: "/" is one empty segment */
  uint32_t param_count;   /* segments that are not literal */
  struct {
    int kind;    /* jh_segment_kind */
    jh_str text; /* slice of the pattern's text, without ':' or '*' */
  } segments[JH_ROUTE_SEGMENTS_MAX];
} jh_router_pattern;

/* Reads a pattern. 0, or JH_EINVAL with the reason as a NUL-terminated clause ("a pattern starts
 * with '/'") in `error`. */
int jh_router_pattern_parse(jh_str text, jh_router_pattern *out, char *error, size_t error_bytes);

/* ==== cdef: end ==== */

#endif
