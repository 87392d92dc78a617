/* websocket_frame_fuzz.c: reads frames in several ways.
 *
 * The input is a byte of flags (1: the reader is a client's; 2: compressed messages are taken; 4:
 * small limits), then what was received. What must hold:
 *  - The outcome does not depend on how the bytes are cut: all at once, one by one, in pieces.
 *  - No byte outside what was given is touched (every piece is a block of its own under ASan).
 *  - What the reader waits with is less than a control frame and its head.
 *  - Messages come whole and one after the other, text is UTF-8 as the whole of it is judged, and
 *    nothing is above its limit. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/websocket_frame.h"

enum { INPUT_MAX = 4096, OUTCOME_MAX = 3 * INPUT_MAX + 64, MESSAGE_LIMIT = 40, FRAME_LIMIT = 25 };

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "websocket_frame_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

/* All that can be observed; `message` is the one that has begun. */
typedef struct outcome {
  char text[OUTCOME_MAX];
  size_t len;
  char message[INPUT_MAX];
  size_t message_len;
  int result;
  uint16_t close_code;
  bool is_inside;
} outcome;

static void note(outcome *into, const char *bytes, size_t len) {
  MUST(into->len + len <= sizeof(into->text));
  if (len > 0) memcpy(into->text + into->len, bytes, len);
  into->len += len;
}

static void note_byte(outcome *into, int byte) {
  char one = (char)byte;
  note(into, &one, 1);
}

static void note_piece(outcome *into, const jh_websocket_event *event, uint8_t flags) {
  MUST(event->opcode == JH_WEBSOCKET_TEXT || event->opcode == JH_WEBSOCKET_BINARY);
  MUST(event->is_first == !into->is_inside);
  MUST(!event->is_compressed || (flags & 2));
  if (event->is_first) into->message_len = 0;
  MUST(into->message_len + event->len <= sizeof(into->message));
  if (event->len > 0) memcpy(into->message + into->message_len, event->ptr, event->len);
  into->message_len += event->len;
  into->is_inside = !event->is_last;
  if (!event->is_last) return;
  if ((flags & 4) && !event->is_compressed) MUST(into->message_len <= MESSAGE_LIMIT);
  if (event->opcode == JH_WEBSOCKET_TEXT && !event->is_compressed) {
    MUST(jh_utf8_is_valid((jh_str){into->message, into->message_len}));
  }
  note_byte(into, event->opcode);
  note(into, into->message, into->message_len);
}

static void note_event(outcome *into, const jh_websocket_event *event, uint8_t flags) {
  if (event->opcode < JH_WEBSOCKET_CLOSE) {
    note_piece(into, event, flags);
    return;
  }
  MUST(event->len <= JH_WEBSOCKET_CONTROL_BYTES_MAX);
  note_byte(into, event->opcode);
  note(into, event->ptr, event->len);
  if (event->opcode != JH_WEBSOCKET_CLOSE) return;
  note_byte(into, event->close_code & 0xff);
  MUST(event->close_code == JH_WEBSOCKET_NO_CODE || jh_websocket_code_is_valid(event->close_code));
  MUST(jh_utf8_is_valid((jh_str){event->ptr, event->len}));
}

/* Gives what is there in a block of its own. Bytes used. */
static size_t feed(jh_websocket_reader *reader, const char *bytes, size_t len, uint8_t flags,
                   outcome *into) {
  char *piece = malloc(len > 0 ? len : 1);
  MUST(piece != NULL);
  if (len > 0) memcpy(piece, bytes, len);
  size_t at = 0;
  do {
    jh_websocket_event event;
    size_t used = 0;
    into->result = jh_websocket_reader_next(reader, piece + at, len - at, &used, &event);
    MUST(used <= len - at);
    at += used;
    if (into->result == 1) note_event(into, &event, flags);
  } while (into->result == 1);
  free(piece);
  return at;
}

/* seed 0: all at once; 1: one by one; else pseudo-random pieces. */
static void run(const char *bytes, size_t len, uint8_t flags, uint32_t seed, outcome *into) {
  jh_websocket_reader reader;
  bool has_limits = (flags & 4) != 0;
  jh_websocket_reader_init(&reader, has_limits ? MESSAGE_LIMIT : 0, has_limits ? FRAME_LIMIT : 0);
  reader.is_client = (flags & 1) != 0;
  reader.takes_compressed = (flags & 2) != 0;
  into->len = into->message_len = 0;
  into->is_inside = false;
  size_t done = 0, have = 0;
  do {
    size_t count = len - have;
    if (seed == 1) count = 1;
    if (seed > 1) {
      seed = seed * 1664525 + 1013904223;
      count = 1 + (seed >> 16) % 40;
    }
    if (count > len - have) count = len - have;
    have += count;
    done += feed(&reader, bytes + done, have - done, flags, into);
    MUST(into->result < 0 ||
         have - done < JH_WEBSOCKET_HEAD_BYTES_MAX + JH_WEBSOCKET_CONTROL_BYTES_MAX);
  } while (into->result == 0 && have < len);
  into->close_code = reader.close_code;
  if (into->result == 0) return;
  MUST(into->result == JH_EPROTO || into->result == JH_ELIMIT);
  MUST((into->result == JH_ELIMIT) == (into->close_code == JH_WEBSOCKET_TOO_BIG));
  MUST(jh_websocket_code_is_valid(into->close_code) && reader.reason != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static outcome whole;
  static outcome other;
  if (bytes == 0 || bytes > INPUT_MAX) return 0;
  const char *text = (const char *)data + 1;
  run(text, bytes - 1, data[0], 0, &whole);
  for (uint32_t seed = 1; seed < 5; seed++) {
    run(text, bytes - 1, data[0], seed, &other);
    MUST(other.result == whole.result && other.len == whole.len);
    MUST(other.close_code == whole.close_code);
    MUST(memcmp(other.text, whole.text, whole.len) == 0);
  }
  return 0;
}
