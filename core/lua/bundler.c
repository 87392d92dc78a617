/* bundler.c: gives bundler.lua the files of an app and the archive to fill.
 *
 * Bytes that the Lua side does not look at never become strings of the VM: they go from the one
 * archive into the other here. */
#include "lua/bundler.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "lua/embed.h"
#include "lua/linked.h"

static const jh_bundler_job *job_of(lua_State *state) {
  return lua_touserdata(state, lua_upvalueindex(1));
}

static const jh_zip_entry *entry_of(lua_State *state) {
  jh_str name;
  name.ptr = luaL_checklstring(state, 1, &name.len);
  const jh_zip_entry *entry = jh_zip_find(job_of(state)->files, name);
  if (!entry) luaL_error(state, "there is no file '%s'", name.ptr);
  return entry;
}

static int add_entry(lua_State *state, jh_str name, jh_str bytes, int64_t modified_s) {
  int result = jh_zip_writer_add(job_of(state)->writer, name, bytes, modified_s);
  if (result == JH_ELIMIT) return luaL_error(state, "the bundle would be larger than 4 GiB");
  if (result < 0) return luaL_error(state, "%s: %s", name.ptr, jh_strerror(result));
  return 0;
}

/* text(name): its bytes, and when it was changed. */
static int text(lua_State *state) {
  const jh_zip_entry *entry = entry_of(state);
  lua_pushlstring(state, entry->bytes.ptr, entry->bytes.len);
  lua_pushnumber(state, (lua_Number)entry->modified_s);
  return 2;
}

/* size(name) */
static int size(lua_State *state) {
  lua_pushnumber(state, (lua_Number)entry_of(state)->size);
  return 1;
}

/* copy(name) */
static int copy(lua_State *state) {
  const jh_zip_entry *entry = entry_of(state);
  return add_entry(state, entry->name, entry->bytes, entry->modified_s);
}

/* compress(name, ".gz"): adds a compressed form. True when it is smaller. */
static int compress_file(lua_State *state) {
  const jh_zip_entry *entry = entry_of(state);
  const char *extension = luaL_checkstring(state, 2);
  size_t len;
  char *bytes = job_of(state)->compress(extension, entry->bytes, &len);
  lua_pushboolean(state, bytes != NULL);
  if (!bytes) return 1;
  char name[JH_ZIP_NAME_MAX_BYTES + 8];
  int name_len =
      snprintf(name, sizeof name, "%.*s%s", (int)entry->name.len, entry->name.ptr, extension);
  jh_str full = {name, (size_t)name_len};
  int result =
      jh_zip_writer_add(job_of(state)->writer, full, (jh_str){bytes, len}, entry->modified_s);
  jh_free(bytes);
  if (result < 0) return luaL_error(state, "%s: %s", name, jh_strerror(result));
  return 1;
}

/* add(name, bytes, modified_s) */
static int add(lua_State *state) {
  jh_str name, bytes;
  name.ptr = luaL_checklstring(state, 1, &name.len);
  bytes.ptr = luaL_checklstring(state, 2, &bytes.len);
  return add_entry(state, name, bytes, (int64_t)luaL_checknumber(state, 3));
}

static void set_function(lua_State *state, const char *name, lua_CFunction function,
                         const jh_bundler_job *job) {
  lua_pushlightuserdata(state, (void *)(uintptr_t)job);
  lua_pushcclosure(state, function, 1);
  lua_setfield(state, -2, name);
}

static void set_list(lua_State *state, const char *name, const char *const *items, size_t count) {
  lua_createtable(state, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(state, items[i]);
    lua_rawseti(state, -2, (int)i + 1);
  }
  lua_setfield(state, -2, name);
}

/* Names that need no file: what is embedded and what is linked in. */
static void set_built_in(lua_State *state) {
  lua_newtable(state);
  for (size_t i = 0; i < jh_embed_module_count; i++) {
    lua_pushboolean(state, 1);
    lua_setfield(state, -2, jh_embed_modules[i].name);
  }
  for (int i = 0; jh_linked_name(i) != NULL; i++) {
    lua_pushboolean(state, 1);
    lua_setfield(state, -2, jh_linked_name(i));
  }
  lua_setfield(state, -2, "built_in");
}

static void push_job(lua_State *state, const jh_bundler_job *job) {
  lua_newtable(state);
  lua_pushlstring(state, job->main.ptr, job->main.len);
  lua_setfield(state, -2, "main");
  lua_pushstring(state, job->name);
  lua_setfield(state, -2, "name");
  lua_pushboolean(state, job->keeps_source);
  lua_setfield(state, -2, "keeps_source");
  set_list(state, "modules", job->modules, job->module_count);
  set_list(state, "externals", job->externals, job->external_count);
  set_built_in(state);
  lua_createtable(state, (int)job->files->count, 0);
  for (size_t i = 0; i < job->files->count; i++) {
    jh_str name = job->files->entries[i].name;
    lua_pushlstring(state, name.ptr, name.len);
    lua_rawseti(state, -2, (int)i + 1);
  }
  lua_setfield(state, -2, "files");
  set_function(state, "text", text, job);
  set_function(state, "size", size, job);
  set_function(state, "copy", copy, job);
  set_function(state, "compress", compress_file, job);
  set_function(state, "add", add, job);
}

/* Called protected: leaves what is worth telling. */
static int run(lua_State *state) {
  static const char name[] = "justhttp.bundler";
  const jh_bundler_job *job = lua_touserdata(state, 1);
  luaL_openlibs(state);
  for (size_t i = 0; i < jh_embed_module_count; i++) {
    const jh_embed_module *module = &jh_embed_modules[i];
    if (strcmp(module->name, name) != 0) continue;
    if (luaL_loadbuffer(state, module->source, module->len, module->chunk_name))
      return lua_error(state);
    lua_call(state, 0, 1);
    lua_getfield(state, -1, "run");
    push_job(state, job);
    lua_call(state, 1, 1);
    return 1;
  }
  return luaL_error(state, "%s is not in this executable", name);
}

int jh_bundler_run(const jh_bundler_job *job, char *error, size_t error_bytes) {
  lua_State *state = luaL_newstate();
  if (state == NULL) {
    snprintf(error, error_bytes, "out of memory");
    return JH_ENOMEM;
  }
  lua_pushcfunction(state, run);
  lua_pushlightuserdata(state, (void *)(uintptr_t)job);
  int status = lua_pcall(state, 1, 1, 0);
  const char *message = lua_tostring(state, -1);
  snprintf(error, error_bytes, "%s", message != NULL ? message : "an error that is no text");
  lua_close(state);
  return status == 0 ? 0 : JH_EINVAL;
}
