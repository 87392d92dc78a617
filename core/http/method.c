/* method.c: the method table as data.
 *
 * The search by name is a walk, but one that compares a length and a letter before it compares
 * names, and the methods that most requests have are met first. */
#include "http/method.h"

#include <string.h>

_Static_assert(JH_METHOD_COUNT <= 64, "a set of methods is one uint64_t");

static const jh_str names[JH_METHOD_COUNT] = {
#define XX(number, name, text) [number] = {text, sizeof(text) - 1},
    JH_METHOD_MAP(XX)
#undef XX
};

jh_str jh_method_name(int method) {
  if (method < 0 || method >= JH_METHOD_COUNT) {
    return (jh_str){"", 0};
  }
  return names[method];
}

int jh_method_find(jh_str name) {
  for (int method = 0; method < JH_METHOD_COUNT; method++) {
    if (names[method].len == name.len && names[method].ptr[0] == name.ptr[0] &&
        memcmp(names[method].ptr, name.ptr, name.len) == 0) {
      return method;
    }
  }
  return -1;
}
