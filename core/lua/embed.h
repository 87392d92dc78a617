/* What the build puts into the binary: the Lua side of justhttp, the door's text, an app to begin
 * with.
 *
 * vm.c serves `require` from jh_embed_modules, so the executable needs no Lua file on disk;
 * door.lua gets jh_embed_door_text as the one cdef. The definitions are generated into the build
 * tree by deps/embed.cmake and change with the files they come from; nothing here is ever written
 * to. */
#ifndef JH_LUA_EMBED_H
#define JH_LUA_EMBED_H

#include <stddef.h>

/* ==== cdef: begin ==== */

typedef struct jh_embed_module {
  const char *name;       /* as `require` says it: "justhttp.middleware.cors" */
  const char *chunk_name; /* as tracebacks say it: "@justhttp/middleware/cors.lua" */
  const char *source;     /* the file's bytes, then a NUL */
  size_t len;             /* bytes, without the NUL */
} jh_embed_module;

/* Sorted by file path. */
extern const jh_embed_module jh_embed_modules[];
extern const size_t jh_embed_module_count;

/* The files of an app to begin with (apps/new), for `justhttp new`. */
typedef struct jh_embed_file {
  const char *path; /* below the app's directory: "spec/app_spec.lua" */
  const char *bytes;
  size_t len;
} jh_embed_file;

extern const jh_embed_file jh_embed_scaffold[];
extern const size_t jh_embed_scaffold_count;

/* What stands between the door marks of core/justhttp.h, NUL-terminated. */
extern const char jh_embed_door_text[];
extern const size_t jh_embed_door_text_len; /* bytes, without the NUL */

/* ==== cdef: end ==== */

/* A function of the door; ended by one without a name. */
typedef struct jh_embed_function {
  const char *name;
  void (*address)(void);
} jh_embed_function;

extern const jh_embed_function jh_embed_functions[];
extern const size_t jh_embed_function_count;

#endif
