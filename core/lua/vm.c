/* vm.c: making a VM and entering it.
 *
 * Stock `require` is used only until justhttp.loader replaces it; the searcher for embedded modules
 * stands first after package.preload, so files on disk cannot shadow the server's own. */
#include "lua/vm.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "lua/embed.h"
#include "lua/linked.h"
#include "lua/place.h"
#include "lua/vm_state.h"

/* Whose Lua runs on this thread; for jh_vm_write_place(). */
static _Thread_local jh_vm *volatile running;

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

/* Where door.lua finds the door when dlsym() does not: package.loaded["justhttp.door_functions"].
 */
static void add_door(lua_State *state) {
  luaL_findtable(state, LUA_REGISTRYINDEX, "_LOADED", 16);
  lua_newtable(state);
  lua_pushlightuserdata(state, (void *)(uintptr_t)jh_embed_functions);
  lua_setfield(state, -2, "functions");
  lua_pushstring(state, jh_embed_door_text);
  lua_setfield(state, -2, "text");
  lua_setfield(state, -2, "justhttp.door_functions");
  lua_pop(state, 1);
}

/* Runs justhttp.boot; its results are the active dispatcher and the function that replaces it.
 * Called protected. */
static int boot(lua_State *state) {
  void *generation = lua_touserdata(state, 1);
  luaL_openlibs(state);
  jh_linked_preload(state);
  add_searcher(state);
  add_door(state);
  lua_getglobal(state, "require");
  lua_pushliteral(state, "justhttp.boot");
  lua_call(state, 1, 1);
  lua_pushlightuserdata(state, generation);
  lua_call(state, 1, 2);
  luaL_checktype(state, -2, LUA_TTHREAD);
  luaL_checktype(state, -1, LUA_TFUNCTION);
  return 2;
}

static void log_error(jh_vm *vm, const char *what) {
  const char *message = lua_tostring(vm->state, -1);
  jh_log_printf(vm->log, JH_LOG_ERROR, "%s: %s", what, message ? message : "(no message)");
  lua_pop(vm->state, 1);
}

jh_vm *jh_vm_new(void *generation, jh_log *log) {
  jh_vm *vm = jh_alloc(sizeof *vm);
  *vm = (jh_vm){.log = log};
  jh_heap_init(&vm->heap);
  vm->state = lua_newstate(jh_heap_resize, &vm->heap);
  if (!vm->state) {
    jh_log_write(log, JH_LOG_ERROR, "out of memory for the Lua VM", 28);
    jh_heap_deinit(&vm->heap);
    jh_free(vm);
    return NULL;
  }
  lua_pushcfunction(vm->state, boot);
  lua_pushlightuserdata(vm->state, generation);
  if (lua_pcall(vm->state, 1, 2, 0)) {
    log_error(vm, "cannot start Lua");
    jh_vm_free(vm);
    return NULL;
  }
  vm->replace_ref = luaL_ref(vm->state, LUA_REGISTRYINDEX);
  vm->active = lua_tothread(vm->state, -1);
  lua_settop(vm->state, 0);
  return vm;
}

void jh_vm_free(jh_vm *vm) {
  if (vm->budget) jh_budget_forget(vm->budget, vm);
  lua_close(vm->state);
  jh_heap_deinit(&vm->heap);
  jh_free(vm);
}

/* The active dispatcher was left in a handler that waits, or died of an error, which is on its
 * stack. */
static int replace_active(jh_vm *vm, bool has_failed) {
  lua_rawgeti(vm->state, LUA_REGISTRYINDEX, vm->replace_ref);
  lua_pushboolean(vm->state, has_failed);
  lua_xmove(vm->active, vm->state, 1);
  if (lua_pcall(vm->state, 2, 1, 0)) {
    log_error(vm, "error in the dispatcher");
    return JH_EINVAL;
  }
  vm->active = lua_tothread(vm->state, -1);
  lua_settop(vm->state, 0);
  return 0;
}

static int drain(jh_vm *vm) {
  for (;;) {
    int status = lua_resume(vm->active, 0);
    /* It yields nothing when nothing is left to pull, and something when its handler waits. */
    if (status == LUA_YIELD && lua_gettop(vm->active) == 0) return 0;
    if (replace_active(vm, status != LUA_YIELD) < 0) return JH_EINVAL;
  }
}

int jh_vm_drain(jh_vm *vm) {
  jh_budget *budget = vm->budget;
  running = vm;
  if (budget) budget->running = vm->state;
  int error = drain(vm);
  if (budget) budget->running = NULL;
  running = NULL;
  return error;
}

void jh_vm_write_place(char *out, size_t out_bytes) {
  lua_Debug call;
  out[0] = '\0';
  if (!running || !jh_place_find(jh_place_innermost(running->active), &call)) return;
  if (call.currentline < 0) {
    snprintf(out, out_bytes, "%s", call.short_src);
  } else {
    snprintf(out, out_bytes, "%s:%d", call.short_src, call.currentline);
  }
}
