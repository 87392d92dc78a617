/* websocket_write.c: the way out: messages to frames.
 *
 * Frames go to the end of the connection's queue, which is written at the end of the turn, so that
 * many small ones leave with one write. A long payload of a server is given to the kernel from
 * where it lies. */
#include "net/websocket.h"

#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"

enum {
  QUEUE_HIGH_BYTES = 65536,  /* more than this queued: the writer waits */
  COPIED_BYTES_MAX = 8192,   /* longer payloads are not copied behind their head */
  COMPRESSED_BYTES_MIN = 64, /* what deflate makes of less is seldom shorter */
  LEVEL = 1                  /* zlib's fastest */
};

void jh_websocket_tell_writer(jh_websocket *websocket, int error) {
  if (!websocket->write_wait_id) return;
  websocket->write_node.owner = JH_EVENT_OF_WEBSOCKET_WRITE;
  websocket->write_node.event =
      (jh_event){.kind = JH_EVENT_WAKE, .id = websocket->write_wait_id, .error = error};
  websocket->write_wait_id = 0;
  jh_event_queue_push(websocket->ready, &websocket->write_node);
}

/* Unpredictable, so that nobody can have a client write bytes of his choice (RFC 6455 §10.3). */
static bool make_mask(uint8_t mask[4]) {
  return getrandom(mask, 4, 0) == 4;
}

/* Queues a frame. 0 or a negative code; after JH_ECLOSED the connection is gone. */
static int queue_frame(jh_websocket *websocket, uint8_t first, jh_str payload) {
  jh_conn *conn = websocket->conn;
  uint8_t mask[4];
  bool is_copied = websocket->is_client || payload.len <= COPIED_BYTES_MAX;
  if (websocket->is_client && !make_mask(mask)) return JH_ENOMEM;
  size_t bytes = JH_WEBSOCKET_HEAD_BYTES_MAX + (is_copied ? payload.len : 0);
  jh_buf *buf = jh_conn_reserve(conn, bytes);
  if (!buf) return JH_ENOMEM;
  size_t head_bytes = jh_websocket_write_head(buf->data + buf->end, first, payload.len,
                                              websocket->is_client ? mask : NULL);
  buf->end += (uint32_t)head_bytes;
  jh_conn_mark_pending(conn);
  if (!is_copied) return jh_conn_write_out(conn, payload);
  char *copy = buf->data + buf->end;
  if (payload.len) memcpy(copy, payload.ptr, payload.len);
  buf->end += (uint32_t)payload.len;
  if (websocket->is_client) {
    uint32_t word;
    memcpy(&word, mask, sizeof(word));
    jh_websocket_mask(copy, payload.len, word);
  }
  return 0;
}

int jh_websocket_send_control(jh_websocket *websocket, int opcode, jh_str payload) {
  jh_conn *conn = websocket->conn;
  /* A peer that sends pings and reads nothing gets no further answers. */
  bool is_answer = opcode == JH_WEBSOCKET_PONG;
  if (is_answer && jh_conn_queued_bytes(conn) > QUEUE_HIGH_BYTES) return 0;
  return queue_frame(websocket, (uint8_t)(JH_WEBSOCKET_FINAL | opcode), payload);
}

/* ---- compression ---- */

static jh_websocket_deflater *find_deflater(jh_websocket *websocket, int bits, bool lives_on) {
  jh_websocket_deflater **place = &websocket->deflater;
  if (!lives_on) place = &websocket->loop->websockets.deflaters[bits - JH_WEBSOCKETS_BITS_MIN];
  if (!*place) {
    *place = jh_websocket_deflater_try_new(bits, LEVEL);
  } else if (!lives_on) {
    jh_websocket_deflater_reset(*place);
  }
  return *place;
}

