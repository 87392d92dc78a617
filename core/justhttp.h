/* justhttp.h: the door between the C core and Lua.
 *
 * The one header that is both the C API and, between the two marks, the text that
 * lua/justhttp/door.lua hands to ffi.cdef: the build embeds it into the executable, so Lua and C
 * cannot disagree. It includes nothing of core/, so every room may include it for the shared words
 * (jh_str, error codes, events).
 *
 * Laws of the door (spec/guard/door_spec.lua):
 *  1. Nothing behind the door calls Lua. The one C-to-Lua call is lua/vm.c resuming the dispatcher.
 *  2. Lua pulls: it takes events with jh_generation_next() until the queue is empty.
 *  3. No structs by value; lengths travel with pointers; nothing is NUL-terminated unless said.
 *  4. Results are 0 or a negative JH_E* code (counts are >= 0); jh_strerror() has the text.
 *  5. Constants are enums; plain declarations only between the marks: no '#', no macros.
 *  6. From release 0.1.0 on, any change between the marks raises JH_ABI_VERSION.
 *
 * Every function must be called on the thread that runs the worker's loop. */
#ifndef JH_JUSTHTTP_H
#define JH_JUSTHTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* ==== door: begin ==== */

/* Raised whenever a declaration between the two marks changes, counted from release 0.1.0 on; what
 * was built before it belongs together only when it was built from the same tree. */
enum { JH_ABI_VERSION = 1 };

/* A borrowed slice of bytes: never NUL-terminated, never owned by its holder. The comment on each
 * function or field says how long `ptr` stays valid. */
typedef struct jh_str {
  const char *ptr;
  size_t len; /* bytes */
} jh_str;

/* Result codes. Negated errno values (-ECONNRESET, …) are passed through beside them. */
typedef enum jh_error {
  JH_OK = 0,
  JH_EINVAL = -1001,       /* an argument is malformed */
  JH_ERANGE = -1002,       /* a number is outside its range */
  JH_ENOMEM = -1003,       /* out of memory; nothing changed */
  JH_EWAIT = -1004,        /* not now: a JH_EVENT_WAKE will come */
  JH_ECLOSED = -1005,      /* the peer is gone */
  JH_ESTALE = -1006,       /* the exchange is over: its response was sent */
  JH_ETIMEDOUT = -1007,    /* a deadline passed */
  JH_ELIMIT = -1008,       /* a configured limit was reached */
  JH_EPROTO = -1009,       /* the peer broke the protocol */
  JH_EBUSY = -1010,        /* somebody else is using it */
  JH_EUNSUPPORTED = -1011, /* not possible here */
  JH_EEXIST = -1012,       /* it is there already */
  JH_ENOTFOUND = -1013,    /* it is not there */
  JH_ECANCELED = -1014,    /* the task that waits is to end; Lua's own, the core never returns it */
  JH_ESTOPPING = -1015     /* the worker is about to stop */
} jh_error;

/* Text for a result code: static, NUL-terminated, never NULL. */
const char *jh_strerror(int code);

/* "0.1.0": static, NUL-terminated. */
const char *jh_version(void);

/* JH_ABI_VERSION this library was built with; door.lua compares it before anything else. */
int jh_abi_version(void);

/* The text between the marks of this header: static, NUL-terminated. */
const char *jh_door_text(void);

/* ---- events ------------------------------------------------------------------------------- */

typedef enum jh_event_kind {
  JH_EVENT_NONE = 0,  /* the queue is empty */
  JH_EVENT_WAKE,      /* id: the wait id given to the call that answered JH_EWAIT */
  JH_EVENT_ABORT,     /* id: slot of a ctx whose client went away, or ended its side while the
                       * handler runs; the ctx is still yours */
  JH_EVENT_DRAIN,     /* the worker is about to stop: no further requests will come */
  JH_EVENT_WEBSOCKET, /* id: that of a WebSocket which has something to be taken */
  JH_EVENT_REQUEST    /* id: slot of a ctx whose request is ready for its handler; stays the last */
} jh_event_kind;

/* How the router decided; `route` of a JH_EVENT_REQUEST when no route was found. Route ids given
 * to jh_route_add() start at JH_ROUTE_FIRST. */
typedef enum jh_route_miss {
  JH_ROUTE_MISS = 0,         /* 404: no route has this path */
  JH_ROUTE_MISS_METHOD = 1,  /* 405: JH_FIELD_ALLOW tells the methods of this path */
  JH_ROUTE_MISS_OPTIONS = 2, /* OPTIONS on a path without a handler for it, or OPTIONS * */
  JH_ROUTE_FIRST = 3
} jh_route_miss;

typedef struct jh_event {
  uint32_t kind;  /* jh_event_kind */
  uint32_t id;    /* see jh_event_kind */
  uint32_t route; /* JH_EVENT_REQUEST: route id or jh_route_miss */
  int32_t error;  /* JH_EVENT_WAKE: 0 or a negative code, or what the call that waits says */
} jh_event;

/* One loaded app in one worker: its router, its ready queue, its VM. */
typedef struct jh_generation jh_generation;

/* One request/response exchange. A handle from jh_generation_ctx() stays valid memory for the life
 * of the worker; the exchange in it is yours from its JH_EVENT_REQUEST until jh_ctx_release(). */
typedef struct jh_ctx jh_ctx;

/* Takes the next event off the ready queue into *event. Returns all that decides who handles it as
 * one number, an index into a table of handlers: its kind, and JH_EVENT_REQUEST + route for a
 * request. JH_EVENT_NONE (*event is left alone) when the queue is empty. */
int jh_generation_next(jh_generation *generation, jh_event *event);

/* The ctx in a slot; the same pointer every time, so that Lua may cache it. */
jh_ctx *jh_generation_ctx(jh_generation *generation, uint32_t slot);

/* Lua goes on with a request that it has not just pulled: should it get stuck, the log tells. */
void jh_generation_serve(jh_generation *generation, jh_ctx *ctx);

/* Puts a JH_EVENT_WAKE with this id at the end of the ready queue. 0 or JH_ENOMEM. */
int jh_generation_post(jh_generation *generation, uint32_t id);

typedef struct jh_timer jh_timer;

/* Posts a JH_EVENT_WAKE with this id after delay_ms. Returns the timer, pooled memory that stays
 * valid for the life of the worker, or NULL when out of memory. */
jh_timer *jh_timer_start(jh_generation *generation, uint32_t id, double delay_ms);

/* Stops a timer: no event will come, even when it was due in this turn. Ignored when the timer now
 * serves another id, so a late stop is harmless. */
void jh_timer_stop(jh_timer *timer, uint32_t id);

/* Milliseconds of the monotonic clock, read once per loop turn. */
double jh_now_ms(jh_generation *generation);

/* The same clock at this moment, with fractions: for durations within a turn. */
double jh_precise_ms(void);

/* Milliseconds of the Unix epoch. */
double jh_unix_ms(jh_generation *generation);

/* ---- life of a generation -------------------------------------------------------------------- */

/* What the worker was started with; text NUL-terminated and valid for the life of the worker. */
typedef enum jh_start_text {
  JH_START_COMMAND = 0, /* "run", "check", "routes", "test"; "" stand-alone */
  JH_START_APP_PATH,    /* file or directory, or NULL */
  JH_START_APP_CODE     /* text of -e, or NULL */
} jh_start_text;

const char *jh_generation_start_text(jh_generation *generation, int which);

/* Argument `index` of those that `justhttp test` passes on, NULL past the end. */
const char *jh_generation_start_argument(jh_generation *generation, uint32_t index);

/* The files that an app is loaded from. */
typedef struct jh_bundle_info {
  jh_str main;   /* name of the entry that is the app */
  bool is_whole; /* static files are in it, too */
} jh_bundle_info;

/* 0, or JH_ENOTFOUND without a bundle: with -e and stand-alone. Slices are valid as long as the
 * generation, here and below. */
int jh_bundle_describe(jh_generation *generation, jh_bundle_info *out);

/* The bytes of the entry "lib/db.lua"; 0 or JH_ENOTFOUND. */
int jh_bundle_text(jh_generation *generation, const char *name, size_t name_len, jh_str *out);

