/* coding_zstd.c: zstd through libzstd (RFC 8878, RFC 9659).
 *
 * Coders are reset for the next body. An encoder takes 1.8 MB at the default level, with the window
 * held at 256 KiB as br's is. A decoder refuses windows above 8 MiB (RFC 9659 demands as much and
 * no more), and one that had to hold a large window is not kept. A body may be several frames.
 *
 * Where a frame declares its length and ends in an empty block, the library holds it to that only
 * when it sees the whole frame at once; elsewhere always.
 *
 * The library allocates for itself: its hook for that is not part of its stable interface. */
#include <zstd.h>
#include <zstd_errors.h>

#include "base/alloc.h"
#include "http/codec.h"

enum { WINDOW_BITS = 18, WINDOW_BITS_MAX = 23, KEPT_BYTES_MAX = 1 << 20 };

typedef struct zstd_encoder {
  jh_encoder base;
  ZSTD_CCtx *context;
} zstd_encoder;

typedef struct zstd_decoder {
  jh_decoder base;
  ZSTD_DCtx *context;
} zstd_decoder;

static int code_of(size_t result) {
  switch (ZSTD_getErrorCode(result)) {
  case ZSTD_error_memory_allocation:
    return JH_ENOMEM;
  case ZSTD_error_frameParameter_windowTooLarge:
    return JH_ELIMIT;
  default:
    return JH_EPROTO;
  }
}

/* ---- encoding ---- */

static jh_encoder *encoder_try_new(void) {
  zstd_encoder *encoder = jh_try_calloc(1, sizeof(*encoder));
  return encoder == NULL ? NULL : &encoder->base;
}

static void encoder_free(jh_encoder *base) {
  ZSTD_freeCCtx(((zstd_encoder *)base)->context);
  jh_free(base);
}

static int encoder_start(jh_encoder *base, int level) {
  zstd_encoder *encoder = (zstd_encoder *)base;
  if (encoder->context == NULL) encoder->context = ZSTD_createCCtx();
  if (encoder->context == NULL) return JH_ENOMEM;
  ZSTD_CCtx_reset(encoder->context, ZSTD_reset_session_only);
  ZSTD_CCtx_setParameter(encoder->context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(encoder->context, ZSTD_c_windowLog, WINDOW_BITS);
  return 0;
}

static int encoder_run(jh_encoder *base, jh_coding_io *io, jh_codec_operation operation) {
  static const ZSTD_EndDirective directives[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
  ZSTD_CCtx *context = ((zstd_encoder *)base)->context;
  for (;;) {
    ZSTD_inBuffer in = {io->input, io->input_bytes, 0};
    ZSTD_outBuffer out = {io->output, io->output_bytes, 0};
    size_t left = ZSTD_compressStream2(context, &out, &in, directives[operation]);
    io->input += in.pos;
    io->input_bytes -= in.pos;
    io->output += out.pos;
    io->output_bytes -= out.pos;
    if (ZSTD_isError(left)) return code_of(left);
    if (io->input_bytes == 0 && (operation == JH_CODEC_PUSH || left == 0)) return JH_CODING_DONE;
    if (io->output_bytes == 0) return JH_CODING_FULL;
  }
}

static bool encoder_stop(jh_encoder *base) {
  (void)base;
  return true;
}

const jh_encoder_class jh_codec_zstd_encoder = {.try_new = encoder_try_new,
                                                .free = encoder_free,
                                                .start = encoder_start,
                                                .run = encoder_run,
                                                .stop = encoder_stop,
                                                .min_level = 1,
                                                .max_level = 19,
                                                .default_level = 3};

/* ---- decoding ---- */

static jh_decoder *decoder_try_new(void) {
  zstd_decoder *decoder = jh_try_calloc(1, sizeof(*decoder));
  return decoder == NULL ? NULL : &decoder->base;
}

static void decoder_free(jh_decoder *base) {
  ZSTD_freeDCtx(((zstd_decoder *)base)->context);
  jh_free(base);
}

static int decoder_start(jh_decoder *base) {
  zstd_decoder *decoder = (zstd_decoder *)base;
  if (decoder->context == NULL) {
    decoder->context = ZSTD_createDCtx();
    if (decoder->context == NULL) return JH_ENOMEM;
    ZSTD_DCtx_setParameter(decoder->context, ZSTD_d_windowLogMax, WINDOW_BITS_MAX);
  }
  ZSTD_DCtx_reset(decoder->context, ZSTD_reset_session_only);
  return 0;
}

static int decoder_run(jh_decoder *base, jh_coding_io *io) {
  ZSTD_DCtx *context = ((zstd_decoder *)base)->context;
  for (;;) {
    if (base->is_between && io->input_bytes == 0) return JH_CODING_DONE;
    ZSTD_inBuffer in = {io->input, io->input_bytes, 0};
    ZSTD_outBuffer out = {io->output, io->output_bytes, 0};
    size_t hint = ZSTD_decompressStream(context, &out, &in);
    io->input += in.pos;
    io->input_bytes -= in.pos;
    io->output += out.pos;
    io->output_bytes -= out.pos;
    if (ZSTD_isError(hint)) return code_of(hint);
    base->is_between = hint == 0;
    if (base->is_between) continue;
    if (io->output_bytes == 0) return JH_CODING_FULL;
    if (io->input_bytes == 0) return JH_CODING_DONE;
  }
}

static bool decoder_stop(jh_decoder *base) {
  return ZSTD_sizeof_DCtx(((zstd_decoder *)base)->context) <= KEPT_BYTES_MAX;
}

const jh_decoder_class jh_codec_zstd_decoder = {.try_new = decoder_try_new,
                                                .free = decoder_free,
                                                .start = decoder_start,
                                                .run = decoder_run,
                                                .stop = decoder_stop};
