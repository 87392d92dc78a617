/* relay.c: life of a relay, and the request's way from the client to the upstream.
 *
 * The client is read when the upstream takes what was read before, the upstream's call keeps what
 * its link did not take. A request whose body is in memory can be sent again, to another upstream,
 * until Lua has made its response; one whose body was read cannot. */
#include "net/relay.h"

#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/str.h"
#include "http/method.h"
#include "net/alarm.h"
#include "net/client_conn.h"

enum { FREE_RELAYS_MAX = 1024, FREE_PIPES_MAX = 64 };

/* ---- what a loop has of it ---- */

int jh_relays_open(jh_loop *loop) {
  if (loop->relays) return 0;
  jh_relays *relays = jh_try_alloc(sizeof *relays);
  if (!relays) return JH_ENOMEM;
  jh_pool_init(&relays->pool, sizeof(jh_relay), FREE_RELAYS_MAX);
  jh_relay_pipes_init(relays, FREE_PIPES_MAX);
  loop->relays = relays;
  return 0;
}

void jh_relays_free(jh_relays *relays) {
  if (!relays) return;
  jh_pool_deinit(&relays->pool);
  jh_pool_deinit(&relays->pipes);
  jh_free(relays);
}

/* ---- telling Lua ---- */

void jh_relay_wake(jh_relay *relay, int code) {
  jh_event_node *node = &relay->ctx->write_node;
  if (!relay->wait_id) return;
  node->owner = JH_EVENT_OF_CTX;
  node->event = (jh_event){.kind = JH_EVENT_WAKE, .id = relay->wait_id, .error = code};
  relay->wait_id = 0;
  jh_event_queue_push(relay->ready, node);
}

void jh_relay_end_with(jh_relay *relay, int error) {
  if (relay->state == JH_RELAY_OVER) return;
  relay->state = JH_RELAY_OVER;
  relay->error = error;
  relay->is_request_done = true;
  jh_relay_wake(relay, error);
}

/* ---- the request's body ---- */

static void stop_alarm(jh_relay *relay) {
  if (relay->alarm) jh_alarm_stop(relay->alarm);
  relay->alarm = NULL;
}

/* The client broke its request off, or sent more than it may: nothing can come of it. */
static void fail_by_client(jh_relay *relay, int error) {
  relay->is_clients_fault = true;
  jh_relay_end_with(relay, error);
  jh_call *call = relay->call;
  relay->call = NULL;
  if (call) jh_call_close(call);
}

static void end_request(jh_relay *relay, int error) {
  const jh_trailers *trailers = &relay->ctx->trailers;
  relay->is_request_done = true;
  if (error < 0) {
    fail_by_client(relay, error);
  } else {
    jh_call_end(relay->call, trailers->text, trailers->len);
  }
}

static void pump_request(jh_relay *relay) {
  jh_ctx *ctx = relay->ctx;
  char *piece = relay->loop->relays->request_piece;
  while (relay->call && !relay->is_request_done && !relay->is_call_blocked &&
         !relay->awaits_continue) {
    if (!ctx->conn || ctx->wait_id) return;
    ssize_t count = ctx->conn->protocol->read_body(ctx->conn, ctx, piece, JH_RELAY_PIECE_BYTES, 1);
    if (count == JH_EWAIT) return;
    if (count <= 0) {
      end_request(relay, (int)count);
      return;
    }
    relay->is_call_blocked = true; /* it may be told of the opposite before it returns */
    int error = jh_call_write(relay->call, piece, (size_t)count, 1);
    if (error != JH_EWAIT) relay->is_call_blocked = false;
    /* Nobody wants the rest: the answer is there, or the call failed and has said so. */
    if (error < 0 && error != JH_EWAIT) relay->is_request_done = true;
  }
}

static void on_call_writable(jh_call *call, void *data) {
  jh_relay *relay = data;
  (void)call;
  relay->is_call_blocked = false;
  pump_request(relay);
}

static void go_on_with_request(void *data) {
  jh_relay *relay = data;
  relay->alarm = NULL;
  relay->awaits_continue = false;
  pump_request(relay);
}

