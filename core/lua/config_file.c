/* config_file.c: evaluates the file and turns values into text.
 *
 * Which options exist and what they accept is not known here: text goes to the caller, so config
 * file, environment and command line cannot come to differ. Lua tables do not remember lines; the
 * line of a refused key is searched in the text, which is right for every file that looks like a
 * config file. */
#include "lua/config_file.h"

#include "justhttp.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { VALUE_BYTES = 4096, REASON_BYTES = 512, LINE_BYTES = 1024 };

typedef struct reading {
  lua_State *L;
  const char *path;
  jh_config_file_set set;
  void *target;
  char *error;
  size_t error_bytes;
} reading;

static bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* True when the line gives the key a value: `key =`, `["key"] =`. */
static bool assigns(const char *line, const char *key) {
  size_t len = strlen(key);
  for (const char *at = strstr(line, key); at != NULL; at = strstr(at + 1, key)) {
    if (at > line && is_name_byte(at[-1])) continue;
    const char *after = at + len;
    after += strspn(after, "\"'] \t");
    if (*after == '=' && !is_name_byte(at[len])) return true;
  }
  return false;
}

/* Number of the first line that sets the key, or 0. */
static int find_line(const char *path, const char *key) {
  char line[LINE_BYTES];
  int number = 0, found = 0;
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  while (found == 0 && fgets(line, sizeof line, file) != NULL) {
    number++;
    if (assigns(line, key)) found = number;
  }
  fclose(file);
  return found;
}

static int refuse(const reading *reading, const char *key, int code, const char *reason) {
  int line = key != NULL ? find_line(reading->path, key) : 0;
  if (line > 0) {
    snprintf(reading->error, reading->error_bytes, "%s:%d: %s", reading->path, line, reason);
  } else {
    snprintf(reading->error, reading->error_bytes, "%s: %s", reading->path, reason);
  }
  return code;
}

/* Appends the value on top of the stack to `out` as text. False for a type that no option has. */
static bool append_value(lua_State *L, char *out, size_t out_bytes, bool is_item) {
  size_t used = strlen(out);
  char *end = out + used;
  size_t space = out_bytes - used;
  int n = -1;
  switch (lua_type(L, -1)) {
  case LUA_TSTRING:
    n = snprintf(end, space, "%s", lua_tostring(L, -1));
    break;
  case LUA_TBOOLEAN:
    n = snprintf(end, space, "%s", lua_toboolean(L, -1) ? "true" : "false");
    break;
  case LUA_TNUMBER: {
    double number = lua_tonumber(L, -1);
    bool is_whole = floor(number) == number && fabs(number) < 9007199254740992.0;
    n = snprintf(end, space, is_whole ? "%.0f" : "%.17g", number);
    break;
  }
  case LUA_TTABLE:
    if (is_item) return false;
    for (int i = 1;; i++) {
      lua_rawgeti(L, -1, i);
      bool is_end = lua_isnil(L, -1);
      size_t len = strlen(out);
      if (!is_end && i > 1 && len + 1 < out_bytes) memcpy(out + len, ",", 2);
      bool is_text = is_end || append_value(L, out, out_bytes, true);
      lua_pop(L, 1);
      if (!is_text) return false;
      if (is_end) return true;
    }
  default:
    break;
  }
  return n >= 0 && (size_t)n < space;
}

/* Key at -2, value at -1. */
static int read_entry(const reading *reading) {
  char value[VALUE_BYTES] = "", reason[REASON_BYTES];
  lua_State *L = reading->L;
  if (lua_type(L, -2) != LUA_TSTRING) {
    snprintf(reason, sizeof reason, "options are named; write name = value instead of a bare %s",
             luaL_typename(L, -1));
    return refuse(reading, NULL, JH_EINVAL, reason);
  }
  const char *key = lua_tostring(L, -2);
  if (!append_value(L, value, sizeof value, false)) {
    snprintf(reason, sizeof reason, "%.64s: a %s is no value for an option", key,
             luaL_typename(L, -1));
    return refuse(reading, key, JH_EINVAL, reason);
  }
  int rc = reading->set(reading->target, key, value, reason, sizeof reason);
  return rc == 0 ? 0 : refuse(reading, key, rc, reason);
}

static int read_table(const reading *reading) {
  lua_State *L = reading->L;
  if (luaL_loadfile(L, reading->path) != 0 || lua_pcall(L, 0, 1, 0) != 0) {
    /* Lua's messages name file and line already, except for objects that were raised. */
    const char *message = lua_tostring(L, -1);
    snprintf(reading->error, reading->error_bytes, "%s",
             message != NULL ? message : "config.lua raised an error that is no text");
    return JH_EINVAL;
  }
  if (!lua_istable(L, -1))
    return refuse(reading, NULL, JH_EINVAL, "must return a table, such as return { workers = 2 }");
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    int rc = read_entry(reading);
    if (rc != 0) return rc;
    lua_pop(L, 1);
  }
  return 0;
}

int jh_config_file_read(const char *path, jh_config_file_set set, void *target, char *error,
                        size_t error_bytes) {
  const reading reading = {luaL_newstate(), path, set, target, error, error_bytes};
  if (reading.L == NULL) {
    snprintf(error, error_bytes, "%s: out of memory", path);
    return JH_ENOMEM;
  }
  luaL_openlibs(reading.L);
  int rc = read_table(&reading);
  lua_close(reading.L);
  return rc;
}
