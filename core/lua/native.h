/* native.h: functions of a program that embeds the server, as its VM sees them.
 *
 * embed/ says through jh_native_hooks what there is; lua/justhttp/native.lua makes routes,
 * middleware and modules of it. The second half is for the functions while they run, and until they
 * are done: values of a request, fields of its ctx, arguments. Nothing here raises an error through
 * a caller's frames. */
#ifndef JH_LUA_NATIVE_H
#define JH_LUA_NATIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "justhttp.h"
#include "lua/vm.h"

struct lua_State;

/* A value on its way between C and Lua. `text` is borrowed. */
typedef enum jh_native_kind {
  JH_NATIVE_NIL = 0, /* as jh_value_kind of embed/justhttp.h */
  JH_NATIVE_BOOLEAN,
  JH_NATIVE_NUMBER,
  JH_NATIVE_STRING,
  JH_NATIVE_POINTER,
  JH_NATIVE_OTHER
} jh_native_kind;

typedef struct jh_native_value {
  jh_native_kind kind;
  bool boolean;
  double number;
  jh_str text;
  void *pointer;
} jh_native_value;

/* The ctx of one request in one VM. */
typedef struct jh_native_frame {
  struct lua_State *state; /* NULL: the request is over */
  int ref;
} jh_native_frame;

/* Something to be declared: a route, a middleware (method is NULL) or a function. */
typedef struct jh_native_entry {
  enum { JH_NATIVE_ROUTE = 0, JH_NATIVE_MIDDLEWARE, JH_NATIVE_FUNCTION } kind;
  const char *method; /* of a route */
  const char *name;   /* its pattern; prefix of a middleware, or NULL; "module.name" */
  int (*lua_function)(struct lua_State *); /* of a function; NULL: run_function */
} jh_native_entry;

/* What a request's part of C has made of it. */
typedef struct jh_native_answer {
  int outcome; /* 0 answered, 1 next, 2 later, negative failed */
  int status;  /* 0: not set */
  jh_str body; /* ptr NULL: none */
  jh_str failure;
} jh_native_answer;

typedef struct jh_native_header {
  jh_str name, value;
  bool append;
} jh_native_header;

typedef struct jh_native_hooks {
  void *data;
  bool (*entry)(void *data, size_t index, jh_native_entry *out); /* false past the last */
  /* Begins with a request; NULL when out of memory. `frame` is copied. */
  void *(*open)(void *data, size_t index, jh_ctx *ctx, const jh_native_frame *frame,
                uint32_t wait_id, jh_str body);
  void (*run)(void *exchange);
  void (*answer)(void *exchange, jh_native_answer *out);
  bool (*header)(void *exchange, size_t index, jh_native_header *out);
  /* The request is over for Lua. Returns the frame it was opened with. */
  jh_native_frame (*close)(void *exchange);
  /* Runs a function; results are borrowed until the next call. Their count, or a negative code with
   * a text in results[0]. */
  int (*run_function)(void *data, size_t index, struct lua_State *arguments,
                      const jh_native_value **results);
  void (*fail_start)(void *data, const char *text, size_t len);
} jh_native_hooks;

/* Makes them known to a VM, before its first drain. `hooks` must outlive it. 0 or JH_ENOMEM. */
int jh_native_install(jh_vm *vm, const jh_native_hooks *hooks);

/* The state to use for a frame that outlives its call. */
struct lua_State *jh_native_main_state(jh_vm *vm);

/* ctx[part][name], or ctx.values[name] for "values". Text is valid until Lua runs again. */
void jh_native_get(const jh_native_frame *frame, const char *part, const char *name,
                   jh_native_value *out);

/* ctx.values[name] = value. 0, JH_ENOMEM or JH_ESTALE. */
int jh_native_put(const jh_native_frame *frame, const char *name, const jh_native_value *value);

size_t jh_native_argument_count(struct lua_State *arguments);
void jh_native_argument(struct lua_State *arguments, size_t index, jh_native_value *out);

#endif
