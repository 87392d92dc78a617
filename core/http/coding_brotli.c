/* coding_brotli.c: br through brotli (RFC 7932).
 *
 * The library cannot reset its coders, so each body has a new state; only the small struct around
 * it is reused. An encoder takes 0.6 to 2 MB at the default level, less for short bodies, because
 * its window is held at 256 KiB: a larger one costs ten times the memory and saves one part in a
 * thousand of the pages measured. A decoder takes up to the window the sender chose, 16 MiB at
 * most, and no more than the body is long.
 *
 * Debian's libbrotlienc ends the process when its allocator answers NULL while it encodes. So the
 * allocator does not return then: it jumps out of the library, whose state is given up. Nothing of
 * it is lost, because every block it holds is in a list of ours. */
#include <brotli/decode.h>
#include <brotli/encode.h>
#include <setjmp.h>

#include "base/alloc.h"
#include "base/list.h"
#include "http/codec.h"

enum { WINDOW_BITS = 18 };

typedef struct brotli_encoder {
  jh_encoder base;
  BrotliEncoderState *state; /* in one of the blocks */
  jh_list blocks;            /* all memory the library has */
  jmp_buf *out_of_memory;    /* where a failed allocation goes; NULL: it answers NULL */
} brotli_encoder;

/* Stands in front of the bytes the library asked for; as large as malloc aligns. */
typedef struct memory_block {
  _Alignas(max_align_t) jh_list node;
} memory_block;

typedef struct brotli_decoder {
  jh_decoder base;
  BrotliDecoderState *state; /* NULL between two bodies */
} brotli_decoder;

/* ---- encoding ---- */

static jh_encoder *encoder_try_new(void) {
  brotli_encoder *encoder = jh_try_calloc(1, sizeof(*encoder));
  if (encoder == NULL) return NULL;
  jh_list_init(&encoder->blocks);
  return &encoder->base;
}

static void *encoder_allocate(void *opaque, size_t bytes) {
  brotli_encoder *encoder = opaque;
  memory_block *block = NULL;
  if (bytes <= SIZE_MAX - sizeof(*block)) block = jh_try_alloc(sizeof(*block) + bytes);
  if (block != NULL) {
    jh_list_append(&encoder->blocks, &block->node);
    return block + 1;
  }
  if (encoder->out_of_memory != NULL) longjmp(*encoder->out_of_memory, 1);
  return NULL;
}

static void encoder_release(void *opaque, void *memory) {
  (void)opaque;
  if (memory == NULL) return;
  memory_block *block = (memory_block *)memory - 1;
  jh_list_remove(&block->node);
  jh_free(block);
}

static bool encoder_stop(jh_encoder *base) {
  brotli_encoder *encoder = (brotli_encoder *)base;
  while (!jh_list_is_empty(&encoder->blocks)) {
    encoder_release(NULL, JH_LIST_ENTRY(encoder->blocks.next, memory_block, node) + 1);
  }
  encoder->state = NULL;
  return true;
}

static void encoder_free(jh_encoder *base) {
  encoder_stop(base);
  jh_free(base);
}

static int encoder_start(jh_encoder *base, int level) {
  brotli_encoder *encoder = (brotli_encoder *)base;
  encoder->state = BrotliEncoderCreateInstance(encoder_allocate, encoder_release, encoder);
  if (encoder->state == NULL) return JH_ENOMEM;
  BrotliEncoderSetParameter(encoder->state, BROTLI_PARAM_QUALITY, (uint32_t)level);
  BrotliEncoderSetParameter(encoder->state, BROTLI_PARAM_LGWIN, WINDOW_BITS);
  return 0;
}

