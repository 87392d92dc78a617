/* websocket_deflate_fuzz.c: offers, answers, and messages that were compressed by somebody else.
 *
 * The input is a byte of what is wanted, a field value, LF, and bytes that are taken for compressed
 * messages, each after its length in one byte. What must hold:
 *  - What is chosen can be met by both sides, and its answer reads back as what was chosen.
 *  - Inflating gives the same whatever the room and the pieces, and stays in its room.
 *  - What was inflated goes through the other coder and back unchanged. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/websocket_deflate.h"

enum { INPUT_MAX = 2048, OUTPUT_MAX = 1 << 16 };

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "websocket_deflate_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static void check_choice(const jh_websocket_deflate *wish, const jh_websocket_deflate *chosen) {
  char answer[JH_WEBSOCKET_EXTENSION_BYTES];
  jh_websocket_deflate open = {15, 15, true, true}, read;
  MUST(chosen->server_bits >= 9 && chosen->server_bits <= 15);
  MUST(chosen->client_bits >= 8 && chosen->client_bits <= 15);
  MUST(wish->server_takes_over || !chosen->server_takes_over);
  MUST(wish->client_takes_over || !chosen->client_takes_over);
  size_t len = jh_websocket_deflate_write_answer(chosen, answer);
  MUST(len < sizeof(answer));
  MUST(jh_websocket_deflate_read_answer((jh_str){answer, len}, &open, &read) == 1);
  MUST(read.server_bits == chosen->server_bits && read.client_bits == chosen->client_bits);
  MUST(read.server_takes_over == chosen->server_takes_over);
  MUST(read.client_takes_over == chosen->client_takes_over);
}

static void negotiate(jh_str field, uint8_t wanted) {
  jh_websocket_deflate wish = {(uint8_t)(9 + wanted % 7), (uint8_t)(8 + wanted / 8 % 8),
                               (wanted & 64) != 0, (wanted & 128) != 0};
  jh_websocket_deflate chosen;
  char offer[JH_WEBSOCKET_EXTENSION_BYTES];
  if (jh_websocket_deflate_choose(field, &wish, &chosen)) check_choice(&wish, &chosen);
  size_t len = jh_websocket_deflate_write_offer(&wish, offer);
  MUST(len < sizeof(offer));
  MUST(jh_websocket_deflate_choose((jh_str){offer, len}, &wish, &chosen));
  MUST(chosen.server_bits <= wish.server_bits);
  jh_websocket_deflate_read_answer(field, &wish, &chosen);
}

/* The length of a message, or a negative code. */
static ssize_t inflate_message(jh_websocket_inflater *inflater, jh_str message, size_t room,
                               size_t step, char *out) {
  size_t at = 0, len = 0;
  int code = JH_CODING_DONE;
  do {
    size_t count = message.len - at < step ? message.len - at : step;
    char *piece = malloc(count > 0 ? count : 1);
    MUST(piece != NULL);
    if (count > 0) memcpy(piece, message.ptr + at, count);
    at += count;
    jh_coding_io io = {.input = piece, .input_bytes = count};
    do {
      char *into = malloc(room);
      MUST(into != NULL);
      io.output = into;
      io.output_bytes = room;
      code = jh_websocket_inflate_piece(inflater, &io, at == message.len);
      MUST(io.output_bytes <= room);
      size_t written = room - io.output_bytes;
      if (len + written > OUTPUT_MAX) code = JH_ELIMIT;
      if (code >= 0 && written > 0) memcpy(out + len, into, written);
      len += written;
      free(into);
    } while (code == JH_CODING_FULL);
    free(piece);
  } while (code == JH_CODING_DONE && at < message.len);
  return code < 0 ? code : (ssize_t)len;
}

static void there_and_back(const char *text, size_t len) {
  static char back[OUTPUT_MAX];
  jh_websocket_deflater *deflater = jh_websocket_deflater_try_new(15, 1);
  jh_websocket_inflater *inflater = jh_websocket_inflater_try_new(15);
  MUST(deflater != NULL && inflater != NULL);
  for (int i = 0; i < 2; i++) {
    size_t room = jh_websocket_deflate_bound(deflater, len);
    char *packed = malloc(room);
    MUST(packed != NULL);
    ssize_t count = jh_websocket_deflate_piece(deflater, (jh_str){text, len}, packed, room, true);
    MUST(count > 0);
    ssize_t back_len = inflate_message(inflater, (jh_str){packed, (size_t)count}, 1000, 5000, back);
    MUST(back_len == (ssize_t)len && memcmp(back, text, len) == 0);
    free(packed);
  }
  jh_websocket_deflater_free(deflater);
  jh_websocket_inflater_free(inflater);
}

static void inflate_messages(const uint8_t *data, size_t bytes) {
  static char text[OUTPUT_MAX], other[OUTPUT_MAX];
  jh_websocket_inflater *first = jh_websocket_inflater_try_new(15);
  jh_websocket_inflater *second = jh_websocket_inflater_try_new(15);
  MUST(first != NULL && second != NULL);
  ssize_t len = 0;
  for (size_t at = 0; at < bytes && len >= 0;) {
    size_t count = data[at] < bytes - at - 1 ? data[at] : bytes - at - 1;
    jh_str message = {(const char *)data + at + 1, count};
    len = inflate_message(first, message, 4096, INPUT_MAX, text);
    ssize_t other_len = inflate_message(second, message, 37, 3, other);
    MUST((other_len < 0) == (len < 0));
    MUST(len < 0 || (len == other_len && memcmp(text, other, (size_t)len) == 0));
    if (len >= 0 && len < 4096) there_and_back(text, (size_t)len);
    at += count + 1;
  }
  jh_websocket_inflater_free(first);
  jh_websocket_inflater_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes == 0 || bytes > INPUT_MAX) return 0;
  const uint8_t *field = data + 1;
  const uint8_t *lf = memchr(field, '\n', bytes - 1);
  size_t field_len = lf == NULL ? bytes - 1 : (size_t)(lf - field);
  char *copy = malloc(field_len > 0 ? field_len : 1);
  MUST(copy != NULL);
  if (field_len > 0) memcpy(copy, field, field_len);
  negotiate((jh_str){copy, field_len}, data[0]);
  free(copy);
  if (lf != NULL) inflate_messages(lf + 1, bytes - 2 - field_len);
  return 0;
}
