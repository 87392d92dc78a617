/* linked.c: one table, filled by the build. The modules win over those on package.cpath: what was
 * tested is what runs. */
#include "lua/linked.h"

#include <lauxlib.h>
#include <lua.h>

#include <stddef.h>

int luaopen_cjson(lua_State *state);
int luaopen_cjson_safe(lua_State *state);
int luaopen_lpeg(lua_State *state);
int luaopen_lfs(lua_State *state);

static const luaL_Reg modules[] = {
#ifdef JH_HAS_CJSON
    {"cjson", luaopen_cjson},
    {"cjson.safe", luaopen_cjson_safe},
#endif
#ifdef JH_HAS_LPEG
    {"lpeg", luaopen_lpeg},
#endif
#ifdef JH_HAS_LFS
    {"lfs", luaopen_lfs},
#endif
    {NULL, NULL},
};

void jh_linked_preload(lua_State *state) {
  lua_getglobal(state, "package");
  lua_getfield(state, -1, "preload");
  for (const luaL_Reg *module = modules; module->name != NULL; module++) {
    lua_pushcfunction(state, module->func);
    lua_setfield(state, -2, module->name);
  }
  lua_pop(state, 2);
}

const char *jh_linked_name(int i) {
  const int count = (int)(sizeof modules / sizeof modules[0]);
  return i >= 0 && i < count ? modules[i].name : NULL;
}
