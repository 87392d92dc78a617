/* router_tree.c: building the segment tree and walking it.
 *
 * The walk reads each byte of the path about once: it hashes a segment while it looks for its end.
 * It recurses only where a literal segment has a rival to fall back on, so its depth is bounded by
 * JH_ROUTE_SEGMENTS_MAX, and a path through literals alone is a loop. */
#include "http/router_tree.h"

#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

enum { FIRST_CAPACITY = 16 };

/* A bigger array with the same content. */
static void *grow(void *old, uint32_t count, size_t item_bytes, uint32_t *capacity) {
  JH_REQUIRE(*capacity <= UINT32_MAX / 2);
  *capacity = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
  void *grown = jh_alloc(*capacity * item_bytes);
  if (count > 0) {
    memcpy(grown, old, count * item_bytes);
  }
  jh_free(old);
  return grown;
}

void jh_router_tree_init(jh_router_tree *tree) {
  *tree = (jh_router_tree){0};
  jh_router_tree_add_root(tree);
  tree->routes = grow(NULL, 0, sizeof *tree->routes, &tree->route_capacity);
  tree->routes[0] = (jh_router_route){0};
  tree->route_count = 1;
  tree->edge_capacity = FIRST_CAPACITY;
  tree->edges = jh_alloc(FIRST_CAPACITY * sizeof *tree->edges);
  memset(tree->edges, 0, FIRST_CAPACITY * sizeof *tree->edges);
}

void jh_router_tree_deinit(jh_router_tree *tree) {
  for (uint32_t n = 0; n < tree->node_count; n++) {
    jh_free((char *)tree->nodes[n].text);
  }
  for (uint32_t n = 0; n < tree->route_count; n++) {
    jh_free(tree->routes[n].label);
  }
  jh_free(tree->nodes);
  jh_free(tree->edges);
  jh_free(tree->routes);
}

uint32_t jh_router_tree_add_root(jh_router_tree *tree) {
  if (tree->node_count == tree->node_capacity) {
    tree->nodes = grow(tree->nodes, tree->node_count, sizeof *tree->nodes, &tree->node_capacity);
  }
  tree->nodes[tree->node_count] = (jh_router_node){0};
  return tree->node_count++;
}

static inline uint32_t edge_hash(uint32_t parent, uint32_t text_hash) {
  uint32_t hash = text_hash ^ parent * UINT32_C(0x9e3779b1);
  return hash ^ hash >> 15;
}

uint32_t jh_router_tree_find_literal(const jh_router_tree *tree, uint32_t parent,
                                     uint32_t text_hash, jh_str text) {
  uint32_t hash = edge_hash(parent, text_hash);
  uint32_t mask = tree->edge_capacity - 1;
  for (uint32_t at = hash & mask;; at = (at + 1) & mask) {
    const jh_router_edge *edge = &tree->edges[at];
    if (edge->child == 0) {
      return 0;
    }
    if (edge->hash == hash && edge->parent == parent) {
      const jh_router_node *child = &tree->nodes[edge->child];
      if (child->text_len == text.len && memcmp(child->text, text.ptr, text.len) == 0) {
        return edge->child;
      }
    }
  }
}

static void insert_edge(jh_router_tree *tree, jh_router_edge edge) {
  uint32_t mask = tree->edge_capacity - 1;
  uint32_t at = edge.hash & mask;
  while (tree->edges[at].child != 0) {
    at = (at + 1) & mask;
  }
  tree->edges[at] = edge;
}

static void grow_edges(jh_router_tree *tree) {
  jh_router_edge *old = tree->edges;
  uint32_t old_capacity = tree->edge_capacity;
  tree->edge_capacity *= 2;
  tree->edges = jh_alloc(tree->edge_capacity * sizeof *tree->edges);
  memset(tree->edges, 0, tree->edge_capacity * sizeof *tree->edges);
  for (uint32_t n = 0; n < old_capacity; n++) {
    if (old[n].child != 0) {
      insert_edge(tree, old[n]);
    }
  }
  jh_free(old);
}

uint32_t jh_router_tree_add_literal(jh_router_tree *tree, uint32_t parent, jh_str text) {
  uint32_t text_hash = JH_ROUTER_HASH_SEED;
  for (size_t n = 0; n < text.len; n++) {
    text_hash = jh_router_hash_step(text_hash, text.ptr[n]);
  }
  uint32_t child = jh_router_tree_find_literal(tree, parent, text_hash, text);
  if (child != 0) {
    return child;
  }
  if (++tree->edge_count > tree->edge_capacity / 2) {
    grow_edges(tree);
  }
  child = jh_router_tree_add_root(tree);
  char *copy = jh_alloc(text.len);
  memcpy(copy, text.ptr, text.len);
  tree->nodes[child].text = copy;
  tree->nodes[child].text_len = (uint32_t)text.len;
  tree->nodes[parent].literal_count++;
  insert_edge(tree, (jh_router_edge){edge_hash(parent, text_hash), parent, child});
  return child;
}

