/* exchange.c: a request in C's hands: the hooks that native.lua's functions call, and what C reads
 * and sets.
 *
 * An exchange is open from the call of its function until Lua has taken its answer. When Lua gives
 * the request up meanwhile (the client left, a timeout answered) it loses its ctx and frame, and is
 * freed by the jh_exchange_finish() that still comes. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "embed/server.h"
#include "http/token.h"

/* A string that was returned; freed with the exchange. */
typedef struct jh_owned {
  struct jh_owned *next;
  char text[];
} jh_owned;

static char *keep(jh_exchange *exchange, jh_str text) {
  jh_owned *owned = jh_try_alloc(sizeof *owned + text.len + 1);
  if (!owned) return NULL;
  if (text.len) memcpy(owned->text, text.ptr, text.len);
  owned->text[text.len] = '\0';
  owned->next = exchange->owned;
  exchange->owned = owned;
  return owned->text;
}

/* ---- hooks ------------------------------------------------------------------------------- */

static void *open_exchange(void *data, size_t index, jh_ctx *ctx, const jh_native_frame *frame,
                           uint32_t wait_id, jh_str body) {
  jh_server *server = data;
  jh_exchange *exchange = jh_try_calloc(1, sizeof *exchange);
  if (!exchange) return NULL;
  exchange->server = server;
  exchange->declaration = &server->declarations[index];
  exchange->ctx = ctx;
  exchange->frame = *frame;
  exchange->wait_id = wait_id;
  exchange->request_body = body;
  jh_list_init(&exchange->node);
  jh_list_append(&server->exchanges, &exchange->node);
  return exchange;
}

static void run_exchange(void *opened) {
  jh_exchange *exchange = opened;
  exchange->is_running = true;
  int outcome = exchange->declaration->handler(exchange, exchange->declaration->data);
  exchange->is_running = false;
  if (!exchange->is_decided) exchange->outcome = outcome;
  /* From now on Lua may stand anywhere: its main state is always there. */
  exchange->frame.state = jh_native_main_state(exchange->server->worker->generation->vm);
}

static void answer_exchange(void *opened, jh_native_answer *out) {
  const jh_exchange *exchange = opened;
  out->outcome = exchange->outcome;
  out->status = exchange->status;
  out->body = (jh_str){exchange->body, exchange->body_len};
  if (exchange->failure) out->failure = jh_str_of(exchange->failure);
}

static bool header_of_exchange(void *opened, size_t index, jh_native_header *out) {
  const jh_exchange *exchange = opened;
  if (index >= exchange->header_count) return false;
  *out = exchange->headers[index];
  return true;
}

void jh_exchange_free(jh_exchange *exchange) {
  jh_list_remove(&exchange->node);
  while (exchange->owned) {
    jh_owned *owned = exchange->owned;
    exchange->owned = owned->next;
    jh_free(owned);
  }
  jh_free(exchange->headers);
  jh_free(exchange->body);
  jh_free(exchange);
}

static jh_native_frame close_exchange(void *opened) {
  jh_exchange *exchange = opened;
  jh_native_frame frame = exchange->frame;
  if (exchange->outcome == JH_LATER) {
    /* Given up by Lua: the program still holds it. */
    exchange->ctx = NULL;
    exchange->frame.state = NULL;
    exchange->request_body = (jh_str){NULL, 0};
  } else {
    jh_exchange_free(exchange);
  }
  return frame;
}

void jh_exchange_set_hooks(jh_native_hooks *hooks) {
  hooks->open = open_exchange;
  hooks->run = run_exchange;
  hooks->answer = answer_exchange;
  hooks->header = header_of_exchange;
  hooks->close = close_exchange;
}

static void decide(jh_exchange *exchange, int outcome) {
  jh_server *server = exchange->server;
  if (!exchange->ctx && !exchange->is_running) {
    jh_exchange_free(exchange);
    return;
  }
  exchange->outcome = outcome;
  exchange->is_decided = true;
  if (exchange->is_running) return;
  jh_generation_post(server->worker->generation, exchange->wait_id);
  jh_server_touch(server);
}

