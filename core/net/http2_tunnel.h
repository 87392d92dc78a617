/* http2_tunnel.h: a stream as the transport of a connection: WebSockets over HTTP/2 (RFC 8441).
 *
 * Once an extended CONNECT is answered with 200 its stream carries bytes both ways. A guest wants a
 * jh_conn, so it gets one: its transport reads what DATA frames brought and writes into the
 * stream's queue, and the windows of HTTP/2 are to it what the kernel's buffers are to a socket. So
 * a WebSocket cannot tell the two apart, nor can the hub.
 *
 * The tunnel stands in loop->open_conns and ends like any connection: with END_STREAM when
 * everything was said, else with CANCEL. Whichever of the two ends first takes the other along. */
#ifndef JH_NET_HTTP2_TUNNEL_H
#define JH_NET_HTTP2_TUNNEL_H

#include "net/http2_stream.h"

/* The connection of a guest over this stream, which has none yet. NULL when out of memory. */
jh_conn *jh_http2_tunnel_try_new(jh_http2_stream *stream);

/* Bytes came, or the client's end: the guest is told by jh_http2_tunnels_read(). */
void jh_http2_tunnel_note_input(jh_http2_stream *stream);

/* The stream's queue has room again. */
void jh_http2_tunnel_note_room(jh_http2_stream *stream);

/* The stream is over: closes the guest's connection. */
void jh_http2_tunnel_lose(jh_http2_stream *stream);

/* Has guests read what came for them; nothing of nghttp2 is on the stack. */
void jh_http2_tunnels_read(jh_loop *loop);

#endif