/* True when there are entries below "public"; "" is the whole bundle. */
bool jh_bundle_has_directory(jh_generation *generation, const char *name, size_t name_len);

/* The app is loaded and its start hooks ran: the worker accepts connections from now on. */
int jh_generation_ready(jh_generation *generation, uint32_t route_count);

/* Ends the worker's loop with this exit code: after a failed load, after `check`, and as the
 * answer to JH_EVENT_DRAIN once the stop hooks ran. */
void jh_generation_end(jh_generation *generation, int exit_code);

/* Requests that Lua holds and that wait for their answer; shadows (see jh_ctx_detach()) that still
 * run; connections that are open; all in this worker. */
uint32_t jh_generation_in_flight(jh_generation *generation);
uint32_t jh_generation_shadows(jh_generation *generation);
uint32_t jh_generation_connections(jh_generation *generation);

/* True from the signal on that asked the worker to stop: running requests may end themselves. */
bool jh_generation_is_stopping(const jh_generation *generation);

/* ---- start ---------------------------------------------------------------------------------- */

/* Adds a route while the app loads. `host` "" is any host, `method` "" is any method; `where`
 * ("app.lua:12") names the place in errors. On failure writes a NUL-terminated text into `error`.
 * 0, JH_EINVAL (bad pattern or method) or JH_EEXIST (conflict). */
int jh_route_add(jh_generation *generation, uint32_t route, const char *host, size_t host_len,
                 const char *method, size_t method_len, const char *pattern, size_t pattern_len,
                 const char *where, size_t where_len, char *error, size_t error_bytes);

/* What a route says about request bodies, known as soon as the head of a request is there.
 * max_body_bytes and body_timeout_ms (between two reads) are -1 where the server's count. The
 * handler of such a route is called, before the body, when the declared length is above the limit:
 * the 413 is its to send. With is_early it is called before any body, however small, unless that
 * has come with the head. 0, JH_EINVAL or JH_ENOMEM. */
int jh_route_limit(jh_generation *generation, uint32_t route, int64_t max_body_bytes,
                   int64_t body_timeout_ms, bool is_early);

/* The value of an option as text (NUL-terminated) in `out`. Its length or JH_ENOTFOUND. */
ssize_t jh_option_get(jh_generation *generation, const char *name, char *out, size_t out_bytes);

/* ---- request -------------------------------------------------------------------------------- */

/* Parts of the request that jh_ctx_field() reads. */
typedef enum jh_field {
  JH_FIELD_METHOD = 0, /* "GET" */
  JH_FIELD_TARGET,     /* request-target as it was sent */
  JH_FIELD_PATH,       /* percent-decoded and normalised, no query */
  JH_FIELD_QUERY,      /* raw, without '?' */
  JH_FIELD_HOST,       /* Host, or the authority of an absolute-form target */
  JH_FIELD_BODY,       /* the body when it is whole and in memory, see jh_ctx_body_state() */
  JH_FIELD_ALLOW,      /* "GET, HEAD, OPTIONS": methods of this path after a miss */
  JH_FIELD_REMOTE,     /* peer address without port, or "unix:" */
  JH_FIELD_SCHEME      /* "http" or "https" */
} jh_field;

/* Reads one part into `out`; valid until jh_ctx_release(). 0, JH_ENOTFOUND or JH_ESTALE. */
int jh_ctx_field(jh_ctx *ctx, int field, jh_str *out);

/* 10, 11 or 20: HTTP/1.0, HTTP/1.1, HTTP/2. */
int jh_ctx_http_version(jh_ctx *ctx);

/* Port of the peer, 0 for unix sockets. */
int jh_ctx_remote_port(jh_ctx *ctx);

/* True when the client of an exchange is gone, or was answered already from another ctx: what is
 * written to this one reaches nobody. */
bool jh_ctx_is_gone(jh_ctx *ctx);

/* True while the request asks to change the protocol (Connection: Upgrade). */
bool jh_ctx_is_upgrade(jh_ctx *ctx);

/* The nth path parameter of the matched route, in pattern order. 0 or JH_ENOTFOUND. */
int jh_ctx_param(jh_ctx *ctx, uint32_t index, jh_str *out);

/* First header of that name, case-insensitive; valid until jh_ctx_release(). 0, or 1 when more of
 * that name follow (jh_ctx_header_at() has them), or JH_ENOTFOUND. */
int jh_ctx_header(jh_ctx *ctx, const char *name, size_t name_len, jh_str *value);

/* Headers by position, in the order they were sent. */
uint32_t jh_ctx_header_count(jh_ctx *ctx);
int jh_ctx_header_at(jh_ctx *ctx, uint32_t index, jh_str *name, jh_str *value);

/* ---- request body --------------------------------------------------------------------------- */

typedef enum jh_body_state {
  JH_BODY_NONE = 0,  /* the request has no body */
  JH_BODY_WHOLE,     /* JH_FIELD_BODY has all of it */
  JH_BODY_STREAMING, /* read it with jh_ctx_read() */
  JH_BODY_ENDED      /* streamed and read to its end */
} jh_body_state;

int jh_ctx_body_state(jh_ctx *ctx);

/* Declared length of the body in bytes, or -1 for a chunked one. */
int64_t jh_ctx_content_length(jh_ctx *ctx);

/* Copies the next bytes of the body into `out` and takes them off. Returns their count, 0 at the
 * end, JH_EWAIT when none are there yet (a JH_EVENT_WAKE with `wait_id` follows), JH_ELIMIT over
 * the body limit, JH_EPROTO for a malformed chunk, JH_ETIMEDOUT, JH_ECLOSED. */
ssize_t jh_ctx_read(jh_ctx *ctx, char *out, size_t bytes, uint32_t wait_id);

/* Trailer fields of a chunked body by position, in the order they were sent; none before its end
 * was reached. Valid until jh_ctx_release(). 0, JH_ENOTFOUND or JH_ESTALE. */
int jh_ctx_trailer_at(jh_ctx *ctx, uint32_t index, jh_str *name, jh_str *value);

/* Replaces max_body_bytes for this request. 0, or JH_ELIMIT when the declared length is above. */
int jh_ctx_limit_body(jh_ctx *ctx, uint64_t max_body_bytes);

/* 0, or JH_ELIMIT when what is known of the body is above its limit already. */
int jh_ctx_check_body(jh_ctx *ctx);

/* Replaces body_timeout_ms for this request; 0 is no limit. */
void jh_ctx_set_body_timeout(jh_ctx *ctx, uint32_t body_timeout_ms);

/* True while the client waits for 100 Continue before it sends its body. */
bool jh_ctx_expects_continue(jh_ctx *ctx);

/* Tells it to go on; the first jh_ctx_read() does so otherwise. 0 or a negative code. */
int jh_ctx_continue(jh_ctx *ctx);

/* ---- forms with files ----------------------------------------------------------------------- */

/* A multipart/form-data body that is taken apart while it comes in: its parts in order, one at a
 * time. It belongs to its ctx and ends with it. */
typedef struct jh_form jh_form;

typedef struct jh_form_limits {
  uint64_t max_field_bytes; /* content of a part without a file name */
  uint64_t max_file_bytes;  /* content of one with */
  uint64_t max_total_bytes; /* content of all parts */
  uint32_t max_part_count;
  uint32_t max_file_count;
  uint32_t max_header_bytes; /* of one part; at most 4096 */
} jh_form_limits;

typedef enum jh_form_text {
  JH_FORM_NAME = 0,
  JH_FORM_FILENAME,     /* safe to use as the name of a file; only a file has one */
  JH_FORM_RAW_FILENAME, /* as it was sent; may be empty */
  JH_FORM_TYPE          /* Content-Type of the part, if it has one */
} jh_form_text;

/* Begins with the body of a request: the `len` bytes at `body`, which must stay until the form is
 * closed, or what the client sends when that is NULL. NULL with *error set: JH_EUNSUPPORTED (the
 * body is of another type), JH_EINVAL (no valid boundary), JH_EBUSY (it was read in part already),
 * JH_ENOMEM or JH_ESTALE. */
