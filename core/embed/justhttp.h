/* justhttp.h: the HTTP application server inside a C program.
 *
 *   jh_server *server = jh_server_new();
 *   jh_server_listen(server, "127.0.0.1:8080");
 *   jh_server_load_path(server, "app.lua");
 *   jh_server_handle(server, "GET", "/native", on_native, NULL);
 *   if (jh_server_run(server) != 0) fprintf(stderr, "%s\n", jh_server_error(server));
 *   jh_server_free(server);
 *
 * A server is one loop with one Lua state. Routes and middleware of C and of Lua are in one router
 * and see the same requests. A program may have several servers, on threads of their own or on one
 * loop; they share nothing. The library installs no signal handlers, starts no processes, prints
 * nothing but its logs, and keeps SIGPIPE to itself.
 *
 * Threads: a server belongs to the thread that starts it. From others only jh_server_stop() and
 * jh_server_post() may be called.
 * Results: 0, or a negative code with a sentence in jh_server_error().
 * Strings that are given are copied; those that are returned are NUL-terminated, and live until the
 * exchange is finished or, of a server, until it is freed. */
#ifndef JH_EMBED_JUSTHTTP_H
#define JH_EMBED_JUSTHTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct uv_loop_s; /* uv_loop_t of <uv.h> */
struct lua_State; /* lua_State of <lua.h> */

typedef struct jh_server jh_server;

/* ---- life of a server ------------------------------------------------------------------------ */

/* "0.1.0". */
const char *jh_server_version(void);

/* A server that is not started. NULL when out of memory. */
jh_server *jh_server_new(void);

/* Opens the sockets, loads the app and runs its start hooks; waits until it serves. */
int jh_server_start(jh_server *server);

/* Serves until jh_server_stop(); starts the server before, unless that was done. Not for a server
 * that is attached to a loop. */
int jh_server_run(jh_server *server);

/* Asks it to stop: no new connections, running requests get `shutdown_timeout_ms`, then the app's
 * stop hooks run. Returns at once. From any thread, and from signal handlers. */
void jh_server_stop(jh_server *server);

/* True once it has stopped, or its start failed. */
bool jh_server_has_ended(const jh_server *server);

/* Frees it, whatever it does; without jh_server_stop() before, requests are cut off. Not from a
 * function that the server calls. NULL is allowed. */
void jh_server_free(jh_server *server);

/* What failed last: "" when nothing did. */
const char *jh_server_error(const jh_server *server);

/* Calls `fn(data)` on the thread of the server, between requests. From any thread. 0, or a negative
 * code when out of memory or not started. */
int jh_server_post(jh_server *server, void (*fn)(void *data), void *data);

/* ---- its loop -------------------------------------------------------------------------------- */

/* Before the start: has the server live in the caller's loop, which then serves while it runs
 * (uv_run). The loop must outlive jh_server_free() and run once more after it, as libuv wants it of
 * every handle that is closed; while the server runs it keeps the loop alive. */
int jh_server_attach(jh_server *server, struct uv_loop_s *loop);

/* ---- what it serves: before the start -------------------------------------------------------- */

/* Sets an option by its name, as in config.lua: `justhttp options` lists them. Those of the
 * supervisor (workers, user, pid_file, …) have no meaning here. */
int jh_server_set(jh_server *server, const char *name, const char *value);

/* The options that most programs want; a field that is 0 or NULL changes nothing. */
typedef struct jh_server_options {
  size_t struct_bytes;   /* sizeof(jh_server_options) */
  const char *listen;    /* as of jh_server_listen() */
  const char *app;       /* as of jh_server_load_path() */
  const char *error_log; /* a file, "-" for standard error, "off" */
  const char *access_log;
  uint64_t max_body_bytes;
  uint32_t concurrency; /* requests in handlers at the same time */
  uint32_t max_connections;
  uint32_t shutdown_timeout_ms;
  bool dev; /* error pages that show the program */
} jh_server_options;

