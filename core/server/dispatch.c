/* dispatch.c: routing and the ready queue.
 *
 * Misses go to Lua as well (as one of jh_route_miss), so that middleware sees them: a logger logs
 * 404s, cors answers OPTIONS. Only what Lua must not be bothered with is answered here. */
#include "server/dispatch.h"

#include <string.h>

#include "http/method.h"
#include "http/target.h"
#include "net/channel.h"
#include "net/relay.h"
#include "net/tls_lookup.h"
#include "server/worker.h"

static uint32_t find_route(jh_generation *generation, jh_ctx *ctx) {
  const jh_request *request = &ctx->request;
  jh_str host = jh_request_str(request, request->host);
  ctx->match.param_count = 0;
  if (request->target_form == JH_TARGET_ASTERISK) {
    ctx->match.allow = 0;
    return JH_ROUTE_MISS_OPTIONS;
  }
  switch (jh_router_match(generation->router, request->method, host, ctx->path, &ctx->match)) {
  case JH_ROUTE_FOUND:
    return ctx->match.id;
  case JH_ROUTE_METHOD_NOT_ALLOWED:
    ctx->match.param_count = 0;
    return request->method == JH_METHOD_OPTIONS ? JH_ROUTE_MISS_OPTIONS : JH_ROUTE_MISS_METHOD;
  default:
    ctx->match.param_count = 0;
    return JH_ROUTE_MISS;
  }
}

/* Routes are matched once more when the body is there: what this match points into may move. */
static bool on_head(jh_loop *loop, jh_ctx *ctx) {
  jh_worker *worker = loop->data;
  jh_generation *generation = worker->generation;
  if (generation->policy_count == 0 || jh_ctx_settle_path(ctx) < 0) return false;
  uint32_t route = find_route(generation, ctx);
  if (route >= generation->policy_count || !generation->policies[route].is_set) return false;
  const jh_route_policy *policy = &generation->policies[route];
  if (policy->max_body_bytes >= 0) ctx->max_body_bytes = (uint64_t)policy->max_body_bytes;
  if (policy->body_timeout_ms >= 0) ctx->body_timeout_ms = (uint32_t)policy->body_timeout_ms;
  ctx->is_early = policy->is_early;
  return policy->is_early || policy->max_body_bytes >= 0;
}

static void refuse(jh_loop *loop, jh_worker *worker, jh_ctx *ctx) {
  static const char text[] = "503 Service Unavailable: too many requests are being handled\n";
  worker->refused_count++;
  jh_log_limited(loop->log, &worker->concurrency_gate, JH_LOG_WARN,
                 "request refused with 503: concurrency (%u) is reached",
                 worker->options->concurrency);
  jh_conn *conn = ctx->conn;
  if (conn->protocol->respond(conn, ctx, 503, JH_TYPE_TEXT, (jh_str){text, sizeof text - 1}) < 0) {
    jh_conn_close(conn);
  }
}

static void on_request(jh_loop *loop, jh_ctx *ctx) {
  jh_worker *worker = loop->data;
  jh_generation *generation = worker->generation;
  if (generation->in_flight >= worker->options->concurrency) {
    refuse(loop, worker, ctx);
    return;
  }
  generation->in_flight++;
  generation->counts->request_count++;
  ctx->generation = generation;
  ctx->is_held_by_lua = true;
  ctx->request_node.owner = JH_EVENT_OF_CTX;
  ctx->request_node.event =
      (jh_event){.kind = JH_EVENT_REQUEST, .id = ctx->slot, .route = find_route(generation, ctx)};
  jh_event_queue_push(&generation->ready, &ctx->request_node);
}

static void on_body(jh_loop *loop, jh_ctx *ctx, int error) {
  (void)loop;
  if (ctx->relay) {
    ctx->wait_id = 0;
    jh_relay_on_client_readable(ctx->relay, error);
    return;
  }
  ctx->wake_node.owner = JH_EVENT_OF_CTX;
  ctx->wake_node.event = (jh_event){.kind = JH_EVENT_WAKE, .id = ctx->wait_id, .error = error};
  ctx->wait_id = 0;
  jh_event_queue_push(&ctx->generation->ready, &ctx->wake_node);
}

static void on_writable(jh_loop *loop, jh_ctx *ctx, int error) {
  (void)loop;
  if (ctx->relay) {
    ctx->write_wait_id = 0;
    jh_relay_on_client_writable(ctx->relay, error);
    return;
  }
  ctx->write_node.owner = JH_EVENT_OF_CTX;
  ctx->write_node.event =
      (jh_event){.kind = JH_EVENT_WAKE, .id = ctx->write_wait_id, .error = error};
  ctx->write_wait_id = 0;
  jh_event_queue_push(&ctx->generation->ready, &ctx->write_node);
}

static void on_channel(jh_loop *loop, jh_channel *channel, bool is_writer) {
  (void)loop;
  jh_event_node *node = is_writer ? &channel->write_node : &channel->read_node;
  uint32_t *wait_id = is_writer ? &channel->write_wait_id : &channel->read_wait_id;
  if (channel->pipe) {
    *wait_id = 0;
    jh_relay_pipe_on_channel(channel->pipe, is_writer);
    return;
  }
  node->owner = is_writer ? JH_EVENT_OF_CHANNEL_WRITE : JH_EVENT_OF_CHANNEL_READ;
  node->event = (jh_event){.kind = JH_EVENT_WAKE, .id = *wait_id};
  *wait_id = 0;
  jh_event_queue_push(&channel->generation->ready, node);
}

static void on_abort(jh_loop *loop, jh_ctx *ctx) {
  (void)loop;
  /* Its request was not pulled yet: jh_generation_next() drops it. */
  if (ctx->request_node.is_queued) return;
  ctx->request_node.event = (jh_event){.kind = JH_EVENT_ABORT, .id = ctx->slot};
  jh_event_queue_push(&ctx->generation->ready, &ctx->request_node);
  if (ctx->relay) jh_relay_on_abort(ctx->relay);
}

static void on_certificate(jh_loop *loop, jh_tls_lookup *lookup) {
  jh_worker *worker = loop->data;
  jh_generation *generation = worker->generation;
  jh_list_append(&generation->tls_lookups, &lookup->node);
  if (!generation->tls_wait_id) return;
  generation->tls_node.event = (jh_event){.kind = JH_EVENT_WAKE, .id = generation->tls_wait_id};
  generation->tls_wait_id = 0;
  jh_event_queue_push(&generation->ready, &generation->tls_node);
}

const jh_loop_hooks jh_dispatch_hooks = {.on_head = on_head,
                                         .on_request = on_request,
                                         .on_body = on_body,
                                         .on_writable = on_writable,
                                         .on_channel = on_channel,
                                         .on_abort = on_abort,
                                         .on_certificate = on_certificate};

jh_str jh_dispatch_allow(jh_ctx *ctx) {
  enum { ALLOW_MAX_BYTES = 512 };
  uint64_t allow = ctx->match.allow | JH_METHOD_BIT(JH_METHOD_OPTIONS);
  char *out = jh_arena_try_alloc(&ctx->arena, ALLOW_MAX_BYTES);
  size_t len = 0;
  if (!out) return (jh_str){NULL, 0};
  for (int method = 0; method < JH_METHOD_COUNT; method++) {
    if (!(allow & JH_METHOD_BIT(method))) continue;
    jh_str name = jh_method_name(method);
    if (len) {
      memcpy(out + len, ", ", 2);
      len += 2;
    }
    memcpy(out + len, name.ptr, name.len);
    len += name.len;
  }
  return (jh_str){out, len};
}