jh_form *jh_form_open(jh_ctx *ctx, const jh_form_limits *limits, const char *body, size_t len,
                      int *error);

/* Goes on to the next part, past what was not read of this one. 1; 0 when there are no more and the
 * body has ended; JH_EWAIT (a JH_EVENT_WAKE with `wait_id` follows), JH_ELIMIT or JH_EPROTO, or
 * what jh_ctx_read() returns. */
int jh_form_next(jh_form *form, uint32_t wait_id);

/* Text about the part; valid until the next jh_form_next(). 0 or JH_ENOTFOUND. */
int jh_form_text_of(jh_form *form, int which, jh_str *out);
int jh_form_header_at(jh_form *form, uint32_t index, jh_str *name, jh_str *value);

/* The next bytes of the part's content, at most `bytes`; they stay until the next call for this
 * form. Their count, 0 at the end of the part, or as jh_form_next(). */
ssize_t jh_form_read(jh_form *form, size_t bytes, jh_str *out, uint32_t wait_id);

/* What was wrong with the form after JH_ELIMIT or JH_EPROTO: static, NUL-terminated; NULL when it
 * was the body around it. */
const char *jh_form_reason(jh_form *form);

/* Lets go of a form before its ctx ends. What was not read stays in the body. */
void jh_form_close(jh_form *form);

/* ---- spools --------------------------------------------------------------------------------- */

/* A temporary file without a name, for what a client uploads. It belongs to its ctx and is gone
 * with it, also when the process dies; saving gives it a name. Reading and writing block as far as
 * the page cache does: keep pieces at or below 256 KiB. */
typedef struct jh_spool jh_spool;

/* A new one, in the directory of `path` (NUL-terminated), where saving it will not copy, or in
 * upload_dir when that is NULL. NULL with *error a negated errno, JH_ENOMEM or JH_ESTALE. */
jh_spool *jh_spool_open(jh_ctx *ctx, const char *path, int *error);

/* Appends all of the bytes. 0 or a negated errno. */
int jh_spool_write(jh_spool *spool, const char *bytes, size_t len);

/* Reads from an offset. The count, 0 at the end, or a negated errno. */
ssize_t jh_spool_read(jh_spool *spool, uint64_t offset, char *out, size_t bytes);

/* Makes what was written a file of that name (NUL-terminated), mode 0640; whoever opens the name
 * never sees a part of it. An existing one is -EEXIST, unless `overwrites`. In the same file system
 * nothing is copied; otherwise some MiB are per call. 0; 1: call again with the same arguments,
 * when others had their turn; or a negated errno. */
int jh_spool_save(jh_spool *spool, const char *path, bool overwrites);

/* Lets go of it before its ctx ends. */
void jh_spool_close(jh_spool *spool);

/* ---- response ------------------------------------------------------------------------------- */

/* Content types that need no string to travel. */
typedef enum jh_content_type {
  JH_TYPE_NONE = 0, /* none, unless the handler set one */
  JH_TYPE_TEXT,     /* text/plain; charset=utf-8 */
  JH_TYPE_HTML,     /* text/html; charset=utf-8 */
  JH_TYPE_JSON,     /* application/json */
  JH_TYPE_BYTES     /* application/octet-stream */
} jh_content_type;

/* Sets (replaces) or appends a response header. Content-Length and Transfer-Encoding are the
 * server's own: JH_EUNSUPPORTED. `Connection: close` closes after this response. JH_EINVAL for a
 * name that is no token or a value with CR, LF or NUL; JH_ELIMIT above 64 KiB of headers;
 * JH_ENOMEM; JH_ESTALE. Both strings are copied. */
int jh_ctx_set_header(jh_ctx *ctx, const char *name, size_t name_len, const char *value,
                      size_t value_len, bool append);

/* Removes a response header set before. */
void jh_ctx_remove_header(jh_ctx *ctx, const char *name, size_t name_len);

/* First response header of that name; valid until it is changed. 0 or JH_ENOTFOUND. */
int jh_ctx_response_header(jh_ctx *ctx, const char *name, size_t name_len, jh_str *value);

/* Sends the response: head and whole body, in one write with its neighbours. `type` is a
 * jh_content_type used when no Content-Type was set. The body is copied only as far as the kernel
 * does not take it at once. The exchange is over and released: the ctx must not be used again.
 * 0, JH_ESTALE, JH_ECLOSED (nobody is there to read it), JH_EINVAL (status outside 200-599),
 * JH_ENOMEM. */
int jh_ctx_respond(jh_ctx *ctx, int status, int type, const char *body, size_t body_len);

/* ---- files ---------------------------------------------------------------------------------- */

/* A directory that files are served from. */
typedef struct jh_file_root jh_file_root;

typedef enum jh_file_flag {
  JH_FILE_ETAG_BIT = 1,           /* send an entity tag */
  JH_FILE_DOTFILES_BIT = 2,       /* names that begin with a dot are names like others */
  JH_FILE_TRUSTED_BIT = 4,        /* paths are the app's own: links may lead out of the root */
  JH_FILE_IMMUTABLE_BIT = 8,      /* names with a hash in them may be cached for a year */
  JH_FILE_PRECOMPRESSED_BIT = 16, /* name.br, name.zst and name.gz are sent where they are liked */
  JH_FILE_GROWING_BIT = 32        /* a change while it is sent does not end the connection */
} jh_file_flag;

typedef struct jh_file_options {
  uint32_t flags;    /* jh_file_flag */
  const char *index; /* names tried for a path that ends in '/', with '/' between them */
  size_t index_len;
  const char *cache_control; /* value of that field; empty for none */
  size_t cache_control_len;
} jh_file_options;

/* What jh_ctx_open_file() found. */
typedef struct jh_file_info {
  double bytes;      /* of the file */
  double body_bytes; /* of the body to come */
  double modified_s; /* since 1970 */
} jh_file_info;

/* Opens the directory at `path` (NUL-terminated) for as long as the generation lives. Everything in
 * `options` is copied. NULL with *error set. */
jh_file_root *jh_file_root_open(jh_generation *generation, const char *path,
                                const jh_file_options *options, int *error);

/* Finds a file below the root to be the answer; `path` NULL stands for the last parameter of the
 * route. Preconditions and ranges of the request are looked at when `status` is 200. Returns the
 * status that the answer will have (`status`, 206 or 304; the file is held for
 * jh_ctx_send_file()); 412 or 416, which the caller answers himself (`info` is filled);
 * JH_ENOTFOUND; JH_FILE_IS_DIRECTORY; or JH_ENOMEM, JH_ESTALE, -EMFILE, -ENFILE. */
int jh_ctx_open_file(jh_ctx *ctx, jh_file_root *root, const char *path, size_t path_len, int status,
                     jh_file_info *info);

enum { JH_FILE_IS_DIRECTORY = 1 };

/* The same for a directory of the bundle that the app was loaded from, named without a slash at its
 * end; "" is all of it. */
jh_file_root *jh_bundle_root_open(jh_generation *generation, const char *name, size_t name_len,
                                  const jh_file_options *options, int *error);

/* Bytes of the body that the opened file will be the answer with; 0 when none is open. */
double jh_ctx_file_bytes(jh_ctx *ctx);

/* Sends the file that was opened last; `status` takes the place of 200. The exchange is over and
 * released, as with jh_ctx_respond(). */
int jh_ctx_send_file(jh_ctx *ctx, int status);

/* A directory that is being listed. */
typedef struct jh_directory jh_directory;

typedef struct jh_directory_entry {
  jh_str name;       /* valid until the next call */
  double bytes;      /* of a file */
  double modified_s; /* since 1970 */
  bool is_directory;
} jh_directory_entry;

/* Opens a directory below the root ("" is the root itself); close it in the same turn. NULL with
 * *error set. */
jh_directory *jh_directory_open(jh_file_root *root, const char *path, size_t path_len, int *error);

/* The next entry that a client may ask for, in no order. 0, or JH_ENOTFOUND at the end. */
int jh_directory_next(jh_directory *directory, jh_directory_entry *entry);
void jh_directory_close(jh_directory *directory);

