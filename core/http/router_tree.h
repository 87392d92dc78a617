/* router_tree.h: the tree of path segments under the router.
 *
 * A node stands for the segments from its root down to it. Its literal children sit in one hash
 * table that all nodes share, keyed by parent and text, so that finding a child takes the same few
 * steps with ten routes and with ten thousand. A tree has one root per host.
 *
 * Only router.c calls it. Nodes and routes are named by index; 0 is "none". */
#ifndef JH_HTTP_ROUTER_TREE_H
#define JH_HTTP_ROUTER_TREE_H

#include "http/router.h"
#include "http/router_pattern.h"

/* ==== cdef: begin ==== */

typedef struct jh_router_node {
  const char *text;       /* the literal segment; owned; NULL for other kinds and roots */
  uint64_t methods;       /* one bit per method that has a route here */
  uint32_t index;         /* of this node */
  uint32_t literal_count; /* children in the hash table */
  uint32_t param_child;   /* nodes, or 0 */
  uint32_t rest_child;
  uint32_t slash_child; /* the empty segment after a trailing '/' */
  uint32_t any_route;   /* route of JH_METHOD_ANY, or 0 */
  uint32_t first_route; /* list of the routes that have a method, or 0 */
} jh_router_node;

typedef struct jh_router_edge {
  uint64_t key;   /* stands for the text of the child, see router_tree.c */
  uint64_t owner; /* parent and length of the text */
  uint32_t child; /* 0: the place is free */
} jh_router_edge;

typedef struct jh_router_route {
  uint32_t id;
  int32_t method;
  uint32_t next; /* route of the same node, or 0 */
  char *label;   /* owned; "GET /users/:id (app.lua:12)", for errors */
} jh_router_route;

typedef struct jh_router_tree {
  jh_router_node *nodes;
  jh_router_edge *edges; /* open addressing, at most half full */
  jh_router_route *routes;
  size_t edge_count, edge_capacity;
  uint32_t edge_shift; /* edge_capacity is 1 << (64 - edge_shift) */
  uint32_t node_count, node_capacity;
  uint32_t route_count, route_capacity;
} jh_router_tree;

void jh_router_tree_init(jh_router_tree *tree);
void jh_router_tree_deinit(jh_router_tree *tree);

/* A node without parent. */
uint32_t jh_router_tree_add_root(jh_router_tree *tree);

/* The literal child with this text, or 0. The text is not empty. */
uint32_t jh_router_tree_find_literal(const jh_router_tree *tree, uint32_t parent, jh_str text);

/* The same, but adds the child when there is none. */
uint32_t jh_router_tree_add_literal(jh_router_tree *tree, uint32_t parent, jh_str text);

/* The node of a whole pattern under `root`; adds what is missing. */
uint32_t jh_router_tree_add_pattern(jh_router_tree *tree, uint32_t root,
                                    const jh_router_pattern *pattern);

/* The route of a node for exactly this method or JH_METHOD_ANY, or 0. */
uint32_t jh_router_tree_find_route(const jh_router_tree *tree, uint32_t node, int method);

/* Gives the node a route; there is none yet for this method. Takes over `label`. */
void jh_router_tree_add_route(jh_router_tree *tree, uint32_t node, int method, uint32_t id,
                              char *label);

/* Finds a route under `root`. After JH_ROUTE_FOUND id, param_count and params of `out` are set;
 * otherwise the methods this path has routes for were added to out->allow, which the caller sets to
 * 0 before the first of several roots. Returns a jh_route_result. */
int jh_router_tree_match(const jh_router_tree *tree, uint32_t root, int method, jh_str path,
                         jh_route_match *out);

/* ==== cdef: end ==== */

#endif
