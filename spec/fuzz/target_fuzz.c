/* target_fuzz.c: splits a request-target and normalises its path.
 *
 * The input is one letter for the method (C CONNECT, O OPTIONS, else GET), then the target.
 * What must hold:
 *  - No byte outside the target is read (it is a block of its own under ASan).
 *  - The parts are slices of the target and put together again give it.
 *  - A plain path is its own normal form and has no escape; every other path is not plain.
 *  - The normal form is what fasthttp's rules give when they are applied one after the other, each
 *    to the whole text, as its source does; plus that a "." at the end goes as any other does.
 *  - It starts with '/', is never longer than the raw path, has no "//", "/./", "/../", and
 *    normalising it again changes nothing unless an escape appeared by decoding. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/method.h"
#include "http/target.h"

#define MUST(condition)                           \
  do {                                            \
    if (!(condition)) fail(#condition, __LINE__); \
  } while (0)

static void fail(const char *condition, int line) {
  fprintf(stderr, "target_fuzz.c:%d: %s does not hold\n", line, condition);
  abort();
}

static void *allocate(size_t bytes) {
  void *memory = malloc(bytes > 0 ? bytes : 1);
  MUST(memory != NULL);
  return memory;
}

static int hex(char digit) {
  const char *digits = "0123456789abcdef0123456789ABCDEF";
  const char *found = digit != '\0' ? strchr(digits, digit) : NULL;
  return found == NULL ? -1 : (int)((found - digits) % 16);
}

/* Removes [from, to) from the text. */
static void cut(char *text, char *from, const char *to) {
  memmove(from, to, strlen(to) + 1);
  MUST(from >= text);
}

/* The '/' before the one at `at`, or that one when it is the first. */
static char *slash_before(char *text, char *at) {
  char *before = at;
  while (before > text) {
    if (*--before == '/') return before;
  }
  return at;
}

/* The normal form, rule by rule; a NUL-terminated block, or NULL when the path holds a NUL. */
static char *normalise_slowly(jh_str raw) {
  char *text = allocate(raw.len + 2);
  size_t len = 0;
  if (raw.len == 0 || raw.ptr[0] != '/') text[len++] = '/';
  for (size_t n = 0; n < raw.len; n++) {
    char byte = raw.ptr[n];
    if (byte == '%' && n + 2 < raw.len && hex(raw.ptr[n + 1]) >= 0 && hex(raw.ptr[n + 2]) >= 0) {
      byte = (char)(hex(raw.ptr[n + 1]) * 16 + hex(raw.ptr[n + 2]));
      n += 2;
    }
    if (byte == '\0') {
      free(text);
      return NULL;
    }
    text[len++] = byte;
  }
  text[len] = '\0';
  char *at;
  while ((at = strstr(text, "//")) != NULL) cut(text, at, at + 1);
  while ((at = strstr(text, "/./")) != NULL) cut(text, at, at + 2);
  while ((at = strstr(text, "/../")) != NULL) cut(text, slash_before(text, at), at + 3);
  len = strlen(text);
  if (len >= 3 && strcmp(text + len - 3, "/..") == 0) {
    slash_before(text, text + len - 3)[1] = '\0';
  } else if (len >= 2 && strcmp(text + len - 2, "/.") == 0) {
    text[len - 1] = '\0';
  }
  return text;
}

