/* coding.c: the codings' names, the pool, and the rules that hold for all of them.
 *
 * The output limit is kept here for all decoders alike: a library never gets more room than may
 * still be written. When that is nothing, one byte elsewhere shows whether there is more. */
#include "http/coding.h"

#include "base/check.h"
#include "base/str.h"
#include "http/codec.h"

static const jh_encoder_class *const encoder_classes[JH_CODING_COUNT] = {
    [JH_CODING_GZIP] = &jh_codec_gzip_encoder,
    [JH_CODING_BROTLI] = &jh_codec_brotli_encoder,
    [JH_CODING_ZSTD] = &jh_codec_zstd_encoder};

static const jh_decoder_class *const decoder_classes[JH_CODING_COUNT] = {
    [JH_CODING_GZIP] = &jh_codec_gzip_decoder,
    [JH_CODING_BROTLI] = &jh_codec_brotli_decoder,
    [JH_CODING_ZSTD] = &jh_codec_zstd_decoder};

static const char *const names[JH_CODING_COUNT] = {[JH_CODING_IDENTITY] = "identity",
                                                   [JH_CODING_GZIP] = "gzip",
                                                   [JH_CODING_BROTLI] = "br",
                                                   [JH_CODING_ZSTD] = "zstd"};

jh_str jh_coding_name(jh_coding coding) {
  return jh_str_of(names[coding]);
}

int jh_coding_find(jh_str name) {
  for (int coding = 0; coding < JH_CODING_COUNT; coding++) {
    if (jh_str_equal_nocase(name, jh_str_of(names[coding]))) return coding;
  }
  return jh_str_equal_nocase(name, jh_str_of("x-gzip")) ? JH_CODING_GZIP : -1;
}

void jh_coding_pool_init(jh_coding_pool *pool, uint32_t max_free) {
  *pool = (jh_coding_pool){.max_free = max_free};
}

void jh_coding_pool_deinit(jh_coding_pool *pool) {
  JH_ASSERT(pool->in_use == 0);
  for (int coding = JH_CODING_GZIP; coding < JH_CODING_COUNT; coding++) {
    while (pool->encoders[coding] != NULL) {
      jh_encoder *encoder = pool->encoders[coding];
      pool->encoders[coding] = encoder->next;
      encoder_classes[coding]->free(encoder);
    }
    while (pool->decoders[coding] != NULL) {
      jh_decoder *decoder = pool->decoders[coding];
      pool->decoders[coding] = decoder->next;
      decoder_classes[coding]->free(decoder);
    }
    pool->encoder_counts[coding] = pool->decoder_counts[coding] = 0;
  }
}

/* ---- encoding ---- */

static int clamp_level(const jh_encoder_class *class, int level) {
  if (level == JH_CODING_LEVEL_DEFAULT) return class->default_level;
  if (level < class->min_level) return class->min_level;
  return level > class->max_level ? class->max_level : level;
}

jh_encoder *jh_encoder_try_acquire(jh_coding_pool *pool, jh_coding coding, int level) {
  if (JH_FAILS(coding > JH_CODING_IDENTITY && coding < JH_CODING_COUNT)) return NULL;
  const jh_encoder_class *class = encoder_classes[coding];
  jh_encoder *encoder = pool->encoders[coding];
  if (encoder != NULL) {
    pool->encoders[coding] = encoder->next;
    pool->encoder_counts[coding]--;
  } else {
    encoder = class->try_new();
    if (encoder == NULL) return NULL;
    encoder->coding = (uint8_t)coding;
  }
  encoder->is_finished = false;
  encoder->error = 0;
  if (class->start(encoder, clamp_level(class, level)) != 0) {
    class->free(encoder);
    return NULL;
  }
  pool->in_use++;
  return encoder;
}

void jh_encoder_release(jh_coding_pool *pool, jh_encoder *encoder) {
  if (encoder == NULL) return;
  JH_ASSERT(pool->in_use > 0);
  pool->in_use--;
  int coding = encoder->coding;
  if (!encoder_classes[coding]->stop(encoder) || pool->encoder_counts[coding] >= pool->max_free) {
    encoder_classes[coding]->free(encoder);
    return;
  }
  encoder->next = pool->encoders[coding];
  pool->encoders[coding] = encoder;
  pool->encoder_counts[coding]++;
}

