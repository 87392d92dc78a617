/* door_proxy.c: the door's functions for exchanges that are passed on (justhttp.h has their text).
 *
 * The relay is net's; here its ends are told to the generation. */
#include "base/alloc.h"
#include "base/str.h"
#include "http/token.h"
#include "net/relay.h"
#include "server/generation.h"
#include "server/worker.h"

jh_upstream *jh_upstream_open(jh_generation *generation, jh_origin *origin,
                              const jh_upstream_options *options, int *error) {
  jh_upstream *upstream = NULL;
  *error = jh_relays_open(jh_generation_loop(generation));
  if (*error) return NULL;
  *error = jh_upstream_new(origin, &generation->ready, options, &upstream);
  return upstream;
}

jh_relay *jh_relay_open(jh_ctx *ctx, jh_upstream *upstream, int *error) {
  *error = JH_ESTALE;
  return ctx->is_held_by_lua ? jh_relay_new(ctx, upstream, error) : NULL;
}

int jh_relay_set_field(jh_relay *relay, const char *name, size_t name_len, const char *value,
                       size_t value_len, bool append) {
  jh_relay_changes *changes = jh_relay_change(relay);
  if (!changes) return JH_ENOMEM;
  return jh_response_try_set(&changes->fields, &relay->ctx->arena, (jh_str){name, name_len},
                             (jh_str){value, value_len}, append);
}

int jh_relay_drop_field(jh_relay *relay, const char *name, size_t name_len, bool of_response) {
  jh_relay_changes *changes = jh_relay_change(relay);
  char *copy = changes ? jh_arena_try_dup(&relay->ctx->arena, name, name_len) : NULL;
  if (!copy) return JH_ENOMEM;
  jh_name_set *set = of_response ? &changes->dropped_of_response : &changes->dropped;
  jh_str *names = of_response ? changes->names_of_response : changes->names;
  jh_str dropped = {copy, name_len};
  if (!of_response) jh_response_remove(&changes->fields, dropped);
  return jh_name_set_add(set, names, JH_RELAY_NAMES_MAX, dropped) ? 0 : JH_ELIMIT;
}

int jh_relay_set_target(jh_relay *relay, const char *target, size_t len) {
  if (len == 0 || target[0] != '/') return JH_EINVAL;
  for (size_t i = 0; i < len; i++) {
    if (target[i] <= ' ' || target[i] > '~' || target[i] == '#') return JH_EINVAL;
  }
  jh_relay_changes *changes = jh_relay_change(relay);
  char *copy = changes ? jh_arena_try_dup(&relay->ctx->arena, target, len) : NULL;
  if (!copy) return JH_ENOMEM;
  changes->target = (jh_str){copy, len};
  return 0;
}

int jh_relay_set_body(jh_relay *relay, const char *body, size_t len) {
  jh_relay_changes *changes = jh_relay_change(relay);
  if (!changes) return JH_ENOMEM;
  changes->body = (jh_str){body, len};
  return 0;
}

void jh_relay_set_timeout(jh_relay *relay, double timeout_ms) {
  if (relay->timeout_ms == 0 || timeout_ms < relay->timeout_ms) relay->timeout_ms = timeout_ms;
}

int jh_relay_start(jh_relay *relay, int rest_param, uint32_t wait_id) {
  return jh_relay_run(relay, rest_param, wait_id);
}

jh_relay *jh_relay_pass(jh_ctx *ctx, jh_upstream *upstream, int rest_param, uint32_t wait_id,
                        int *error) {
  jh_relay *relay = jh_relay_open(ctx, upstream, error);
  if (!relay) return NULL;
  *error = jh_relay_run(relay, rest_param, wait_id);
  if (*error == 0) return relay;
  jh_relay_free(relay);
  return NULL;
}

int jh_relay_failure(jh_relay *relay) {
  if (relay->is_clients_fault || !relay->call) return JH_CALL_OK;
  int failure = jh_call_failure_of(relay->call);
  return failure == JH_CALL_OK ? JH_CALL_BAD_ANSWER : failure;
}

const char *jh_relay_reason(jh_relay *relay) {
  if (relay->problem) return relay->problem;
  return relay->call ? jh_call_reason(relay->call) : jh_strerror(relay->error);
}

bool jh_relay_may_repeat(jh_relay *relay) {
  const jh_ctx *ctx = relay->ctx;
  if (relay->changes && relay->changes->body.ptr) return true;
  return ctx->body_state == JH_BODY_NONE || ctx->body_state == JH_BODY_WHOLE ||
         !ctx->is_body_touched;
}

int jh_relay_response(jh_relay *relay, jh_call_response *out) {
  if (relay->state != JH_RELAY_AT_HEAD) return JH_EINVAL;
  *out = relay->response;
  return 0;
}

ssize_t jh_relay_read(jh_relay *relay, char *out, size_t bytes, uint32_t wait_id) {
  if (relay->state != JH_RELAY_AT_HEAD) return JH_EINVAL;
  ssize_t count = jh_call_read(relay->call, out, bytes, 0);
  if (count == JH_EWAIT) relay->wait_id = wait_id;
  return count;
}

int jh_relay_replace(jh_relay *relay) {
  if (relay->state != JH_RELAY_AT_HEAD) return JH_EINVAL;
  int error = jh_relay_import(relay, true);
  jh_relay_free(relay);
  return error;
}

int jh_relay_send(jh_relay *relay, int status, uint32_t wait_id) {
  if (status < 200 || status > 999) return JH_EINVAL;
  jh_generation *generation = relay->ctx->generation;
  int error = jh_relay_answer(relay, status, wait_id);
  if (error == 0) generation->in_flight--;
  return error;
}

int jh_relay_end(jh_relay *relay) {
  jh_ctx *ctx = relay->ctx;
  jh_generation *generation = ctx->generation;
  int error = jh_relay_finish(relay);
  if (error == 0) {
    generation->in_flight--;
  } else {
    jh_ctx_release(ctx);
  }
  return error;
}

double jh_relay_bytes(jh_relay *relay) {
  int64_t length = relay->response.content_length;
  bool is_whole = relay->state == JH_RELAY_AT_HEAD && !relay->response.is_over && length > 0;
  return is_whole ? (double)length : (double)relay->body_bytes;
}

int jh_relay_tunnel(jh_relay *relay) {
  jh_ctx *ctx = relay->ctx;
  jh_generation *generation = ctx->generation;
  int error = jh_relay_open_tunnel(relay);
  if (error == 0) generation->in_flight--;
  return error;
}

void jh_relay_close(jh_relay *relay) {
  jh_relay_free(relay);
}
