/* bundler.h: makes the contents of an app in one file from those of its directory: Lua is compiled,
 * modules of others that it requires are packed, and what may be served gets compressed forms
 * beside it. Runs lua/justhttp/bundler.lua in a VM of its own, for `justhttp bundle`. */
#ifndef JH_LUA_BUNDLER_H
#define JH_LUA_BUNDLER_H

#include <stdbool.h>

#include "base/zip.h"

typedef struct jh_bundler_job {
  const jh_zip *files; /* of the app; stored, none is deflated */
  jh_str main;         /* the one that is the app */
  const char *name;    /* stands before the names of files in errors */
  bool keeps_source;
  const char *const *modules; /* to be packed although no require names them */
  size_t module_count;
  const char *const *externals; /* to be left out: they are where the app will run */
  size_t external_count;
  jh_zip_writer *writer;
  /* Compresses bytes as `extension` says (".gz"). Memory for jh_free() with *out_len set, or NULL
   * when that does not make them smaller. */
  char *(*compress)(const char *extension, jh_str bytes, size_t *out_len);
} jh_bundler_job;

/* Fills the archive. 0, or a negative code with text in `error`; otherwise `error` has what is
 * worth telling. */
int jh_bundler_run(const jh_bundler_job *job, char *error, size_t error_bytes);

#endif