int jh_server_configure(jh_server *server, const jh_server_options *options);

/* Listens there as well: "127.0.0.1:8080", ":80", "[::1]:8080", "unix:/run/app.sock", with https://
 * in front for TLS; port 0 takes a free one. Without any it is the option's default. */
int jh_server_listen(jh_server *server, const char *address);

/* Where it listens, once it is started: "http://127.0.0.1:8080"; NULL past the last. */
const char *jh_server_url(const jh_server *server, size_t index);

/* The app: a Lua file, a directory with an app.lua, or an archive made by `justhttp bundle`. One of
 * these may be called, once; without any the server has C's routes alone. */
int jh_server_load_path(jh_server *server, const char *path);

/* The app as the bytes of a ZIP archive: linked into the program, or from elsewhere. */
int jh_server_load_bundle(jh_server *server, const void *bytes, size_t len);

/* The app as Lua text: "return function(ctx) return 'hi' end". */
int jh_server_load_code(jh_server *server, const char *code);

/* ---- handlers -------------------------------------------------------------------------------- */

/* One request and its response: what Lua's handlers see as ctx. */
typedef struct jh_exchange jh_exchange;

/* What a handler or a middleware returns. */
typedef enum jh_outcome {
  JH_ANSWERED = 0, /* the response stands as it was set */
  JH_NEXT = 1,     /* middleware: goes on to what it surrounds; a handler has nothing: 404 */
  JH_LATER = 2,    /* jh_exchange_finish() or jh_exchange_next() will be called */
  JH_FAILED = -1   /* 500; the text of jh_exchange_fail() is logged */
} jh_outcome;

typedef jh_outcome (*jh_handler)(jh_exchange *exchange, void *data);

/* Answers a method ("" or NULL: any) on a path; patterns as in Lua: "/users/:id", "/files/" and
 * "*rest". The body of the request is there when the handler is called. */
int jh_server_handle(jh_server *server, const char *method, const char *pattern, jh_handler handler,
                     void *data);

/* Has all requests below a path (NULL: all of them) pass through this first; before the middleware
 * of the app, the first one outermost. The body need not be there. */
int jh_server_use(jh_server *server, const char *prefix, jh_handler middleware, void *data);

/* ---- an exchange: the request ---------------------------------------------------------------- */

/* Each returns NULL where there is none of it, or when the exchange has ended meanwhile. `len` may
 * be NULL. */
const char *jh_exchange_method(jh_exchange *exchange);
const char *jh_exchange_path(jh_exchange *exchange);  /* decoded, no query */
const char *jh_exchange_query(jh_exchange *exchange); /* raw, without '?' */
const char *jh_exchange_host(jh_exchange *exchange);
const char *jh_exchange_remote(jh_exchange *exchange); /* address of the client */
const char *jh_exchange_scheme(jh_exchange *exchange);
const char *jh_exchange_header(jh_exchange *exchange, const char *name); /* the first of the name */
const char *jh_exchange_param(jh_exchange *exchange, const char *name);  /* of the path */
const char *jh_exchange_query_field(jh_exchange *exchange, const char *name); /* decoded */
const char *jh_exchange_body(jh_exchange *exchange, size_t *len);

/* Calls `fn` for every field of the head, in order. */
void jh_exchange_each_header(jh_exchange *exchange,
                             void (*fn)(void *data, const char *name, const char *value),
                             void *data);

/* True when nobody waits for the answer any more: the client left, or a timeout answered it. */
bool jh_exchange_is_gone(const jh_exchange *exchange);

/* ---- an exchange: the response --------------------------------------------------------------- */

/* 200 to 599; it is 200 when nothing else was said. */
int jh_exchange_set_status(jh_exchange *exchange, int status);

/* In place of fields of that name, or beside them. A negative code for what may not be sent. */
int jh_exchange_set_header(jh_exchange *exchange, const char *name, const char *value);
int jh_exchange_add_header(jh_exchange *exchange, const char *name, const char *value);

