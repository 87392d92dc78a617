/* native.c: the C functions behind lua/justhttp/native.lua, and access to a ctx from C.
 *
 * What touches Lua on behalf of C runs under lua_cpcall, so that an error of Lua (memory, an ended
 * ctx) comes back as a code and never unwinds the frames of the program. */
#include "lua/native.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>
#include <string.h>

#include "lua/vm_state.h"

/* ---- values ------------------------------------------------------------------------------ */

static void read_value(lua_State *state, int index, jh_native_value *out) {
  *out = (jh_native_value){.kind = JH_NATIVE_OTHER};
  switch (lua_type(state, index)) {
  case LUA_TNONE:
  case LUA_TNIL:
    out->kind = JH_NATIVE_NIL;
    break;
  case LUA_TBOOLEAN:
    out->kind = JH_NATIVE_BOOLEAN;
    out->boolean = lua_toboolean(state, index);
    break;
  case LUA_TNUMBER:
    out->kind = JH_NATIVE_NUMBER;
    out->number = lua_tonumber(state, index);
    break;
  case LUA_TSTRING:
    out->kind = JH_NATIVE_STRING;
    out->text.ptr = lua_tolstring(state, index, &out->text.len);
    break;
  case LUA_TLIGHTUSERDATA:
    out->kind = JH_NATIVE_POINTER;
    out->pointer = lua_touserdata(state, index);
    break;
  default:
    break;
  }
}

static void push_value(lua_State *state, const jh_native_value *value) {
  switch (value->kind) {
  case JH_NATIVE_BOOLEAN:
    lua_pushboolean(state, value->boolean);
    break;
  case JH_NATIVE_NUMBER:
    lua_pushnumber(state, value->number);
    break;
  case JH_NATIVE_STRING:
    lua_pushlstring(state, value->text.ptr, value->text.len);
    break;
  case JH_NATIVE_POINTER:
    lua_pushlightuserdata(state, value->pointer);
    break;
  default:
    lua_pushnil(state);
    break;
  }
}

typedef struct access {
  int ref;
  const char *part, *name;
  jh_native_value *out;
  const jh_native_value *in;
} access;

static int access_protected(lua_State *state) {
  const access *what = lua_touserdata(state, 1);
  lua_rawgeti(state, LUA_REGISTRYINDEX, what->ref);
  lua_getfield(state, -1, what->part);
  if (what->in) {
    push_value(state, what->in);
    lua_setfield(state, -2, what->name);
  } else {
    lua_getfield(state, -1, what->name);
    read_value(state, -1, what->out);
  }
  return 0;
}

static int run_access(const jh_native_frame *frame, access *what) {
  if (!frame->state) return JH_ESTALE;
  int status = lua_cpcall(frame->state, access_protected, what);
  if (status == 0) return 0;
  lua_pop(frame->state, 1);
  return status == LUA_ERRMEM ? JH_ENOMEM : JH_ESTALE;
}

void jh_native_get(const jh_native_frame *frame, const char *part, const char *name,
                   jh_native_value *out) {
  access what = {.ref = frame->ref, .part = part, .name = name, .out = out};
  *out = (jh_native_value){.kind = JH_NATIVE_NIL};
  if (run_access(frame, &what) < 0) *out = (jh_native_value){.kind = JH_NATIVE_NIL};
}

int jh_native_put(const jh_native_frame *frame, const char *name, const jh_native_value *value) {
  access what = {.ref = frame->ref, .part = "values", .name = name, .in = value};
  return run_access(frame, &what);
}

size_t jh_native_argument_count(lua_State *arguments) {
  return (size_t)lua_gettop(arguments);
}

void jh_native_argument(lua_State *arguments, size_t index, jh_native_value *out) {
  if (index >= (size_t)lua_gettop(arguments)) {
    *out = (jh_native_value){.kind = JH_NATIVE_NIL};
    return;
  }
  read_value(arguments, (int)index + 1, out);
}

/* ---- what native.lua calls --------------------------------------------------------------- */

static const jh_native_hooks *hooks_of(lua_State *state) {
  return lua_touserdata(state, lua_upvalueindex(1));
}

static void push_text(lua_State *state, jh_str text) {
  if (text.ptr) {
    lua_pushlstring(state, text.ptr, text.len);
  } else {
    lua_pushnil(state);
  }
}

/* entry(i) -> "route"|"middleware"|"function", name, method or function; nothing past the last. */
static int native_entry(lua_State *state) {
  static const char *const kinds[] = {"route", "middleware", "function"};
  const jh_native_hooks *hooks = hooks_of(state);
  jh_native_entry entry = {0};
  if (!hooks->entry(hooks->data, (size_t)luaL_checkinteger(state, 1), &entry)) return 0;
  lua_pushstring(state, kinds[entry.kind]);
  lua_pushstring(state, entry.name);
  if (entry.lua_function) {
    lua_pushcfunction(state, entry.lua_function);
  } else {
    lua_pushstring(state, entry.method);
  }
  return 3;
}

