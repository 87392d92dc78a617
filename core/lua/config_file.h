/* config_file.h: reads config.lua, the options file of an app directory. It is Lua that returns a
 * table of options:
 *
 *   return { workers = 2, max_body_bytes = "8m", listen = { ":8080", "unix:/run/shop.sock" } }
 *
 * Runs once, in the supervisor, in a VM of its own that is closed again before a worker starts:
 * where to listen and how many workers there are must be known before the first one exists. */
#ifndef JH_LUA_CONFIG_FILE_H
#define JH_LUA_CONFIG_FILE_H

#include <stddef.h>

#include "justhttp.h"

/* Takes one option as text, with a list's items joined by commas. 0, or a negative code and one
 * line in `error`, which ends the reading. */
typedef int (*jh_config_file_set)(void *target, const char *name, const char *value, char *error,
                                  size_t error_bytes);

/* Runs `text`, the contents of the file at `path`, and gives every entry of its table to `set`. 0,
 * or a negative code and one line in `error` that starts with file and line: syntax or runtime
 * error, no table, a key or value of the wrong type, or what `set` refused. */
int jh_config_file_read(const char *path, jh_str text, jh_config_file_set set, void *target,
                        char *error, size_t error_bytes);

#endif