static bool contains(jh_str text, const char *part) {
  return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static bool ends_with(jh_str text, const char *part) {
  size_t len = strlen(part);
  return text.len >= len && memcmp(text.ptr + text.len - len, part, len) == 0;
}

static void check_normal_form(jh_str raw, jh_str path) {
  MUST(path.len >= 1 && path.ptr[0] == '/');
  MUST(path.len <= raw.len || (raw.len == 0 && path.len == 1) ||
       (raw.ptr[0] != '/' && path.len == raw.len + 1));
  MUST(!contains(path, "//") && !contains(path, "/./") && !contains(path, "/../"));
  MUST(!ends_with(path, "/.") && !ends_with(path, "/.."));
  MUST(memchr(path.ptr, '\0', path.len) == NULL);
  if (memchr(path.ptr, '%', path.len) == NULL) {
    char *again = allocate(path.len + 1);
    size_t len = 0;
    MUST(jh_target_normalise(path, again, &len) == 0);
    MUST(jh_str_equal(path, (jh_str){again, len}));
    free(again);
  }
}

static void check_path(jh_str raw, bool is_plain) {
  char *out = allocate(raw.len + 1);
  char *expected = normalise_slowly(raw);
  size_t len = 0;
  int result = jh_target_normalise(raw, out, &len);
  MUST(result == (expected == NULL ? JH_EINVAL : 0));
  if (result == 0) {
    jh_str path = {out, len};
    MUST(jh_str_equal(path, jh_str_of(expected)));
    check_normal_form(raw, path);
    bool has_escape = raw.len > 0 && memchr(raw.ptr, '%', raw.len) != NULL;
    MUST(is_plain == (!has_escape && jh_str_equal(path, raw)));
  } else {
    MUST(!is_plain);
  }
  free(expected);
  free(out);
}

static void check_parts(jh_str target, const jh_target *parts) {
  size_t len = 0;
  char *whole = allocate(target.len + 8);
  if (parts->form == JH_TARGET_ABSOLUTE || (parts->form == JH_TARGET_ASTERISK && target.len > 1)) {
    const char *scheme = parts->is_https ? "https://" : "http://";
    len = strlen(scheme);
    MUST(target.len >= len && strncasecmp(target.ptr, scheme, len) == 0);
    memcpy(whole, target.ptr, len);
  }
  if (parts->host.len > 0) {
    MUST(parts->host.ptr == target.ptr + len);
    MUST(jh_target_host_is_valid(parts->host));
    memcpy(whole + len, parts->host.ptr, parts->host.len);
    len += parts->host.len;
  }
  memcpy(whole + len, parts->path_raw.ptr, parts->path_raw.len);
  len += parts->path_raw.len;
  if (parts->has_query) {
    whole[len++] = '?';
    memcpy(whole + len, parts->query.ptr, parts->query.len);
    len += parts->query.len;
  }
  if (parts->form == JH_TARGET_ASTERISK && target.len == 1) whole[len++] = '*';
  MUST(jh_str_equal(target, (jh_str){whole, len}));
  for (size_t n = 0; n < len; n++) MUST(whole[n] > 0x20 && whole[n] < 0x7f && whole[n] != '#');
  free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes == 0) return 0;
  int method = data[0] == 'C'   ? JH_METHOD_CONNECT
               : data[0] == 'O' ? JH_METHOD_OPTIONS
                                : JH_METHOD_GET;
  size_t len = bytes - 1;
  char *copy = allocate(len);
  if (len > 0) memcpy(copy, data + 1, len);
  jh_str target = {copy, len};
  jh_target parts;
  if (jh_target_split(target, method, &parts) == 0) {
    check_parts(target, &parts);
    check_path(parts.path_raw, parts.path_is_plain);
    MUST((parts.form == JH_TARGET_AUTHORITY) == (method == JH_METHOD_CONNECT));
    MUST(parts.form != JH_TARGET_ASTERISK || method == JH_METHOD_OPTIONS);
  }
  /* Normalising must be safe for any bytes; only split says which paths may be plain. */
  char *out = allocate(len + 1);
  size_t out_len = 0;
  char *expected = normalise_slowly(target);
  if (jh_target_normalise(target, out, &out_len) == 0) {
    MUST(expected != NULL && jh_str_equal(jh_str_of(expected), (jh_str){out, out_len}));
    check_normal_form(target, (jh_str){out, out_len});
  } else {
    MUST(expected == NULL);
  }
  free(expected);
  free(out);
  free(copy);
  return 0;
}
