/* list.h: an intrusive doubly linked list; the links live inside the members.
 *
 * The list itself is a node too: in an empty list it points to itself, so nothing here tests for
 * NULL. A node that is in no list also points to itself. Oldest first:
 *
 *   while (!jh_list_is_empty(&waiting)) {
 *     jh_conn *conn = JH_LIST_ENTRY(waiting.next, jh_conn, timeout_node);
 *     jh_list_remove(&conn->timeout_node);
 *   } */
#ifndef JH_BASE_LIST_H
#define JH_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* The object of `type` that has the node at `ptr` as its `member`. */
#define JH_LIST_ENTRY(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* ==== cdef: begin ==== */

typedef struct jh_list {
  struct jh_list *next; /* of a list: its first node */
  struct jh_list *prev; /* of a list: its last node */
} jh_list;

/* Starts an empty list, or a node that is in no list. */
inline void jh_list_init(jh_list *list);

inline bool jh_list_is_empty(const jh_list *list);

/* Puts a node, which must be in no list, behind the last one. */
inline void jh_list_append(jh_list *list, jh_list *node);

/* Takes a node out of whatever list it is in; harmless when it is in none. */
inline void jh_list_remove(jh_list *node);

/* ==== cdef: end ==== */

/* inline definitions */

inline void jh_list_init(jh_list *list) {
  list->next = list;
  list->prev = list;
}

inline bool jh_list_is_empty(const jh_list *list) {
  return list->next == list;
}

inline void jh_list_append(jh_list *list, jh_list *node) {
  node->next = list;
  node->prev = list->prev;
  list->prev->next = node;
  list->prev = node;
}

inline void jh_list_remove(jh_list *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  jh_list_init(node);
}

#endif