void jh_exchange_finish(jh_exchange *exchange) {
  decide(exchange, JH_ANSWERED);
}

void jh_exchange_next(jh_exchange *exchange) {
  decide(exchange, JH_NEXT);
}

/* ---- request ----------------------------------------------------------------------------- */

static const char *field(jh_exchange *exchange, int which) {
  jh_str text;
  if (!exchange->ctx || jh_ctx_field(exchange->ctx, which, &text) < 0) return NULL;
  return keep(exchange, text);
}

const char *jh_exchange_method(jh_exchange *exchange) {
  return field(exchange, JH_FIELD_METHOD);
}

const char *jh_exchange_path(jh_exchange *exchange) {
  return field(exchange, JH_FIELD_PATH);
}

const char *jh_exchange_query(jh_exchange *exchange) {
  return field(exchange, JH_FIELD_QUERY);
}

const char *jh_exchange_host(jh_exchange *exchange) {
  return field(exchange, JH_FIELD_HOST);
}

const char *jh_exchange_remote(jh_exchange *exchange) {
  return field(exchange, JH_FIELD_REMOTE);
}

const char *jh_exchange_scheme(jh_exchange *exchange) {
  return field(exchange, JH_FIELD_SCHEME);
}

const char *jh_exchange_header(jh_exchange *exchange, const char *name) {
  jh_str value;
  if (!exchange->ctx || jh_ctx_header(exchange->ctx, name, strlen(name), &value) < 0) return NULL;
  return keep(exchange, value);
}

void jh_exchange_each_header(jh_exchange *exchange,
                             void (*fn)(void *data, const char *name, const char *value),
                             void *data) {
  if (!exchange->ctx) return;
  jh_str name, value;
  for (uint32_t i = 0; jh_ctx_header_at(exchange->ctx, i, &name, &value) == 0; i++) {
    const char *name_text = keep(exchange, name), *value_text = keep(exchange, value);
    if (name_text && value_text) fn(data, name_text, value_text);
  }
}

static const char *part(jh_exchange *exchange, const char *which, const char *name, size_t *len) {
  jh_native_value value;
  jh_native_get(&exchange->frame, which, name, &value);
  if (value.kind != JH_NATIVE_STRING) return NULL;
  if (len) *len = value.text.len;
  return keep(exchange, value.text);
}

const char *jh_exchange_param(jh_exchange *exchange, const char *name) {
  return part(exchange, "params", name, NULL);
}

const char *jh_exchange_query_field(jh_exchange *exchange, const char *name) {
  return part(exchange, "query", name, NULL);
}

const char *jh_exchange_body(jh_exchange *exchange, size_t *len) {
  jh_str body = exchange->request_body;
  if (!body.ptr && (!exchange->ctx || jh_ctx_field(exchange->ctx, JH_FIELD_BODY, &body) < 0)) {
    return NULL;
  }
  if (len) *len = body.len;
  return keep(exchange, body);
}

bool jh_exchange_is_gone(const jh_exchange *exchange) {
  return !exchange->ctx || jh_ctx_is_gone(exchange->ctx);
}

/* ---- response ---------------------------------------------------------------------------- */

int jh_exchange_set_status(jh_exchange *exchange, int status) {
  if (status < 200 || status > 599) return JH_ERANGE;
  exchange->status = status;
  return 0;
}

static int add_header(jh_exchange *exchange, const char *name, const char *value, bool append) {
  jh_str name_text = jh_str_of(name), value_text = jh_str_of(value);
  if (!jh_token_is_valid(name_text) || !jh_token_value_is_valid(value_text)) return JH_EINVAL;
  size_t count = exchange->header_count;
  jh_native_header *headers = jh_try_realloc(exchange->headers, (count + 1) * sizeof *headers);
  if (!headers) return JH_ENOMEM;
  exchange->headers = headers;
  char *name_kept = keep(exchange, name_text), *value_kept = keep(exchange, value_text);
  if (!name_kept || !value_kept) return JH_ENOMEM;
  headers[count] = (jh_native_header){
      .name = {name_kept, name_text.len}, .value = {value_kept, value_text.len}, .append = append};
  exchange->header_count = count + 1;
  return 0;
}

