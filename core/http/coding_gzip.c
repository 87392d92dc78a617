/* coding_gzip.c: gzip through zlib (RFC 1952).
 *
 * An encoder's state is 268 KB and a decoder's 44 KB; both are reset for the next body. A body may
 * be several gzip members one after the other, as the RFC allows. */
#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "http/codec.h"

/* Window bits as zlib wants them: 32 KiB, and a gzip frame instead of zlib's own. */
enum { WINDOW_BITS = 15 + 16, MEMORY_LEVEL = 8 };

/* A flush into less room than its marker takes would never come to an end: deflate cannot tell
 * whether the marker was written when the room is used up, and writes another one. */
enum { FLUSH_ROOM = 8, TAIL_BYTES = 64 };

typedef struct gzip_encoder {
  jh_encoder base;
  z_stream stream;
  bool is_ready;   /* the stream was initialised */
  bool is_flushed; /* the flush that was asked for is complete but for the tail */
  size_t tail_start, tail_end;
  char tail[TAIL_BYTES]; /* output that had no room yet */
} gzip_encoder;

typedef struct gzip_decoder {
  jh_decoder base;
  z_stream stream;
  bool is_ready;
} gzip_decoder;

static void *allocate(void *opaque, unsigned count, unsigned bytes) {
  (void)opaque;
  return jh_try_calloc(count, bytes);
}

static void release(void *opaque, void *memory) {
  (void)opaque;
  jh_free(memory);
}

static unsigned at_most(size_t bytes) {
  return bytes > UINT_MAX ? UINT_MAX : (unsigned)bytes;
}

static void lend(z_stream *stream, const jh_coding_io *io) {
  stream->next_in =
      (Bytef *)(uintptr_t)io->input; /* zlib's input is not const, but is not written */
  stream->avail_in = at_most(io->input_bytes);
  stream->next_out = (Bytef *)io->output;
  stream->avail_out = at_most(io->output_bytes);
}

static void take_back(const z_stream *stream, jh_coding_io *io) {
  size_t used = (size_t)((const char *)stream->next_in - io->input);
  size_t written = (size_t)((char *)stream->next_out - io->output);
  io->input += used;
  io->input_bytes -= used;
  io->output += written;
  io->output_bytes -= written;
}

/* ---- encoding ---- */

static jh_encoder *encoder_try_new(void) {
  gzip_encoder *encoder = jh_try_calloc(1, sizeof(*encoder));
  return encoder == NULL ? NULL : &encoder->base;
}

static void encoder_free(jh_encoder *base) {
  gzip_encoder *encoder = (gzip_encoder *)base;
  if (encoder->is_ready) deflateEnd(&encoder->stream);
  jh_free(encoder);
}

