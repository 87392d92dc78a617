/* door.c: implements justhttp.h: checks the handle, calls a room, nothing else.
 *
 * A ctx whose exchange is over answers JH_ESTALE to everything; `is_held_by_lua` tells. Functions
 * that concern the life of generations, timers and memory connections are in their own rooms'
 * files under server/. */
#include "justhttp.h"

#include <stdio.h>

#include "base/str.h"
#include "http/method.h"
#include "lua/embed.h"
#include "net/channel.h"
#include "server/dispatch.h"
#include "server/worker.h"

const char *jh_version(void) {
  return JH_VERSION;
}

int jh_abi_version(void) {
  return JH_ABI_VERSION;
}

const char *jh_door_text(void) {
  return jh_embed_door_text;
}

jh_timer *jh_timer_start(jh_generation *generation, uint32_t id, double delay_ms) {
  return jh_timer_table_start(&generation->worker->timers, &generation->ready, id, delay_ms);
}

double jh_now_ms(jh_generation *generation) {
  return (double)uv_now(&generation->worker->loop.uv);
}

double jh_precise_ms(void) {
  return (double)jh_clock_monotonic_ns() / 1e6;
}

double jh_unix_ms(jh_generation *generation) {
  (void)generation;
  return (double)jh_clock_unix_ms();
}

const char *jh_generation_start_text(jh_generation *generation, int which) {
  const jh_worker_config *config = generation->worker->config;
  if (!config) return which == JH_START_COMMAND ? "" : NULL;
  switch (which) {
  case JH_START_COMMAND:
    return config->command;
  case JH_START_APP_PATH:
    return config->app_path;
  case JH_START_APP_CODE:
    return config->app_code;
  default:
    return NULL;
  }
}

const char *jh_generation_start_argument(jh_generation *generation, uint32_t index) {
  const jh_worker_config *config = generation->worker->config;
  return config && index < config->argument_count ? config->arguments[index] : NULL;
}

uint32_t jh_generation_in_flight(jh_generation *generation) {
  return generation->in_flight;
}

uint32_t jh_generation_shadows(jh_generation *generation) {
  return generation->shadows;
}

uint32_t jh_generation_connections(jh_generation *generation) {
  return generation->worker->loop.conn_count;
}

int jh_route_add(jh_generation *generation, uint32_t route, const char *host, size_t host_len,
                 const char *method, size_t method_len, const char *pattern, size_t pattern_len,
                 const char *where, size_t where_len, char *error, size_t error_bytes) {
  jh_str name = {method, method_len};
  int number = method_len ? jh_method_find(name) : JH_METHOD_ANY;
  if (method_len && number < 0) {
    snprintf(error, error_bytes, "%.*s: '%.*s' is not a known method", (int)where_len, where,
             (int)method_len, method);
    return JH_EINVAL;
  }
  return jh_router_add(generation->router, (jh_str){host, host_len}, number,
                       (jh_str){pattern, pattern_len}, route, (jh_str){where, where_len}, error,
                       error_bytes);
}

ssize_t jh_option_get(jh_generation *generation, const char *name, char *out, size_t out_bytes) {
  return jh_options_get(generation->worker->options, name, out, out_bytes);
}

/* ---- request ---- */

static int find_remote(jh_ctx *ctx) {
  if (ctx->remote.ptr) return 0;
  if (!ctx->conn) return JH_ECLOSED;
  return jh_conn_find_remote(ctx->conn, ctx);
}

int jh_ctx_field(jh_ctx *ctx, int field, jh_str *out) {
  const jh_request *request = &ctx->request;
  int error = 0;
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  switch ((jh_field)field) {
  case JH_FIELD_METHOD:
    *out = jh_method_name(request->method);
    return 0;
  case JH_FIELD_TARGET:
    *out = jh_request_str(request, request->target);
    return 0;
  case JH_FIELD_PATH:
    *out = ctx->path;
    return 0;
  case JH_FIELD_QUERY:
    *out = jh_request_str(request, request->query);
    return 0;
  case JH_FIELD_HOST:
    *out = jh_request_str(request, request->host);
    return 0;
  case JH_FIELD_BODY:
    *out = ctx->body;
    return ctx->body_state == JH_BODY_WHOLE ? 0 : JH_ENOTFOUND;
  case JH_FIELD_ALLOW:
    *out = jh_dispatch_allow(ctx);
    return out->ptr ? 0 : JH_ENOMEM;
  case JH_FIELD_REMOTE:
    error = find_remote(ctx);
    *out = ctx->remote;
    return error;
  case JH_FIELD_SCHEME:
    *out = ctx->conn ? jh_conn_scheme(ctx->conn, ctx) : JH_STR("http");
    return 0;
  }
  return JH_ENOTFOUND;
}

