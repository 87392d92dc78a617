/* event_queue.c: the out-of-line copies of the inline functions, for specs and debug builds. */
#include "base/event_queue.h"

extern inline void jh_event_queue_push(jh_event_queue *queue, jh_event_node *node);
extern inline bool jh_event_node_is_due(const jh_event_node *node);
extern inline jh_event_node *jh_event_queue_pop(jh_event_queue *queue);
