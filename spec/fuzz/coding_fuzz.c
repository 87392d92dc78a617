/* coding_fuzz.c: decodes what a client might send, and encodes it.
 *
 * The first byte of the input chooses the coding (modulo 3: gzip, br, zstd), then come the coded
 * bytes.
 * What must hold:
 *  - No byte outside of what was lent is touched (every piece is a block of its own under ASan).
 *  - A call uses up its input or its room, and says which; output never passes the limit.
 *  - How input and output are cut makes no difference to a body that is accepted, nor to whether it
 *    is; but libzstd holds an empty last block to the length the frame declares only where it sees
 *    the whole frame at once.
 *  - A decoder that was used before decodes as a new one does.
 *  - Any bytes, encoded in pieces with flushes, decode to themselves. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/coding.h"

enum { LIMIT = 1 << 16 };

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "coding_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

typedef struct bytes {
  char *data;
  size_t len, capacity;
} bytes;

static char *copy_of(const char *data, size_t len) {
  char *copy = malloc(len > 0 ? len : 1);
  MUST(copy != NULL);
  if (len > 0) memcpy(copy, data, len);
  return copy;
}

static void append(bytes *to, const char *data, size_t len) {
  if (len == 0) return;
  if (to->len + len > to->capacity) {
    to->capacity = 2 * to->capacity + len;
    to->data = realloc(to->data, to->capacity);
    MUST(to->data != NULL);
  }
  memcpy(to->data + to->len, data, len);
  to->len += len;
}

typedef int (*coder_call)(void *coder, jh_coding_io *io);

static int call_push(void *coder, jh_coding_io *io) {
  return jh_encoder_push(coder, io);
}

static int call_flush(void *coder, jh_coding_io *io) {
  return jh_encoder_flush(coder, io);
}

static int call_finish(void *coder, jh_coding_io *io) {
  return jh_encoder_finish(coder, io);
}

static int call_decode(void *coder, jh_coding_io *io) {
  return jh_decoder_push(coder, io);
}

/* Calls until the piece is used up. */
static int run(coder_call call, void *coder, const char *data, size_t len, size_t room, bytes *to) {
  for (;;) {
    char *input = data == NULL ? NULL : copy_of(data, len);
    char *output = malloc(room);
    MUST(output != NULL);
    jh_coding_io io = {input, len, output, room};
    int result = call(coder, &io);
    MUST(io.input_bytes <= len && io.output_bytes <= room);
    MUST(input == NULL || io.input == input + (len - io.input_bytes));
    MUST(io.output == output + (room - io.output_bytes));
    append(to, output, room - io.output_bytes);
    if (data != NULL) data += len - io.input_bytes;
    len = io.input_bytes;
    free(input);
    free(output);
    if (result < 0) return result;
    if (result == JH_CODING_DONE) {
      MUST(len == 0);
      return 0;
    }
    MUST(result == JH_CODING_FULL && io.output_bytes == 0);
  }
}

static int decode(jh_coding_pool *pool, jh_coding coding, const char *data, size_t len, size_t step,
                  size_t room, bytes *to) {
  jh_decoder *decoder = jh_decoder_try_acquire(pool, coding, LIMIT);
  MUST(decoder != NULL);
  int result = 0;
  for (size_t at = 0; at < len && result == 0; at += step) {
    result = run(call_decode, decoder, data + at, len - at < step ? len - at : step, room, to);
  }
  if (result == 0) result = jh_decoder_finish(decoder);
  MUST(to->len <= LIMIT);
  MUST(result == 0 || result == JH_EPROTO || result == JH_ELIMIT);
  jh_decoder_release(pool, decoder);
  return result;
}

static void check_decoding(jh_coding_pool *pool, jh_coding coding, const char *data, size_t len) {
  static const size_t steps[][2] = {{2, 5}, {7, 13}, {SIZE_MAX, 100}, {SIZE_MAX, LIMIT + 10}};
  bytes whole = {NULL, 0, 0};
  int result = decode(pool, coding, data, len, 1, 4096, &whole);
  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
    bytes other = {NULL, 0, 0};
    size_t step = steps[i][0] < len ? steps[i][0] : len + 1;
    int other_result = decode(pool, coding, data, len, step, steps[i][1], &other);
    MUST(other_result != 0 || result == 0);
    MUST(other_result == 0 || result != 0 || coding == JH_CODING_ZSTD);
    if (other_result == 0) {
      MUST(whole.len == other.len);
      MUST(whole.len == 0 || memcmp(whole.data, other.data, whole.len) == 0);
    }
    free(other.data);
  }
  free(whole.data);
}

static void check_encoding(jh_coding_pool *pool, jh_coding coding, const char *data, size_t len) {
  jh_encoder *encoder = jh_encoder_try_acquire(pool, coding, len % 7 == 0 ? 1 : 3);
  MUST(encoder != NULL);
  bytes coded = {NULL, 0, 0};
  size_t step = len / 3 + 1;
  for (size_t at = 0, n = 0; at < len; at += step, n++) {
    size_t piece = len - at < step ? len - at : step;
    coder_call call = n == 1 ? call_flush : call_push;
    MUST(run(call, encoder, data + at, piece, len % 50 + 1, &coded) == 0);
  }
  MUST(run(call_finish, encoder, NULL, 0, 37, &coded) == 0);
  jh_encoder_release(pool, encoder);
  bytes back = {NULL, 0, 0};
  MUST(decode(pool, coding, coded.data, coded.len, 64, 4096, &back) == 0);
  MUST(back.len == len && (len == 0 || memcmp(back.data, data, len) == 0));
  free(back.data);
  free(coded.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  jh_coding coding = (jh_coding)(data[0] % (JH_CODING_COUNT - 1) + 1);
  const char *body = (const char *)data + 1;
  size_t len = size - 1;
  jh_coding_pool pool;
  jh_coding_pool_init(&pool, 1);
  check_decoding(&pool, coding, body, len);
  check_encoding(&pool, coding, body, len);
  jh_coding_pool_deinit(&pool);
  return 0;
}