int jh_ctx_http_version(jh_ctx *ctx) {
  return ctx->request.is_http2 ? 20 : 10 + ctx->request.http_minor;
}

int jh_ctx_remote_port(jh_ctx *ctx) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  int error = find_remote(ctx);
  return error ? error : ctx->remote_port;
}

bool jh_ctx_is_gone(jh_ctx *ctx) {
  return !ctx->conn;
}

bool jh_ctx_is_upgrade(jh_ctx *ctx) {
  return ctx->is_held_by_lua && ctx->request.is_upgrade;
}

int jh_ctx_param(jh_ctx *ctx, uint32_t index, jh_str *out) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  if (index >= ctx->match.param_count) return JH_ENOTFOUND;
  *out = ctx->match.params[index];
  return 0;
}

int jh_ctx_header(jh_ctx *ctx, const char *name, size_t name_len, jh_str *value) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  const jh_request *request = &ctx->request;
  int32_t index = jh_request_find_header(request, name, name_len, 0);
  if (index < 0) return JH_ENOTFOUND;
  *value = jh_request_str(request, request->headers[index].value);
  return jh_request_find_header(request, name, name_len, (uint32_t)index + 1) < 0 ? 0 : 1;
}

uint32_t jh_ctx_header_count(jh_ctx *ctx) {
  return ctx->is_held_by_lua ? ctx->request.header_count : 0;
}

int jh_ctx_header_at(jh_ctx *ctx, uint32_t index, jh_str *name, jh_str *value) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  return jh_request_header_at(&ctx->request, index, name, value);
}

/* ---- request body ---- */

int jh_ctx_body_state(jh_ctx *ctx) {
  return ctx->is_held_by_lua ? ctx->body_state : JH_ESTALE;
}

int64_t jh_ctx_content_length(jh_ctx *ctx) {
  return ctx->request.is_chunked ? -1 : (int64_t)ctx->request.content_length;
}

ssize_t jh_ctx_read(jh_ctx *ctx, char *out, size_t bytes, uint32_t wait_id) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  if (!ctx->conn) return ctx->body_error ? ctx->body_error : JH_ECLOSED;
  return ctx->conn->protocol->read_body(ctx->conn, ctx, out, bytes, wait_id);
}

int jh_ctx_trailer_at(jh_ctx *ctx, uint32_t index, jh_str *name, jh_str *value) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  bool is_unread = !ctx->has_body_end || ctx->body.len > 0;
  if (ctx->body_state == JH_BODY_STREAMING && is_unread) return JH_ENOTFOUND;
  return jh_trailers_at(&ctx->trailers, index, name, value);
}

int jh_ctx_limit_body(jh_ctx *ctx, uint64_t max_body_bytes) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  ctx->max_body_bytes = max_body_bytes;
  return jh_ctx_check_body(ctx);
}

int jh_ctx_check_body(jh_ctx *ctx) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  /* Of a chunked body what has come so far; the rest is counted while it is decoded. */
  uint64_t known_bytes = ctx->request.is_chunked ? ctx->body.len : ctx->request.content_length;
  return known_bytes > ctx->max_body_bytes ? JH_ELIMIT : 0;
}

void jh_ctx_set_body_timeout(jh_ctx *ctx, uint32_t body_timeout_ms) {
  if (ctx->is_held_by_lua) ctx->body_timeout_ms = body_timeout_ms;
}

bool jh_ctx_expects_continue(jh_ctx *ctx) {
  bool is_live = ctx->is_held_by_lua && ctx->conn && ctx->body_state == JH_BODY_STREAMING;
  return is_live && ctx->request.expects_continue && !ctx->has_continued &&
         jh_buf_len(ctx->conn->in) == 0;
}

int jh_ctx_continue(jh_ctx *ctx) {
  if (!jh_ctx_expects_continue(ctx)) return 0;
  ctx->has_continued = true;
  return ctx->conn->protocol->inform(ctx->conn, 100, (jh_str){NULL, 0});
}

/* ---- response ---- */

int jh_ctx_set_header(jh_ctx *ctx, const char *name, size_t name_len, const char *value,
                      size_t value_len, bool append) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  return jh_response_try_set(&ctx->response, &ctx->arena, (jh_str){name, name_len},
                             (jh_str){value, value_len}, append);
}

void jh_ctx_remove_header(jh_ctx *ctx, const char *name, size_t name_len) {
  if (ctx->is_held_by_lua) jh_response_remove(&ctx->response, (jh_str){name, name_len});
}

int jh_ctx_response_header(jh_ctx *ctx, const char *name, size_t name_len, jh_str *value) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  *value = jh_response_find(&ctx->response, (jh_str){name, name_len});
  return value->ptr ? 0 : JH_ENOTFOUND;
}

