/* router.h: from (method, host, path) to a route id and the parameters of its pattern.
 *
 * Built once while an app loads, by jh_router_add(); then only read, by jh_router_match(), once per
 * request, without allocating. The caller owns the meaning of an id (in practice the index of a Lua
 * handler) and the names of the parameters; the router deals in positions.
 *
 * Patterns: "/users" and "/users/" are two paths; ":name" takes one whole non-empty segment;
 * "*name", only as the last segment, takes the rest of the path without its leading '/', and may be
 * empty: with it a pattern below "/files/" matches "/files/", but not "/files". Segment by segment
 * a literal wins over a parameter and a parameter over a rest; when a choice leads nowhere, or to a
 * pattern without the request's method, the next one is tried.
 *
 * Hosts: routes of the exact host are asked first, then those of "*.example.com" (any number of
 * labels; the longest suffix first), then those without a host. */
#ifndef JH_HTTP_ROUTER_H
#define JH_HTTP_ROUTER_H

#include "http/method.h"
#include "justhttp.h"

/* ==== cdef: begin ==== */

enum { JH_METHOD_ANY = -1 };         /* every method that has no route of its own here */
enum { JH_ROUTE_PARAMS_MAX = 16 };   /* parameters of one pattern, the rest included */
enum { JH_ROUTE_SEGMENTS_MAX = 64 }; /* segments of one pattern */

typedef enum jh_route_result {
  JH_ROUTE_FOUND = 0,
  JH_ROUTE_NOT_FOUND = 1,         /* 404 */
  JH_ROUTE_METHOD_NOT_ALLOWED = 2 /* 405, or the answer to OPTIONS: `allow` tells the methods */
} jh_route_result;

typedef struct jh_route_match {
  uint32_t id;          /* only after JH_ROUTE_FOUND */
  uint32_t param_count; /* only after JH_ROUTE_FOUND */
  uint64_t allow;       /* only after JH_ROUTE_METHOD_NOT_ALLOWED: one bit per jh_method */
  jh_str params[JH_ROUTE_PARAMS_MAX]; /* slices of the matched path, in pattern order */
} jh_route_match;

typedef struct jh_router jh_router;

/* An empty router. Aborts when memory is out, as every function that builds does. */
jh_router *jh_router_new(void);

void jh_router_free(jh_router *router);

/* Adds a route. `host` is "" for any, "example.com" or "*.example.com"; `method` a jh_method or
 * JH_METHOD_ANY; `where` ("app.lua:12") appears in the text of errors and is copied, as everything
 * is. 0; or, with a NUL-terminated sentence in `error` and the router unchanged: JH_EINVAL for a
 * bad pattern, host or method, JH_EEXIST when another route takes the same requests. */
int jh_router_add(jh_router *router, jh_str host, int method, jh_str pattern, uint32_t id,
                  jh_str where, char *error, size_t error_bytes);

/* Finds the route of a request. `path` is the normalised path; `host` may carry a port and may be
 * empty. HEAD takes a GET route where it has none of its own; OPTIONS is treated as any method.
 * `out` is written only as far as the result says. Returns a jh_route_result. */
int jh_router_match(const jh_router *router, int method, jh_str host, jh_str path,
                    jh_route_match *out);

/* ==== cdef: end ==== */

#endif
