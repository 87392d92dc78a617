/* What the build puts into the binary: the Lua side of justhttp and the door's text.
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

/* What stands between the door marks of core/justhttp.h, NUL-terminated. */
extern const char jh_embed_door_text[];
extern const size_t jh_embed_door_text_len; /* bytes, without the NUL */

/* ==== cdef: end ==== */

#endif