/* Appends to the body. It is text/plain unless Content-Type says otherwise. */
int jh_exchange_write(jh_exchange *exchange, const void *bytes, size_t len);
int jh_exchange_printf(jh_exchange *exchange, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For a log, before JH_FAILED. */
void jh_exchange_fail(jh_exchange *exchange, const char *text);

/* After JH_LATER, once: sends the response, or goes on to what the middleware surrounds. The
 * exchange must not be used after it. */
void jh_exchange_finish(jh_exchange *exchange);
void jh_exchange_next(jh_exchange *exchange);

/* ---- an exchange: values --------------------------------------------------------------------- */

/* The store that all who handle a request share: Lua has it as ctx.values, a plain table. */
typedef enum jh_value_kind {
  JH_VALUE_NIL = 0,
  JH_VALUE_BOOLEAN,
  JH_VALUE_NUMBER,
  JH_VALUE_STRING,
  JH_VALUE_POINTER, /* light userdata */
  JH_VALUE_OTHER    /* a table, a function: Lua's own */
} jh_value_kind;

int jh_exchange_put_nil(jh_exchange *exchange, const char *name);
int jh_exchange_put_boolean(jh_exchange *exchange, const char *name, bool value);
int jh_exchange_put_number(jh_exchange *exchange, const char *name, double value);
int jh_exchange_put_string(jh_exchange *exchange, const char *name, const char *bytes, size_t len);
int jh_exchange_put_pointer(jh_exchange *exchange, const char *name, void *value);

jh_value_kind jh_exchange_value_kind(jh_exchange *exchange, const char *name);

/* Each returns `otherwise`, or NULL, where the value is of another kind. */
bool jh_exchange_get_boolean(jh_exchange *exchange, const char *name, bool otherwise);
double jh_exchange_get_number(jh_exchange *exchange, const char *name, double otherwise);
const char *jh_exchange_get_string(jh_exchange *exchange, const char *name, size_t *len);
void *jh_exchange_get_pointer(jh_exchange *exchange, const char *name);

/* ---- functions for Lua ----------------------------------------------------------------------- */

/* What a function was called with, and what it returns. */
typedef struct jh_arguments jh_arguments;

enum { JH_RESULTS_MAX = 8 };

/* 0, or a negative code: raises the text of jh_arguments_fail() in Lua. */
typedef int (*jh_function)(jh_arguments *arguments, void *data);

/* Hands a function to Lua: as "shop.price" it is `require("shop").price`. */
int jh_server_function(jh_server *server, const char *name, jh_function fn, void *data);

/* The same for a function written to lua.h; must not wait. */
int jh_server_lua_function(jh_server *server, const char *name, int (*fn)(struct lua_State *));

/* Arguments count from 0. */
size_t jh_arguments_count(const jh_arguments *arguments);
jh_value_kind jh_arguments_kind(const jh_arguments *arguments, size_t index);
bool jh_arguments_boolean(const jh_arguments *arguments, size_t index, bool otherwise);
double jh_arguments_number(const jh_arguments *arguments, size_t index, double otherwise);
const char *jh_arguments_string(const jh_arguments *arguments, size_t index, size_t *len);
void *jh_arguments_pointer(const jh_arguments *arguments, size_t index);

/* Each adds a result, JH_RESULTS_MAX of them at most. */
int jh_arguments_return_nil(jh_arguments *arguments);
int jh_arguments_return_boolean(jh_arguments *arguments, bool value);
int jh_arguments_return_number(jh_arguments *arguments, double value);
int jh_arguments_return_string(jh_arguments *arguments, const char *bytes, size_t len);
int jh_arguments_return_pointer(jh_arguments *arguments, void *value);

/* Says why; returns a negative code, so that it can be returned. */
int jh_arguments_fail(jh_arguments *arguments, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
