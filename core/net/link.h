/* link.h: one outgoing connection: a descriptor, its poll handle, TLS inside when asked for.
 *
 * Its owner (a call, a pool, a socket in Lua's hands) reads and writes it without waiting, and says
 * with jh_link_poll() what it wants to be told of. That is registered with epoll when it is needed
 * first, and stays: a pooled link whose owner keeps UV_READABLE does a request with a write and a
 * read and no epoll_ctl. What nobody wants any more is taken off when it happens next. */
#ifndef JH_NET_LINK_H
#define JH_NET_LINK_H

#include <sys/uio.h>
#include <uv.h>

#include "base/list.h"
#include "base/pool.h"
#include "net/alarm.h"
#include "net/dial.h"
#include "net/resolver.h"
#include "net/tls.h"

/* ==== cdef: begin ==== */

struct iovec;
typedef struct jh_link jh_link;
struct jh_tls_context;

/* Any may be NULL. Each may close the link. */
typedef struct jh_link_owner {
  /* Dialling (with TLS, when asked for) ended: 0 or a negative code. After an error nothing is left
   * but jh_link_close(); jh_link_reason() has the text, jh_link_stage() says how far it came. */
  void (*on_open)(jh_link *link, int error);
  void (*on_readable)(jh_link *link); /* only while asked for by jh_link_poll() */
  void (*on_writable)(jh_link *link);
} jh_link_owner;

typedef struct jh_link_address {
  jh_str host; /* name, IPv4, IPv6 without brackets, or "unix:/path" */
  uint16_t port;
  uint16_t keepalive_s;        /* of silence before the kernel probes the peer; 0 never */
  uint32_t connect_timeout_ms; /* of resolving, connecting and TLS together; 0 none */
  struct jh_tls_context *tls;  /* NULL: plain */
  jh_str server_name;          /* for SNI and verification; empty: host */
  jh_str local;                /* address to connect from; empty: any */
} jh_link_address;

/* How far it is, or how far it came before it failed. */
typedef enum jh_link_stage {
  JH_LINK_NEW = 0,
  JH_LINK_RESOLVING,
  JH_LINK_CONNECTING,
  JH_LINK_TLS,
  JH_LINK_OPEN,
  JH_LINK_CLOSED
} jh_link_stage;

/* A link that is nothing yet. NULL: out of memory. */
jh_link *jh_link_new(struct jh_loop *loop, const jh_link_owner *owner, void *owner_data);

/* 0: on_open comes later, never before this returns; or a negative code. Strings are copied. */
int jh_link_dial(jh_link *link, const jh_link_address *to);

/* Takes a connected, non-blocking descriptor instead of dialling. The link is open. */
void jh_link_adopt(jh_link *link, int fd, const char *place);

/* TLS over an open link; on_open comes again. 0 or a negative code. */
int jh_link_start_tls(jh_link *link, struct jh_tls_context *context, jh_str server_name,
                      uint32_t timeout_ms);

/* Bytes read, 0 at the end, -EAGAIN, or another negative code. */
ssize_t jh_link_read(jh_link *link, char *out, size_t bytes);

/* Bytes taken, -EAGAIN, or another negative code. */
ssize_t jh_link_write(jh_link *link, const struct iovec *parts, int count);

/* UV_READABLE | UV_WRITABLE that the owner wants to be told of from now on. */
void jh_link_poll(jh_link *link, int events);

/* Tells the peer that nothing more will be written. */
void jh_link_shutdown(jh_link *link);

/* Ends it; no callback comes any more. Its memory is used again in a later turn. */
void jh_link_close(jh_link *link);

/* Text of the last failure, NUL-terminated, valid until the close: "connect to 127.0.0.1:9:
 * connection refused". */
const char *jh_link_reason(const jh_link *link);

/* How far it came. */
inline jh_link_stage jh_link_stage_of(const jh_link *link);

/* From pool to call to socket and back. What is wanted (jh_link_poll()) stays. */
void jh_link_set_owner(jh_link *link, const jh_link_owner *owner, void *owner_data);

/* ==== cdef: end ==== */

struct jh_link {
  uv_poll_t poll;
  struct jh_loop *loop;
  int fd; /* -1 before it is connected */
  jh_tls *tls;
  const jh_link_owner *owner;
  void *owner_data;
  jh_list node;            /* in loop->links.open */
  jh_link *next_pending;   /* in loop->links.first_pending */
  jh_dial *dial;           /* while it runs */
  jh_alarm *alarm;         /* until it is open, when there is a timeout */
  jh_tls_context *context; /* for when it is connected */
  char *place;             /* "127.0.0.1:80", and behind it the name for TLS; NUL-terminated both */
  char *reason;
  int result; /* JH_LINK_*: what on_open is to be told at the end of the turn */
  uint32_t timeout_ms;
  uint8_t stage;                   /* jh_link_stage */
  uint8_t events;                  /* wanted by the owner */
  uint8_t registered;              /* with epoll */
  uint8_t read_needs, write_needs; /* what a read or write that could not go on waits for */
  bool has_handle;                 /* `poll` was initialised */
  bool is_pending;                 /* in loop->links.first_pending */
  bool has_result;
  bool has_failed;
};

/* Every link of a loop. */
typedef struct jh_links {
  jh_pool pool;
  jh_list open;           /* those that are not closed */
  jh_link *first_pending; /* looked after at the end of the turn */
} jh_links;

/* --- for the loop --- */

void jh_links_init(jh_links *links);

/* Links that wait for the end of the turn: the loop must not block. */
static inline bool jh_links_have_pending(const jh_links *links) {
  return links->first_pending != NULL;
}

/* Tells what became known without the loop, frees what was closed. */
void jh_links_finish_turn(struct jh_loop *loop);

/* Closes every link. */
void jh_links_close(jh_links *links);
void jh_links_deinit(jh_links *links);

/* inline definitions */

inline jh_link_stage jh_link_stage_of(const jh_link *link) {
  return (jh_link_stage)link->stage;
}

#endif
