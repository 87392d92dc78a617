/* hub_frame.c: messages as frames of RFC 6455, plain and compressed, and as server-sent events. */
#include "net/hub_frame.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "http/websocket_frame.h"

enum { LEVEL = 1, COMPRESSED_BYTES_MIN = 64, CHUNK_HEAD_BYTES = 18 };

static jh_hub_frame *try_new(size_t bytes, const jh_hub_topic *topic) {
  if (bytes > UINT32_MAX / 2) return NULL;
  jh_hub_frame *frame = jh_try_alloc(sizeof *frame + bytes);
  if (frame) *frame = (jh_hub_frame){.references = 1, .topic = topic};
  return frame;
}

void jh_hub_frame_release(jh_hub_frame *frame) {
  if (--frame->references == 0) jh_free(frame);
}

static jh_hub_frame *make_plain(const jh_hub_message *message, const jh_hub_topic *topic) {
  jh_str data = message->data;
  jh_hub_frame *frame = try_new(JH_WEBSOCKET_HEAD_BYTES_MAX + data.len, topic);
  if (!frame) return NULL;
  uint8_t first = (uint8_t)(JH_WEBSOCKET_FINAL | message->kind);
  size_t head = jh_websocket_write_head(frame->bytes, first, data.len, NULL);
  if (data.len) memcpy(frame->bytes + head, data.ptr, data.len);
  frame->len = (uint32_t)(head + data.len);
  return frame;
}

static jh_hub_frame *make_compressed(jh_hub *hub, const jh_hub_message *message,
                                     const jh_hub_topic *topic) {
  jh_str data = message->data;
  if (!hub->deflater) hub->deflater = jh_websocket_deflater_try_new(JH_WEBSOCKET_BITS_MAX, LEVEL);
  if (!hub->deflater || data.len < COMPRESSED_BYTES_MIN) return make_plain(message, topic);
  jh_websocket_deflater_reset(hub->deflater);
  size_t room = jh_websocket_deflate_bound(hub->deflater, data.len);
  jh_hub_frame *frame = try_new(JH_WEBSOCKET_HEAD_BYTES_MAX + room, topic);
  if (!frame) return NULL;
  char *packed = frame->bytes + JH_WEBSOCKET_HEAD_BYTES_MAX;
  ssize_t count = jh_websocket_deflate_piece(hub->deflater, data, packed, room, true);
  if (count < 0 || (size_t)count >= data.len) {
    jh_hub_frame_release(frame);
    return make_plain(message, topic);
  }
  uint8_t first = (uint8_t)(JH_WEBSOCKET_FINAL | JH_WEBSOCKET_COMPRESSED | message->kind);
  size_t head = jh_websocket_write_head(frame->bytes, first, (uint64_t)count, NULL);
  memmove(frame->bytes + head, packed, (size_t)count);
  frame->len = (uint32_t)(head + (size_t)count);
  return frame;
}

/* Writes "data: " and each line; CR, LF and CRLF end one. NULL `out` only counts. */
static size_t write_event(jh_str data, char *out) {
  static const char prefix[] = "data: ";
  size_t at = 0, len = 0;
  do {
    size_t start = at;
    while (at < data.len && data.ptr[at] != '\n' && data.ptr[at] != '\r') at++;
    if (out) {
      memcpy(out + len, prefix, sizeof prefix - 1);
      if (at > start) memcpy(out + len + sizeof prefix - 1, data.ptr + start, at - start);
    }
    len += sizeof prefix - 1 + (at - start);
    if (out) out[len] = '\n';
    len++;
    bool is_end = at == data.len;
    if (!is_end && data.ptr[at] == '\r' && at + 1 < data.len && data.ptr[at + 1] == '\n') at++;
    if (is_end) break;
    at++;
  } while (true);
  if (out) out[len] = '\n';
  return len + 1;
}

static jh_hub_frame *make_event(const jh_hub_message *message, bool is_chunked,
                                const jh_hub_topic *topic) {
  if (message->kind != JH_WEBSOCKET_TEXT) return NULL;
  size_t bytes = write_event(message->data, NULL);
  jh_hub_frame *frame = try_new(bytes + CHUNK_HEAD_BYTES + 2, topic);
  if (!frame) return NULL;
  int head = 0;
  if (is_chunked) head = snprintf(frame->bytes, CHUNK_HEAD_BYTES + 1, "%zx\r\n", bytes);
  write_event(message->data, frame->bytes + head);
  frame->len = (uint32_t)((size_t)head + bytes);
  if (!is_chunked) return frame;
  memcpy(frame->bytes + frame->len, "\r\n", 2);
  frame->len += 2;
  return frame;
}

jh_hub_frame *jh_hub_frame_try_new(jh_hub *hub, const jh_hub_message *message, jh_hub_form form,
                                   const jh_hub_topic *topic) {
  switch (form) {
  case JH_HUB_WEBSOCKET:
    return make_plain(message, topic);
  case JH_HUB_WEBSOCKET_DEFLATE:
    return make_compressed(hub, message, topic);
  default:
    return make_event(message, form == JH_HUB_EVENT_CHUNKED, topic);
  }
}