/* Sends an interim response (100-199, not 101) with "Name: value" pairs as one field block made of
 * whole lines ending in CRLF. Ignored for HTTP/1.0. 0 or a negative code as above. */
int jh_ctx_inform(jh_ctx *ctx, int status, const char *fields, size_t fields_len);

/* Starts a response whose body comes in pieces. `content_length` is -1 when it is not known. The
 * ctx stays yours until jh_ctx_end(). 0 or a negative code as for jh_ctx_respond(). */
int jh_ctx_start(jh_ctx *ctx, int status, int type, int64_t content_length);

/* Sends a piece; pieces of one loop turn leave together. 0; or JH_EWAIT when the piece was taken
 * and a JH_EVENT_WAKE with `wait_id` will tell that the client has caught up; JH_ERANGE beyond the
 * declared length; JH_ECLOSED; JH_ENOMEM. */
int jh_ctx_write(jh_ctx *ctx, const char *piece, size_t len, uint32_t wait_id);

/* True for a started response whose pieces are thrown away: HEAD, 204, 304. */
bool jh_ctx_is_bodyless(jh_ctx *ctx);

/* Ends a started response; `trailers` is a field block of whole lines ending in CRLF, sent with
 * chunked responses only. The exchange is over and released, as with jh_ctx_respond(). JH_ERANGE
 * when less than the declared length was sent: the connection is closed. */
int jh_ctx_end(jh_ctx *ctx, const char *trailers, size_t len);

/* Splits the exchange from its ctx: the connection goes on with a fresh ctx, which is returned
 * (its slot in *slot), and this one becomes a shadow whose reads still work and whose writes go
 * nowhere, until jh_ctx_release(). NULL when out of memory or stale. */
jh_ctx *jh_ctx_detach(jh_ctx *ctx, uint32_t *slot);

/* Gives a ctx back without a response: a shadow, or one whose client is gone. The connection of an
 * exchange that was not answered is closed. */
void jh_ctx_release(jh_ctx *ctx);

/* ---- hijacked connections ------------------------------------------------------------------- */

/* A connection that Lua took over: bytes both ways, no HTTP, no timeouts. Yours until
 * jh_channel_close(). */
typedef struct jh_channel jh_channel;

/* Ends the exchange and takes over its connection. With `status` > 0 that response is sent first
 * (101 for an upgrade; fields as set before); with 0 nothing is. The ctx is released. NULL with
 * *error set when the client is gone, the ctx is stale, memory is out, or the connection carries
 * other requests too (JH_EUNSUPPORTED: HTTP/2); the ctx is then still yours. */
jh_channel *jh_ctx_hijack(jh_ctx *ctx, int status, int type, const char *body, size_t body_len,
                          int *error);

/* Reads up to `bytes`; what came with the request comes first. The count, 0 at the peer's end,
 * JH_EWAIT (a JH_EVENT_WAKE with `wait_id` follows), JH_EBUSY when another read waits, JH_ESTOPPING
 * once when nothing is there and the worker is about to stop, or JH_ECLOSED. */
ssize_t jh_channel_read(jh_channel *channel, char *out, size_t bytes, uint32_t wait_id);

/* Writes all of `bytes` (copied as far as the kernel does not take them). 0; JH_EWAIT when they
 * were taken and a JH_EVENT_WAKE will tell that the peer has caught up; JH_EBUSY when another write
 * waits; JH_ECLOSED. */
int jh_channel_write(jh_channel *channel, const char *bytes, size_t len, uint32_t wait_id);

/* Nobody waits under this id any more (a deadline of its own passed). */
void jh_channel_forget(jh_channel *channel, uint32_t wait_id);

/* Tells the peer that nothing more will be written, once what is queued has been. */
void jh_channel_shutdown(jh_channel *channel);

/* Closes it after what is queued has been written. */
void jh_channel_close(jh_channel *channel);

/* ---- TLS ------------------------------------------------------------------------------------- */

/* What TLS sessions with the same settings share. */
typedef struct jh_tls_context jh_tls_context;

/* Settings of a client's sessions. Zeroed: the system's authorities, TLS 1.2 and 1.3. `ca`, `cert`
 * and `key` are PEM text, or the name of a file with PEM text. */
typedef struct jh_tls_options {
  jh_str ca;          /* trusted instead of the system's authorities */
  jh_str cert;        /* of the client, with its chain behind it */
  jh_str key;         /* empty: it stands with `cert` */
  jh_str server_name; /* what to ask for and verify instead of the host that is connected to */
  jh_str min_version; /* "1.2" */
  jh_str max_version; /* "1.3" */
  jh_str ciphers;     /* OpenSSL's names with ':' between them, of 1.2 and 1.3 alike */
  jh_str alpn;        /* "h2,http/1.1", best first */
  bool is_unverified; /* any certificate will do */
} jh_tls_options;

/* ---- calls ----------------------------------------------------------------------------------- */

/* Whom a client talks to: a scheme, a host and a port, with the links to it that this worker has.
 * Origins outlive generations: the same key finds the same one after a reload. */
typedef struct jh_origin jh_origin;

/* One outgoing request and its response. Yours until jh_call_close(). */
typedef struct jh_call jh_call;

typedef enum jh_proxy_kind {
  JH_PROXY_NONE = 0,
  JH_PROXY_CONNECT, /* a tunnel through an HTTP proxy */
  JH_PROXY_SOCKS5   /* the proxy looks the name up */
} jh_proxy_kind;

typedef enum jh_http2_use {
  JH_HTTP2_NEVER = 0,
  JH_HTTP2_AGREED, /* where TLS agrees on it: `tls` offers it (ALPN) */
  JH_HTTP2_ALWAYS  /* over a plain link too; a server that does not speak it is of no use */
} jh_http2_use;

/* Strings are copied. Times of 0 are no limit. */
typedef struct jh_origin_options {
  const char *host; /* name, address (IPv6 without brackets), or "unix:/path" */
  size_t host_len;
  uint32_t port;
  uint32_t max_connections;
  uint32_t max_idle_connections;
  uint32_t max_pending; /* calls on one link at the same time; 1: no pipelining */
  uint32_t max_waiting; /* calls without a link; the oldest gives way to one more; 0: no limit */
  uint32_t idle_timeout_ms;
  uint32_t max_connection_age_ms;
  uint32_t connect_timeout_ms; /* looking the name up, connecting, tunnel and TLS */
  uint32_t proxy_kind;         /* jh_proxy_kind */
  const char *proxy_host;
  size_t proxy_host_len;
  uint32_t proxy_port;
  const char *proxy_auth; /* CONNECT: a field value; SOCKS5: "user:password" */
  size_t proxy_auth_len;
  const char *server_name; /* for TLS; empty: the host */
  size_t server_name_len;
  jh_tls_context *tls; /* NULL: plain; held by the origin */
  uint32_t http2;      /* jh_http2_use */
} jh_origin_options;

/* Finds or makes the origin of that key; options count when it is made. One reference is the
 * caller's. NULL with *error set. */
jh_origin *jh_origin_open(jh_generation *generation, const char *key, size_t key_len,
                          const jh_origin_options *options, int *error);
void jh_origin_close(jh_origin *origin);

typedef struct jh_origin_stats {
  uint32_t connections; /* open or being opened */
  uint32_t idle;        /* of these */
  uint32_t waiting;     /* calls without a link */
  uint64_t calls;       /* since the origin was made; and so on */
  uint64_t dialled;
  uint64_t retried; /* calls sent again on a new link */
} jh_origin_stats;

void jh_origin_read_stats(jh_origin *origin, jh_origin_stats *stats);

typedef enum jh_call_flag {
  JH_CALL_HEAD_BIT = 1,           /* the method is HEAD */
  JH_CALL_IDEMPOTENT_BIT = 2,     /* may be sent twice */
  JH_CALL_STREAMED_BIT = 4,       /* wake when the head is there: the body is read */
  JH_CALL_SENDS_STREAM_BIT = 8,   /* the body comes by jh_call_write() and jh_call_end() */
  JH_CALL_SENDS_CHUNKED_BIT = 16, /* and is to be put into chunks */
  JH_CALL_EXPECTS_BIT = 32,       /* the head says Expect: 100-continue */
  JH_CALL_INTERIM_BIT = 64,       /* wake for interim responses as well */
  JH_CALL_CLOSE_BIT = 128,        /* the link ends with this exchange */
  JH_CALL_CONNECT_BIT = 256       /* the method is CONNECT */
} jh_call_flag;

