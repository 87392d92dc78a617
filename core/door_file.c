/* door_file.c: the part of justhttp.h that is about files; see door.c for its rules. */
#include <errno.h>

#include "net/conn_file.h"
#include "server/worker.h"

jh_file_root *jh_file_root_open(jh_generation *generation, const char *path,
                                const jh_file_options *options, int *error) {
  jh_file_root *root = jh_file_root_new(path, options, error);
  if (!root) return NULL;
  root->owner = generation;
  *error = jh_file_cache_add_root(&generation->worker->loop.files, root);
  return *error ? NULL : root;
}

int jh_ctx_open_file(jh_ctx *ctx, jh_file_root *root, const char *path, size_t path_len, int status,
                     jh_file_info *info) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  jh_str wanted = {path, path_len};
  if (!path) {
    if (ctx->match.param_count == 0) return JH_ENOTFOUND;
    wanted = ctx->match.params[ctx->match.param_count - 1];
  }
  jh_file_cache *cache = &ctx->generation->worker->loop.files;
  int result = jh_file_answer_prepare(cache, ctx, root, wanted, status, info);
  return result == -EISDIR ? JH_FILE_IS_DIRECTORY : result;
}

double jh_ctx_file_bytes(jh_ctx *ctx) {
  if (!ctx->is_held_by_lua || !ctx->file_answer || ctx->file_answer->status == 304) return 0;
  return (double)jh_file_answer_body_bytes(ctx->file_answer);
}

int jh_ctx_send_file(jh_ctx *ctx, int status) {
  if (!ctx->is_held_by_lua) return JH_ESTALE;
  if (status < 200 || status > 599 || !ctx->file_answer) return JH_EINVAL;
  if (ctx->stream_state != JH_STREAM_NONE) return JH_EBUSY;
  jh_generation *generation = ctx->generation;
  if (!ctx->conn) {
    jh_generation_put_back(generation, ctx);
    return JH_ECLOSED;
  }
  int error = ctx->conn->protocol->respond_file(ctx->conn, ctx, status);
  if (error == 0) generation->in_flight--;
  return error;
}
