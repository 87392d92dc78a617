/* websocket_frame.c: the rules of RFC 6455 §5 and §7.4.
 *
 * Heads are read anew when they were not whole: they have at most 14 bytes. A text is judged as it
 * comes, so that the first wrong byte ends the connection and not the last of a long message. */
#include "http/websocket_frame.h"

#include <string.h>

#include "base/str.h"

#if defined(__SSE2__) && !defined(JH_NO_SIMD)
#include <emmintrin.h>
#define HAS_SSE2 1
#endif

enum {
  OPCODE_BITS = 0x0f,
  CONTROL_BIT = 0x08,
  MASK_BIT = 0x80,
  LENGTH_16 = 126,
  LENGTH_64 = 127,
  /* What deflate may add to bytes that it cannot make smaller: 5 per 16 KiB, and the ends. */
  DEFLATE_BLOCK_BYTES = 16383,
  DEFLATE_EXTRA_BYTES = 64
};

/* ---- writing ---- */

size_t jh_websocket_write_head(char out[JH_WEBSOCKET_HEAD_BYTES_MAX], uint8_t first,
                               uint64_t payload_bytes, const uint8_t *mask) {
  uint8_t *to = (uint8_t *)out;
  uint8_t mask_bit = mask ? MASK_BIT : 0;
  size_t length_bytes = payload_bytes < LENGTH_16 ? 0 : payload_bytes <= UINT16_MAX ? 2 : 8;
  to[0] = first;
  if (length_bytes == 0) {
    to[1] = (uint8_t)(payload_bytes | mask_bit);
  } else {
    to[1] = (length_bytes == 2 ? LENGTH_16 : LENGTH_64) | mask_bit;
  }
  for (size_t i = 0; i < length_bytes; i++) {
    to[2 + i] = (uint8_t)(payload_bytes >> 8 * (length_bytes - 1 - i));
  }
  if (mask) memcpy(to + 2 + length_bytes, mask, 4);
  return 2 + length_bytes + (mask ? 4 : 0);
}

uint32_t jh_websocket_mask(char *bytes, size_t len, uint32_t mask) {
  size_t at = 0;
  uint64_t wide = (uint64_t)mask << 32 | mask;
#ifdef HAS_SSE2
  __m128i widest = _mm_set1_epi32((int)mask);
  for (; len - at >= 32; at += 32) {
    __m128i *first = (__m128i *)(void *)(bytes + at);
    __m128i low = _mm_xor_si128(_mm_loadu_si128(first), widest);
    __m128i high = _mm_xor_si128(_mm_loadu_si128(first + 1), widest);
    _mm_storeu_si128(first, low);
    _mm_storeu_si128(first + 1, high);
  }
#endif
  for (; len - at >= sizeof(wide); at += sizeof(wide)) {
    uint64_t word;
    memcpy(&word, bytes + at, sizeof(word));
    word ^= wide;
    memcpy(bytes + at, &word, sizeof(word));
  }
  uint8_t parts[4];
  memcpy(parts, &mask, sizeof(parts));
  for (size_t i = 0; at + i < len; i++) bytes[at + i] = (char)(bytes[at + i] ^ parts[i % 4]);
  uint8_t turned[4];
  for (size_t i = 0; i < 4; i++) turned[i] = parts[(i + len) % 4];
  memcpy(&mask, turned, sizeof(mask));
  return mask;
}

bool jh_websocket_code_is_valid(int code) {
  if (code >= 3000) return code <= 4999;
  bool is_reserved = code == 1004 || code == JH_WEBSOCKET_NO_CODE || code == JH_WEBSOCKET_ABNORMAL;
  return code >= 1000 && code <= 1014 && !is_reserved;
}

size_t jh_websocket_write_close(char out[JH_WEBSOCKET_CONTROL_BYTES_MAX], int code, jh_str reason) {
  if (code == JH_WEBSOCKET_NO_CODE) return 0;
  size_t len = 0;
  while (len < reason.len) {
    uint32_t code_point;
    size_t count = jh_utf8_decode(reason.ptr + len, reason.len - len, &code_point);
    if (count == 0 || len + count > JH_WEBSOCKET_REASON_BYTES_MAX) break;
    len += count;
  }
  out[0] = (char)(code >> 8);
  out[1] = (char)(code & 0xff);
  if (len > 0) memcpy(out + 2, reason.ptr, len);
  return 2 + len;
}

/* ---- reading ---- */

typedef struct frame_head {
  uint64_t payload_bytes;
  uint32_t mask;
  uint8_t opcode, bits;
  bool is_masked;
} frame_head;

