/* ctx.h: the request context: one request/response exchange and the memory it needs.
 *
 * A connection acquires a ctx when the first byte of a request arrives and gives it up when the
 * response is written, so an idle connection owns none. While a handler runs, Lua holds it by its
 * slot. Two parties may hold a ctx, and it is free when neither does:
 *   conn            the connection that waits for its answer; NULL for a shadow
 *   is_held_by_lua  from JH_EVENT_REQUEST until jh_ctx_respond() or jh_ctx_release()
 *
 * ctx memory is never unmapped while the worker lives: a late handle finds a free ctx, which says
 * JH_ESTALE, and not somebody else's memory. */
#ifndef JH_HTTP_CTX_H
#define JH_HTTP_CTX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/event_queue.h"
#include "base/list.h"
#include "http/body_pace.h"
#include "http/parser.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"
#include "http/trailers.h"

/* body_timeout_ms of a request whose route has none of its own. */
#define JH_CTX_SERVER_TIMEOUT UINT32_MAX

/* ==== cdef: begin ==== */

struct jh_conn;

/* How the body of a streamed response travels. */
typedef enum jh_stream_state {
  JH_STREAM_NONE = 0,
  JH_STREAM_CHUNKED,
  JH_STREAM_LENGTH,   /* Content-Length was declared */
  JH_STREAM_TO_CLOSE, /* HTTP/1.0: the end of the connection is the end of the body */
  JH_STREAM_BODYLESS  /* HEAD, 204, 304: pieces are thrown away */
} jh_stream_state;

typedef struct jh_ctx_table jh_ctx_table;

/* Something that ends with the exchange, whoever ends it: it is taken out of the ctx's list and
 * run() frees it. Closing it earlier is jh_list_remove() and the same. */
typedef struct jh_cleanup {
  jh_list node;
  void (*run)(struct jh_cleanup *cleanup);
} jh_cleanup;

struct jh_ctx {
  jh_event_node request_node; /* JH_EVENT_REQUEST, then JH_EVENT_ABORT */
  jh_event_node wake_node;    /* JH_EVENT_WAKE of a body read */
  jh_event_node write_node;   /* JH_EVENT_WAKE of a streamed write */
  struct jh_conn *conn;
  jh_generation *generation; /* whose Lua holds it; set at dispatch */
  uint32_t slot;
  uint32_t wait_id;         /* of the task that waits for the body; 0 none */
  uint32_t write_wait_id;   /* of the task that streams the answer; 0 none */
  uint8_t stream_state;     /* jh_stream_state */
  bool closes_after_stream; /* decided with the head of a streamed response */
  uint64_t stream_left;     /* declared length of a streamed response: bytes still to come */
  bool is_shadow;           /* its client was answered from another ctx */
  bool is_held_by_lua;      /* dispatched and not yet answered or released */
  bool is_keep_alive;       /* the client's wish, sampled before the handler runs */
  bool has_continued;       /* 100 was sent, or the body began to come without it */
  bool has_body_end;        /* streaming: the last chunk was decoded */
  uint8_t body_state;       /* jh_body_state */
  int body_error;           /* sticky: what every further read answers */
  bool is_body_touched;     /* some of a streamed body was read */
  bool is_early;            /* its handler starts before its body, however small that is */
  uint32_t body_timeout_ms; /* between two reads of the body, or JH_CTX_SERVER_TIMEOUT */
  jh_body_pace pace;
  uint32_t read_turn;  /* turn of the loop in which the body was read last */
  uint32_t read_bytes; /* and what was read in it */
  uint64_t max_body_bytes;
  uint64_t body_left;   /* streaming with a declared length: bytes not yet taken */
  uint32_t window_off;  /* streaming: where in the input buffer the body may be written */
  jh_str body;          /* JH_BODY_WHOLE: all of it; streaming: the decoded bytes not yet taken */
  jh_trailers trailers; /* of a chunked body; whole once it has ended */
  jh_str remote;        /* peer address as text, once it was asked for; in the arena */
  int remote_port;
  jh_str path;       /* normalised; points into the head or the arena */
  jh_buf *shadow_in; /* a shadow's own input buffer, which its slices point into */
  jh_parser parser;
  jh_request request;
  jh_route_match match;
  jh_response response;
  jh_arena arena;
  struct jh_relay *relay;             /* that passes the exchange on; net/relay.h */
  struct jh_file_answer *file_answer; /* the file that will be the answer; net/file_answer.h */
  jh_list cleanups;
  struct jh_ctx *next_free;
  jh_header headers[]; /* max_header_count of them */
};

/* Every ctx of a worker, by slot. */
struct jh_ctx_table {
  jh_ctx **slots;
  uint32_t count, capacity;
  uint32_t max_header_count;
  uint32_t in_use;
  jh_ctx *free_list;
  jh_pool *arena_blocks;
};

/* `arena_blocks` is the pool that all arenas share; it outlives the table. */
void jh_ctx_table_init(jh_ctx_table *table, uint32_t max_header_count, jh_pool *arena_blocks);

/* Frees every ctx. None may be in use. */
void jh_ctx_table_deinit(jh_ctx_table *table);

/* A ctx ready for a new request, its parser started, or NULL when out of memory. */
jh_ctx *jh_ctx_try_acquire(jh_ctx_table *table);

/* Gives a ctx back; the arena and every slice are gone. */
void jh_ctx_put_back(jh_ctx_table *table, jh_ctx *ctx);

/* Sets `path` to the normal form of the request's path. 0, JH_EINVAL (the path holds a NUL: 400)
 * or JH_ENOMEM. Call it once the head does not move any more. */
int jh_ctx_settle_path(jh_ctx *ctx);

/* ==== cdef: end ==== */

/* The ctx in a slot, or NULL when there was never one. */
static inline jh_ctx *jh_ctx_table_at(const jh_ctx_table *table, uint32_t slot) {
  return slot < table->count ? table->slots[slot] : NULL;
}

#endif
