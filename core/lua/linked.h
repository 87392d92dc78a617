/* linked.h: Lua modules in C that are linked into the executable: an app in one file has no other
 * place for them. Which there are is up to the build (deps/deps.cmake): cjson, and lpeg and lfs
 * where their archives were found. */
#ifndef JH_LUA_LINKED_H
#define JH_LUA_LINKED_H

struct lua_State;

/* Has `require` of a VM, whose libraries are open, find them. */
void jh_linked_preload(struct lua_State *state);

/* The name of a module that is linked in, by number; NULL behind the last. */
const char *jh_linked_name(int i);

#endif
