/* loop.h: what the connections of one worker share: the uv loop, pools, limits, deadlines,
 * counters.
 *
 * libuv's callbacks run inside uv_run() and only move bytes and append events; they never enter
 * Lua. One turn of a worker is: jh_loop_run_once(), then Lua drains its ready queue, then
 * jh_loop_finish_turn() writes what is left to write.
 * server/worker.c owns it and is told of requests through the hooks. */
#ifndef JH_NET_LOOP_H
#define JH_NET_LOOP_H

#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/pool.h"
#include "http/ctx.h"
#include "http/parser.h"
#include "net/alarm.h"
#include "net/fd_wait.h"
#include "net/file_cache.h"
#include "net/http2_memory.h"
#include "net/link.h"
#include "net/peer.h"
#include "net/resolver.h"
#include "net/timeout.h"
#include "net/websockets.h"
#include "net/tls_cache.h"

struct jh_conn;
struct jh_tls_lookup;
typedef struct jh_loop jh_loop;

/* Limits and durations, in the units of the options they come from. */
typedef struct jh_loop_settings {
  jh_parse_limits parse;   /* of heads: no limit on bodies, routes have their own */
  uint64_t max_body_bytes; /* of requests whose route says nothing else */
  uint64_t body_buffer_bytes;
  uint32_t max_requests_per_connection; /* 0: no limit */
  uint32_t max_connections;
  uint32_t max_streams_per_connection; /* HTTP/2: requests at once */
  uint32_t max_streams;                /* of all connections together */
  uint32_t min_body_bytes_per_s;       /* see http/body_pace.h */
  uint32_t header_timeout_ms, body_timeout_ms, write_timeout_ms, keepalive_timeout_ms;
  uint32_t tls_handshake_timeout_ms;
  bool spares_memory;     /* idle connections give their buffer back */
  bool speaks_http2;      /* where TLS agrees on it */
  bool speaks_h2c;        /* with clients that begin with it */
  bool allows_half_close; /* the end of a client's side does not cancel its handler */
  jh_peer_settings peers;
  jh_str server_header; /* "" leaves it out; must outlive the loop */
} jh_loop_settings;

/* How the server side is told. `data` is the owner's pointer from the loop. */
typedef struct jh_loop_hooks {
  /* The head of a request with a body is there. May set max_body_bytes, body_timeout_ms and
   * is_early of the ctx; true when its handler is to answer a body above the limit. Nothing that
   * points into the head may be kept. */
  bool (*on_head)(jh_loop *loop, jh_ctx *ctx);
  /* A head and, when it is small, its body are there; the ctx waits for its answer. */
  void (*on_request)(jh_loop *loop, jh_ctx *ctx);
  /* A body read that answered JH_EWAIT can go on; ctx->wait_id says who waits. */
  void (*on_body)(jh_loop *loop, jh_ctx *ctx, int error);
  /* A streamed write that answered JH_EWAIT can go on; ctx->write_wait_id says who waits. */
  void (*on_writable)(jh_loop *loop, jh_ctx *ctx, int error);
  /* A read (or write) of a channel that answered JH_EWAIT can go on. */
  void (*on_channel)(jh_loop *loop, jh_channel *channel, bool is_writer);
  /* The client is gone while Lua holds the ctx, or ended its side; ctx->conn is NULL when nothing
   * can be sent any more. */
  void (*on_abort)(jh_loop *loop, jh_ctx *ctx);
  /* A handshake waits for the app to find its certificate. */
  void (*on_certificate)(jh_loop *loop, struct jh_tls_lookup *lookup);
} jh_loop_hooks;

typedef struct jh_loop_counters {
  uint64_t accepted;        /* connections */
  uint64_t rejected;        /* connections over max_connections */
  uint64_t requests;        /* requests handed to the server side */
  uint64_t protocol_errors; /* requests refused by parser or limits */
  uint64_t timeouts;        /* 408 and slow readers */
  uint64_t tls_failures;    /* handshakes that did not end well */
} jh_loop_counters;