/* Times of 0 are no limit. */
typedef struct jh_call_options {
  uint32_t flags;           /* jh_call_flag */
  uint32_t wait_timeout_ms; /* for a link; JH_CALL_NO_WAIT: refuse when none is free */
  uint32_t read_timeout_ms; /* between two reads, and from the request to the first */
  uint32_t write_timeout_ms;
  uint32_t max_header_bytes;
  uint32_t max_header_count;
  double max_body_bytes;
} jh_call_options;

enum { JH_CALL_NO_WAIT = 0x7fffffff };

/* What a failed call failed at. */
typedef enum jh_call_failure {
  JH_CALL_OK = 0,
  JH_CALL_TIMED_OUT,
  JH_CALL_NOT_RESOLVED,
  JH_CALL_NOT_CONNECTED,
  JH_CALL_TLS_FAILED,
  JH_CALL_LINK_CLOSED,
  JH_CALL_BAD_ANSWER, /* the other side broke the protocol */
  JH_CALL_OVER_LIMIT,
  JH_CALL_BUSY, /* no link was free */
  JH_CALL_PROXY_FAILED,
  JH_CALL_NO_MEMORY
} jh_call_failure;

/* Valid until the call is closed, but `body` of a streamed call. */
typedef struct jh_call_response {
  jh_str head;     /* as it came, with its final CRLF */
  jh_str body;     /* when it is whole */
  uint32_t fields; /* offset of the first field line in the head */
  uint32_t status;
  int64_t content_length; /* declared; -1 when it was not */
  uint8_t http_minor;
  bool is_over;    /* nothing more is to be read */
  bool is_tunnel;  /* no HTTP follows: 101, or 2xx to CONNECT */
  bool has_coding; /* there is a Content-Encoding */
  bool has_trailers;
} jh_call_response;

/* Sends a request: `head` is the request line and all fields with the empty line, as HTTP/1.1 has
 * them whatever the link speaks, `body` what follows. Both must stay until the call is closed. A
 * JH_EVENT_WAKE with `wait_id` follows always: when the response is there (its head, when streamed)
 * or the call failed. `timeout_ms` is for all of it. A link that was used before and ends before
 * the first byte of the answer is replaced by a new one, once, unless the request may have been
 * processed and may not be twice. NULL when out of memory. */
jh_call *jh_call_start(jh_generation *generation, jh_origin *origin, const jh_call_options *options,
                       const char *head, size_t head_len, const char *body, size_t body_len,
                       double timeout_ms, uint32_t wait_id);

/* 0; JH_EWAIT: not there yet; or the code of the failure. */
int jh_call_read_response(jh_call *call, jh_call_response *out);

/* Takes the next interim response that came. 0 or JH_ENOTFOUND. Valid until the next call. */
int jh_call_next_interim(jh_call *call, jh_call_response *out);

/* Waits once more for what jh_call_start() waits for. 0 when it is there, or JH_EWAIT. */
int jh_call_await(jh_call *call, uint32_t wait_id);

/* Reads up to `bytes` of a streamed response. The count, 0 at its end, JH_EWAIT (a JH_EVENT_WAKE
 * with `wait_id` follows), JH_EBUSY when another read waits, or the code of the failure. */
ssize_t jh_call_read(jh_call *call, char *out, size_t bytes, uint32_t wait_id);

/* The fields behind a body as whole lines; empty before its end. */
void jh_call_trailers(jh_call *call, jh_str *out);

/* Sends a piece of a request's body (copied as far as the kernel does not take it). 0; JH_EWAIT
 * when it was taken and a JH_EVENT_WAKE will tell that the other side has caught up; JH_EBUSY when
 * another write waits; JH_ECLOSED when nobody wants the rest: the answer is there, or the failure.
 */
int jh_call_write(jh_call *call, const char *piece, size_t len, uint32_t wait_id);

/* Ends the body; `trailers` are whole lines, sent with chunks only. 0 or JH_ECLOSED. */
int jh_call_end(jh_call *call, const char *trailers, size_t len);

/* How a call failed: jh_call_failure, and a sentence (NUL-terminated, valid until it is closed). */
int jh_call_failure_of(jh_call *call);
const char *jh_call_reason(jh_call *call);

/* Lets go of a call: one that has not ended is given up, and its link with it. */
void jh_call_close(jh_call *call);

/* The context for these settings: an open one when they, and the files they name, are the same.
 * NULL with a sentence in *reason, valid until the next call. Yours until
 * jh_tls_context_close(); what uses it keeps it for itself. */
jh_tls_context *jh_tls_context_open(jh_generation *generation, const jh_tls_options *options,
                                    jh_str *reason);
void jh_tls_context_close(jh_tls_context *context);

/* What is known of the TLS session that a request came over. Text is valid until the ctx is
 * released. */
typedef struct jh_tls_info {
  jh_str version;                       /* "TLSv1.3" */
  jh_str cipher;                        /* "TLS_AES_128_GCM_SHA256" */
  jh_str server_name;                   /* that the client asked for; empty: none */
  jh_str protocol;                      /* that ALPN chose; empty: none */
  jh_str client_subject, client_issuer; /* "CN=alice,O=Example" */
  jh_str client_serial;                 /* in hexadecimal */
  jh_str client_fingerprint;            /* SHA-256, in hexadecimal */
  double client_not_after_s;            /* since 1970 */
  bool is_resumed;
  bool has_client_certificate; /* which was verified, or there would be no request */
} jh_tls_info;

/* 0; JH_ENOTFOUND when it came without TLS, JH_ECLOSED when the client is gone, JH_ENOMEM. */
int jh_ctx_tls(jh_ctx *ctx, jh_tls_info *info);

/* A handshake that waits for a certificate. */
typedef struct jh_tls_lookup jh_tls_lookup;

/* From now on handshakes ask for a certificate when there is none for the name. */
void jh_tls_lookup_enable(jh_generation *generation);

/* The next one, and the name that the client wants (empty: it says none; valid until the answer).
 * NULL: a JH_EVENT_WAKE with wait_id will tell that there is one. */
jh_tls_lookup *jh_tls_lookup_next(jh_generation *generation, uint32_t wait_id, jh_str *name);

/* Answers it with a certificate and key (PEM text or file names), with empty text for the server's
 * own certificate, if it has one, or with `cert` NULL for a refusal. 0, or JH_EINVAL with a
 * sentence, valid until the next call: the handshake is refused. */
int jh_tls_lookup_answer(jh_tls_lookup *lookup, const char *cert, size_t cert_len, const char *key,
                         size_t key_len, jh_str *reason);

/* ---- WebSockets ----------------------------------------------------------------------------- */

/* A connection that speaks WebSocket. Its control frames are the core's business: pings are
 * answered, a close ends it. Yours until jh_websocket_release(). */
typedef struct jh_websocket jh_websocket;

typedef struct jh_websocket_options {
  uint32_t id;                /* of its JH_EVENT_WEBSOCKET */
  uint32_t max_message_bytes; /* 0: no limit */
  uint32_t max_frame_bytes;   /* 0: no limit */
  uint32_t ping_ms;           /* of silence after which a ping is sent; 0: never */
  uint32_t idle_ms;           /* of silence after which the peer is taken for dead; 0: never */
  bool is_compressed;         /* agree to permessage-deflate, with these at most: */
  bool server_takes_over, client_takes_over; /* windows live on from message to message */
  uint8_t server_bits, client_bits;          /* windows are 2^bits bytes: 9 to 15 */
} jh_websocket_options;

/* Looks at a request. 0 when it is the handshake of a WebSocket; JH_EUNSUPPORTED when it does not
 * ask for one, or for another version (426 says which there is); JH_EINVAL when it is malformed;
 * JH_ESTALE. */