static int encode(jh_encoder *encoder, jh_coding_io *io, jh_codec_operation operation) {
  if (encoder->error != 0) return encoder->error;
  if (JH_FAILS(!encoder->is_finished)) return JH_EINVAL;
  if (io->output_bytes == 0) return JH_CODING_FULL;
  if (io->input == NULL) io->input = "";
  int result = encoder_classes[encoder->coding]->run(encoder, io, operation);
  if (result < 0) encoder->error = result;
  if (result == JH_CODING_DONE && operation == JH_CODEC_FINISH) encoder->is_finished = true;
  return result;
}

int jh_encoder_push(jh_encoder *encoder, jh_coding_io *io) {
  return encode(encoder, io, JH_CODEC_PUSH);
}

int jh_encoder_flush(jh_encoder *encoder, jh_coding_io *io) {
  return encode(encoder, io, JH_CODEC_FLUSH);
}

int jh_encoder_finish(jh_encoder *encoder, jh_coding_io *io) {
  return encode(encoder, io, JH_CODEC_FINISH);
}

/* ---- decoding ---- */

jh_decoder *jh_decoder_try_acquire(jh_coding_pool *pool, jh_coding coding, uint64_t max_bytes) {
  if (JH_FAILS(coding > JH_CODING_IDENTITY && coding < JH_CODING_COUNT)) return NULL;
  const jh_decoder_class *class = decoder_classes[coding];
  jh_decoder *decoder = pool->decoders[coding];
  if (decoder != NULL) {
    pool->decoders[coding] = decoder->next;
    pool->decoder_counts[coding]--;
  } else {
    decoder = class->try_new();
    if (decoder == NULL) return NULL;
    decoder->coding = (uint8_t)coding;
  }
  decoder->is_between = true;
  decoder->is_full = false;
  decoder->error = 0;
  decoder->bytes_left = max_bytes;
  if (class->start(decoder) != 0) {
    class->free(decoder);
    return NULL;
  }
  pool->in_use++;
  return decoder;
}

void jh_decoder_release(jh_coding_pool *pool, jh_decoder *decoder) {
  if (decoder == NULL) return;
  JH_ASSERT(pool->in_use > 0);
  pool->in_use--;
  int coding = decoder->coding;
  if (!decoder_classes[coding]->stop(decoder) || pool->decoder_counts[coding] >= pool->max_free) {
    decoder_classes[coding]->free(decoder);
    return;
  }
  decoder->next = pool->decoders[coding];
  pool->decoders[coding] = decoder;
  pool->decoder_counts[coding]++;
}

/* The limit is reached: whatever is left must write nothing. */
static int probe(jh_decoder *decoder, jh_coding_io *io) {
  char more;
  jh_coding_io nothing = {io->input, io->input_bytes, &more, 1};
  int result = decoder_classes[decoder->coding]->run(decoder, &nothing);
  io->input = nothing.input;
  io->input_bytes = nothing.input_bytes;
  if (result < 0) return result;
  return nothing.output_bytes == 0 ? JH_ELIMIT : JH_CODING_DONE;
}

static int decode(jh_decoder *decoder, jh_coding_io *io) {
  /* zstd takes too many calls without input for an error. */
  if (io->input_bytes == 0 && !decoder->is_full) return JH_CODING_DONE;
  if (io->input == NULL) io->input = "";
  if (decoder->bytes_left == 0) return probe(decoder, io);
  if (io->output_bytes == 0) return JH_CODING_FULL;
  jh_coding_io within = *io;
  if (within.output_bytes > decoder->bytes_left) within.output_bytes = (size_t)decoder->bytes_left;
  size_t room = within.output_bytes;
  int result = decoder_classes[decoder->coding]->run(decoder, &within);
  size_t written = room - within.output_bytes;
  decoder->bytes_left -= written;
  io->output_bytes -= written;
  io->output = within.output;
  io->input = within.input;
  io->input_bytes = within.input_bytes;
  if (result == JH_CODING_FULL && decoder->bytes_left == 0) return probe(decoder, io);
  return result;
}

int jh_decoder_push(jh_decoder *decoder, jh_coding_io *io) {
  if (decoder->error != 0) return decoder->error;
  int result = decode(decoder, io);
  if (result < 0) decoder->error = result;
  decoder->is_full = result == JH_CODING_FULL;
  return result;
}

int jh_decoder_finish(jh_decoder *decoder) {
  if (decoder->error != 0) return decoder->error;
  return decoder->is_between ? 0 : JH_EPROTO;
}