struct jh_loop {
  uv_loop_t uv;
  jh_loop_settings settings;
  jh_loop_hooks hooks;
  void *data; /* the owner's */
  jh_log *log;
  jh_timeouts timeouts;
  jh_pool conns;
  jh_pool arena_blocks;
  jh_buf_pool bufs;
  jh_pool file_sends;
  jh_pool http2_streams;
  jh_list http2_readable; /* streams whose guests are to read (http2_tunnel.h) */
  jh_http2_memory http2_memory;
  jh_file_cache files;
  uv_timer_t file_timer; /* runs while files are kept */
  jh_resolver resolver;
  jh_alarms alarms;
  struct jh_relays *relays; /* net/relay.h; NULL before the first upstream */
  jh_links links;
  struct jh_clients *clients;        /* origins and calls */
  jh_tls_cache tls_contexts;         /* of clients */
  jh_tls_cache tls_found;            /* what the app found for its listeners */
  struct jh_tls_context *server_tls; /* what new connections of TLS listeners begin with, or NULL */
  jh_list hidden_input;              /* TLS sessions with bytes that epoll does not see */
  jh_fd_waits fd_waits;
  jh_list sockets;  /* what Lua holds: jh_socket */
  jh_list resolves; /* and jh_resolve */
  jh_ctx_table ctxs;
  jh_list open_conns; /* every connection that is not closed */
  jh_list channels;   /* what Lua holds of hijacked ones */
  jh_websockets websockets;
  struct jh_hub *hub;
  struct jh_conn *first_pending; /* connections that jh_loop_finish_turn() looks after */
  struct jh_conn *first_closed;  /* closed in this turn; freed at its end */
  uint32_t conn_count;
  uint32_t stream_count;      /* of HTTP/2 connections */
  uint32_t turn;              /* counts jh_loop_run_once() */
  bool looks_up_certificates; /* the app is asked for names without a certificate */
  bool is_draining;           /* no new requests: answers close their connections */
  bool has_memory_input;      /* a connection in memory waits to be read: do not block */
  jh_loop_counters counters;
  jh_log_gate rejected_gate, per_ip_gate, proxy_gate;
  uint64_t head_until_ms; /* server_line and date_line are good until then */
  uint32_t server_line_bytes, date_line_bytes;
  char head_lines[320]; /* "Server: …\r\nDate: …\r\n" */
};

/* 0 or a negative code. */
int jh_loop_init(jh_loop *loop, const jh_loop_settings *settings, const jh_loop_hooks *hooks,
                 jh_log *log, void *data);

/* Closes every connection and handle and frees the pools. */
void jh_loop_deinit(jh_loop *loop);

/* True when the next turn has work that uv does not know of, and so must not block. */
bool jh_loop_is_busy(const jh_loop *loop);

/* Runs one turn of uv: blocks until something happens when `wait`. */
void jh_loop_run_once(jh_loop *loop, bool wait);

/* Flushes what the turn wrote, registers new connections, frees closed ones. */
void jh_loop_finish_turn(jh_loop *loop);

/* Starts the drain: idle connections close now, the others after their answer. */
void jh_loop_drain(jh_loop *loop);

/* ==== cdef: begin ==== */

/* For specs, which answer lookups themselves. */
struct jh_resolver *jh_loop_resolver(struct jh_loop *loop);

/* ==== cdef: end ==== */

/* The Server and Date lines of the current second. */
static inline void jh_loop_head_lines(jh_loop *loop, jh_str *server_line, jh_str *date_line);

/* Makes them anew; called when the second is over. */
void jh_loop_refresh_head_lines(jh_loop *loop);

/* inline definitions */

static inline void jh_loop_head_lines(jh_loop *loop, jh_str *server_line, jh_str *date_line) {
  if (uv_now(&loop->uv) >= loop->head_until_ms) jh_loop_refresh_head_lines(loop);
  *server_line = (jh_str){loop->head_lines, loop->server_line_bytes};
  *date_line = (jh_str){loop->head_lines + loop->server_line_bytes, loop->date_line_bytes};
}

#endif