void jh_relay_on_client_readable(jh_relay *relay, int error) {
  /* Of a client that is gone jh_relay_on_abort() is told as well. */
  if (relay->is_request_done || !relay->ctx->conn) return;
  if (error < 0) {
    end_request(relay, error);
  } else {
    pump_request(relay);
  }
}

void jh_relay_on_abort(jh_relay *relay) {
  if (relay->ctx->conn || relay->state == JH_RELAY_OVER) return;
  fail_by_client(relay, JH_ECLOSED);
}

/* ---- the head of the response, and what comes before it ---- */

int jh_relay_head_code(const jh_relay *relay) {
  const jh_call_response *response = &relay->response;
  const jh_call *call = relay->call;
  int64_t length = response->content_length;
  bool is_whole = response->is_over || call->state == JH_CALL_DONE;
  if (!is_whole && length >= 0 && length <= JH_RELAY_WHOLE_BYTES) {
    is_whole = call->raw_end - call->raw_start >= (uint64_t)length;
  }
  if (response->is_tunnel) is_whole = false;
  return (int)response->status | (is_whole ? JH_RELAY_WHOLE_BIT : 0);
}

static void take_head(jh_relay *relay) {
  int error = jh_call_read_response(relay->call, &relay->response);
  if (error == JH_EWAIT) return;
  if (error < 0) {
    jh_relay_end_with(relay, error);
    return;
  }
  if (relay->response.is_tunnel && !relay->asks_upgrade) {
    relay->problem = "the answer is a change of protocol that was not asked for";
    jh_relay_end_with(relay, JH_EPROTO);
    return;
  }
  relay->state = JH_RELAY_AT_HEAD;
  relay->head_turn = relay->loop->turn;
  if (relay->awaits_continue) {
    /* It answers without having seen the body, which is not asked for then. */
    stop_alarm(relay);
    relay->is_request_done = true;
  }
  jh_relay_wake(relay, jh_relay_head_code(relay));
}

/* Reports nothing more before it is read again. */
static void stop_reading(jh_call *call) {
  if (call->conn) call->conn->protocol->want(call->conn, call, false);
}

static void on_call_readable(jh_call *call, void *data) {
  jh_relay *relay = data;
  switch ((jh_relay_state)relay->state) {
  case JH_RELAY_NEW:
  case JH_RELAY_WAITING:
    jh_relay_pass_interim(relay);
    if (relay->call) take_head(relay);
    break;
  case JH_RELAY_AT_HEAD:
    if (relay->wait_id) {
      jh_relay_wake(relay, 0);
    } else if (relay->head_turn != relay->loop->turn) {
      stop_reading(call); /* Lua takes its time */
    }
    break;
  case JH_RELAY_STREAMING:
    if (relay->is_pumping) break;
    if (relay->ctx->write_wait_id || relay->alarm) {
      stop_reading(call);
    } else {
      jh_relay_pump_response(relay);
    }
    break;
  case JH_RELAY_OVER:
    break;
  }
}

static const jh_call_hooks hooks = {.on_readable = on_call_readable,
                                    .on_writable = on_call_writable};

void jh_relay_on_continue(jh_relay *relay) {
  if (!relay->awaits_continue) return;
  stop_alarm(relay);
  go_on_with_request(relay);
}

/* ---- start ---- */

static void on_ctx_ends(jh_cleanup *cleanup) {
  jh_relay_free(JH_LIST_ENTRY(cleanup, jh_relay, cleanup));
}

jh_relay *jh_relay_new(jh_ctx *ctx, jh_upstream *upstream, int *error) {
  *error = ctx->conn ? JH_ENOMEM : JH_ECLOSED;
  if (ctx->relay) jh_relay_free(ctx->relay);
  jh_loop *loop = ctx->conn ? ctx->conn->loop : NULL;
  jh_relay *relay = loop ? jh_pool_try_acquire(&loop->relays->pool) : NULL;
  if (!relay) return NULL;
  memset(relay, 0, offsetof(jh_relay, response));
  relay->ctx = ctx;
  relay->loop = loop;
  relay->upstream = upstream;
  jh_upstream_acquire(upstream);
  relay->ready = upstream->ready;
  relay->timeout_ms = upstream->timeout_ms;
  relay->cleanup.run = on_ctx_ends;
  jh_list_init(&relay->cleanup.node);
  jh_list_append(&ctx->cleanups, &relay->cleanup.node);
  ctx->relay = relay;
  return relay;
}

