/* place.c: walks the calls of a coroutine that is stopped in the middle of something. */
#include "lua/place.h"

#include <stddef.h>
#include <string.h>

enum { LEVELS_MAX = 200, COROUTINES_MAX = 16 };

static const char *const MARKS[] = {"@justhttp/", "=justhttp/"};

static bool is_of_app(const lua_Debug *call) {
  if (strcmp(call->what, "C") == 0) return false;
  for (size_t i = 0; i < sizeof MARKS / sizeof *MARKS; i++) {
    if (strncmp(call->source, MARKS[i], strlen(MARKS[i])) == 0) return false;
  }
  return true;
}

bool jh_place_find(lua_State *state, lua_Debug *call) {
  for (int level = 0; level < LEVELS_MAX && lua_getstack(state, level, call); level++) {
    if (lua_getinfo(state, "Sl", call) && is_of_app(call)) return true;
  }
  return false;
}

/* What coroutine.resume was given stays on its stack, as the first of its values. */
lua_State *jh_place_innermost(lua_State *state) {
  for (int i = 0; i < COROUTINES_MAX; i++) {
    lua_Debug call, inner_call;
    if (!lua_getstack(state, 0, &call) || !lua_getinfo(state, "S", &call)) return state;
    if (strcmp(call.what, "C") != 0 || !lua_getlocal(state, &call, 1)) return state;
    lua_State *inner = lua_tothread(state, -1);
    lua_pop(state, 1);
    if (!inner || lua_status(inner) != 0 || !lua_getstack(inner, 0, &inner_call)) return state;
    state = inner;
  }
  return state;
}