void jh_websocket_reader_init(jh_websocket_reader *reader, uint64_t max_message_bytes,
                              uint64_t max_frame_bytes) {
  *reader = (jh_websocket_reader){.max_message_bytes = max_message_bytes,
                                  .max_frame_bytes = max_frame_bytes};
}

int jh_websocket_reader_fail(jh_websocket_reader *reader, int error, int close_code,
                             const char *reason) {
  reader->close_code = (uint16_t)close_code;
  reader->reason = reason;
  return error;
}

static int refuse(jh_websocket_reader *reader, const char *reason) {
  return jh_websocket_reader_fail(reader, JH_EPROTO, JH_WEBSOCKET_PROTOCOL_ERROR, reason);
}

static int refuse_text(jh_websocket_reader *reader, const char *reason) {
  return jh_websocket_reader_fail(reader, JH_EPROTO, JH_WEBSOCKET_INVALID_TEXT, reason);
}

static int refuse_size(jh_websocket_reader *reader, const char *reason) {
  return jh_websocket_reader_fail(reader, JH_ELIMIT, JH_WEBSOCKET_TOO_BIG, reason);
}

static bool is_known(uint8_t opcode) {
  return opcode <= JH_WEBSOCKET_BINARY ||
         (opcode >= JH_WEBSOCKET_CLOSE && opcode <= JH_WEBSOCKET_PONG);
}

/* Bytes of the head, 0 when it is not whole, or a negative code. */
static int read_head(jh_websocket_reader *reader, const uint8_t *data, size_t len,
                     frame_head *head) {
  if (len < 1) return 0;
  head->opcode = data[0] & OPCODE_BITS;
  head->bits = data[0] & ~OPCODE_BITS & 0xff;
  if (!is_known(head->opcode)) return refuse(reader, "an unknown opcode");
  if (head->bits & JH_WEBSOCKET_RESERVED) return refuse(reader, "a reserved bit is set");
  if (len < 2) return 0;
  head->is_masked = (data[1] & MASK_BIT) != 0;
  if (head->is_masked == reader->is_client) {
    return refuse(reader, reader->is_client ? "a frame of the server is masked"
                                            : "a frame of the client is not masked");
  }
  uint8_t length = data[1] & (uint8_t)~MASK_BIT;
  size_t length_bytes = length < LENGTH_16 ? 0 : length == LENGTH_16 ? 2 : 8;
  size_t bytes = 2 + length_bytes + (head->is_masked ? 4 : 0);
  if ((head->opcode & CONTROL_BIT) && length_bytes > 0) {
    return refuse(reader, "a control frame is too long");
  }
  if (len < bytes) return 0;
  head->payload_bytes = length_bytes ? 0 : length;
  for (size_t i = 0; i < length_bytes; i++) {
    head->payload_bytes = head->payload_bytes << 8 | data[2 + i];
  }
  bool is_shortest = length_bytes == 0 || (length_bytes == 2 && head->payload_bytes >= LENGTH_16) ||
                     head->payload_bytes > UINT16_MAX;
  if (!is_shortest) return refuse(reader, "a length is not in its shortest form");
  if (head->payload_bytes > INT64_MAX) return refuse(reader, "a length above 2^63");
  head->mask = 0;
  if (head->is_masked) memcpy(&head->mask, data + bytes - 4, 4);
  return (int)bytes;
}

static int read_close(jh_websocket_reader *reader, jh_websocket_event *event) {
  const uint8_t *payload = (const uint8_t *)event->ptr;
  event->close_code = JH_WEBSOCKET_NO_CODE;
  if (event->len == 0) return 1;
  if (event->len == 1) return refuse(reader, "half a close code");
  event->close_code = (uint16_t)(payload[0] << 8 | payload[1]);
  event->ptr += 2;
  event->len -= 2;
  if (!jh_websocket_code_is_valid(event->close_code)) return refuse(reader, "no close code");
  if (!jh_utf8_is_valid((jh_str){event->ptr, event->len})) {
    return refuse_text(reader, "the reason of a close is no UTF-8");
  }
  return 1;
}