static int encode(BrotliEncoderState *state, jh_coding_io *io, jh_codec_operation operation) {
  static const BrotliEncoderOperation operations[] = {
      BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH, BROTLI_OPERATION_FINISH};
  for (;;) {
    const uint8_t *in = (const uint8_t *)io->input;
    uint8_t *out = (uint8_t *)io->output;
    if (!BrotliEncoderCompressStream(state, operations[operation], &io->input_bytes, &in,
                                     &io->output_bytes, &out, NULL)) {
      return JH_EINVAL;
    }
    io->input = (const char *)in;
    io->output = (char *)out;
    bool is_done = io->input_bytes == 0 && !BrotliEncoderHasMoreOutput(state);
    if (is_done && (operation != JH_CODEC_FINISH || BrotliEncoderIsFinished(state))) {
      return JH_CODING_DONE;
    }
    if (io->output_bytes == 0) return JH_CODING_FULL;
  }
}

static int encoder_run(jh_encoder *base, jh_coding_io *io, jh_codec_operation operation) {
  brotli_encoder *encoder = (brotli_encoder *)base;
  jmp_buf out_of_memory;
  if (setjmp(out_of_memory) != 0) {
    encoder->out_of_memory = NULL;
    return JH_ENOMEM;
  }
  encoder->out_of_memory = &out_of_memory;
  int result = encode(encoder->state, io, operation);
  encoder->out_of_memory = NULL;
  return result;
}

const jh_encoder_class jh_codec_brotli_encoder = {.try_new = encoder_try_new,
                                                  .free = encoder_free,
                                                  .start = encoder_start,
                                                  .run = encoder_run,
                                                  .stop = encoder_stop,
                                                  .min_level = BROTLI_MIN_QUALITY,
                                                  .max_level = BROTLI_MAX_QUALITY,
                                                  .default_level = 4};

/* ---- decoding ---- */

static void *decoder_allocate(void *opaque, size_t bytes) {
  (void)opaque;
  return bytes == 0 ? NULL : jh_try_alloc(bytes);
}

static void decoder_release(void *opaque, void *memory) {
  (void)opaque;
  jh_free(memory);
}

static jh_decoder *decoder_try_new(void) {
  brotli_decoder *decoder = jh_try_calloc(1, sizeof(*decoder));
  return decoder == NULL ? NULL : &decoder->base;
}

static bool decoder_stop(jh_decoder *base) {
  brotli_decoder *decoder = (brotli_decoder *)base;
  if (decoder->state != NULL) BrotliDecoderDestroyInstance(decoder->state);
  decoder->state = NULL;
  return true;
}

static void decoder_free(jh_decoder *base) {
  decoder_stop(base);
  jh_free(base);
}

static int decoder_start(jh_decoder *base) {
  brotli_decoder *decoder = (brotli_decoder *)base;
  decoder->state = BrotliDecoderCreateInstance(decoder_allocate, decoder_release, NULL);
  return decoder->state == NULL ? JH_ENOMEM : 0;
}

static bool is_out_of_memory(BrotliDecoderErrorCode code) {
  return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
         code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

static int decoder_run(jh_decoder *base, jh_coding_io *io) {
  BrotliDecoderState *state = ((brotli_decoder *)base)->state;
  if (io->input_bytes == 0 && base->is_between) return JH_CODING_DONE;
  /* A body is one brotli stream; nothing may follow it. */
  if (BrotliDecoderIsFinished(state)) return JH_EPROTO;
  const uint8_t *in = (const uint8_t *)io->input;
  uint8_t *out = (uint8_t *)io->output;
  BrotliDecoderResult result =
      BrotliDecoderDecompressStream(state, &io->input_bytes, &in, &io->output_bytes, &out, NULL);
  io->input = (const char *)in;
  io->output = (char *)out;
  base->is_between = result == BROTLI_DECODER_RESULT_SUCCESS;
  switch (result) {
  case BROTLI_DECODER_RESULT_SUCCESS:
    return io->input_bytes > 0 ? JH_EPROTO : JH_CODING_DONE;
  case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
    return JH_CODING_DONE;
  case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
    return JH_CODING_FULL;
  default:
    return is_out_of_memory(BrotliDecoderGetErrorCode(state)) ? JH_ENOMEM : JH_EPROTO;
  }
}

const jh_decoder_class jh_codec_brotli_decoder = {.try_new = decoder_try_new,
                                                  .free = decoder_free,
                                                  .start = decoder_start,
                                                  .run = decoder_run,
                                                  .stop = decoder_stop};
