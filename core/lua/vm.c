/* vm.c: making a VM and entering it.
 *
 * Stock `require` is used only until justhttp.loader replaces it; the searcher for embedded modules
 * stands first after package.preload, so files on disk cannot shadow the server's own. */
#include "lua/vm.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

#include "base/alloc.h"
#include "lua/embed.h"

struct jh_vm {
  lua_State *state;
  jh_log *log;
  int drain_ref;
};

static int search_embedded(lua_State *state) {
  const char *name = luaL_checkstring(state, 1);
  for (size_t i = 0; i < jh_embed_module_count; i++) {
    const jh_embed_module *module = &jh_embed_modules[i];
    if (strcmp(module->name, name) != 0) continue;
    if (luaL_loadbuffer(state, module->source, module->len, module->chunk_name)) {
      return lua_error(state);
    }
    return 1;
  }
  lua_pushfstring(state, "\n\tno embedded module '%s'", name);
  return 1;
}

/* Inserts search_embedded as package.loaders[2]. */
static void add_searcher(lua_State *state) {
  lua_getglobal(state, "package");
  lua_getfield(state, -1, "loaders");
  int loaders = lua_gettop(state);
  for (int i = (int)lua_objlen(state, loaders); i >= 2; i--) {
    lua_rawgeti(state, loaders, i);
    lua_rawseti(state, loaders, i + 1);
  }
  lua_pushcfunction(state, search_embedded);
  lua_rawseti(state, loaders, 2);
  lua_pop(state, 2);
}

/* Runs justhttp.boot; its result is the drain function. Called protected. */
static int boot(lua_State *state) {
  void *generation = lua_touserdata(state, 1);
  luaL_openlibs(state);
  add_searcher(state);
  lua_getglobal(state, "require");
  lua_pushliteral(state, "justhttp.boot");
  lua_call(state, 1, 1);
  lua_pushlightuserdata(state, generation);
  lua_call(state, 1, 1);
  luaL_checktype(state, -1, LUA_TFUNCTION);
  return 1;
}

static void log_error(jh_vm *vm, const char *what) {
  const char *message = lua_tostring(vm->state, -1);
  jh_log_printf(vm->log, JH_LOG_ERROR, "%s: %s", what, message ? message : "(no message)");
  lua_pop(vm->state, 1);
}

jh_vm *jh_vm_new(void *generation, jh_log *log) {
  jh_vm *vm = jh_alloc(sizeof *vm);
  *vm = (jh_vm){.state = luaL_newstate(), .log = log};
  if (!vm->state) {
    jh_log_write(log, JH_LOG_ERROR, "out of memory for the Lua VM", 28);
    jh_free(vm);
    return NULL;
  }
  lua_pushcfunction(vm->state, boot);
  lua_pushlightuserdata(vm->state, generation);
  if (lua_pcall(vm->state, 1, 1, 0)) {
    log_error(vm, "cannot start Lua");
    jh_vm_free(vm);
    return NULL;
  }
  vm->drain_ref = luaL_ref(vm->state, LUA_REGISTRYINDEX);
  return vm;
}

void jh_vm_free(jh_vm *vm) {
  lua_close(vm->state);
  jh_free(vm);
}

int jh_vm_drain(jh_vm *vm) {
  lua_rawgeti(vm->state, LUA_REGISTRYINDEX, vm->drain_ref);
  if (lua_pcall(vm->state, 0, 0, 0) == 0) return 0;
  log_error(vm, "error in the dispatcher");
  return JH_EINVAL;
}