/* Compresses the message into *packed. JH_EUNSUPPORTED when it is to be sent as it is. */
static int compress(jh_websocket *websocket, jh_str message, char **memory, jh_str *packed) {
  const jh_websocket_deflate *deflate = &websocket->deflate;
  int bits = websocket->is_client ? deflate->client_bits : deflate->server_bits;
  bool lives_on = websocket->is_client ? deflate->client_takes_over : deflate->server_takes_over;
  bool is_worth_it = message.len >= COMPRESSED_BYTES_MIN || (lives_on && message.len > 0);
  if (!websocket->is_compressed || !is_worth_it || bits < JH_WEBSOCKETS_BITS_MIN)
    return JH_EUNSUPPORTED;
  jh_websocket_deflater *deflater = find_deflater(websocket, bits, lives_on);
  if (!deflater) return JH_EUNSUPPORTED;
  size_t room = jh_websocket_deflate_bound(deflater, message.len);
  *memory = jh_try_alloc(room);
  if (!*memory) return JH_EUNSUPPORTED;
  ssize_t count = jh_websocket_deflate_piece(deflater, message, *memory, room, true);
  if (count < 0) return (int)count;
  if (!lives_on && (size_t)count >= message.len) return JH_EUNSUPPORTED;
  *packed = (jh_str){*memory, (size_t)count};
  return 0;
}

/* ---- what Lua calls ---- */

/* How a fragment follows those before it. 0 or JH_EINVAL. */
static int order(const jh_websocket *websocket, int opcode) {
  bool is_continuation = opcode == JH_WEBSOCKET_CONTINUATION;
  if (opcode < JH_WEBSOCKET_CONTINUATION || opcode > JH_WEBSOCKET_BINARY) return JH_EINVAL;
  if (is_continuation != websocket->is_sending_pieces) {
    return is_continuation ? JH_EINVAL : JH_EBUSY;
  }
  return 0;
}

/* A text that is none would end the connection, and far from whoever sent it. */
static bool is_text(jh_websocket *websocket, int opcode, jh_str payload, bool is_last) {
  bool is_piece_of_text = opcode == JH_WEBSOCKET_CONTINUATION && websocket->is_sending_text;
  if (opcode != JH_WEBSOCKET_TEXT && !is_piece_of_text) return true;
  jh_utf8_state state = {0};
  if (is_piece_of_text) state = websocket->sent;
  if (!jh_utf8_feed(&state, payload) || (is_last && state.left > 0)) return false;
  websocket->sent = state;
  return true;
}

static int await_writer(jh_websocket *websocket, uint32_t wait_id) {
  jh_conn *conn = websocket->conn;
  if (jh_conn_queued_bytes(conn) <= QUEUE_HIGH_BYTES) return 0;
  jh_conn_flush(conn);
  conn = websocket->conn;
  if (!conn) return JH_ECLOSED;
  if (jh_conn_queued_bytes(conn) <= QUEUE_HIGH_BYTES || wait_id == 0) return 0;
  websocket->write_wait_id = wait_id;
  return JH_EWAIT;
}

int jh_websocket_send(jh_websocket *websocket, int opcode, const char *bytes, size_t len,
                      bool is_last, uint32_t wait_id) {
  if (websocket->state != JH_WEBSOCKET_OPEN) return JH_ECLOSED;
  if (websocket->write_wait_id) return JH_EBUSY;
  jh_str payload = {bytes, len};
  int error = order(websocket, opcode);
  if (error == 0 && !is_text(websocket, opcode, payload, is_last)) error = JH_EPROTO;
  if (error) return error;
  uint8_t first = (uint8_t)(opcode | (is_last ? JH_WEBSOCKET_FINAL : 0));
  if (opcode != JH_WEBSOCKET_CONTINUATION) websocket->is_sending_text = opcode == JH_WEBSOCKET_TEXT;
  websocket->is_sending_pieces = !is_last;
  char *memory = NULL;
  bool is_whole = is_last && opcode != JH_WEBSOCKET_CONTINUATION;
  if (is_whole && websocket->is_compressed) {
    error = compress(websocket, payload, &memory, &payload);
    if (error == 0) first |= JH_WEBSOCKET_COMPRESSED;
    if (error == JH_EUNSUPPORTED) error = 0;
  }
  if (error == 0) error = queue_frame(websocket, first, payload);
  jh_free(memory);
  if (error) return error;
  return await_writer(websocket, wait_id);
}

int jh_websocket_ping(jh_websocket *websocket, bool is_pong, const char *bytes, size_t len) {
  if (websocket->state != JH_WEBSOCKET_OPEN) return JH_ECLOSED;
  if (len > JH_WEBSOCKET_CONTROL_BYTES_MAX) return JH_ELIMIT;
  int opcode = is_pong ? JH_WEBSOCKET_PONG : JH_WEBSOCKET_PING;
  return jh_websocket_send_control(websocket, opcode, (jh_str){bytes, len});
}
