/* router_fuzz.c: builds a router from lines of text, sends it requests, and compares every answer
 * with the plain reading of the rules.
 *
 * Lines that begin with '+' add a route, others are requests: a letter for the method (G GET,
 * H HEAD, P POST, D DELETE; '*' ANY for a route and OPTIONS for a request), the host up to the
 * first '/', then the pattern or path. What must hold:
 *  - A route is refused as a conflict exactly when one with its host, method and shape is there.
 *  - A request gets, from the first host in order that has any, the route whose kinds of segments
 *    come first (literal, parameter, rest; compared from the left), with its parameters.
 *  - Otherwise it gets 405 with the methods of all routes of its path, or 404 when there are none.
 *  - No byte outside the path is read; all memory is given back. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/router.h"
#include "http/router_pattern.h"

enum { ROUTES_MAX = 48, REQUESTS_MAX = 32 };

typedef struct route {
  jh_str host;
  int method;
  jh_router_pattern pattern;
} route;

static route routes[ROUTES_MAX];
static uint32_t route_count;

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "router_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static jh_str after(jh_str text, size_t count) {
  return (jh_str){text.ptr + count, text.len - count};
}

static int read_method(char letter, int otherwise) {
  switch (letter) {
  case 'H':
    return JH_METHOD_HEAD;
  case 'P':
    return JH_METHOD_POST;
  case 'D':
    return JH_METHOD_DELETE;
  case '*':
    return otherwise;
  default:
    return JH_METHOD_GET;
  }
}

/* Cuts "G" host "/path" from a line. */
static jh_str read_line(jh_str line, int any, int *method, jh_str *host) {
  *method = line.len > 0 ? read_method(line.ptr[0], any) : JH_METHOD_GET;
  jh_str rest = line.len > 0 ? after(line, 1) : line;
  const char *slash = rest.len > 0 ? memchr(rest.ptr, '/', rest.len) : NULL;
  *host = (jh_str){rest.ptr, slash == NULL ? rest.len : (size_t)(slash - rest.ptr)};
  return after(rest, host->len);
}

static bool has_same_shape(const jh_router_pattern *a, const jh_router_pattern *b) {
  if (a->segment_count != b->segment_count) return false;
  for (uint32_t n = 0; n < a->segment_count; n++) {
    if (a->segments[n].kind != b->segments[n].kind) return false;
    if (a->segments[n].kind == JH_SEGMENT_LITERAL &&
        !jh_str_equal(a->segments[n].text, b->segments[n].text)) {
      return false;
    }
  }
  return true;
}

static void add_route(jh_router *router, jh_str line) {
  route *added = &routes[route_count];
  char error[200];
  jh_str text = read_line(line, JH_METHOD_ANY, &added->method, &added->host);
  int result = jh_router_add(router, added->host, added->method, text, route_count, line, error,
                             sizeof error);
  if (result == JH_EINVAL) return;
  MUST(jh_router_pattern_parse(text, &added->pattern, error, sizeof error) == 0);
  bool is_taken = false;
  for (uint32_t n = 0; n < route_count; n++) {
    is_taken |= routes[n].method == added->method &&
                jh_str_equal_nocase(routes[n].host, added->host) &&
                has_same_shape(&routes[n].pattern, &added->pattern);
  }
  MUST(result == (is_taken ? JH_EEXIST : 0));
  route_count += result == 0;
}

/* Whether a path has the form of a pattern; its parameters. */
static bool fits(const jh_router_pattern *pattern, jh_str path, jh_str *params) {
  uint32_t param_count = 0;
  for (uint32_t n = 0; n < pattern->segment_count; n++) {
    if (path.len == 0 || path.ptr[0] != '/') return false;
    path = after(path, 1);
    const char *slash = path.len > 0 ? memchr(path.ptr, '/', path.len) : NULL;
    jh_str segment = {path.ptr, slash == NULL ? path.len : (size_t)(slash - path.ptr)};
    jh_str text = pattern->segments[n].text;
    switch (pattern->segments[n].kind) {
    case JH_SEGMENT_REST:
      params[param_count] = path;
      return true;
    case JH_SEGMENT_PARAM:
      if (segment.len == 0) return false;
      params[param_count++] = segment;
      break;
    default:
      if (!jh_str_equal(segment, text)) return false;
    }
    path = after(path, segment.len);
  }
  return path.len == 0;
}

