/* websocket_handshake.h: the two field values that prove a WebSocket handshake (RFC 6455 §4).
 *
 * A client sends Sec-WebSocket-Key, 16 random bytes in base64; the server answers
 * Sec-WebSocket-Accept, which only somebody who read the key as a WebSocket's can make. */
#ifndef JH_HTTP_WEBSOCKET_HANDSHAKE_H
#define JH_HTTP_WEBSOCKET_HANDSHAKE_H

#include "justhttp.h"

/* ==== cdef: begin ==== */

enum { JH_WEBSOCKET_KEY_BYTES = 24, JH_WEBSOCKET_ACCEPT_BYTES = 28 };

/* Writes the key that stands for 16 bytes. */
void jh_websocket_write_key(const uint8_t random[16], char key[24]);

/* Writes the answer to a key. 0, or JH_EINVAL when that is none. */
int jh_websocket_write_accept(jh_str key, char accept[28]) __attribute__((warn_unused_result));

/* ==== cdef: end ==== */

#endif
