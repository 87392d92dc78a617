/* door_coding.c: the part of justhttp.h that is about content codings; see door.c for its rules.
 *
 * Coders come from the worker's pool: their state is large, so it is used again. */
#include "base/alloc.h"
#include "http/accept_encoding.h"
#include "http/coding.h"
#include "server/worker.h"

struct jh_coder {
  jh_coding_pool *pool;
  jh_encoder *encoder; /* or */
  jh_decoder *decoder;
};

_Static_assert(JH_CODER_GZIP == (int)JH_CODING_GZIP && JH_CODER_BROTLI == (int)JH_CODING_BROTLI &&
                   JH_CODER_ZSTD == (int)JH_CODING_ZSTD,
               "the door and core/http/coding.h number the codings alike");

int jh_ctx_choose_coding(jh_ctx *ctx, uint32_t available) {
  if (!ctx->is_held_by_lua) return JH_CODER_IDENTITY;
  jh_str field = jh_request_header(&ctx->request, (jh_str){"accept-encoding", 15});
  int chosen = jh_accept_encoding_choose(field, available | 1u << JH_CODING_IDENTITY);
  return chosen < 0 ? JH_CODER_IDENTITY : chosen;
}

static jh_coder *open_coder(jh_generation *generation) {
  jh_coder *coder = jh_try_calloc(1, sizeof *coder);
  if (coder) coder->pool = &generation->worker->codings;
  return coder;
}

jh_coder *jh_encoder_open(jh_generation *generation, int kind, int level) {
  jh_coder *coder = open_coder(generation);
  if (!coder) return NULL;
  coder->encoder = jh_encoder_try_acquire(coder->pool, (jh_coding)kind, level);
  if (coder->encoder) return coder;
  jh_free(coder);
  return NULL;
}

jh_coder *jh_decoder_open(jh_generation *generation, int kind, double max_bytes) {
  jh_coder *coder = open_coder(generation);
  if (!coder) return NULL;
  coder->decoder = jh_decoder_try_acquire(coder->pool, (jh_coding)kind, (uint64_t)max_bytes);
  if (coder->decoder) return coder;
  jh_free(coder);
  return NULL;
}

static int step(jh_coder *coder, int end, jh_coding_io *io) {
  if (coder->encoder) {
    if (end == JH_CODER_FINISH) return jh_encoder_finish(coder->encoder, io);
    if (end == JH_CODER_FLUSH) return jh_encoder_flush(coder->encoder, io);
    return jh_encoder_push(coder->encoder, io);
  }
  int result = jh_decoder_push(coder->decoder, io);
  bool is_over = result == JH_CODING_DONE && end == JH_CODER_FINISH;
  return is_over ? jh_decoder_finish(coder->decoder) : result;
}

ssize_t jh_coder_step(jh_coder *coder, int end, const char *in, size_t *in_bytes, char *out,
                      size_t room) {
  jh_coding_io io = {.input = in, .input_bytes = *in_bytes, .output = out, .output_bytes = room};
  int result = step(coder, end, &io);
  *in_bytes = io.input_bytes;
  if (result < 0) return result;
  return (ssize_t)(room - io.output_bytes);
}

void jh_coder_close(jh_coder *coder) {
  if (coder->encoder) jh_encoder_release(coder->pool, coder->encoder);
  if (coder->decoder) jh_decoder_release(coder->pool, coder->decoder);
  jh_free(coder);
}
