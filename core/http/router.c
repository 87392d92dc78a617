/* router.c: routes with their hosts and places on top of the segment tree.
 *
 * Hosts live in the same tree: two nodes hold them as literal children, exact names under one and
 * wildcard suffixes under the other, and each child is the root of that host's paths. Host texts
 * are kept backwards ("moc.elpmaxe."), so that the suffixes a wildcard could have are the starts of
 * a request's host. */
#include "http/router.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "http/router_pattern.h"
#include "http/router_tree.h"

enum {
  HOST_MAX_BYTES = 255, /* a DNS name has 253 */
  LABELS_MAX = 128,
  REASON_BYTES = 160
};

struct jh_router {
  jh_router_tree tree;
  uint32_t any_host;  /* root of the routes without a host */
  uint32_t hosts;     /* node whose literal children are exact hosts */
  uint32_t wildcards; /* node whose literal children are suffixes */
  bool has_hosts;
};

jh_router *jh_router_new(void) {
  jh_router *router = jh_alloc(sizeof *router);
  jh_router_tree_init(&router->tree);
  router->any_host = jh_router_tree_add_root(&router->tree);
  router->hosts = jh_router_tree_add_root(&router->tree);
  router->wildcards = jh_router_tree_add_root(&router->tree);
  router->has_hosts = false;
  return router;
}

void jh_router_free(jh_router *router) {
  if (router == NULL) {
    return;
  }
  jh_router_tree_deinit(&router->tree);
  jh_free(router);
}

/* Writes a host name backwards and in lower case to `out`. Its length, or 0 when it does not fit.
 */
static size_t fold_host(jh_str host, char *out) {
  if (host.len > HOST_MAX_BYTES) {
    return 0;
  }
  for (size_t n = 0; n < host.len; n++) {
    char byte = host.ptr[host.len - 1 - n];
    out[n] = byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
  }
  return host.len;
}

/* The host without its port and without the dot that may end an absolute name. */
static jh_str strip_port(jh_str host) {
  size_t len = host.len;
  while (len > 0 && host.ptr[len - 1] >= '0' && host.ptr[len - 1] <= '9') {
    len--;
  }
  if (len > 0 && host.ptr[len - 1] == ':') {
    host.len = len - 1;
  }
  if (host.len > 0 && host.ptr[host.len - 1] == '.') {
    host.len--;
  }
  return host;
}

/* The root for a route's host; adds it when it is new. 0 with the reason when the host is bad. */
static uint32_t add_host(jh_router *router, jh_str host, const char **reason) {
  char folded[HOST_MAX_BYTES];
  if (host.len == 0) {
    return router->any_host;
  }
  bool is_wildcard = host.len > 2 && host.ptr[0] == '*' && host.ptr[1] == '.';
  jh_str name = is_wildcard ? (jh_str){host.ptr + 1, host.len - 1} : host;
  for (size_t n = 0; n < name.len; n++) {
    uint8_t byte = (uint8_t)name.ptr[n];
    if (byte == '*') {
      *reason = "'*' in a host stands only for its first labels, as in '*.example.com'";
      return 0;
    }
    if (byte <= 0x20 || byte >= 0x7f || strchr("/?#@\\", byte) != NULL) {
      *reason = "a host is a name or an address and nothing else";
      return 0;
    }
  }
  if (strip_port(name).len != name.len) {
    *reason = "a host has no port and no dot at its end; the port of a request is not looked at";
    return 0;
  }
  size_t len = fold_host(name, folded);
  if (len == 0) {
    *reason = "a host has at most 255 bytes";
    return 0;
  }
  router->has_hosts = true;
  return jh_router_tree_add_literal(&router->tree, is_wildcard ? router->wildcards : router->hosts,
                                    (jh_str){folded, len});
}

/* "GET example.com/users/:id (app.lua:12)"; the caller frees it. */
static char *make_label(jh_str host, int method, jh_str pattern, jh_str where) {
  jh_str name = method == JH_METHOD_ANY ? (jh_str){"ANY", 3} : jh_method_name(method);
  size_t bytes = name.len + host.len + pattern.len + where.len + sizeof " () ";
  char *label = jh_alloc(bytes);
  int len = snprintf(label, bytes, "%.*s %.*s%.*s", (int)name.len, name.ptr, (int)host.len,
                     host.ptr, (int)pattern.len, pattern.ptr);
  if (where.len > 0) {
    snprintf(label + len, bytes - (size_t)len, " (%.*s)", (int)where.len, where.ptr);
  }
  return label;
}

int jh_router_add(jh_router *router, jh_str host, int method, jh_str pattern, uint32_t id,
                  jh_str where, char *error, size_t error_bytes) {
  jh_router_pattern parsed;
  char reason_text[REASON_BYTES];
  const char *reason = reason_text;
  char *label = make_label(host, method, pattern, where);
  uint32_t root = 0;
  int result = JH_EINVAL;
  if (method < JH_METHOD_ANY || method >= JH_METHOD_COUNT) {
    reason = "the method is unknown";
  } else if (jh_router_pattern_parse(pattern, &parsed, reason_text, sizeof reason_text) == 0) {
    root = add_host(router, host, &reason);
  }
  if (root == 0) {
    snprintf(error, error_bytes, "route %s: %s", label, reason);
    goto cleanup;
  }
  uint32_t node = jh_router_tree_add_pattern(&router->tree, root, &parsed);
  uint32_t rival = jh_router_tree_find_route(&router->tree, node, method);
  if (rival != 0) {
    snprintf(error, error_bytes, "route %s conflicts with %s: both match the same requests", label,
             router->tree.routes[rival].label);
    result = JH_EEXIST;
    goto cleanup;
  }
  jh_router_tree_add_route(&router->tree, node, method, id, label);
  label = NULL;
  result = 0;
cleanup:
  jh_free(label);
  return result;
}

/* Asks the roots of this host, the most specific first, then that of the routes without a host. */
__attribute__((noinline)) static int match_hosts(const jh_router *router, int method, jh_str host,
                                                 jh_str path, jh_route_match *out) {
  const jh_router_tree *tree = &router->tree;
  char folded[HOST_MAX_BYTES];
  uint32_t roots[LABELS_MAX + 2] = {router->any_host};
  uint32_t root_count = 1;
  size_t len = fold_host(strip_port(host), folded);
  for (size_t n = 0; n < len; n++) {
    /* A wildcard stands for something: the dot is not the name's first byte. */
    if (folded[n] == '.' && n + 1 < len && root_count <= LABELS_MAX) {
      uint32_t root = jh_router_tree_find_literal(tree, router->wildcards, (jh_str){folded, n + 1});
      roots[root_count] = root;
      root_count += root != 0;
    }
  }
  if (len > 0) {
    uint32_t root = jh_router_tree_find_literal(tree, router->hosts, (jh_str){folded, len});
    roots[root_count] = root;
    root_count += root != 0;
  }
  int result = JH_ROUTE_NOT_FOUND;
  while (root_count > 0 && result != JH_ROUTE_FOUND) {
    result = jh_router_tree_match(tree, roots[--root_count], method, path, out);
  }
  return result;
}

int jh_router_match(const jh_router *router, int method, jh_str host, jh_str path,
                    jh_route_match *out) {
  out->allow = 0;
  if (router->has_hosts) {
    return match_hosts(router, method, host, path, out);
  }
  return jh_router_tree_match(&router->tree, router->any_host, method, path, out);
}
