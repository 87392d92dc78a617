/* lua_host.h: a fuzzer whose checks are Lua.
 *
 * A target defines CHECKS ("cookie" for spec/fuzz/cookie_checks.lua) and includes this. The file
 * returns a function that is called with every input and raises when something does not hold.
 * Modules come from the source tree: JUSTHTTP_SOURCE, or where it was when the target was built.
 * Lua code is not instrumented, so a hook counts which line follows which, and libFuzzer takes
 * those counters as coverage. Compiled traces would skip the hook: the compiler is off.
 */
#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNTERS = 1 << 12, INPUT_MAX = 512, HEAP_BYTES_MAX = 64 << 20 };

__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static void on_line(lua_State *L, lua_Debug *ar) {
  static uint32_t last;
  lua_getinfo(L, "S", ar);
  uint32_t place = ((uint32_t)(uintptr_t)ar->source + (uint32_t)ar->currentline) * 2654435761U;
  uint8_t *counter = &counters[((place >> 16) ^ last) % COUNTERS];
  if (*counter < UINT8_MAX) (*counter)++;
  last = (place >> 16) * 3;
}

static void fail(lua_State *L) {
  fprintf(stderr, "%s\n", lua_tostring(L, -1));
  abort();
}

static int add_traceback(lua_State *L) {
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

/* Leaves the message handler and the function of the checks on the stack. */
static lua_State *open_checks(void) {
  const char *source = getenv("JUSTHTTP_SOURCE");
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
  lua_pushcfunction(L, add_traceback);
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s/lua/?.lua", source ? source : SOURCE_DIR);
  lua_setfield(L, -2, "path");
  lua_pop(L, 1);
  lua_pushfstring(L, "%s/spec/fuzz/" CHECKS "_checks.lua", source ? source : SOURCE_DIR);
  if (luaL_loadfile(L, lua_tostring(L, -1)) || lua_pcall(L, 0, 1, 1)) fail(L);
  lua_remove(L, -2);
  lua_sethook(L, on_line, LUA_MASKLINE, 0);
  return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (size > INPUT_MAX) return 0;
  if (!L) L = open_checks();
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 0, 1)) fail(L);
  if (lua_gc(L, LUA_GCCOUNT, 0) > HEAP_BYTES_MAX / 1024) {
    lua_pushliteral(L, "the heap grows without bound");
    fail(L);
  }
  return 0;
}
