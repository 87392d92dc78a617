/* mime_fuzz.c: looks up media types.
 *
 * The input is a path. What must hold:
 *  - No byte outside the path is read (it is a block of its own under ASan).
 *  - There is always a type; it does not depend on the case of the path, nor on the directories.
 *  - An extension that is known gives its type whatever name it ends. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/mime.h"

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "mime_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

/* Looks up a copy: before it `prefix`, its letters in upper case if wanted. */
static jh_str look_up(const char *prefix, jh_str path, bool is_upper,
                      jh_str (*lookup)(jh_str text)) {
  size_t prefix_len = strlen(prefix);
  size_t len = prefix_len + path.len;
  char *copy = malloc(len > 0 ? len : 1);
  MUST(copy != NULL);
  memcpy(copy, prefix, prefix_len);
  for (size_t i = 0; i < path.len; i++) {
    char byte = path.ptr[i];
    bool is_lower_letter = byte >= 'a' && byte <= 'z';
    copy[prefix_len + i] = (char)(is_upper && is_lower_letter ? byte - 32 : byte);
  }
  jh_str type = lookup((jh_str){copy, len});
  free(copy);
  return type;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  jh_str path = {(const char *)data, bytes};
  jh_str type = look_up("", path, false, jh_mime_of_path);
  MUST(type.len > 2 && memchr(type.ptr, '/', type.len) != NULL);
  MUST(type.ptr == look_up("", path, true, jh_mime_of_path).ptr);
  MUST(type.ptr == look_up("/a.css/", path, false, jh_mime_of_path).ptr);
  jh_str known = look_up("", path, false, jh_mime_of_extension);
  MUST(known.ptr == look_up("", path, true, jh_mime_of_extension).ptr);
  if (known.ptr != NULL) MUST(known.ptr == look_up("name.", path, false, jh_mime_of_path).ptr);
  return 0;
}