int jh_ctx_check_websocket(jh_ctx *ctx);

/* Answers such a request with 101, with header fields as set before, and ends the exchange.
 * `extensions` is its Sec-WebSocket-Extensions. The ctx is released. NULL with *error set, and the
 * ctx still yours, as with jh_ctx_hijack(). */
jh_websocket *jh_ctx_open_websocket(jh_ctx *ctx, const jh_websocket_options *options,
                                    const char *extensions, size_t extensions_len, int *error);

/* A client's, that is being opened: connects, sends the request `head` (complete with its last
 * CRLFCRLF) and waits for the answer's head. All is copied. A JH_EVENT_WAKE with `wait_id` tells
 * that jh_websocket_answer() has a result. NULL with *error set. */
typedef struct jh_websocket_address {
  const char *host; /* name or address, or "unix:/path" */
  size_t host_len;
  int port;
  jh_tls_context *tls; /* NULL: plain */
  const char *server_name;
  size_t server_name_len;
  uint32_t timeout_ms; /* for all of it; 0 none */
} jh_websocket_address;

jh_websocket *jh_websocket_dial(jh_generation *generation, const jh_websocket_address *address,
                                const char *head, size_t head_len,
                                const jh_websocket_options *options, uint32_t wait_id, int *error);

/* A key of the handshake, and the answer that proves it was read. 0 or a negative code. */
int jh_websocket_make_key(char key[24], char accept[28]);

/* The extension that a client offers: its length, written to `out`. */
size_t jh_websocket_write_offer(const jh_websocket_options *options, char out[160]);

/* The head of the answer, valid until the next call for this WebSocket. 0, or the error that
 * opening it failed with; *text then says more. */
int jh_websocket_answer(jh_websocket *websocket, jh_str *text);

/* The answer was a 101 as it should be, with these extensions: messages may come and go. 0 or
 * JH_EPROTO for extensions that were not offered. */
int jh_websocket_begin(jh_websocket *websocket, const jh_websocket_options *options,
                       const char *extensions, size_t extensions_len);

/* The next message, whole: *message is to be copied before any other call of the core. Its kind (1
 * text, 2 binary); 0 when there will be none any more, see jh_websocket_close_code(); JH_EWAIT (a
 * JH_EVENT_WAKE with `wait_id` follows); or JH_EBUSY when another task waits. */
int jh_websocket_take(jh_websocket *websocket, jh_str *message, uint32_t wait_id);

/* Done with the message that was taken: has one JH_EVENT_WEBSOCKET tell when there is another one,
 * or the end, to be taken. */
void jh_websocket_arm(jh_websocket *websocket);

/* Sends a message (`opcode` 1 text, 2 binary, `is_last`), or one in fragments: the first with its
 * opcode, those behind it with 0, the last of them with `is_last`. The bytes are copied as far as
 * the kernel does not take them. 0; JH_EWAIT when they were taken and a JH_EVENT_WAKE will tell
 * that the peer has caught up (never with wait_id 0); JH_EBUSY when another task waits to send, or
 * is in the middle of fragments; JH_EINVAL for a fragment of nothing; JH_EPROTO for a text that is
 * no UTF-8; JH_ECLOSED; JH_ENOMEM. */
int jh_websocket_send(jh_websocket *websocket, int opcode, const char *bytes, size_t len,
                      bool is_last, uint32_t wait_id);

/* Sends a ping or a pong. 0, JH_ELIMIT above 125 bytes, JH_ECLOSED or JH_ENOMEM. */
int jh_websocket_ping(jh_websocket *websocket, bool is_pong, const char *bytes, size_t len);

/* Sends a close frame; code 1005 sends one without a code. No further message will come. The
 * connection ends when the peer has answered. 0, JH_EINVAL for a code that cannot be sent or a
 * reason that is no UTF-8, JH_ECLOSED when it is closed already. */
int jh_websocket_close(jh_websocket *websocket, int code, const char *reason, size_t len);

/* Why it is over: the code of the close frame that came or went first, 1005 without a code, 1006
 * without a close frame, 0 while it is open. The reason is valid until jh_websocket_release(). */
int jh_websocket_close_code(jh_websocket *websocket, jh_str *reason);

/* Nobody waits under this id any more. */
void jh_websocket_forget(jh_websocket *websocket, uint32_t wait_id);

/* Lets go of it; one that is open is closed with 1000. */
void jh_websocket_release(jh_websocket *websocket);
/* ---- sockets -------------------------------------------------------------------------------- */

/* An outgoing connection, or a socket for datagrams. Yours until jh_socket_close(). */
typedef struct jh_socket jh_socket;

/* Where to, and how. Everything is copied. */
typedef struct jh_socket_target {
  jh_str host;         /* name, IPv4, IPv6 without brackets, or "unix:/path" */
  jh_str local;        /* address to connect from; empty: any */
  jh_str server_name;  /* for TLS; empty: host */
  jh_tls_context *tls; /* NULL: plain */
  uint32_t port;
  uint32_t keepalive_s;      /* of silence before the kernel probes the peer; 0 never */
  double connect_timeout_ms; /* of looking up the name, connecting and TLS together; 0 none */
} jh_socket_target;

/* One end of a socket. */
typedef struct jh_socket_name {
  char host[128]; /* address, or "unix:/path"; empty when it has none */
  uint32_t host_len;
  uint32_t port;
} jh_socket_name;

typedef enum jh_socket_option {
  JH_SOCKET_KEEPALIVE = 0,
  JH_SOCKET_NODELAY,
  JH_SOCKET_REUSEADDR,
  JH_SOCKET_BROADCAST,
  JH_SOCKET_SEND_BYTES,
  JH_SOCKET_RECEIVE_BYTES
} jh_socket_option;

/* Connects. A JH_EVENT_WAKE with `wait_id` tells: 0, or a negative code of which jh_socket_reason()
 * has the text. NULL with *error set when it cannot even begin. */
jh_socket *jh_socket_open(jh_generation *generation, const jh_socket_target *target,
                          uint32_t wait_id, int *error);

/* Reads up to `bytes`. The count, 0 at the peer's end, JH_EWAIT (a JH_EVENT_WAKE with `wait_id`
 * follows: 0, call again; JH_ETIMEDOUT, when timeout_ms is above 0; JH_ECLOSED), JH_EBUSY when
 * another read waits, or another negative code. */
int jh_socket_read(jh_socket *socket, char *out, size_t bytes, uint32_t wait_id, double timeout_ms);

/* Writes what the kernel takes at once: the count, possibly less than `len`; or as
 * jh_socket_read(). After JH_EWAIT the same bytes must come again. */
int jh_socket_write(jh_socket *socket, const char *bytes, size_t len, uint32_t wait_id,
                    double timeout_ms);

/* TLS over an open connection. JH_EWAIT (as jh_socket_open()), or another negative code. */
int jh_socket_start_tls(jh_socket *socket, jh_tls_context *context, const char *name,
                        size_t name_len, uint32_t wait_id, double timeout_ms);

/* Nobody waits under this id any more. */
void jh_socket_forget(jh_socket *socket, uint32_t wait_id);

/* Tells the peer that nothing more will be written. */
void jh_socket_shutdown(jh_socket *socket);

/* Who waits is told JH_ECLOSED. */
void jh_socket_close(jh_socket *socket);

/* Text of the last failure, NUL-terminated, valid until the next call; "" when there is none. */
const char *jh_socket_reason(jh_socket *socket);

/* How far it came; 1 looking up the name, 2 connecting, 3 TLS, 4 open, 5 closed. */
int jh_socket_stage(jh_socket *socket);

bool jh_socket_is_tls(jh_socket *socket);

/* Its descriptor, or JH_ECLOSED. */
int jh_socket_fd(jh_socket *socket);

/* Puts an open connection to rest: it is watched and closed when its peer ends it or sends
 * something, or after idle_ms (0 never). 0, JH_ECLOSED, JH_EBUSY, or JH_EPROTO when something
 * unread is there already. */
int jh_socket_rest(jh_socket *socket, double idle_ms);

