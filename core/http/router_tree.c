/* router_tree.c: building the segment tree and walking it.
 *
 * A walk takes one segment per step: one load finds its end and gives the key that the table is
 * searched with, and for texts of up to 8 bytes an equal key is an equal text. Where a node offers
 * more than one way on, the walk notes the next one and comes back when the first leads nowhere;
 * such notes are at different depths, so JH_ROUTE_SEGMENTS_MAX of them are enough. */
#include "http/router_tree.h"

#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "http/block.h"

enum { FIRST_CAPACITY = 16, FIRST_EDGE_BITS = 6 };

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
  tree->nodes[tree->node_count] = (jh_router_node){.index = tree->node_count};
  return tree->node_count++;
}

/* Parent and length of a literal in one word: with the key, all there is to a text of up to 8
 * bytes. */
static inline uint64_t make_owner(uint32_t parent, size_t len) {
  return (uint64_t)parent << 32 | (uint32_t)len;
}

/* Where the search for an edge begins; of a text longer than 8 bytes the key is a part only. */
static inline uint32_t edge_slot(const jh_router_tree *tree, uint64_t owner, uint64_t key) {
  uint64_t hash = (key ^ owner * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
  return (uint32_t)(hash >> tree->edge_shift);
}

/* The key that a long text is searched with: all of its words, the last one overlapping the one
 * before it so that there is no remainder. */
static uint64_t long_key(uint64_t key, const char *text, size_t len) {
  for (size_t at = 8; at < len; at += 8) {
    uint64_t word = jh_block_word(text + (at + 8 <= len ? at : len - 8));
    key = (key ^ key >> 32) * UINT64_C(0xc4ceb9fe1a85ec53) ^ word;
  }
  return key;
}

/* Kept out of line, away from the registers of the walk. */
__attribute__((noinline)) static uint32_t search_edges(const jh_router_tree *tree, uint64_t owner,
                                                       uint64_t key, const char *text, size_t len) {
  uint32_t mask = UINT32_MAX >> (tree->edge_shift - 32);
  for (uint32_t at = edge_slot(tree, owner, key);; at++) {
    const jh_router_edge *edge = &tree->edges[at & mask];
    if (edge->child == 0) {
      return 0;
    }
    if (edge->key == key && edge->owner == owner &&
        (len <= 8 || memcmp(tree->nodes[edge->child].text, text, len) == 0)) {
      return edge->child;
    }
  }
}

/* `key` is the jh_block_key() of the text. */
static inline uint32_t find_literal(const jh_router_tree *tree, uint32_t parent, uint64_t key,
                                    const char *text, size_t len) {
  uint64_t owner = make_owner(parent, len);
  if (len > 8) {
    key = long_key(key, text, len);
  } else {
    const jh_router_edge *edge = &tree->edges[edge_slot(tree, owner, key)];
    if (edge->child == 0 || (edge->key == key && edge->owner == owner)) {
      return edge->child;
    }
  }
  return search_edges(tree, owner, key, text, len);
}

uint32_t jh_router_tree_find_literal(const jh_router_tree *tree, uint32_t parent, jh_str text) {
  return find_literal(tree, parent, jh_block_key(text.ptr, text.len), text.ptr, text.len);
}

static void insert_edge(jh_router_tree *tree, jh_router_edge edge) {
  uint32_t mask = UINT32_MAX >> (tree->edge_shift - 32);
  uint32_t at = edge_slot(tree, edge.owner, edge.key);
  while (tree->edges[at].child != 0) {
    at = (at + 1) & mask;
  }
  tree->edges[at] = edge;
}

/* Makes room for 1 << bits edges. */
static void resize_edges(jh_router_tree *tree, uint32_t bits) {
  jh_router_edge *old = tree->edges;
  size_t old_capacity = old == NULL ? 0 : tree->edge_capacity;
  tree->edge_capacity = (size_t)1 << bits;
  tree->edge_shift = 64 - bits;
  tree->edges = jh_alloc(tree->edge_capacity * sizeof *tree->edges);
  memset(tree->edges, 0, tree->edge_capacity * sizeof *tree->edges);
  for (size_t n = 0; n < old_capacity; n++) {
    if (old[n].child != 0) {
      insert_edge(tree, old[n]);
    }
  }
  jh_free(old);
}

void jh_router_tree_init(jh_router_tree *tree) {
  *tree = (jh_router_tree){0};
  jh_router_tree_add_root(tree);
  tree->routes = grow(NULL, 0, sizeof *tree->routes, &tree->route_capacity);
  tree->routes[0] = (jh_router_route){0};
  tree->route_count = 1;
  resize_edges(tree, FIRST_EDGE_BITS);
}

uint32_t jh_router_tree_add_literal(jh_router_tree *tree, uint32_t parent, jh_str text) {
  uint32_t child = jh_router_tree_find_literal(tree, parent, text);
  if (child != 0) {
    return child;
  }
  if (++tree->edge_count > tree->edge_capacity / 2) {
    resize_edges(tree, 64 - tree->edge_shift + 1);
  }
  child = jh_router_tree_add_root(tree);
  char *copy = jh_alloc(text.len);
  memcpy(copy, text.ptr, text.len);
  tree->nodes[child].text = copy;
  tree->nodes[parent].literal_count++;
  uint64_t key = jh_block_key(copy, text.len);
  insert_edge(tree, (jh_router_edge){.key = text.len > 8 ? long_key(key, copy, text.len) : key,
                                     .owner = make_owner(parent, text.len),
                                     .child = child});
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

/* A place in a walk: a node, and the segment of the path that must lead on from it. */
typedef struct place {
  const jh_router_node *node;
  const char *text;
  size_t len;           /* bytes of the segment */
  uint32_t param_count; /* parameters found before it */
  bool is_param_tried;
} place;

typedef struct walk_state {
  const jh_router_tree *tree;
  const char *end; /* of the path */
  jh_route_match *out;
  uint32_t choice_count;
  place choices[JH_ROUTE_SEGMENTS_MAX]; /* places where another way on is left to try */
} walk_state;

/* The segment at `text`, of which `room` bytes are left in the path, and its key. */
static inline size_t segment_len(const char *text, size_t room, uint64_t *key) {
  jh_block block = jh_block_load(text, room);
  uint32_t slashes = jh_block_find(block, '/');
  size_t len = room;
  if (slashes != 0) {
    len = (size_t)__builtin_ctz(slashes);
  } else if (room > JH_BLOCK_BYTES) {
    const char *slash = memchr(text + JH_BLOCK_BYTES, '/', room - JH_BLOCK_BYTES);
    len = slash == NULL ? room : (size_t)(slash - text);
  }
  *key = jh_block_first_key(block, text, len);
  return len;
}

/* The literal way on, or 0. Measures the segment. */
static inline uint32_t take_literal(walk_state *walk, place *here) {
  const jh_router_node *node = here->node;
  const jh_router_tree *tree = walk->tree;
  size_t room = (size_t)(walk->end - here->text);
  uint64_t key = 0;
  uint32_t child = 0;
  here->len = room == 0 ? 0 : segment_len(here->text, room, &key);
  here->is_param_tried = false;
  if (room == 0) {
    child = node->slash_child;
  } else if (here->len > 0 && node->literal_count > 0) {
    child = find_literal(tree, node->index, key, here->text, here->len);
  }
  if (child != 0 && (node->param_child | node->rest_child) != 0) {
    walk->choices[walk->choice_count++] = *here;
  }
  return child;
}

/* The way on through the parameter, or through the rest of the path, or 0. */
static inline uint32_t take_parameter(walk_state *walk, place *here) {
  const jh_router_node *node = here->node;
  if (node->param_child != 0 && here->len > 0 && !here->is_param_tried) {
    here->is_param_tried = true;
    if (node->rest_child != 0) {
      walk->choices[walk->choice_count++] = *here;
    }
    walk->out->params[here->param_count++] = (jh_str){here->text, here->len};
    return node->param_child;
  }
  if (node->rest_child != 0) {
    here->len = (size_t)(walk->end - here->text);
    walk->out->params[here->param_count++] = (jh_str){here->text, here->len};
  }
  return node->rest_child;
}

/* The path ends at this node: true when it has a route for the method. */
static inline bool arrive(const jh_router_tree *tree, const jh_router_node *node, int method,
                          jh_route_match *out) {
  if (method == JH_METHOD_HEAD && (node->methods & JH_METHOD_BIT(JH_METHOD_HEAD)) == 0) {
    method = JH_METHOD_GET;
  }
  const jh_router_route *route = &tree->routes[node->any_route];
  if ((node->methods & JH_METHOD_BIT(method)) != 0) {
    route = &tree->routes[node->first_route];
    while (route->method != method) {
      route = &tree->routes[route->next];
    }
  } else if (node->any_route == 0) {
    out->allow |= node->methods;
    return false;
  }
  out->id = route->id;
  return true;
}

static int miss(jh_route_match *out) {
  if (out->allow == 0) {
    return JH_ROUTE_NOT_FOUND;
  }
  if ((out->allow & JH_METHOD_BIT(JH_METHOD_GET)) != 0) {
    out->allow |= JH_METHOD_BIT(JH_METHOD_HEAD);
  }
  return JH_ROUTE_METHOD_NOT_ALLOWED;
}

int jh_router_tree_match(const jh_router_tree *tree, uint32_t root, int method, jh_str path,
                         jh_route_match *out) {
  if (path.len == 0 || path.ptr[0] != '/') {
    return JH_ROUTE_NOT_FOUND;
  }
  walk_state walk;
  walk.tree = tree;
  walk.end = path.ptr + path.len;
  walk.out = out;
  walk.choice_count = 0;
  place here = {.node = &tree->nodes[root], .text = path.ptr + 1};
  for (;;) {
    uint32_t child = take_literal(&walk, &here);
    if (child == 0) {
      child = take_parameter(&walk, &here);
    }
    while (child == 0 || here.text + here.len == walk.end) {
      if (child != 0 && arrive(tree, &tree->nodes[child], method, out)) {
        out->param_count = here.param_count;
        return JH_ROUTE_FOUND;
      }
      if (walk.choice_count == 0) {
        return miss(out);
      }
      here = walk.choices[--walk.choice_count];
      child = take_parameter(&walk, &here);
    }
    here.node = &tree->nodes[child];
    here.text += here.len + 1;
  }
}
