/* config_file.c: a short-lived VM that runs justhttp.config over the file.
 *
 * The module evaluates the file and words the errors; which options exist and what they accept it
 * does not know: each value comes back here as text and goes to the caller, so config file,
 * environment and command line cannot come to differ. */
#include "lua/config_file.h"

#include "lua/embed.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { REASON_BYTES = 512 };

static const char module_name[] = "justhttp.config";

typedef struct reading {
  jh_config_file_set set;
  void *target;
} reading;

/* set(name, value): true, or nil and why not. */
static int set_option(lua_State *L) {
  const reading *reading = lua_touserdata(L, lua_upvalueindex(1));
  char reason[REASON_BYTES] = "";
  const char *name = luaL_checkstring(L, 1), *value = luaL_checkstring(L, 2);
  if (reading->set(reading->target, name, value, reason, sizeof reason) == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, reason);
  return 2;
}

/* Leaves the module's table on the stack; 0, or what Lua answered with a message there. */
static int load_module(lua_State *L) {
  for (size_t i = 0; i < jh_embed_module_count; i++) {
    const jh_embed_module *module = &jh_embed_modules[i];
    if (strcmp(module->name, module_name) != 0) continue;
    int rc = luaL_loadbuffer(L, module->source, module->len, module->chunk_name);
    return rc != 0 ? rc : lua_pcall(L, 0, 1, 0);
  }
  lua_pushfstring(L, "%s is not in this executable", module_name);
  return LUA_ERRRUN;
}

/* load(path, text, set): true, or nil and one line. */
static int run_module(lua_State *L, const char *path, jh_str text, reading *reading) {
  int rc = load_module(L);
  if (rc != 0) return rc;
  lua_getfield(L, -1, "load");
  lua_pushstring(L, path);
  lua_pushlstring(L, text.ptr, text.len);
  lua_pushlightuserdata(L, reading);
  lua_pushcclosure(L, set_option, 1);
  rc = lua_pcall(L, 3, 2, 0);
  if (rc != 0) return rc;
  return lua_toboolean(L, -2) ? 0 : LUA_ERRRUN;
}

int jh_config_file_read(const char *path, jh_str text, jh_config_file_set set, void *target,
                        char *error, size_t error_bytes) {
  reading reading = {set, target};
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    snprintf(error, error_bytes, "%s: out of memory", path);
    return JH_ENOMEM;
  }
  luaL_openlibs(L);
  int rc = run_module(L, path, text, &reading);
  if (rc != 0) {
    const char *message = lua_tostring(L, -1);
    bool names_file = message != NULL && strstr(message, path) != NULL;
    snprintf(error, error_bytes, "%s%s%s", names_file ? "" : path, names_file ? "" : ": ",
             message != NULL ? message : "raised an error that is no text");
  }
  lua_close(L);
  return rc == 0 ? 0 : JH_EINVAL;
}
