/* trailers.c: collecting trailer lines, and cutting them into names and values. */
#include "http/trailers.h"

#include <string.h>

#include "base/str.h"

enum { FIRST_CAPACITY = 256 };

int jh_trailers_try_append(jh_trailers *trailers, jh_arena *arena, const char *bytes, size_t len) {
  if (len > UINT32_MAX / 4 - trailers->len) return JH_ENOMEM;
  uint32_t wanted = trailers->len + (uint32_t)len;
  if (wanted > trailers->capacity) {
    uint32_t capacity = trailers->capacity ? trailers->capacity : FIRST_CAPACITY;
    while (capacity < wanted) capacity *= 2;
    char *text = jh_arena_try_alloc(arena, capacity);
    if (!text) return JH_ENOMEM;
    if (trailers->len) memcpy(text, trailers->text, trailers->len);
    trailers->text = text;
    trailers->capacity = capacity;
  }
  if (len) memcpy(trailers->text + trailers->len, bytes, len);
  trailers->len = wanted;
  return 0;
}

int jh_trailers_at(const jh_trailers *trailers, uint32_t index, jh_str *name, jh_str *value) {
  jh_str rest = {trailers->text, trailers->len};
  while (rest.len > 0) {
    const char *lf = memchr(rest.ptr, '\n', rest.len);
    const char *colon = memchr(rest.ptr, ':', rest.len);
    if (!lf || !colon || colon > lf) break;
    if (index-- == 0) {
      *name = (jh_str){rest.ptr, (size_t)(colon - rest.ptr)};
      *value = jh_str_trim((jh_str){colon + 1, (size_t)(lf - colon) - 2});
      return 0;
    }
    rest.len -= (size_t)(lf - rest.ptr) + 1;
    rest.ptr = lf + 1;
  }
  return JH_ENOTFOUND;
}
