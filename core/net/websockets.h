/* websockets.h: what the WebSockets of one worker share: who they are, and zlib's coders.
 *
 * A coder whose window ends with the message serves one connection after the other, so an idle
 * WebSocket needs none. websocket_read.c and websocket_write.c lend them out. */
#ifndef JH_NET_WEBSOCKETS_H
#define JH_NET_WEBSOCKETS_H

#include "base/list.h"
#include "http/websocket_deflate.h"

enum { JH_WEBSOCKETS_BITS_MIN = 9, JH_WEBSOCKETS_DEFLATER_COUNT = 7 };

typedef struct jh_websockets {
  jh_list all;
  jh_websocket_deflater *deflaters[JH_WEBSOCKETS_DEFLATER_COUNT]; /* by bits, from 9 on */
  jh_websocket_inflater *inflater;                                /* for windows of any size */
  bool is_inflater_in_use; /* by a message that did not come whole yet */
} jh_websockets;

void jh_websockets_init(jh_websockets *websockets);

/* Frees the coders; no connection may be left. */
void jh_websockets_deinit(jh_websockets *websockets);

#endif
