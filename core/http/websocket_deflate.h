/* websocket_deflate.h: permessage-deflate (RFC 7692): what two sides agree on, and the coders.
 *
 * `choose` is the server's half of the negotiation, `write_offer` and `read_answer` the client's.
 * Coders turn one message into the bytes of its frames and back. Where the window does not live on
 * from message to message (no context takeover) a coder serves any connection, one message at a
 * time: one of each kind is enough for a worker. */
#ifndef JH_HTTP_WEBSOCKET_DEFLATE_H
#define JH_HTTP_WEBSOCKET_DEFLATE_H

#include "http/coding.h"

/* ==== cdef: begin ==== */

enum { JH_WEBSOCKET_BITS_MIN = 8, JH_WEBSOCKET_BITS_MAX = 15, JH_WEBSOCKET_EXTENSION_BYTES = 160 };

/* What was agreed, or what one side would like: windows are 2^bits bytes. Of a server's wishes the
 * client's bits are a bound for it, and of a client's the server's. */
typedef struct jh_websocket_deflate {
  uint8_t server_bits, client_bits; /* 8 to 15; zlib writes with 9 at least */
  bool server_takes_over;           /* the server's window lives on between its messages */
  bool client_takes_over;
} jh_websocket_deflate;

/* The first of the client's offers that can be met; fields sent more than once are joined by a
 * comma. True with *chosen set. */
bool jh_websocket_deflate_choose(jh_str offers, const jh_websocket_deflate *wish,
                                 jh_websocket_deflate *chosen);

/* The extension of a server's answer, and of a client's offer. Bytes written. */
size_t jh_websocket_deflate_write_answer(const jh_websocket_deflate *chosen, char out[160]);
size_t jh_websocket_deflate_write_offer(const jh_websocket_deflate *wish, char out[160]);

/* The server's answer to an offer made of `wish`. 1 with *chosen set; 0 when it names no
 * extension; JH_EPROTO when it names what was not offered. */
int jh_websocket_deflate_read_answer(jh_str answer, const jh_websocket_deflate *wish,
                                     jh_websocket_deflate *chosen);

/* ---- coders ---- */

typedef struct jh_websocket_deflater jh_websocket_deflater;
typedef struct jh_websocket_inflater jh_websocket_inflater;

/* NULL when out of memory. About 268 KiB and 44 KiB with 15 bits. */
jh_websocket_deflater *jh_websocket_deflater_try_new(int bits, int level);
jh_websocket_inflater *jh_websocket_inflater_try_new(int bits);
void jh_websocket_deflater_free(jh_websocket_deflater *deflater);
void jh_websocket_inflater_free(jh_websocket_inflater *inflater);

/* Forgets the window. */
void jh_websocket_deflater_reset(jh_websocket_deflater *deflater);
void jh_websocket_inflater_reset(jh_websocket_inflater *inflater);

/* Room that `len` bytes take at most. */
size_t jh_websocket_deflate_bound(jh_websocket_deflater *deflater, size_t len);

/* Compresses a fragment of a message, all of it when `is_last`. Bytes written, or JH_ENOMEM when
 * `room` is less than the bound. */
ssize_t jh_websocket_deflate_piece(jh_websocket_deflater *deflater, jh_str piece, char *out,
                                   size_t room, bool is_last);

/* Decompresses a piece. JH_CODING_DONE: all of it is in the output; JH_CODING_FULL: call again with
 * more room; JH_EPROTO; JH_ENOMEM. */
int jh_websocket_inflate_piece(jh_websocket_inflater *inflater, jh_coding_io *io, bool is_last);

/* ==== cdef: end ==== */

#endif