int jh_exchange_set_header(jh_exchange *exchange, const char *name, const char *value) {
  return add_header(exchange, name, value, false);
}

int jh_exchange_add_header(jh_exchange *exchange, const char *name, const char *value) {
  return add_header(exchange, name, value, true);
}

static int make_room(jh_exchange *exchange, size_t bytes) {
  size_t needed = exchange->body_len + bytes + 1;
  if (needed <= exchange->body_capacity) return 0;
  char *body = jh_try_realloc(exchange->body, needed * 2);
  if (!body) return JH_ENOMEM;
  exchange->body = body;
  exchange->body_capacity = needed * 2;
  return 0;
}

int jh_exchange_write(jh_exchange *exchange, const void *bytes, size_t len) {
  if (make_room(exchange, len) < 0) return JH_ENOMEM;
  if (len) memcpy(exchange->body + exchange->body_len, bytes, len);
  exchange->body_len += len;
  return 0;
}

int jh_exchange_printf(jh_exchange *exchange, const char *format, ...) {
  va_list values, again;
  va_start(values, format);
  va_copy(again, values);
  int len = vsnprintf(NULL, 0, format, values);
  int rc = len < 0 ? JH_EINVAL : make_room(exchange, (size_t)len);
  if (rc == 0) {
    vsnprintf(exchange->body + exchange->body_len, (size_t)len + 1, format, again);
    exchange->body_len += (size_t)len;
  }
  va_end(again);
  va_end(values);
  return rc;
}

void jh_exchange_fail(jh_exchange *exchange, const char *text) {
  exchange->failure = keep(exchange, jh_str_of(text));
}

/* ---- values ------------------------------------------------------------------------------ */

static int put(jh_exchange *exchange, const char *name, const jh_native_value *value) {
  return jh_native_put(&exchange->frame, name, value);
}

int jh_exchange_put_nil(jh_exchange *exchange, const char *name) {
  return put(exchange, name, &(jh_native_value){.kind = JH_NATIVE_NIL});
}

int jh_exchange_put_boolean(jh_exchange *exchange, const char *name, bool value) {
  return put(exchange, name, &(jh_native_value){.kind = JH_NATIVE_BOOLEAN, .boolean = value});
}

int jh_exchange_put_number(jh_exchange *exchange, const char *name, double value) {
  return put(exchange, name, &(jh_native_value){.kind = JH_NATIVE_NUMBER, .number = value});
}

int jh_exchange_put_string(jh_exchange *exchange, const char *name, const char *bytes, size_t len) {
  return put(exchange, name, &(jh_native_value){.kind = JH_NATIVE_STRING, .text = {bytes, len}});
}

int jh_exchange_put_pointer(jh_exchange *exchange, const char *name, void *value) {
  return put(exchange, name, &(jh_native_value){.kind = JH_NATIVE_POINTER, .pointer = value});
}

static jh_native_value value_of(jh_exchange *exchange, const char *name) {
  jh_native_value value;
  jh_native_get(&exchange->frame, "values", name, &value);
  return value;
}

jh_value_kind jh_exchange_value_kind(jh_exchange *exchange, const char *name) {
  return (jh_value_kind)value_of(exchange, name).kind;
}

bool jh_exchange_get_boolean(jh_exchange *exchange, const char *name, bool otherwise) {
  jh_native_value value = value_of(exchange, name);
  return value.kind == JH_NATIVE_BOOLEAN ? value.boolean : otherwise;
}

double jh_exchange_get_number(jh_exchange *exchange, const char *name, double otherwise) {
  jh_native_value value = value_of(exchange, name);
  return value.kind == JH_NATIVE_NUMBER ? value.number : otherwise;
}

const char *jh_exchange_get_string(jh_exchange *exchange, const char *name, size_t *len) {
  return part(exchange, "values", name, len);
}

void *jh_exchange_get_pointer(jh_exchange *exchange, const char *name) {
  jh_native_value value = value_of(exchange, name);
  return value.kind == JH_NATIVE_POINTER ? value.pointer : NULL;
}
