/* place.h: which line of the app runs. Nothing here allocates: a signal handler may ask, too. */
#ifndef JH_LUA_PLACE_H
#define JH_LUA_PLACE_H

#include <lua.h>
#include <stdbool.h>

/* The innermost call of the app in a coroutine, with source and line; false when only the server's
 * own code runs. */
bool jh_place_find(lua_State *state, lua_Debug *call);

/* The coroutine that runs, from one that resumed it, through however many. */
lua_State *jh_place_innermost(lua_State *state);

#endif