uint32_t jh_router_tree_add_pattern(jh_router_tree *tree, uint32_t root,
                                    const jh_router_pattern *pattern) {
  uint32_t node = root;
  for (uint32_t n = 0; n < pattern->segment_count; n++) {
    int kind = pattern->segments[n].kind;
    jh_str text = pattern->segments[n].text;
    if (kind == JH_SEGMENT_LITERAL && text.len > 0) {
      node = jh_router_tree_add_literal(tree, node, text);
      continue;
    }
    jh_router_node *parent = &tree->nodes[node];
    uint32_t child = kind == JH_SEGMENT_PARAM  ? parent->param_child
                     : kind == JH_SEGMENT_REST ? parent->rest_child
                                               : parent->slash_child;
    if (child == 0) {
      child = jh_router_tree_add_root(tree);
      parent = &tree->nodes[node];
      *(kind == JH_SEGMENT_PARAM  ? &parent->param_child
        : kind == JH_SEGMENT_REST ? &parent->rest_child
                                  : &parent->slash_child) = child;
    }
    node = child;
  }
  return node;
}

uint32_t jh_router_tree_find_route(const jh_router_tree *tree, uint32_t node, int method) {
  if (method == JH_METHOD_ANY) {
    return tree->nodes[node].any_route;
  }
  uint32_t route = tree->nodes[node].first_route;
  while (route != 0 && tree->routes[route].method != method) {
    route = tree->routes[route].next;
  }
  return route;
}

void jh_router_tree_add_route(jh_router_tree *tree, uint32_t node, int method, uint32_t id,
                              char *label) {
  if (tree->route_count == tree->route_capacity) {
    tree->routes =
        grow(tree->routes, tree->route_count, sizeof *tree->routes, &tree->route_capacity);
  }
  uint32_t route = tree->route_count++;
  jh_router_node *at = &tree->nodes[node];
  tree->routes[route] = (jh_router_route){id, method, 0, label};
  if (method == JH_METHOD_ANY) {
    at->any_route = route;
    return;
  }
  tree->routes[route].next = at->first_route;
  at->first_route = route;
  at->methods |= JH_METHOD_BIT(method);
}

/* What stays the same during one walk. */
typedef struct walk_state {
  const jh_router_tree *tree;
  jh_str path;
  int method;
  jh_route_match *out;
  uint64_t allow;
} walk_state;

/* The path ends at this node: true when it has a route for the method. */
static bool arrive(walk_state *walk, uint32_t index, uint32_t param_count) {
  const jh_router_node *node = &walk->tree->nodes[index];
  int method = walk->method;
  if (method == JH_METHOD_HEAD && (node->methods & JH_METHOD_BIT(JH_METHOD_HEAD)) == 0) {
    method = JH_METHOD_GET;
  }
  uint32_t route = node->any_route;
  if ((node->methods & JH_METHOD_BIT(method)) != 0) {
    route = jh_router_tree_find_route(walk->tree, index, method);
  }
  if (route == 0) {
    walk->allow |= node->methods;
    return false;
  }
  walk->out->id = walk->tree->routes[route].id;
  walk->out->param_count = param_count;
  return true;
}

/* Walks on from a node whose next segment starts at path offset `at`. */
static bool descend(walk_state *walk, uint32_t index, size_t at, uint32_t param_count) {
  const jh_router_tree *tree = walk->tree;
  jh_str path = walk->path;
  for (;;) {
    const jh_router_node *node = &tree->nodes[index];
    const char *text = path.ptr + at;
    size_t room = path.len - at;
    size_t len = 0;
    uint32_t hash = JH_ROUTER_HASH_SEED;
    for (; len < room && text[len] != '/'; len++) {
      hash = jh_router_hash_step(hash, text[len]);
    }
    bool is_last = len == room;
    size_t next = at + len + 1;
    uint32_t literal = 0;
    if (len == 0) {
      literal = is_last ? node->slash_child : 0;
    } else if (node->literal_count > 0) {
      literal = jh_router_tree_find_literal(tree, index, hash, (jh_str){text, len});
    }
    uint32_t param = len > 0 ? node->param_child : 0;
    if (literal != 0) {
      if (!is_last && (param | node->rest_child) == 0) {
        index = literal;
        at = next;
        continue;
      }
      if (is_last ? arrive(walk, literal, param_count)
                  : descend(walk, literal, next, param_count)) {
        return true;
      }
    }
    if (param != 0) {
      walk->out->params[param_count] = (jh_str){text, len};
      if (!is_last && node->rest_child == 0) {
        index = param;
        at = next;
        param_count++;
        continue;
      }
      if (is_last ? arrive(walk, param, param_count + 1)
                  : descend(walk, param, next, param_count + 1)) {
        return true;
      }
    }
    if (node->rest_child == 0) {
      return false;
    }
    walk->out->params[param_count] = (jh_str){text, room};
    return arrive(walk, node->rest_child, param_count + 1);
  }
}

bool jh_router_tree_match(const jh_router_tree *tree, uint32_t root, int method, jh_str path,
                          jh_route_match *out, uint64_t *allow) {
  walk_state walk = {tree, path, method, out, 0};
  if (descend(&walk, root, 1, 0)) {
    return true;
  }
  *allow |= walk.allow;
  return false;
}
