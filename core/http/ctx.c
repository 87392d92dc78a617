/* ctx.c: the table of contexts and the path of a settled request. */
#include "http/ctx.h"

#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "http/target.h"

void jh_ctx_table_init(jh_ctx_table *table, uint32_t max_header_count, jh_pool *arena_blocks) {
  *table = (jh_ctx_table){.max_header_count = max_header_count, .arena_blocks = arena_blocks};
}

void jh_ctx_table_deinit(jh_ctx_table *table) {
  JH_ASSERT(table->in_use == 0);
  for (uint32_t i = 0; i < table->count; i++) {
    jh_arena_reset(&table->slots[i]->arena);
    jh_free(table->slots[i]);
  }
  jh_free(table->slots);
  table->slots = NULL;
  table->count = table->capacity = 0;
}

/* A new slot, at the end of the table. */
static jh_ctx *try_add_slot(jh_ctx_table *table) {
  if (table->count == table->capacity) {
    uint32_t capacity = table->capacity ? table->capacity * 2 : 64;
    jh_ctx **slots = jh_try_realloc(table->slots, capacity * sizeof *slots);
    if (!slots) return NULL;
    table->slots = slots;
    table->capacity = capacity;
  }
  jh_ctx *ctx = jh_try_calloc(1, sizeof *ctx + table->max_header_count * sizeof(jh_header));
  if (!ctx) return NULL;
  ctx->slot = table->count;
  ctx->request.headers = ctx->headers;
  ctx->request.header_capacity = table->max_header_count;
  jh_arena_init(&ctx->arena, table->arena_blocks);
  jh_list_init(&ctx->cleanups);
  table->slots[table->count++] = ctx;
  return ctx;
}

jh_ctx *jh_ctx_try_acquire(jh_ctx_table *table) {
  jh_ctx *ctx = table->free_list;
  if (ctx) {
    table->free_list = ctx->next_free;
  } else {
    ctx = try_add_slot(table);
    if (!ctx) return NULL;
  }
  table->in_use++;
  ctx->body_state = JH_BODY_NONE;
  ctx->body_error = 0;
  ctx->body = (jh_str){NULL, 0};
  ctx->has_body_end = false;
  ctx->is_early = false;
  ctx->is_body_touched = false;
  ctx->body_timeout_ms = JH_CTX_SERVER_TIMEOUT;
  ctx->pace = (jh_body_pace){0};
  ctx->trailers = (jh_trailers){0};
  ctx->remote = (jh_str){NULL, 0};
  ctx->remote_port = 0;
  ctx->wait_id = 0;
  ctx->has_continued = false;
  ctx->is_shadow = false;
  ctx->write_wait_id = 0;
  ctx->stream_state = JH_STREAM_NONE;
  jh_response_reset(&ctx->response);
  jh_parser_init(&ctx->parser);
  return ctx;
}

void jh_ctx_put_back(jh_ctx_table *table, jh_ctx *ctx) {
  JH_ASSERT(!ctx->is_held_by_lua);
  JH_ASSERT(!ctx->shadow_in);
  ctx->conn = NULL;
  ctx->request_node.is_stopped = true;
  ctx->wake_node.is_stopped = true;
  ctx->write_node.is_stopped = true;
  while (!jh_list_is_empty(&ctx->cleanups)) {
    jh_cleanup *cleanup = JH_LIST_ENTRY(ctx->cleanups.next, jh_cleanup, node);
    jh_list_remove(&cleanup->node);
    cleanup->run(cleanup);
  }
  jh_arena_reset(&ctx->arena);
  ctx->next_free = table->free_list;
  table->free_list = ctx;
  table->in_use--;
}

int jh_ctx_settle_path(jh_ctx *ctx) {
  jh_request *request = &ctx->request;
  jh_str raw = jh_request_str(request, request->path);
  if (request->path_is_plain) {
    ctx->path = raw;
    return 0;
  }
  if (request->target_form == JH_TARGET_ASTERISK) {
    ctx->path = (jh_str){"*", 1};
    return 0;
  }
  char *out = jh_arena_try_alloc(&ctx->arena, raw.len + 1);
  if (!out) return JH_ENOMEM;
  ctx->path.ptr = out;
  return jh_target_normalise(raw, out, &ctx->path.len);
}