/* How well a route's host fits that of a request: 0 not at all, 1 it has none, more is better. */
static size_t rank_host(jh_str wanted, jh_str host) {
  if (wanted.len == 0) return 1;
  size_t len = host.len;
  while (len > 0 && host.ptr[len - 1] >= '0' && host.ptr[len - 1] <= '9') len--;
  if (len > 0 && host.ptr[len - 1] == ':') host.len = len - 1;
  if (host.len > 0 && host.ptr[host.len - 1] == '.') host.len--;
  if (host.len > 255) return 0;
  if (wanted.len > 2 && wanted.ptr[0] == '*') {
    jh_str suffix = after(wanted, 1);
    if (host.len <= suffix.len) return 0;
    return jh_str_equal_nocase(suffix, after(host, host.len - suffix.len)) ? 1 + suffix.len : 0;
  }
  return jh_str_equal_nocase(wanted, host) ? SIZE_MAX : 0;
}

/* How well a route's method fits: 0 not at all, more is better. */
static int rank_method(int wanted, int method) {
  if (wanted == method) return 3;
  if (wanted == JH_METHOD_GET && method == JH_METHOD_HEAD) return 2;
  return wanted == JH_METHOD_ANY ? 1 : 0;
}

/* Below 0 when the kinds of a come first. Both patterns fit one path, so where the kinds are the
 * same so far both have a segment. */
static int compare_kinds(const jh_router_pattern *a, const jh_router_pattern *b) {
  for (uint32_t n = 0; n < a->segment_count && n < b->segment_count; n++) {
    int difference = a->segments[n].kind - b->segments[n].kind;
    if (difference != 0) return difference;
  }
  return 0;
}

static bool is_better(const route *a, const route *b, int method, jh_str host) {
  size_t rank_a = rank_host(a->host, host), rank_b = rank_host(b->host, host);
  if (rank_a != rank_b) return rank_a > rank_b;
  int difference = compare_kinds(&a->pattern, &b->pattern);
  if (difference != 0) return difference < 0;
  return rank_method(a->method, method) > rank_method(b->method, method);
}

static void check_request(const jh_router *router, jh_str line) {
  int method = 0;
  jh_str host, params[JH_ROUTE_PARAMS_MAX], best_params[JH_ROUTE_PARAMS_MAX];
  jh_str text = read_line(line, JH_METHOD_OPTIONS, &method, &host);
  char *copy = malloc(text.len > 0 ? text.len : 1);
  MUST(copy != NULL);
  if (text.len > 0) memcpy(copy, text.ptr, text.len);
  jh_str path = {copy, text.len};
  const route *best = NULL;
  uint64_t allow = 0;
  for (uint32_t n = 0; n < route_count; n++) {
    const route *candidate = &routes[n];
    if (rank_host(candidate->host, host) == 0 || !fits(&candidate->pattern, path, params)) continue;
    if (rank_method(candidate->method, method) == 0) {
      allow |= JH_METHOD_BIT(candidate->method);
      if (candidate->method == JH_METHOD_GET) allow |= JH_METHOD_BIT(JH_METHOD_HEAD);
      continue;
    }
    if (best == NULL || is_better(candidate, best, method, host)) {
      best = candidate;
      memcpy(best_params, params, sizeof params);
    }
  }
  jh_route_match match;
  int result = jh_router_match(router, method, host, path, &match);
  if (best != NULL) {
    MUST(result == JH_ROUTE_FOUND && match.id == (uint32_t)(best - routes));
    MUST(match.param_count == best->pattern.param_count);
    for (uint32_t n = 0; n < match.param_count; n++) {
      MUST(match.params[n].len == best_params[n].len);
      MUST(match.params[n].len == 0 || match.params[n].ptr == best_params[n].ptr);
    }
  } else {
    MUST(result == (allow != 0 ? JH_ROUTE_METHOD_NOT_ALLOWED : JH_ROUTE_NOT_FOUND));
    MUST(result == JH_ROUTE_NOT_FOUND || match.allow == allow);
  }
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  jh_router *router = jh_router_new();
  jh_str input = {(const char *)data, bytes};
  uint32_t request_count = 0;
  route_count = 0;
  while (input.len > 0) {
    const char *newline = memchr(input.ptr, '\n', input.len);
    jh_str line = {input.ptr, newline == NULL ? input.len : (size_t)(newline - input.ptr)};
    input = after(input, newline == NULL ? input.len : line.len + 1);
    if (line.len > 0 && line.ptr[0] == '+') {
      if (route_count < ROUTES_MAX) add_route(router, after(line, 1));
    } else if (request_count++ < REQUESTS_MAX) {
      check_request(router, line);
    }
  }
  jh_router_free(router);
  return 0;
}
