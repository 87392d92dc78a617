/* resolve.c: one lookup, its answer, and the task that waits for it. */
#include "net/resolve.h"

#include "base/alloc.h"
#include "net/loop.h"

struct jh_resolve {
  jh_lookup lookup;
  jh_waiter waiter;
  jh_list node; /* in loop->resolves until Lua closes it */
};

static void on_unused(jh_waiter *waiter) {
  jh_free(JH_LIST_ENTRY(waiter, jh_resolve, waiter));
}

static void on_found(jh_lookup *lookup, int error) {
  jh_waiter_wake(&JH_LIST_ENTRY(lookup, jh_resolve, lookup)->waiter, error);
}

jh_resolve *jh_resolve_new(struct jh_loop *loop, jh_event_queue *ready, jh_str host,
                           uint32_t wait_id, double timeout_ms, int *error) {
  jh_resolve *resolve = jh_try_calloc(1, sizeof *resolve);
  *error = JH_ENOMEM;
  if (!resolve) return NULL;
  jh_waiter_init(&resolve->waiter, ready, &loop->alarms);
  resolve->waiter.on_unused = on_unused;
  resolve->lookup.on_found = on_found;
  jh_list_init(&resolve->node);
  jh_list_append(&loop->resolves, &resolve->node);
  *error = jh_resolver_start(&loop->resolver, &resolve->lookup, host);
  if (*error == JH_EWAIT) *error = jh_waiter_start(&resolve->waiter, wait_id, timeout_ms);
  if (*error == 0 || *error == JH_EWAIT) return resolve;
  jh_resolve_close(resolve);
  return NULL;
}

int jh_resolve_at(jh_resolve *resolve, uint32_t index, char *out) {
  const jh_addresses *found = resolve->lookup.found;
  if (!found || index >= found->count) return JH_ENOTFOUND;
  jh_ip_write(&found->items[index].ip, out);
  return 0;
}

void jh_resolve_close(jh_resolve *resolve) {
  jh_lookup_stop(&resolve->lookup);
  jh_addresses_release(resolve->lookup.found);
  resolve->lookup.found = NULL;
  jh_list_remove(&resolve->node);
  if (jh_waiter_close(&resolve->waiter)) jh_free(resolve);
}

void jh_resolve_close_all(struct jh_loop *loop, const jh_event_queue *ready) {
  jh_list *node = loop->resolves.next;
  while (node != &loop->resolves) {
    jh_resolve *resolve = JH_LIST_ENTRY(node, jh_resolve, node);
    node = node->next;
    if (resolve->waiter.ready != ready) continue;
    jh_lookup_stop(&resolve->lookup);
    jh_list_remove(&resolve->node);
    jh_waiter_abandon(&resolve->waiter);
  }
}

const char *jh_resolve_strerror(int error) {
  return jh_resolver_strerror(error);
}
