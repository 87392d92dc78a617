/* websocket_handshake.c: base64 of a few bytes, and the hash that RFC 6455 §4.2.2 names. */
#include "http/websocket_handshake.h"

#include <string.h>

#include "base/sha1.h"
#include "base/str.h"

enum { RANDOM_BYTES = 16, GUID_BYTES = 36 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(const uint8_t *bytes, size_t count, char *out) {
  for (size_t i = 0; i < count; i += 3) {
    uint32_t second = i + 1 < count ? bytes[i + 1] : 0;
    uint32_t third = i + 2 < count ? bytes[i + 2] : 0;
    uint32_t bits = (uint32_t)bytes[i] << 16 | second << 8 | third;
    *out++ = alphabet[bits >> 18];
    *out++ = alphabet[bits >> 12 & 63];
    *out++ = '=';
    *out++ = '=';
    if (i + 1 < count) out[-2] = alphabet[bits >> 6 & 63];
    if (i + 2 < count) out[-1] = alphabet[bits & 63];
  }
}

void jh_websocket_write_key(const uint8_t random[RANDOM_BYTES], char key[JH_WEBSOCKET_KEY_BYTES]) {
  encode(random, RANDOM_BYTES, key);
}

/* 22 digits and two "=". Four bits of the last digit say nothing; nobody looks at them. */
static bool is_key(jh_str key) {
  if (key.len != JH_WEBSOCKET_KEY_BYTES || memcmp(key.ptr + 22, "==", 2) != 0) return false;
  for (size_t i = 0; i < 22; i++) {
    if (key.ptr[i] == '\0' || strchr(alphabet, key.ptr[i]) == NULL) return false;
  }
  return true;
}

int jh_websocket_write_accept(jh_str key, char accept[JH_WEBSOCKET_ACCEPT_BYTES]) {
  char text[JH_WEBSOCKET_KEY_BYTES + GUID_BYTES];
  uint8_t hash[JH_SHA1_BYTES];
  if (!is_key(key)) return JH_EINVAL;
  memcpy(text, key.ptr, key.len);
  memcpy(text + key.len, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", GUID_BYTES);
  jh_sha1((jh_str){text, sizeof(text)}, hash);
  encode(hash, sizeof(hash), accept);
  return 0;
}