void jh_relay_free(jh_relay *relay) {
  jh_call *call = relay->call;
  relay->call = NULL;
  stop_alarm(relay);
  if (call) jh_call_close(call);
  jh_ctx *ctx = relay->ctx;
  ctx->wait_id = ctx->write_wait_id = 0;
  if (ctx->conn && jh_timeout_is(&ctx->conn->timeout, JH_TIMEOUT_BODY)) {
    jh_timeout_clear(&ctx->conn->timeout);
  }
  jh_list_remove(&relay->cleanup.node);
  ctx->write_node.is_stopped = true;
  ctx->relay = NULL;
  jh_upstream_release(relay->upstream);
  jh_pool_release(&relay->loop->relays->pool, relay);
}

/* How the body goes on: framed by what was found of it, whatever the client wrote. */
static jh_str frame_body(const jh_relay *relay, jh_forward_request *forward, uint32_t *flags) {
  const jh_ctx *ctx = relay->ctx;
  const jh_request *request = &ctx->request;
  const jh_relay_changes *changes = relay->changes;
  jh_str body = {NULL, 0};
  bool takes_body = request->method == JH_METHOD_POST || request->method == JH_METHOD_PUT ||
                    request->method == JH_METHOD_PATCH;
  bool is_whole = ctx->body_state == JH_BODY_WHOLE;
  if (changes && changes->body.ptr) {
    body = changes->body;
  } else if (is_whole && ctx->trailers.len == 0) {
    body = ctx->body;
  } else if (is_whole || ctx->body_state == JH_BODY_STREAMING) {
    bool is_chunked = is_whole || request->is_chunked || !request->has_content_length;
    forward->body = is_chunked ? JH_FORWARD_CHUNKED : JH_FORWARD_LENGTH;
    forward->body_bytes = request->content_length;
    *flags |= JH_CALL_SENDS_STREAM_BIT | (is_chunked ? JH_CALL_SENDS_CHUNKED_BIT : 0);
    return body;
  }
  bool has_length = body.len > 0 || request->has_content_length || takes_body;
  forward->body = has_length ? JH_FORWARD_LENGTH : JH_FORWARD_NO_BODY;
  forward->body_bytes = body.len;
  return body;
}

/* A change of protocol is passed on when it takes the connection over, and is not to a HTTP that
 * would carry requests past whoever trusts this proxy to see them. */
static bool passes_upgrade(const jh_ctx *ctx) {
  const jh_request *request = &ctx->request;
  if (!request->is_upgrade || !ctx->conn->protocol->is_exclusive) return false;
  if (jh_request_has_body(request)) return false;
  for (uint32_t i = 0; i < request->header_count; i++) {
    jh_str name, value;
    jh_request_header_at(request, i, &name, &value);
    if (!jh_str_equal_nocase(name, JH_STR("upgrade"))) continue;
    for (size_t n = 0; n + 3 <= value.len; n++) {
      if (jh_str_equal_nocase((jh_str){value.ptr + n, 3}, JH_STR("h2c"))) return false;
    }
  }
  return true;
}

static bool is_idempotent(int method) {
  return method == JH_METHOD_GET || method == JH_METHOD_HEAD || method == JH_METHOD_OPTIONS ||
         method == JH_METHOD_TRACE || method == JH_METHOD_PUT || method == JH_METHOD_DELETE;
}

static uint32_t call_flags(const jh_relay *relay, bool expects_continue) {
  const jh_request *request = &relay->ctx->request;
  uint32_t flags = relay->upstream->options.flags | JH_CALL_STREAMED_BIT;
  if (request->method == JH_METHOD_HEAD) flags |= JH_CALL_HEAD_BIT;
  if (is_idempotent(request->method)) flags |= JH_CALL_IDEMPOTENT_BIT;
  if (expects_continue) flags |= JH_CALL_EXPECTS_BIT;
  if (request->http_minor > 0) flags |= JH_CALL_INTERIM_BIT;
  return flags;
}

