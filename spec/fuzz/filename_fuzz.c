/* filename_fuzz.c: sanitises a file name.
 *
 * The input is the name. What must hold of the result:
 *  - It is 1 to 255 bytes of well-formed UTF-8 without control bytes, separators and the other
 *    bytes that some system refuses, and does not begin or end in a dot or a space.
 *  - It is no device of Windows.
 *  - Sanitising it again changes nothing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "base/utf8.h"
#include "http/filename.h"

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "filename_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static jh_str sanitise(const void *raw, size_t len) {
  char *copy = malloc(len > 0 ? len : 1);
  char *out = malloc(JH_FILENAME_BYTES_MAX);
  MUST(copy != NULL && out != NULL);
  if (len > 0) memcpy(copy, raw, len);
  jh_str result = {out, jh_filename_sanitise((jh_str){copy, len}, out)};
  free(copy);
  return result;
}

static void check_device(jh_str name) {
  static const char *const devices[] = {"con", "prn", "aux",  "nul",  "conin$", "conout$",
                                        "com", "lpt", "com1", "lpt9", "com0"};
  for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
    size_t len = strlen(devices[i]);
    bool is_port_alone = len == 3 && i >= 6;
    if (is_port_alone || name.len < len || strncasecmp(name.ptr, devices[i], len) != 0) continue;
    size_t at = len;
    while (at < name.len && name.ptr[at] == ' ') at++;
    MUST(at < name.len && name.ptr[at] != '.');
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  jh_str name = sanitise(data, bytes);
  MUST(name.len >= 1 && name.len <= JH_FILENAME_BYTES_MAX);
  MUST(jh_utf8_is_valid(name));
  for (size_t i = 0; i < name.len; i++) {
    MUST((uint8_t)name.ptr[i] >= 0x20 && strchr("/\\<>:\"|?*\x7f", name.ptr[i]) == NULL);
  }
  MUST(strchr(". ", name.ptr[0]) == NULL && strchr(". ", name.ptr[name.len - 1]) == NULL);
  MUST(memmem(name.ptr, name.len, "\xe2\x80\xae", 3) == NULL);
  check_device(name);
  jh_str again = sanitise(name.ptr, name.len);
  MUST(jh_str_equal(name, again));
  free((char *)again.ptr);
  free((char *)name.ptr);
  return 0;
}
