/* generation.c: making a generation, and the pulling end of its ready queue. */
#include "server/generation.h"

#include <string.h>

#include "base/alloc.h"
#include "net/channel.h"
#include "net/tls_lookup.h"
#include "net/origin.h"
#include "net/websocket.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "server/timer.h"
#include "server/worker.h"

enum { FREE_POSTS_MAX = 256, ROUTES_MAX = 1 << 24 };

jh_generation *jh_generation_new(struct jh_worker *worker, uint32_t number) {
  jh_generation *generation = jh_alloc(sizeof *generation);
  *generation = (jh_generation){.worker = worker, .number = number, .router = jh_router_new()};
  generation->heartbeat = worker->heartbeat;
  generation->counts = jh_heartbeat_counts_of(worker->heartbeat, number);
  jh_pool_init(&generation->posts, sizeof(jh_event_node), FREE_POSTS_MAX);
  jh_list_init(&generation->memory_conns);
  jh_list_init(&generation->tls_lookups);
  jh_list_init(&generation->tls_taken);
  return generation;
}

void jh_generation_close_vm(jh_generation *generation) {
  if (generation->vm) jh_vm_free(generation->vm);
  generation->vm = NULL;
  jh_memory_conn_close_all(generation);
  jh_generation_loop(generation)->looks_up_certificates = false;
  jh_tls_lookup_free_all(&generation->tls_taken);
  jh_channel_close_all(jh_generation_loop(generation), generation);
  jh_call_close_all(jh_generation_loop(generation)->clients, &generation->ready);
  jh_websocket_close_all(jh_generation_loop(generation), &generation->ready);
  jh_socket_close_all(jh_generation_loop(generation), &generation->ready);
  jh_resolve_close_all(jh_generation_loop(generation), &generation->ready);
  jh_offloads_cut_off(&generation->worker->offloads, &generation->ready);
  jh_fd_waits_stop_all(&jh_generation_loop(generation)->fd_waits, &generation->ready);
}

void jh_generation_free(jh_generation *generation) {
  jh_generation_close_vm(generation);
  jh_event event;
  while (jh_generation_next(generation, &event) != JH_EVENT_NONE) {
  }
  jh_file_cache_close_roots(&generation->worker->loop.files, generation);
  jh_pool_deinit(&generation->posts);
  jh_router_free(generation->router);
  jh_free(generation->policies);
  jh_free(generation);
}

int jh_route_limit(jh_generation *generation, uint32_t route, int64_t max_body_bytes,
                   int64_t body_timeout_ms, bool is_early) {
  if (route >= ROUTES_MAX || body_timeout_ms >= UINT32_MAX) return JH_EINVAL;
  if (route >= generation->policy_count) {
    uint32_t count = (route + 1) * 2;
    jh_route_policy *policies =
        jh_try_realloc(generation->policies, count * sizeof *generation->policies);
    if (!policies) return JH_ENOMEM;
    uint32_t present = generation->policy_count;
    memset(policies + present, 0, (count - present) * sizeof *policies);
    generation->policies = policies;
    generation->policy_count = count;
  }
  generation->policies[route] = (jh_route_policy){.max_body_bytes = max_body_bytes,
                                                  .body_timeout_ms = body_timeout_ms,
                                                  .is_set = true,
                                                  .is_early = is_early};
  return 0;
}

static jh_ctx *ctx_of_request(jh_event_node *node) {
  return JH_LIST_ENTRY(node, jh_ctx, request_node);
}

int jh_generation_next(jh_generation *generation, jh_event *event) {
  jh_heartbeat *heartbeat = generation->heartbeat;
  heartbeat->event_count++;
  heartbeat->ctx = NULL;
  for (;;) {
    jh_event_node *node = jh_event_queue_pop(&generation->ready);
    if (!node) return JH_EVENT_NONE;
    *event = node->event;
    switch ((jh_event_owner)node->owner) {
    case JH_EVENT_OF_TIMER:
      jh_timer_done(JH_LIST_ENTRY(node, jh_timer, node));
      break;
    case JH_EVENT_OF_POST:
      jh_pool_release(&generation->posts, node);
      break;
    case JH_EVENT_OF_CHANNEL_READ:
      jh_channel_on_event_taken(JH_LIST_ENTRY(node, jh_channel, read_node));
      break;
    case JH_EVENT_OF_CHANNEL_WRITE:
      jh_channel_on_event_taken(JH_LIST_ENTRY(node, jh_channel, write_node));
      break;
    case JH_EVENT_OF_CALL_READ:
      jh_call_on_event_taken(JH_LIST_ENTRY(node, jh_call, read_node));
      break;
    case JH_EVENT_OF_CALL_WRITE:
      jh_call_on_event_taken(JH_LIST_ENTRY(node, jh_call, write_node));
      break;
    case JH_EVENT_OF_WEBSOCKET_READ:
      jh_websocket_on_event_taken(JH_LIST_ENTRY(node, jh_websocket, read_node));
      break;
    case JH_EVENT_OF_WEBSOCKET_WRITE:
      jh_websocket_on_event_taken(JH_LIST_ENTRY(node, jh_websocket, write_node));
      break;
    case JH_EVENT_OF_WAITER:
      jh_waiter_on_taken(JH_LIST_ENTRY(node, jh_waiter, node));
      break;
    case JH_EVENT_OF_CTX:
      break;
    }
    /* The client left before its handler started: nobody needs the answer. */
    if (event->kind != JH_EVENT_REQUEST) return (int)event->kind;
    if (ctx_of_request(node)->conn) {
      heartbeat->ctx = ctx_of_request(node);
      return JH_EVENT_REQUEST + (int)event->route;
    }
    jh_generation_put_back(generation, ctx_of_request(node));
  }
}

jh_loop *jh_generation_loop(jh_generation *generation) {
  return &generation->worker->loop;
}

jh_ctx *jh_generation_ctx(jh_generation *generation, uint32_t slot) {
  return jh_ctx_table_at(&generation->worker->loop.ctxs, slot);
}

void jh_generation_serve(jh_generation *generation, jh_ctx *ctx) {
  generation->heartbeat->ctx = ctx;
}

int jh_generation_post(jh_generation *generation, uint32_t id) {
  jh_event_node *node = jh_pool_try_acquire(&generation->posts);
  if (!node) return JH_ENOMEM;
  *node = (jh_event_node){.event = {.kind = JH_EVENT_WAKE, .id = id}, .owner = JH_EVENT_OF_POST};
  jh_event_queue_push(&generation->ready, node);
  return 0;
}

void jh_generation_put_back(jh_generation *generation, jh_ctx *ctx) {
  jh_loop *loop = jh_generation_loop(generation);
  ctx->is_held_by_lua = false;
  if (ctx->is_shadow) {
    generation->shadows--;
  } else {
    generation->in_flight--;
  }
  if (ctx->shadow_in) jh_buf_release(&loop->bufs, ctx->shadow_in);
  ctx->shadow_in = NULL;
  jh_ctx_put_back(&loop->ctxs, ctx);
}