static int encoder_start(jh_encoder *base, int level) {
  gzip_encoder *encoder = (gzip_encoder *)base;
  z_stream *stream = &encoder->stream;
  encoder->is_flushed = false;
  encoder->tail_start = encoder->tail_end = 0;
  if (encoder->is_ready) {
    stream->avail_in = stream->avail_out = 0;
    bool is_reset = deflateReset(stream) == Z_OK;
    return is_reset && deflateParams(stream, level, Z_DEFAULT_STRATEGY) == Z_OK ? 0 : JH_ENOMEM;
  }
  stream->zalloc = allocate;
  stream->zfree = release;
  if (deflateInit2(stream, level, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return JH_ENOMEM;
  }
  encoder->is_ready = true;
  return 0;
}

/* Moves what is in the tail to the caller; true when the tail is empty. */
static bool drain_tail(gzip_encoder *encoder, jh_coding_io *io) {
  size_t bytes = encoder->tail_end - encoder->tail_start;
  if (bytes > io->output_bytes) bytes = io->output_bytes;
  memcpy(io->output, encoder->tail + encoder->tail_start, bytes);
  encoder->tail_start += bytes;
  io->output += bytes;
  io->output_bytes -= bytes;
  return encoder->tail_start == encoder->tail_end;
}

/* One call of deflate, into the tail where the caller has too little room. */
static int deflate_once(gzip_encoder *encoder, jh_coding_io *io, int flush) {
  z_stream *stream = &encoder->stream;
  bool is_tight = flush == Z_SYNC_FLUSH && io->output_bytes < FLUSH_ROOM;
  jh_coding_io into = *io;
  if (is_tight) {
    into.output = encoder->tail;
    into.output_bytes = sizeof(encoder->tail);
  }
  lend(stream, &into);
  if (stream->avail_in < into.input_bytes) flush = Z_NO_FLUSH;
  int status = deflate(stream, flush);
  take_back(stream, &into);
  encoder->is_flushed = flush == Z_SYNC_FLUSH && into.output_bytes > 0;
  io->input = into.input;
  io->input_bytes = into.input_bytes;
  if (is_tight) {
    encoder->tail_start = 0;
    encoder->tail_end = sizeof(encoder->tail) - into.output_bytes;
  } else {
    io->output = into.output;
    io->output_bytes = into.output_bytes;
  }
  return status;
}

static int encoder_run(jh_encoder *base, jh_coding_io *io, jh_codec_operation operation) {
  static const int flushes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
  gzip_encoder *encoder = (gzip_encoder *)base;
  for (;;) {
    if (!drain_tail(encoder, io)) return JH_CODING_FULL;
    bool is_done = operation == JH_CODEC_PUSH || encoder->is_flushed;
    if (is_done && operation != JH_CODEC_FINISH && io->input_bytes == 0) break;
    if (io->output_bytes == 0) return JH_CODING_FULL;
    int status = deflate_once(encoder, io, flushes[operation]);
    if (status == Z_STREAM_END) break;
    if (status != Z_OK && status != Z_BUF_ERROR) return JH_EINVAL;
  }
  encoder->is_flushed = false;
  return JH_CODING_DONE;
}

static bool encoder_stop(jh_encoder *base) {
  (void)base;
  return true;
}

const jh_encoder_class jh_codec_gzip_encoder = {.try_new = encoder_try_new,
                                                .free = encoder_free,
                                                .start = encoder_start,
                                                .run = encoder_run,
                                                .stop = encoder_stop,
                                                .min_level = 1,
                                                .max_level = 9,
                                                .default_level = 4};

/* ---- decoding ---- */

static jh_decoder *decoder_try_new(void) {
  gzip_decoder *decoder = jh_try_calloc(1, sizeof(*decoder));
  return decoder == NULL ? NULL : &decoder->base;
}

static void decoder_free(jh_decoder *base) {
  gzip_decoder *decoder = (gzip_decoder *)base;
  if (decoder->is_ready) inflateEnd(&decoder->stream);
  jh_free(decoder);
}

static int decoder_start(jh_decoder *base) {
  gzip_decoder *decoder = (gzip_decoder *)base;
  z_stream *stream = &decoder->stream;
  if (decoder->is_ready) return inflateReset(stream) == Z_OK ? 0 : JH_ENOMEM;
  stream->zalloc = allocate;
  stream->zfree = release;
  if (inflateInit2(stream, WINDOW_BITS) != Z_OK) return JH_ENOMEM;
  decoder->is_ready = true;
  return 0;
}

static int decoder_run(jh_decoder *base, jh_coding_io *io) {
  z_stream *stream = &((gzip_decoder *)base)->stream;
  for (;;) {
    if (base->is_between && io->input_bytes == 0) return JH_CODING_DONE;
    lend(stream, io);
    int status = inflate(stream, Z_NO_FLUSH);
    take_back(stream, io);
    base->is_between = status == Z_STREAM_END;
    if (status == Z_STREAM_END) {
      if (inflateReset(stream) != Z_OK) return JH_EPROTO;
      continue;
    }
    if (status == Z_MEM_ERROR) return JH_ENOMEM;
    if (status != Z_OK && status != Z_BUF_ERROR) return JH_EPROTO;
    if (io->output_bytes == 0) return JH_CODING_FULL;
    if (io->input_bytes == 0) return JH_CODING_DONE;
  }
}

static bool decoder_stop(jh_decoder *base) {
  (void)base;
  return true;
}

const jh_decoder_class jh_codec_gzip_decoder = {.try_new = decoder_try_new,
                                                .free = decoder_free,
                                                .start = decoder_start,
                                                .run = decoder_run,
                                                .stop = decoder_stop};
