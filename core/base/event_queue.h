/* event_queue.h: intrusive FIFO of events, the shape of a ready queue.
 *
 * Nodes live inside the objects they speak of (a ctx, a timer), so pushing never allocates. A node
 * is in at most one queue; `is_queued` tells. */
#ifndef JH_BASE_EVENT_QUEUE_H
#define JH_BASE_EVENT_QUEUE_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

/* What a node is part of, so that whoever takes it can give its owner back. */
typedef enum jh_event_owner {
  JH_EVENT_OF_CTX = 0,
  JH_EVENT_OF_TIMER,
  JH_EVENT_OF_POST, /* pooled by itself */
  JH_EVENT_OF_CHANNEL_READ,
  JH_EVENT_OF_CHANNEL_WRITE,
  JH_EVENT_OF_CALL_READ,
  JH_EVENT_OF_CALL_WRITE,
  JH_EVENT_OF_WEBSOCKET_READ,
  JH_EVENT_OF_WEBSOCKET_WRITE,
  JH_EVENT_OF_WAITER
} jh_event_owner;

typedef struct jh_event_node {
  jh_event event;
  struct jh_event_node *next;
  uint8_t owner; /* jh_event_owner */
  bool is_queued;
  bool is_stopped; /* taken off lazily: jh_event_queue_pop() passes over it */
} jh_event_node;

/* Zeroed before first use. */
typedef struct jh_event_queue {
  jh_event_node *first, *last;
} jh_event_queue;

/* Appends a node; one that is queued already stays where it is. */
inline void jh_event_queue_push(jh_event_queue *queue, jh_event_node *node);

/* True while its event waits to be taken. */
inline bool jh_event_node_is_due(const jh_event_node *node);

/* Takes the first node that was not stopped, or NULL. */
inline jh_event_node *jh_event_queue_pop(jh_event_queue *queue);

/* ==== cdef: end ==== */

/* inline definitions */

inline void jh_event_queue_push(jh_event_queue *queue, jh_event_node *node) {
  node->is_stopped = false;
  if (node->is_queued) return;
  node->is_queued = true;
  node->next = NULL;
  if (queue->last) {
    queue->last->next = node;
  } else {
    queue->first = node;
  }
  queue->last = node;
}

inline bool jh_event_node_is_due(const jh_event_node *node) {
  return node->is_queued && !node->is_stopped;
}

inline jh_event_node *jh_event_queue_pop(jh_event_queue *queue) {
  for (;;) {
    jh_event_node *node = queue->first;
    if (!node) return NULL;
    queue->first = node->next;
    if (!queue->first) queue->last = NULL;
    node->is_queued = false;
    if (!node->is_stopped) return node;
  }
}

#endif
