/* server.h: what the files of embed/ share: the server, what was declared to it, its exchanges. */
#ifndef JH_EMBED_SERVER_H
#define JH_EMBED_SERVER_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/list.h"
#include "embed/justhttp.h"
#include "lua/native.h"
#include "server/bundle.h"
#include "server/listener_set.h"
#include "server/tls_setup.h"
#include "server/worker.h"

enum { JH_SERVER_ERROR_BYTES = 1024 };

typedef struct jh_host jh_host;

/* A route, a middleware or a function, as it was declared. */
typedef struct jh_declaration {
  int kind; /* of jh_native_entry */
  char *method, *name;
  jh_handler handler;
  jh_function function;
  int (*lua_function)(struct lua_State *);
  void *data;
} jh_declaration;

/* Something that jh_server_post() was given. */
typedef struct jh_posted {
  struct jh_posted *next;
  void (*fn)(void *data);
  void *data;
} jh_posted;

struct jh_arguments {
  struct lua_State *state;
  jh_native_value results[JH_RESULTS_MAX];
  size_t result_count;
  char *owned[JH_RESULTS_MAX]; /* bytes of results */
  char failure[JH_SERVER_ERROR_BYTES];
};

struct jh_server {
  jh_options *options;
  char *app_path, *app_code;
  char *app_name; /* what stands before the names of its files; of an archive not its path */
  jh_bundle *bundle;
  jh_declaration *declarations;
  size_t declaration_count;
  jh_native_hooks hooks;
  jh_listener_set listeners;
  jh_listener_socket *sockets;
  jh_tls_setup tls;
  jh_worker_config config;
  jh_worker *worker; /* NULL before the start and after a failed one */
  jh_host *host;
  struct uv_loop_s *host_loop;
  jh_list exchanges;
  jh_arguments arguments; /* of the function that was called last */
  uv_async_t wake;
  bool has_ended;
  bool was_started;
  atomic_bool is_waking; /* `wake` may be used */
  atomic_bool wants_stop;
  pthread_mutex_t posted_lock;
  jh_posted *posted, **posted_end;
  char error[JH_SERVER_ERROR_BYTES];
};

/* One exchange in C's hands. It outlives its ctx when the request is cancelled meanwhile. */
struct jh_exchange {
  jh_list node;
  jh_server *server;
  const jh_declaration *declaration;
  jh_ctx *ctx; /* NULL: the request is over for Lua */
  jh_native_frame frame;
  uint32_t wait_id;
  int outcome; /* jh_outcome */
  bool is_running;
  bool is_decided; /* after JH_LATER */
  jh_str request_body;
  int status;
  char *body;
  size_t body_len, body_capacity;
  jh_native_header *headers;
  size_t header_count;
  char *failure;
  struct jh_owned *owned; /* strings that were returned */
};

/* The exchange's part of the hooks. */
void jh_exchange_set_hooks(jh_native_hooks *hooks);
void jh_exchange_free(jh_exchange *exchange);

/* Runs a function that Lua called; for the hooks. */
int jh_arguments_run(void *data, size_t index, struct lua_State *state,
                     const jh_native_value **results);
void jh_arguments_clear(jh_arguments *arguments);

/* Reads the app of a path, and its config.lua; at the start. 0 or a negative code. */
int jh_server_read_app(jh_server *server);

/* Keeps SIGPIPE from this thread while the server works; `before` is for jh_server_unguard(). */
void jh_server_guard(sigset_t *before);
void jh_server_unguard(const sigset_t *before);

/* One turn, with what was posted. */
void jh_server_turn(jh_server *server, bool wait);

/* Something outside of a turn made work for it. */
void jh_server_touch(jh_server *server);

/* ---- host.c: the server's loop inside the caller's ---- */

jh_host *jh_host_try_open(jh_server *server, struct uv_loop_s *loop);
void jh_host_touch(jh_host *host);
void jh_host_close(jh_host *host);

#endif
