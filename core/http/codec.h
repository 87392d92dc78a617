/* codec.h: what coding.c asks of each library: one table of functions for encoding, one for
 * decoding. coding_gzip.c, coding_brotli.c and coding_zstd.c each have theirs.
 *
 * A coder begins with the struct below; the library's state follows it. `start` begins a new body,
 * on a coder that is new or was used before; `run` moves io on as far as it goes. Limits, errors
 * that stay, and who may call what when are coding.c's business. */
#ifndef JH_HTTP_CODEC_H
#define JH_HTTP_CODEC_H

#include "http/coding.h"

typedef enum jh_codec_operation {
  JH_CODEC_PUSH = 0,
  JH_CODEC_FLUSH,
  JH_CODEC_FINISH
} jh_codec_operation;

struct jh_encoder {
  jh_encoder *next; /* in the free list */
  uint8_t coding;   /* jh_coding */
  bool is_finished;
  int error; /* sticky */
};

struct jh_decoder {
  jh_decoder *next;    /* in the free list */
  uint8_t coding;      /* jh_coding */
  bool is_between;     /* nothing read yet, or the end of the coding was read */
  bool is_full;        /* the last call ended for want of room */
  int error;           /* sticky */
  uint64_t bytes_left; /* that may still be written */
};

typedef struct jh_encoder_class {
  jh_encoder *(*try_new)(void); /* memory only, NULL when out of it */
  void (*free)(jh_encoder *encoder);
  int (*start)(jh_encoder *encoder, int level); /* 0 or JH_ENOMEM */
  /* JH_CODING_DONE, JH_CODING_FULL or an error. */
  int (*run)(jh_encoder *encoder, jh_coding_io *io, jh_codec_operation operation);
  /* Lets go of what would not be reused; true when the rest is worth keeping. */
  bool (*stop)(jh_encoder *encoder);
  int min_level, max_level, default_level;
} jh_encoder_class;

typedef struct jh_decoder_class {
  jh_decoder *(*try_new)(void);
  void (*free)(jh_decoder *decoder);
  int (*start)(jh_decoder *decoder);
  /* JH_CODING_DONE, JH_CODING_FULL or an error; keeps is_between. io->output_bytes is not 0. */
  int (*run)(jh_decoder *decoder, jh_coding_io *io);
  bool (*stop)(jh_decoder *decoder);
} jh_decoder_class;

extern const jh_encoder_class jh_codec_gzip_encoder, jh_codec_brotli_encoder, jh_codec_zstd_encoder;
extern const jh_decoder_class jh_codec_gzip_decoder, jh_codec_brotli_decoder, jh_codec_zstd_decoder;

#endif