static int read_control(jh_websocket_reader *reader, const frame_head *head, size_t head_bytes,
                        char *data, size_t len, size_t *used, jh_websocket_event *event) {
  if (!(head->bits & JH_WEBSOCKET_FINAL)) return refuse(reader, "a control frame in fragments");
  if (head->bits & JH_WEBSOCKET_COMPRESSED) return refuse(reader, "a compressed control frame");
  size_t payload_bytes = (size_t)head->payload_bytes;
  if (len - head_bytes < payload_bytes) return 0;
  *used = head_bytes + payload_bytes;
  *event =
      (jh_websocket_event){.opcode = head->opcode, .ptr = data + head_bytes, .len = payload_bytes};
  jh_websocket_mask(event->ptr, event->len, head->mask);
  return head->opcode == JH_WEBSOCKET_CLOSE ? read_close(reader, event) : 1;
}

static int begin_message(jh_websocket_reader *reader, const frame_head *head) {
  bool is_compressed = (head->bits & JH_WEBSOCKET_COMPRESSED) != 0;
  if (head->opcode == JH_WEBSOCKET_CONTINUATION) {
    if (!reader->opcode) return refuse(reader, "a continuation of nothing");
    if (is_compressed) return refuse(reader, "a reserved bit is set in a continuation");
    return 0;
  }
  if (reader->opcode) return refuse(reader, "a message within another one");
  if (is_compressed && !reader->takes_compressed) return refuse(reader, "a reserved bit is set");
  reader->opcode = head->opcode;
  reader->is_compressed = is_compressed;
  reader->is_inside = false;
  reader->message_bytes = 0;
  reader->utf8 = (jh_utf8_state){0};
  return 0;
}

static int begin_frame(jh_websocket_reader *reader, const frame_head *head) {
  int error = begin_message(reader, head);
  if (error) return error;
  if (reader->max_frame_bytes && head->payload_bytes > reader->max_frame_bytes) {
    return refuse_size(reader, "a frame is too big");
  }
  uint64_t limit = reader->max_message_bytes;
  if (reader->is_compressed) limit += limit / DEFLATE_BLOCK_BYTES * 5 + DEFLATE_EXTRA_BYTES;
  if (reader->max_message_bytes && head->payload_bytes > limit - reader->message_bytes) {
    return refuse_size(reader, "the message is too big");
  }
  reader->message_bytes += head->payload_bytes;
  reader->frame_left = head->payload_bytes;
  reader->mask = head->mask;
  reader->is_final = (head->bits & JH_WEBSOCKET_FINAL) != 0;
  reader->is_in_frame = true;
  return 0;
}

int jh_websocket_reader_check_text(jh_websocket_reader *reader, jh_str piece, bool is_last) {
  if (!jh_utf8_feed(&reader->utf8, piece)) return refuse_text(reader, "the text is no UTF-8");
  if (is_last && reader->utf8.left > 0) return refuse_text(reader, "the text ends in a character");
  return 0;
}

/* What is there of the payload: 1, or 0 when that is nothing. */
static int read_payload(jh_websocket_reader *reader, char *data, size_t len, size_t *used,
                        jh_websocket_event *event) {
  size_t count = reader->frame_left < len ? (size_t)reader->frame_left : len;
  bool is_last_of_frame = count == reader->frame_left;
  bool is_last = is_last_of_frame && reader->is_final;
  if (count == 0 && !is_last_of_frame) return 0;
  *used += count;
  *event = (jh_websocket_event){.opcode = reader->opcode,
                                .is_first = !reader->is_inside,
                                .is_last = is_last,
                                .is_compressed = reader->is_compressed,
                                .ptr = data,
                                .len = count};
  if (!reader->is_client) reader->mask = jh_websocket_mask(data, count, reader->mask);
  reader->frame_left -= count;
  reader->is_inside = true;
  if (is_last_of_frame) reader->is_in_frame = false;
  bool is_judged = reader->opcode == JH_WEBSOCKET_TEXT && !reader->is_compressed;
  if (is_last) reader->opcode = 0;
  if (!is_judged) return 1;
  int error = jh_websocket_reader_check_text(reader, (jh_str){data, count}, is_last);
  return error ? error : 1;
}

int jh_websocket_reader_next(jh_websocket_reader *reader, char *data, size_t len, size_t *used,
                             jh_websocket_event *event) {
  *used = 0;
  if (!reader->is_in_frame) {
    frame_head head = {0};
    int bytes = read_head(reader, (const uint8_t *)data, len, &head);
    if (bytes <= 0) return bytes;
    if (head.opcode & CONTROL_BIT) {
      return read_control(reader, &head, (size_t)bytes, data, len, used, event);
    }
    int error = begin_frame(reader, &head);
    if (error) return error;
    *used = (size_t)bytes;
  }
  return read_payload(reader, data + *used, len - *used, used, event);
}