int jh_ctx_respond(jh_ctx *ctx, int status, int type, const char *body, size_t body_len) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  if (status < 200 || status > 599 || type < JH_TYPE_NONE || type > JH_TYPE_BYTES) return JH_EINVAL;
  if (ctx->stream_state != JH_STREAM_NONE) return JH_EBUSY;
  jh_generation *generation = ctx->generation;
  if (!ctx->conn) {
    jh_generation_put_back(generation, ctx);
    return JH_ECLOSED;
  }
  jh_str whole = {body, body_len};
  int error = ctx->conn->protocol->respond(ctx->conn, ctx, status, type, whole);
  if (error == 0) generation->in_flight--;
  if (status >= 500) generation->counts->error_count++;
  return error;
}

int jh_ctx_start(jh_ctx *ctx, int status, int type, int64_t content_length) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  if (status < 200 || status > 599 || type < JH_TYPE_NONE || type > JH_TYPE_BYTES) return JH_EINVAL;
  if (ctx->stream_state != JH_STREAM_NONE) return JH_EBUSY;
  if (!ctx->conn) return JH_ECLOSED;
  if (status >= 500) ((jh_generation *)ctx->generation)->counts->error_count++;
  return ctx->conn->protocol->start_stream(ctx->conn, ctx, status, type, content_length);
}

int jh_ctx_write(jh_ctx *ctx, const char *piece, size_t len, uint32_t wait_id) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  if (!ctx->conn) return JH_ECLOSED;
  if (ctx->stream_state == JH_STREAM_NONE) return JH_EINVAL;
  return ctx->conn->protocol->stream(ctx->conn, ctx, (jh_str){piece, len}, wait_id);
}

bool jh_ctx_is_bodyless(jh_ctx *ctx) {
  return ctx->stream_state == JH_STREAM_BODYLESS;
}

int jh_ctx_end(jh_ctx *ctx, const char *trailers, size_t len) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  jh_generation *generation = ctx->generation;
  if (!ctx->conn) {
    jh_generation_put_back(generation, ctx);
    return JH_ECLOSED;
  }
  if (ctx->stream_state == JH_STREAM_NONE) return JH_EINVAL;
  int error = ctx->conn->protocol->end_stream(ctx->conn, ctx, (jh_str){trailers, len});
  if (error == 0) {
    generation->in_flight--;
  } else {
    jh_ctx_release(ctx);
  }
  return error;
}

int jh_ctx_inform(jh_ctx *ctx, int status, const char *fields, size_t fields_len) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  if (status < 100 || status > 199 || status == 101) return JH_EINVAL;
  if (!ctx->conn) return JH_ECLOSED;
  if (ctx->request.http_minor == 0) return 0;
  return ctx->conn->protocol->inform(ctx->conn, status, (jh_str){fields, fields_len});
}

jh_channel *jh_ctx_hijack(jh_ctx *ctx, int status, int type, const char *body, size_t body_len,
                          int *error) {
  *error = ctx->is_held_by_lua ? 0 : JH_ESTALE;
  if (*error == 0 && !ctx->conn) *error = JH_ECLOSED;
  if (*error == 0 && !ctx->conn->protocol->is_exclusive) *error = JH_EUNSUPPORTED;
  if (*error == 0 && ctx->stream_state != JH_STREAM_NONE) *error = JH_EBUSY;
  if (*error == 0 && status > 0) {
    *error = jh_conn_append_answer(ctx->conn, ctx, status, type, (jh_str){body, body_len});
  }
  if (*error) return NULL;
  jh_generation *generation = ctx->generation;
  jh_channel *channel = jh_channel_open(ctx->conn, ctx);
  if (!channel) {
    *error = JH_ENOMEM;
    return NULL;
  }
  generation->in_flight--;
  return channel;
}

jh_ctx *jh_ctx_detach(jh_ctx *ctx, uint32_t *slot) {
  if (!ctx->is_held_by_lua || !ctx->conn) return NULL;
  jh_ctx *fresh = jh_conn_detach_ctx(ctx->conn);
  if (!fresh) return NULL;
  ctx->generation->shadows++;
  ctx->is_shadow = true;
  *slot = fresh->slot;
  return fresh;
}

void jh_ctx_release(jh_ctx *ctx) {
  if (!ctx->is_held_by_lua) return;
  jh_conn *conn = ctx->conn;
  jh_generation_put_back(ctx->generation, ctx);
  if (conn) conn->protocol->abandon(conn);
}

/* ---- logs ---- */

void jh_log_text(jh_generation *generation, int level, const char *text, size_t len) {
  jh_log *log = &generation->worker->log;
  if (jh_log_is_on(log, level)) jh_log_write(log, level, text, len);
}

bool jh_log_wants(jh_generation *generation, int level) {
  return jh_log_is_on(&generation->worker->log, level);
}

void jh_access_log(jh_generation *generation, const char *line, size_t len) {
  jh_access_log_append(&generation->worker->access_log, line, len);
}
