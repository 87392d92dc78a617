/* arguments.c: a C function while Lua calls it: what it was given, what it returns.
 *
 * Results are kept here until the function is done and pushed then: pushing may raise an error, and
 * that must not unwind the function. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "embed/server.h"

_Static_assert((int)JH_VALUE_OTHER == (int)JH_NATIVE_OTHER, "kinds of values are the same");
_Static_assert((int)JH_VALUE_STRING == (int)JH_NATIVE_STRING, "kinds of values are the same");

void jh_arguments_clear(jh_arguments *arguments) {
  for (size_t i = 0; i < arguments->result_count; i++) jh_free(arguments->owned[i]);
  memset(arguments->owned, 0, sizeof arguments->owned);
  arguments->result_count = 0;
}

int jh_arguments_run(void *data, size_t index, struct lua_State *state,
                     const jh_native_value **results) {
  jh_server *server = data;
  const jh_declaration *declaration = &server->declarations[index];
  jh_arguments *arguments = &server->arguments;
  jh_arguments_clear(arguments);
  arguments->state = state;
  arguments->failure[0] = '\0';
  int rc = declaration->function(arguments, declaration->data);
  arguments->state = NULL;
  *results = arguments->results;
  if (rc >= 0) return (int)arguments->result_count;
  const char *text = arguments->failure[0] ? arguments->failure : jh_strerror(rc);
  arguments->results[0] = (jh_native_value){.kind = JH_NATIVE_STRING, .text = {text, strlen(text)}};
  return rc;
}

static jh_native_value argument_at(const jh_arguments *arguments, size_t index) {
  jh_native_value value;
  jh_native_argument(arguments->state, index, &value);
  return value;
}

size_t jh_arguments_count(const jh_arguments *arguments) {
  return jh_native_argument_count(arguments->state);
}

jh_value_kind jh_arguments_kind(const jh_arguments *arguments, size_t index) {
  return (jh_value_kind)argument_at(arguments, index).kind;
}

bool jh_arguments_boolean(const jh_arguments *arguments, size_t index, bool otherwise) {
  jh_native_value value = argument_at(arguments, index);
  return value.kind == JH_NATIVE_BOOLEAN ? value.boolean : otherwise;
}

double jh_arguments_number(const jh_arguments *arguments, size_t index, double otherwise) {
  jh_native_value value = argument_at(arguments, index);
  return value.kind == JH_NATIVE_NUMBER ? value.number : otherwise;
}

const char *jh_arguments_string(const jh_arguments *arguments, size_t index, size_t *len) {
  jh_native_value value = argument_at(arguments, index);
  if (value.kind != JH_NATIVE_STRING) return NULL;
  if (len) *len = value.text.len;
  return value.text.ptr;
}

void *jh_arguments_pointer(const jh_arguments *arguments, size_t index) {
  jh_native_value value = argument_at(arguments, index);
  return value.kind == JH_NATIVE_POINTER ? value.pointer : NULL;
}

static int add_result(jh_arguments *arguments, const jh_native_value *value) {
  if (arguments->result_count == JH_RESULTS_MAX) return JH_ELIMIT;
  arguments->results[arguments->result_count++] = *value;
  return 0;
}

int jh_arguments_return_nil(jh_arguments *arguments) {
  return add_result(arguments, &(jh_native_value){.kind = JH_NATIVE_NIL});
}

int jh_arguments_return_boolean(jh_arguments *arguments, bool value) {
  return add_result(arguments, &(jh_native_value){.kind = JH_NATIVE_BOOLEAN, .boolean = value});
}

int jh_arguments_return_number(jh_arguments *arguments, double value) {
  return add_result(arguments, &(jh_native_value){.kind = JH_NATIVE_NUMBER, .number = value});
}

int jh_arguments_return_string(jh_arguments *arguments, const char *bytes, size_t len) {
  if (arguments->result_count == JH_RESULTS_MAX) return JH_ELIMIT;
  char *owned = jh_try_alloc(len + 1);
  if (!owned) return JH_ENOMEM;
  memcpy(owned, bytes, len);
  owned[len] = '\0';
  arguments->owned[arguments->result_count] = owned;
  return add_result(arguments, &(jh_native_value){.kind = JH_NATIVE_STRING, .text = {owned, len}});
}

int jh_arguments_return_pointer(jh_arguments *arguments, void *value) {
  return add_result(arguments, &(jh_native_value){.kind = JH_NATIVE_POINTER, .pointer = value});
}

int jh_arguments_fail(jh_arguments *arguments, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(arguments->failure, sizeof arguments->failure, format, values);
  va_end(values);
  return JH_EINVAL;
}