/* The request line and all fields; 0 or a negative code. */
static int write_head(jh_relay *relay, jh_forward_request *forward, jh_str *head) {
  jh_ctx *ctx = relay->ctx;
  const jh_peer *peer = &ctx->conn->peer;
  const jh_relay_changes *changes = relay->changes;
  char address[JH_IP_TEXT_BYTES];
  forward->request = &ctx->request;
  forward->rules = &relay->upstream->rules;
  forward->method = jh_method_name(ctx->request.method);
  forward->path = ctx->path;
  forward->scheme = jh_conn_scheme(ctx->conn, ctx);
  forward->is_trusted = peer->is_trusted;
  if (peer->has_ip) forward->peer = (jh_str){address, jh_ip_write(&peer->ip, address)};
  if (changes) {
    forward->own = &changes->fields;
    forward->dropped = &changes->dropped;
    forward->target = changes->target;
  }
  char *out = jh_arena_try_alloc(&ctx->arena, jh_forward_request_bytes(forward));
  ssize_t len = out ? jh_forward_write_request(forward, out) : 0;
  forward->peer = (jh_str){NULL, 0};
  if (!out) return JH_ENOMEM;
  if (len < 0) return JH_EPROTO;
  *head = (jh_str){out, (size_t)len};
  return 0;
}

static void send_body(jh_relay *relay, const jh_forward_request *forward) {
  jh_ctx *ctx = relay->ctx;
  if (!(relay->call->options.flags & JH_CALL_SENDS_STREAM_BIT)) {
    relay->is_request_done = true;
  } else if (ctx->body_state == JH_BODY_WHOLE) {
    /* Small, and with trailers. */
    if (ctx->body.len) jh_call_write(relay->call, ctx->body.ptr, ctx->body.len, 1);
    if (relay->call) end_request(relay, 0);
  } else if (forward->expects_continue) {
    relay->awaits_continue = true;
    relay->alarm =
        jh_alarm_start(&relay->loop->alarms, JH_RELAY_CONTINUE_MS, go_on_with_request, relay);
    if (!relay->alarm) relay->awaits_continue = false;
  }
  pump_request(relay);
}

int jh_relay_run(jh_relay *relay, int rest_param, uint32_t wait_id) {
  jh_ctx *ctx = relay->ctx;
  if (!ctx->conn) return JH_ECLOSED;
  if (relay->state != JH_RELAY_NEW) return JH_EBUSY;
  if (ctx->request.method == JH_METHOD_CONNECT) return JH_EUNSUPPORTED;
  bool has_own_body = relay->changes && relay->changes->body.ptr;
  if (!has_own_body && ctx->body_state != JH_BODY_NONE && ctx->body_state != JH_BODY_WHOLE) {
    if (ctx->is_body_touched) return JH_EINVAL;
    if (ctx->request.content_length > ctx->max_body_bytes) return JH_ELIMIT;
  }
  jh_forward_request forward = {.is_upgrade = passes_upgrade(ctx)};
  jh_call_options options = relay->upstream->options;
  jh_str head;
  if (rest_param >= 0 && (uint32_t)rest_param < ctx->match.param_count) {
    forward.rest = ctx->match.params[rest_param];
  }
  jh_str body = frame_body(relay, &forward, &options.flags);
  forward.expects_continue = ctx->request.expects_continue && !ctx->has_continued &&
                             (options.flags & JH_CALL_SENDS_STREAM_BIT) &&
                             ctx->body_state == JH_BODY_STREAMING;
  options.flags |= call_flags(relay, forward.expects_continue);
  int error = write_head(relay, &forward, &head);
  if (error) return error;
  relay->call = jh_call_new(relay->upstream->origin, &options, head, body, relay->timeout_ms);
  if (!relay->call) return JH_ENOMEM;
  relay->call->hooks = &hooks;
  relay->call->hooks_data = relay;
  relay->asks_upgrade = forward.is_upgrade;
  relay->state = JH_RELAY_WAITING;
  relay->wait_id = wait_id;
  jh_call_submit(relay->call);
  if (relay->call) send_body(relay, &forward);
  return 0;
}

/* ---- what a hook may do ---- */

jh_relay_changes *jh_relay_change(jh_relay *relay) {
  if (!relay->changes) {
    relay->changes = jh_arena_try_alloc(&relay->ctx->arena, sizeof *relay->changes);
    if (relay->changes) memset(relay->changes, 0, sizeof *relay->changes);
  }
  return relay->changes;
}