/* Takes it out of its rest. 0, or JH_ECLOSED when it was closed meanwhile. */
int jh_socket_resume(jh_socket *socket);
bool jh_socket_is_resting(jh_socket *socket);

/* 0 or a negative code. */
int jh_socket_set_option(jh_socket *socket, int option, int value);
int jh_socket_name_of(jh_socket *socket, bool is_peer, jh_socket_name *out);

/* A socket for datagrams of the family that a numeric address or "unix:/path" has. NULL with *error
 * set. */
jh_socket *jh_socket_open_datagram(jh_generation *generation, const char *host, size_t host_len,
                                   int *error);

/* The address it has, and the one that it sends to and receives from (none when host_len is 0). 0
 * or a negative code. */
int jh_socket_bind(jh_socket *socket, const char *host, size_t host_len, uint32_t port);
int jh_socket_set_peer(jh_socket *socket, const char *host, size_t host_len, uint32_t port);

/* Receives one datagram, cut at `bytes`, and who sent it; sends one, to the peer when host_len is
 * 0. The count, or as jh_socket_read(). */
int jh_socket_receive_from(jh_socket *socket, char *out, size_t bytes, jh_socket_name *from,
                           uint32_t wait_id, double timeout_ms);
int jh_socket_send_to(jh_socket *socket, const char *bytes, size_t len, const char *host,
                      size_t host_len, uint32_t port, uint32_t wait_id, double timeout_ms);

/* ---- names, and descriptors of others ------------------------------------------------------- */

/* A name that is looked up. */
typedef struct jh_resolve jh_resolve;

/* Starts; NULL with *error set when it fails at once. *error is 0 when the answer is there, or
 * JH_EWAIT (a JH_EVENT_WAKE with `wait_id` follows). Yours until jh_resolve_close(). */
jh_resolve *jh_resolve_open(jh_generation *generation, const char *host, size_t host_len,
                            uint32_t wait_id, double timeout_ms, int *error);

/* The address at that place as text, NUL-terminated, into `out` (46 bytes). 0 or JH_ENOTFOUND. */
int jh_resolve_at(jh_resolve *resolve, uint32_t index, char *out);
void jh_resolve_close(jh_resolve *resolve);

/* Text for an error of a lookup: static, NUL-terminated. */
const char *jh_resolve_strerror(int error);

typedef enum jh_fd_event { JH_FD_READABLE = 1, JH_FD_WRITABLE = 2 } jh_fd_event;

typedef struct jh_fd_wait jh_fd_wait;

/* Waits until a descriptor of somebody else is ready. JH_EWAIT: a JH_EVENT_WAKE with `wait_id`
 * follows whose error is what it is ready for (jh_fd_event), or JH_ETIMEDOUT; *out can stop it
 * until then. What is ready for ever (a regular file) is so at once: the events are returned. Or a
 * negated errno. */
int jh_fd_wait_start(jh_generation *generation, int fd, int events, uint32_t wait_id,
                     double timeout_ms, jh_fd_wait **out);
void jh_fd_wait_stop(jh_fd_wait *wait, uint32_t wait_id);

/* ---- passing exchanges on -------------------------------------------------------------------- */

/* A server behind a proxy: an origin, and the rules for what is sent to it. */
typedef struct jh_upstream jh_upstream;

/* An exchange that is passed on. It belongs to its ctx and ends with it. */
typedef struct jh_relay jh_relay;

typedef enum jh_upstream_flag {
  JH_UPSTREAM_KEEP_HOST_BIT = 1,   /* Host as the client sent it */
  JH_UPSTREAM_X_FORWARDED_BIT = 2, /* X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto */
  JH_UPSTREAM_FORWARDED_BIT = 4    /* Forwarded (RFC 7239) */
} jh_upstream_flag;

/* Strings are copied. */
typedef struct jh_upstream_options {
  uint32_t flags;   /* jh_upstream_flag */
  const char *host; /* for the Host field */
  size_t host_len;
  const char *base; /* in front of the path: "" or "/base" */
  size_t base_len;
  const char *via; /* a name for Via; empty: none is added */
  size_t via_len;
  const char *lines; /* whole field lines to be added to every request */
  size_t lines_len;
  const char *dropped; /* names of fields that stay behind, a newline behind each; those in `lines`
                        * too when they take the place of the client's */
  size_t dropped_len;
  jh_call_options call;
  double timeout_ms; /* of a whole exchange; 0: no limit */
} jh_upstream_options;

/* The origin must be open for as long as the upstream is. NULL with *error set. */
jh_upstream *jh_upstream_open(jh_generation *generation, jh_origin *origin,
                              const jh_upstream_options *options, int *error);

/* Exchanges that are being passed on to it. */
uint32_t jh_upstream_pending(jh_upstream *upstream);

/* Relays that were started go on. */
void jh_upstream_close(jh_upstream *upstream);

/* Prepares to pass on the exchange of a ctx; one that was there for it is given up. NULL with
 * *error set: JH_ENOMEM, JH_ECLOSED or JH_ESTALE. */
jh_relay *jh_relay_open(jh_ctx *ctx, jh_upstream *upstream, int *error);

/* Changes of this request alone, before it is sent. A field is copied; it takes the place of the
 * client's fields of its name, or stands beside them. Results as of jh_ctx_set_header(). */
int jh_relay_set_field(jh_relay *relay, const char *name, size_t name_len, const char *value,
                       size_t value_len, bool append);

/* The client's fields of that name stay behind; of_response: the upstream's. Copied. 0, JH_ELIMIT
 * or JH_ENOMEM. */
int jh_relay_drop_field(jh_relay *relay, const char *name, size_t name_len, bool of_response);

/* Target (path and query, copied) and body (which must stay until the relay is over) in place of
 * the client's. 0 or JH_ENOMEM; JH_EINVAL for a target that is none. */
int jh_relay_set_target(jh_relay *relay, const char *target, size_t len);
int jh_relay_set_body(jh_relay *relay, const char *body, size_t len);

/* Bounds this exchange, where the upstream's timeout_ms does not already. */
void jh_relay_set_timeout(jh_relay *relay, double timeout_ms);

enum {
  JH_RELAY_WHOLE_BIT = 4096, /* all of the response is there, and leaves with its head */
  JH_RELAY_PASSED = 1        /* all of the response was passed on: jh_relay_end() ends it */
};

/* Sends the request. The path goes on as it was sent: what the path parameter at `rest_param` holds
 * of it, or all of it with -1. The body follows by itself. A JH_EVENT_WAKE with `wait_id` comes
 * when the head of the response is there, its error being the status, with JH_RELAY_WHOLE_BIT as
 * may be; or a negative code. 0; JH_EINVAL when the body was read already, JH_ELIMIT when it is
 * above its limit, JH_EPROTO when Connection names too much, JH_EUNSUPPORTED for CONNECT,
 * JH_ENOMEM, JH_ECLOSED. */
int jh_relay_start(jh_relay *relay, int rest_param, uint32_t wait_id);

/* jh_relay_open() and jh_relay_start() in one. NULL with *error set. */
jh_relay *jh_relay_pass(jh_ctx *ctx, jh_upstream *upstream, int rest_param, uint32_t wait_id,
                        int *error);

/* What failed, after a negative code: jh_call_failure, or JH_CALL_OK when it was the client's side
 * of the exchange (its body: JH_ELIMIT, JH_EPROTO, JH_ETIMEDOUT; JH_ECLOSED). */
int jh_relay_failure(jh_relay *relay);

/* A sentence about it, NUL-terminated; valid until the relay is over. */
const char *jh_relay_reason(jh_relay *relay);

/* True when the request can be sent to another upstream: none of its body was read, or all of it is
 * in memory. */
bool jh_relay_may_repeat(jh_relay *relay);

/* Head of the response, valid until the relay is over. 0 or JH_EINVAL before it is there. */
int jh_relay_response(jh_relay *relay, jh_call_response *out);

/* Reads the response's body instead of passing it on; as jh_call_read(). */
ssize_t jh_relay_read(jh_relay *relay, char *out, size_t bytes, uint32_t wait_id);