/* open(i, core ctx, ctx, wait id, body) -> exchange. A pointer in cdata is what it points to. */
static int native_open(lua_State *state) {
  const jh_native_hooks *hooks = hooks_of(state);
  jh_ctx *const *core = lua_topointer(state, 2);
  jh_str body = {NULL, 0};
  if (lua_type(state, 5) == LUA_TSTRING) body.ptr = lua_tolstring(state, 5, &body.len);
  lua_pushvalue(state, 3);
  jh_native_frame frame = {state, luaL_ref(state, LUA_REGISTRYINDEX)};
  void *exchange = hooks->open(hooks->data, (size_t)luaL_checkinteger(state, 1), *core, &frame,
                               (uint32_t)luaL_checknumber(state, 4), body);
  if (!exchange) {
    luaL_unref(state, LUA_REGISTRYINDEX, frame.ref);
    return luaL_error(state, "out of memory");
  }
  lua_pushlightuserdata(state, exchange);
  return 1;
}

static int native_run(lua_State *state) {
  hooks_of(state)->run(lua_touserdata(state, 1));
  return 0;
}

/* answer(exchange) -> outcome, status or nil, body or nil, failure or nil */
static int native_answer(lua_State *state) {
  jh_native_answer answer = {0};
  hooks_of(state)->answer(lua_touserdata(state, 1), &answer);
  lua_pushinteger(state, answer.outcome);
  if (answer.status) {
    lua_pushinteger(state, answer.status);
  } else {
    lua_pushnil(state);
  }
  push_text(state, answer.body);
  push_text(state, answer.failure);
  return 4;
}

static int native_header(lua_State *state) {
  jh_native_header header = {0};
  if (!hooks_of(state)->header(lua_touserdata(state, 1), (size_t)luaL_checkinteger(state, 2),
                               &header)) {
    return 0;
  }
  push_text(state, header.name);
  push_text(state, header.value);
  lua_pushboolean(state, header.append);
  return 3;
}

static int native_close(lua_State *state) {
  jh_native_frame frame = hooks_of(state)->close(lua_touserdata(state, 1));
  luaL_unref(state, LUA_REGISTRYINDEX, frame.ref);
  return 0;
}

static int native_fail_start(lua_State *state) {
  size_t len = 0;
  const char *text = luaL_checklstring(state, 1, &len);
  const jh_native_hooks *hooks = hooks_of(state);
  hooks->fail_start(hooks->data, text, len);
  return 0;
}

/* A function of the program; its index is the second upvalue. */
static int call_function(lua_State *state) {
  const jh_native_hooks *hooks = hooks_of(state);
  const jh_native_value *results = NULL;
  size_t index = (size_t)lua_tointeger(state, lua_upvalueindex(2));
  int count = hooks->run_function(hooks->data, index, state, &results);
  if (count < 0) {
    luaL_where(state, 1);
    push_text(state, results[0].text);
    lua_concat(state, 2);
    return lua_error(state);
  }
  luaL_checkstack(state, count, "results");
  for (int i = 0; i < count; i++) push_value(state, &results[i]);
  return count;
}

/* call(i) -> the function that runs it */
static int native_function(lua_State *state) {
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_pushinteger(state, luaL_checkinteger(state, 1));
  lua_pushcclosure(state, call_function, 2);
  return 1;
}

/* ---- installing -------------------------------------------------------------------------- */

static int install_protected(lua_State *state) {
  static const luaL_Reg functions[] = {
      {"entry", native_entry},
      {"open", native_open},
      {"run", native_run},
      {"answer", native_answer},
      {"header", native_header},
      {"close", native_close},
      {"function_at", native_function},
      {"fail_start", native_fail_start},
  };
  void *hooks = lua_touserdata(state, 1);
  luaL_findtable(state, LUA_REGISTRYINDEX, "_LOADED", 1);
  lua_newtable(state);
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    lua_pushlightuserdata(state, hooks);
    lua_pushcclosure(state, functions[i].func, 1);
    lua_setfield(state, -2, functions[i].name);
  }
  lua_setfield(state, -2, "justhttp.native_core");
  return 0;
}

int jh_native_install(jh_vm *vm, const jh_native_hooks *hooks) {
  lua_State *state = vm->state;
  if (lua_cpcall(state, install_protected, (void *)(uintptr_t)hooks) == 0) return 0;
  lua_pop(state, 1);
  return JH_ENOMEM;
}

lua_State *jh_native_main_state(jh_vm *vm) {
  return vm->state;
}
