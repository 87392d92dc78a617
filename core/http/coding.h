/* coding.h: content codings (RFC 9110 §8.4): gzip, br and zstd, coded and decoded piece by piece.
 *
 * Memory in, memory out: the caller has a piece of input and room for output (jh_coding_io), and
 * calls until the input is used up. Both sides may be of any size, one byte included; nothing is
 * kept of either after a call. The libraries behind it are zlib, brotli and zstd.
 *
 * Coders come from a jh_coding_pool, one per worker, which keeps a few free ones: what they need is
 * large (the sources say how large) and is reused where the library can. There are no globals and
 * no locks.
 *
 * What comes from a client is decoded under a limit on the output, and never more memory than the
 * codings' own windows is used: 32 KiB, 16 MiB, 8 MiB. */
#ifndef JH_HTTP_CODING_H
#define JH_HTTP_CODING_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

typedef enum jh_coding {
  JH_CODING_IDENTITY = 0, /* no coding: there are no coders for it */
  JH_CODING_GZIP,
  JH_CODING_BROTLI,
  JH_CODING_ZSTD,
  JH_CODING_COUNT
} jh_coding;

/* The coding's name in header fields ("br"): static, NUL-terminated. */
jh_str jh_coding_name(jh_coding coding);

/* The coding with that name in any case ("x-gzip" is gzip, RFC 9110 §8.4.1.3), or -1. */
int jh_coding_find(jh_str name);

/* A piece of input (NULL where there is none) and room for output. Calls move both pointers on and
 * shorten what is left. */
typedef struct jh_coding_io {
  const char *input;
  size_t input_bytes;
  char *output;
  size_t output_bytes;
} jh_coding_io;

/* What a call came to; below 0 is a JH_E* code. */
typedef enum jh_coding_result {
  JH_CODING_DONE = 0, /* the input is used up and there is nothing left to write */
  JH_CODING_FULL = 1  /* there is no room left: call the same function again with more room */
} jh_coding_result;

typedef struct jh_encoder jh_encoder;
typedef struct jh_decoder jh_decoder;

/* The coders of a worker that are not in use. */
typedef struct jh_coding_pool {
  jh_encoder *encoders[JH_CODING_COUNT]; /* lists of free ones */
  jh_decoder *decoders[JH_CODING_COUNT];
  uint32_t encoder_counts[JH_CODING_COUNT]; /* lengths of the lists */
  uint32_t decoder_counts[JH_CODING_COUNT];
  uint32_t max_free; /* how long each list may get */
  uint32_t in_use;   /* coders acquired and not yet released */
} jh_coding_pool;

/* Starts an empty pool; nothing is allocated before the first acquire. */
void jh_coding_pool_init(jh_coding_pool *pool, uint32_t max_free);

/* Frees the free coders. Every coder must have been released. */
void jh_coding_pool_deinit(jh_coding_pool *pool);

/* ---- encoding ---- */

/* A coder for one body, or NULL when out of memory. `level` is the library's own (gzip 1 to 9, br 0
 * to 11, zstd 1 to 19; others become the nearest), or JH_CODING_LEVEL_DEFAULT: what pays for
 * answers made on the fly. */
enum { JH_CODING_LEVEL_DEFAULT = -1 };
jh_encoder *jh_encoder_try_acquire(jh_coding_pool *pool, jh_coding coding, int level)
    __attribute__((warn_unused_result));

/* Gives a coder back, at any point of its body. NULL is allowed. */
void jh_encoder_release(jh_coding_pool *pool, jh_encoder *encoder);

/* Takes the input; output comes when the coder sees fit. */
int jh_encoder_push(jh_encoder *encoder, jh_coding_io *io);

/* Takes the input and writes all there is, so that the receiver can decode everything up to here.
 * For streams (SSE); costs some of the effect each time. */
int jh_encoder_flush(jh_encoder *encoder, jh_coding_io *io);

/* Takes the last input and ends the coding. After JH_CODING_DONE only release is left. */
int jh_encoder_finish(jh_encoder *encoder, jh_coding_io *io);

/* ---- decoding ---- */

/* A decoder for one body that answers JH_ELIMIT where the output would pass `max_bytes`, or NULL
 * when out of memory. */
jh_decoder *jh_decoder_try_acquire(jh_coding_pool *pool, jh_coding coding, uint64_t max_bytes)
    __attribute__((warn_unused_result));

/* Gives a decoder back, at any point of its body. NULL is allowed. */
void jh_decoder_release(jh_coding_pool *pool, jh_decoder *decoder);

/* Decodes the input. JH_EPROTO when it is not what it should be, JH_ELIMIT when it is too much (or
 * wants a larger window than the coding allows), JH_ENOMEM. After an error only release is left.
 * What was written before it is not to be used: checksums come last. */
int jh_decoder_push(jh_decoder *decoder, jh_coding_io *io);

/* Tells that the input is over, after push answered JH_CODING_DONE: 0, or JH_EPROTO when the body
 * was cut off. No input at all is an empty body. */
int jh_decoder_finish(jh_decoder *decoder);

/* ==== cdef: end ==== */

#endif