/* Gives the upstream's fields to the ctx, to be sent with a body of its own by jh_ctx_respond(),
 * and gives the relay up. Fields that describe the upstream's body stay behind. 0, JH_ELIMIT,
 * JH_ENOMEM or JH_EINVAL. */
int jh_relay_replace(jh_relay *relay);

/* Sends head and body of the response with this status. 0: the exchange is over and released, as
 * with jh_ctx_respond(). JH_RELAY_PASSED; or JH_EWAIT: a JH_EVENT_WAKE tells that all was passed
 * on (0) or that it broke off. Other negative codes: nothing was sent when it was to leave whole;
 * otherwise release the ctx, which cuts the connection. */
int jh_relay_send(jh_relay *relay, int status, uint32_t wait_id);

/* Ends a response that was passed on. As jh_ctx_end(). */
int jh_relay_end(jh_relay *relay);

/* Bytes of the response's body that were passed on; of one that leaves whole, that will be. */
double jh_relay_bytes(jh_relay *relay);

/* After a 101: passes the change of protocol on and connects both sides, which have no more to do
 * with Lua. 0: the exchange is over and released. Or a negative code: release the ctx. */
int jh_relay_tunnel(jh_relay *relay);

/* Gives it up. */
void jh_relay_close(jh_relay *relay);
/* ---- work for other threads ----------------------------------------------------------------- */

/* A job of Lua that runs in a state of its own, on a thread of the pool. */
typedef struct jh_offload jh_offload;

/* Starts one, or has it wait for others; `input` is copied. A JH_EVENT_WAKE with `wait_id` tells
 * that it has ended. NULL when out of memory. Yours until jh_offload_close(). */
jh_offload *jh_offload_open(jh_generation *generation, const char *input, size_t len,
                            uint32_t wait_id);

/* What the job made, valid until the close. 0; or JH_EINVAL and a text; or JH_EBUSY, JH_ENOMEM. */
int jh_offload_result(jh_offload *job, jh_str *out);

/* One that runs is run to its end, unheard. */
void jh_offload_close(jh_offload *job);
/* ---- the hub -------------------------------------------------------------------------------- */

/* What becomes of a listener that reads too slowly. */
typedef enum jh_hub_policy {
  JH_HUB_DISCONNECT = 0, /* beyond the limit its connection is closed */
  JH_HUB_DROP_OLDEST,    /* beyond the limit the oldest messages are dropped */
  JH_HUB_COALESCE        /* and of each topic only the newest one waits */
} jh_hub_policy;

typedef struct jh_hub_options {
  uint32_t policy; /* jh_hub_policy */
  uint32_t max_backlog_bytes;
} jh_hub_options;

/* Sends it what is published to a topic (1 to 255 bytes) from now on. The options are those of the
 * listener, for all its topics. 0, JH_EINVAL, JH_ECLOSED or JH_ENOMEM. */
int jh_websocket_subscribe(jh_websocket *websocket, const char *topic, size_t len,
                           const jh_hub_options *options);

/* 0 or JH_ENOTFOUND. */
int jh_websocket_unsubscribe(jh_websocket *websocket, const char *topic, size_t len);

/* The same for a response that was started: text is sent as server-sent events. */
int jh_ctx_subscribe(jh_ctx *ctx, const char *topic, size_t len, const jh_hub_options *options);
int jh_ctx_unsubscribe(jh_ctx *ctx, const char *topic, size_t len);

/* Sends a message (`kind` 1 text, 2 binary) to all listeners of a topic on this machine but
 * `except`, which may be NULL. The number of them in this worker; JH_EPROTO for a text that is no
 * UTF-8, JH_EINVAL for a topic that is none. */
int64_t jh_hub_publish(jh_generation *generation, const char *topic, size_t topic_len, int kind,
                       const char *data, size_t data_len, jh_websocket *except);

/* How many listen to a topic in this worker. */
uint32_t jh_hub_listeners(jh_generation *generation, const char *topic, size_t len);

/* ---- content codings ------------------------------------------------------------------------- */

/* Content codings of RFC 9110 §8.4; JH_CODER_IDENTITY is none. */
typedef enum jh_coder_kind {
  JH_CODER_IDENTITY = 0,
  JH_CODER_GZIP,
  JH_CODER_BROTLI,
  JH_CODER_ZSTD
} jh_coder_kind;

/* What a step does when its input is used up. */
typedef enum jh_coder_end {
  JH_CODER_GO_ON = 0, /* nothing: more input follows */
  JH_CODER_FLUSH,     /* encoders: writes all there is, so that it can be decoded up to here */
  JH_CODER_FINISH     /* the input was the last */
} jh_coder_end;

/* One body that is being encoded or decoded. */
typedef struct jh_coder jh_coder;

/* The coding that the request's Accept-Encoding likes best of those whose bits (1 << kind) are set
 * in `available`; JH_CODER_IDENTITY when it is none of them. */
int jh_ctx_choose_coding(jh_ctx *ctx, uint32_t available);

/* Starts an encoder; `level` is the library's, or -1 for what suits answers made on the fly. NULL
 * when out of memory. Yours until jh_coder_close(). */
jh_coder *jh_encoder_open(jh_generation *generation, int kind, int level);

/* Starts a decoder that answers JH_ELIMIT where its output would pass max_bytes. */
jh_coder *jh_decoder_open(jh_generation *generation, int kind, double max_bytes);

/* Takes *in_bytes of input (what is left of it is written back) and writes at most `room` bytes.
 * The bytes written: call again with the rest of the input while they fill the room. Or JH_EPROTO
 * for input that is damaged or cut off, JH_ELIMIT, JH_ENOMEM. */
ssize_t jh_coder_step(jh_coder *coder, int end, const char *in, size_t *in_bytes, char *out,
                      size_t room);
void jh_coder_close(jh_coder *coder);

/* ---- cookie jars ---------------------------------------------------------------------------- */

/* True when everybody may register names below this domain (lower case, in ASCII as DNS has it), so
 * that a cookie for all of it is refused: "com", "co.uk", "github.io", and every single word. Reads
 * the list of suffixes on its first call. */
bool jh_public_suffix_test(const char *domain, size_t len);

/* Writes a file and gives it the name `path` (NUL-terminated) once it is whole; it takes the place
 * of one that is there. Only the owner may read it. 0, JH_ENOMEM or a negated errno; then nothing
 * has changed. */
int jh_file_replace(const char *path, const char *bytes, size_t len);

/* ---- logs ----------------------------------------------------------------------------------- */

typedef enum jh_log_level {
  JH_LOG_DEBUG = 0,
  JH_LOG_INFO,
  JH_LOG_WARN,
  JH_LOG_ERROR,
  JH_LOG_OFF
} jh_log_level;

/* Writes one line to the error log. */
void jh_log_text(jh_generation *generation, int level, const char *text, size_t len);

/* True when lines of this level are written. */
bool jh_log_wants(jh_generation *generation, int level);

/* Appends one line to the access log; buffered, one write per loop turn. */
void jh_access_log(jh_generation *generation, const char *line, size_t len);

/* ---- in-process requests and stand-alone use ------------------------------------------------ */

/* A connection in memory: what a test sends to it goes through parser, router and handlers. */
typedef struct jh_memory_conn jh_memory_conn;

/* Opens one and gives it `bytes` as received input (copied), at its end a half-close. When all is
 * answered a JH_EVENT_WAKE with wait_id comes. NULL when out of memory. */
jh_memory_conn *jh_memory_conn_open(jh_generation *generation, const char *bytes, size_t len,
                                    uint32_t wait_id);

/* What was written to it so far; valid until the next call of the loop or the close. */
int jh_memory_conn_output(jh_memory_conn *memory, jh_str *out);
void jh_memory_conn_close(jh_memory_conn *memory);

/* A worker without listeners inside another program (specs, embedding): makes its first
 * generation, to be driven by the caller. NULL when out of memory. */
jh_generation *jh_standalone_open(void);

/* Runs one turn of its loop; blocks until something is ready when `wait`. 0 or a negative code. */
int jh_standalone_turn(jh_generation *generation, bool wait);
void jh_standalone_close(jh_generation *generation);

/* ==== door: end ==== */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
