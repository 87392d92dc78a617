/* offload_vm.c: making a state and running its one function.
 *
 * Nothing here is shared with other states but the embedded sources, which are constant, so jobs
 * need no lock. */
#include "lua/offload_vm.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

#include "base/alloc.h"
#include "lua/embed.h"
#include "lua/heap.h"
#include "lua/linked.h"

struct jh_offload_vm {
  jh_heap heap;
  const jh_zip *files; /* of the job that runs; NULL none */
  uint64_t number;
  lua_State *state; /* its stack holds the job's function and nothing else */
};

static void load_module(lua_State *state, const char *name) {
  for (size_t i = 0; i < jh_embed_module_count; i++) {
    const jh_embed_module *module = &jh_embed_modules[i];
    if (strcmp(module->name, name) != 0) continue;
    if (luaL_loadbuffer(state, module->source, module->len, module->chunk_name)) lua_error(state);
    return;
  }
  luaL_error(state, "no embedded module '%s'", name);
}

/* text(name): the bytes of a file of the app's bundle, or nil. */
static int file_text(lua_State *state) {
  const jh_offload_vm *vm = lua_touserdata(state, lua_upvalueindex(1));
  jh_str name;
  name.ptr = luaL_checklstring(state, 1, &name.len);
  const jh_zip_entry *entry = vm->files ? jh_zip_find(vm->files, name) : NULL;
  if (!entry || entry->is_deflated) return 0;
  lua_pushlstring(state, entry->bytes.ptr, entry->bytes.len);
  return 1;
}

/* Called protected. */
static int boot(lua_State *state) {
  luaL_openlibs(state);
  jh_linked_preload(state);
  load_module(state, "justhttp.offload_job");
  lua_pushvalue(state, 1);
  lua_pushcclosure(state, file_text, 1);
  lua_call(state, 1, 1);
  luaL_checktype(state, -1, LUA_TFUNCTION);
  return 1;
}

jh_offload_vm *jh_offload_vm_new(uint64_t number) {
  jh_offload_vm *vm = jh_try_calloc(1, sizeof *vm);
  if (!vm) return NULL;
  vm->number = number;
  jh_heap_init(&vm->heap);
  vm->state = lua_newstate(jh_heap_resize, &vm->heap);
  if (vm->state) {
    lua_pushcfunction(vm->state, boot);
    lua_pushlightuserdata(vm->state, vm);
    if (lua_pcall(vm->state, 1, 1, 0) == 0) return vm;
  }
  jh_offload_vm_free(vm);
  return NULL;
}

uint64_t jh_offload_vm_number(const jh_offload_vm *vm) {
  return vm->number;
}

void jh_offload_vm_free(jh_offload_vm *vm) {
  if (vm->state) lua_close(vm->state);
  jh_heap_deinit(&vm->heap);
  jh_free(vm);
}

static int copy_out(lua_State *state, jh_str *output) {
  size_t len = 0;
  const char *bytes = lua_tolstring(state, -1, &len);
  *output = (jh_str){NULL, 0};
  if (!bytes) return JH_EINVAL;
  char *copy = jh_try_alloc(len + 1);
  if (!copy) return JH_ENOMEM;
  memcpy(copy, bytes, len);
  *output = (jh_str){copy, len};
  return 0;
}

/* The input becomes a string of the state; called protected, because that may fail. */
static int call_job(lua_State *state) {
  const jh_str *input = lua_touserdata(state, 2);
  lua_pushvalue(state, 1);
  lua_pushlstring(state, input->ptr, input->len);
  lua_call(state, 1, 1);
  return 1;
}

int jh_offload_vm_run(jh_offload_vm *vm, const jh_zip *files, jh_str input, jh_str *output) {
  lua_State *state = vm->state;
  vm->files = files;
  lua_pushcfunction(state, call_job);
  lua_pushvalue(state, 1);
  lua_pushlightuserdata(state, &input);
  int status = lua_pcall(state, 2, 1, 0);
  int error = copy_out(state, output);
  lua_settop(state, 1);
  if (status == LUA_ERRMEM) return JH_ENOMEM;
  return status ? JH_EINVAL : error;
}

size_t jh_offload_vm_collect(jh_offload_vm *vm) {
  enum { SMALL_KIB = 1024 };
  if (lua_gc(vm->state, LUA_GCCOUNT, 0) > SMALL_KIB) lua_gc(vm->state, LUA_GCCOLLECT, 0);
  return (size_t)lua_gc(vm->state, LUA_GCCOUNT, 0) * 1024;
}
